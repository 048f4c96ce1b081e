/* SPDX-License-Identifier: Apache-2.0 */
/* Role syslog with sanitizers, for ship_servers.py. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include "init/ship/ship.h"

/* Where mbedtls gets its chance from: the program has it in init/console/remote_tls.c. */
int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
	(void)data;
	/* Who gets here is about to use mbedtls: that is nothing for a process with rights. */
	if (getuid() == 0) {
		(void)fputs("<3>syslog: mbedtls at work as root\n", stderr);
		abort();
	}
	*olen = len;
	return getrandom(output, len, 0) == (ssize_t)len ? 0 : -1;
}

/* Its root has no /proc, where these would be read out of the environment. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1";
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	return ship_main();
}
