/* SPDX-License-Identifier: Apache-2.0 */
/* Role syslog with sanitizers, for ship_servers.py. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "init/ship/ship.h"

/* Where mbedtls gets its chance from (lib/tls_base.c), linked by --wrap. */
int __wrap_mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);
int __real_mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen);

int __wrap_mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
	/* Who gets here is about to use mbedtls: that is nothing for a process with rights. */
	if (getuid() == 0) {
		(void)fputs("<3>syslog: mbedtls at work as root\n", stderr);
		abort();
	}
	return __real_mbedtls_hardware_poll(data, output, len, olen);
}

/* Its root has no /proc, where these would be read out of the environment. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1";
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "--syslog-files") == 0)
		return ship_files_main();
	return ship_main("/role");
}
