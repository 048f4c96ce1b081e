/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the machine is called: /etc/hosts of netd's roles follows the kernel's host name, and
 * init is told of the one that DHCP servers give. Run by netd main. It must never set the name
 * itself: hoy.ini is init's, and a name there wins.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main_tell.h"

static struct {
	struct loop_io io;		/* /proc/sys/kernel/hostname: a change wakes who polls it */
	char leased[DHCP_HOSTNAME_MAX]; /* init was told of it */
	bool told;
} name;

static void write_hosts(const struct netd *netd)
{
	OWN(buf_done) struct buf file = { 0 };
	char own[65] = "";
	struct err err;

	buf_init(&file, 1024);
	buf_add_text(&file, "127.0.0.1 localhost\n::1 localhost\n");
	if (gethostname(own, sizeof(own) - 1) == 0 && domain_ok(str_from(own)) &&
	    strcmp(own, "localhost") != 0)
		buf_printf(&file, "127.0.1.1 %s\n", own);
	if (fs_replace(netd->etc_fd, "hosts", file.data, file.len, 0644, &err) < 0)
		log_err("write hosts: %s", err_text(&err));
}

static void changed(struct loop_io *io, uint32_t events)
{
	(void)events;
	write_hosts(io->owner);
}

void main_name_start(struct netd *netd)
{
	int fd = fs_open(netd->sysctl_fd, "kernel/hostname", FS_BENEATH, O_RDONLY, 0, NULL);

	write_hosts(netd);
	/* For as long as netd runs. Where it cannot be watched the name of the start stays. */
	if (fd >= 0 && loop_add(&netd->loop, &name.io, fd, EPOLLPRI, changed, netd, NULL) < 0)
		own_close(&fd);
}

void main_name_tell(struct netd *netd)
{
	const char *leased = uplink_hostname(&netd->uplinks);

	if (!leased || (name.told && !strcmp(leased, name.leased)))
		return;
	name.told = true;
	(void)str_copy(str_from(leased), name.leased, sizeof(name.leased));
	main_init_hostname(netd, leased);
}
