/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the life of the data partition. Runs in init's disk role. Must never format what
 * search_data() did not allow, and never re-make a damaged file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "init/boot_data.h"
#include "init/boot_mounts.h"
#include "init/boot_search.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/spawn.h"

#define DATA_EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t) /* linux/fs/ext4/ext4.h */
#define MKE2FS			"/usr/sbin/mke2fs"
#define E2FSCK			"/usr/sbin/e2fsck"

enum { LOOK_EVERY_MS = 5000, TOOL_BROKEN = 256, BLOCK_BYTES = 4096, FORMAT_LIMIT_MS = 300000 };

void boot_data_init(struct boot_data *data, struct loop *loop, const char *selector,
		    void (*changed)(struct boot_data *data), void *owner)
{
	*data = (struct boot_data){ .loop = loop,
				    .selector = selector,
				    .tool_pidfd = -1,
				    .changed = changed,
				    .owner = owner };
	data->tool_io.fd = -1;
}

/* Why nothing is written any more, "" = all is well. Asks the kernel only, never the disk. */
static const char *loss_of(const struct boot_data *data)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/data", FS_HOST, O_PATH | O_DIRECTORY, 0, NULL);
	char node[DISK_NAME_MAX + 24];
	struct statvfs st;

	snprintf(node, sizeof(node), "/sys/class/block/%s", data->disk.name);
	if (data->disk.name[0] != '\0' && !fs_exists(AT_FDCWD, node, FS_HOST))
		return "is gone: nothing is kept any more; put the disk back and reboot";
	if (fd >= 0 && fstatvfs(fd, &st) == 0 && (st.f_flag & ST_RDONLY) != 0)
		return "took no more writes (see `log kernel`) and is read-only: nothing is kept "
		       "any more; a reboot checks it";
	return "";
}

static void set_state(struct boot_data *data, enum init_data_state state, const char *text);

static void look_due(struct loop_timer *timer)
{
	struct boot_data *data = timer->owner;
	const char *why = loss_of(data);
	char text[240];

	if (why[0] == '\0') {
		loop_timer_set(data->loop, timer, LOOK_EVERY_MS, look_due, data);
		return;
	}
	snprintf(text, sizeof(text), "/dev/%s %s",
		 data->disk.name[0] != '\0' ? data->disk.name : "?", why);
	log_err("data: %s", text);
	set_state(data, INIT_DATA_LOST, text);
}

static void set_state(struct boot_data *data, enum init_data_state state, const char *text)
{
	data->state = state;
	snprintf(data->text, sizeof(data->text), "%s", text);
	if (state == INIT_DATA_READY)
		loop_timer_set(data->loop, &data->look, LOOK_EVERY_MS, look_due, data);
	data->changed(data);
}

/* ---- tools ---- */

/* Exit status of a finished tool; TOOL_BROKEN when a signal ended it. */
static int tool_status(int pidfd)
{
	siginfo_t info = { 0 };
	int r;

	do {
		r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	} while (r < 0 && errno == EINTR);
	return r == 0 && info.si_code == CLD_EXITED ? info.si_status : TOOL_BROKEN;
}

static void tool_ended(struct loop_io *io, uint32_t events)
{
	struct boot_data *data = io->owner;
	int status = tool_status(data->tool_pidfd);

	(void)events;
	loop_remove(data->loop, &data->tool_io);
	own_close(&data->tool_pidfd);
	data->tool_done(data, status);
}

static int tool_spawn(const char *const *argv, int *ret_pidfd, struct err *err)
{
	struct spawn spawn;
	pid_t pid;

	spawn_init(&spawn, argv[0], argv);
	spawn.log_fd = STDERR_FILENO;
	spawn.parent_death_signal = SIGKILL;
	return spawn_start(&spawn, &pid, ret_pidfd, err);
}

static int tool_start(struct boot_data *data, const char *const *argv,
		      void (*done)(struct boot_data *data, int status), struct err *err)
{
	int r = tool_spawn(argv, &data->tool_pidfd, err);

	if (r < 0)
		return r;
	data->tool_done = done;
	return loop_add(data->loop, &data->tool_io, data->tool_pidfd, EPOLLIN, tool_ended, data,
			err);
}

/* ---- format ---- */

struct format_args {
	char device[DISK_NAME_MAX + 8];
	char blocks[24];
	const char *argv[24];
};

static const char *const *format_args(const struct disk *disk, struct format_args *args)
{
	const char *const fixed[] = {
		MKE2FS,
		"-q",
		"-F",
		"-t",
		"ext4",
		"-b",
		"4096",
		"-m",
		"2",
		"-L",
		SEARCH_DATA_LABEL,
		"-O",
		"verity,quota,project,metadata_csum,64bit,extent",
		"-E",
		"lazy_itable_init=1,lazy_journal_init=0,nodiscard,"
		"quotatype=usrquota:grpquota:prjquota",
	};
	size_t n = ARRAY_LEN(fixed);

	memcpy(args->argv, fixed, sizeof(fixed));
	snprintf(args->blocks, sizeof(args->blocks), "%llu",
		 (unsigned long long)((disk->bytes - DISK_MARK_ZONE_BYTES) / BLOCK_BYTES));
	args->argv[n++] = disk_path(disk->name, args->device);
	args->argv[n++] = args->blocks;
	args->argv[n] = NULL;
	return args->argv;
}

static void mount_disk(struct boot_data *data);

static void format_done(struct boot_data *data, int status)
{
	struct err err = { 0 };
	char text[240];

	if (status == 0 && disk_mark_set(&data->disk, 0, data->disk.bytes, false, &err) == 0) {
		data->checked = true;
		mount_disk(data);
		return;
	}
	snprintf(text, sizeof(text),
		 "formatting /dev/%s failed (mke2fs exit %d) %.100s; see `log disk`",
		 data->disk.name, status, status == 0 ? err_text(&err) : "");
	set_state(data, INIT_DATA_FAILED, text);
}

static void format_begin(struct boot_data *data)
{
	struct format_args args;
	struct err err = { 0 };
	char text[240];

	snprintf(text, sizeof(text), "formatting /dev/%s (%llu MiB)", data->disk.name,
		 (unsigned long long)(data->disk.bytes >> 20));
	set_state(data, INIT_DATA_FORMATTING, text);
	if (disk_mark_set(&data->disk, 0, data->disk.bytes, true, &err) == 0 &&
	    tool_start(data, format_args(&data->disk, &args), format_done, &err) == 0)
		return;
	snprintf(text, sizeof(text), "formatting /dev/%s failed: %.180s", data->disk.name,
		 err_text(&err));
	set_state(data, INIT_DATA_FAILED, text);
}

/* ---- check ---- */

static void damaged(struct boot_data *data, const char *what)
{
	char text[240];

	snprintf(text, sizeof(text),
		 "/dev/%s is damaged: %.80s. Nothing on it was changed further. Save it with "
		 "another "
		 "machine, or give it up with `factory-reset`",
		 data->disk.name, what);
	set_state(data, INIT_DATA_DAMAGED, text);
}

enum check_how { CHECK_PLAIN, CHECK_FORCED, CHECK_BY_BACKUP, CHECK_YES };

static const char *const check_why[] = {
	[CHECK_PLAIN] = "it was not unmounted orderly",
	[CHECK_FORCED] = "errors are noted in it, or it cannot be mounted",
	[CHECK_BY_BACKUP] = "its superblock cannot be read",
	[CHECK_YES] = "not everything is repaired without a question",
};

static void check_begin(struct boot_data *data, enum check_how how);
static int mount_at_data(const char *device, unsigned long flags, const char *more,
			 struct err *err);

/*
 * Whether its groups and its root directory can be read: then what e2fsck asks about are single
 * inodes, and a person would say yes. Nobody may ever come; but what has lost its root is left to
 * one.
 */
static bool stands(const struct boot_data *data)
{
	char device[DISK_NAME_MAX + 8];
	struct err err = { 0 };

	if (mount_at_data(disk_path(data->disk.name, device), MS_RDONLY, ",noload", &err) < 0) {
		log_warn("not repaired further: %s", err_text(&err));
		return false;
	}
	return fs_umount(AT_FDCWD, "/data", 0, NULL) == 0;
}

static void check_done(struct boot_data *data, int status)
{
	char text[100];

	data->checked = true;
	if (status >= 0 && status <= 3) { /* e2fsck(8): 1 and 2 = everything was repaired */
		if (status != 0)
			log_notice("e2fsck repaired /dev/%s (exit %d)", data->disk.name, status);
		mount_disk(data);
		return;
	}
	if (!data->asked && stands(data)) {
		check_begin(data, CHECK_YES);
		return;
	}
	snprintf(text, sizeof(text), "e2fsck -%c could not repair it (exit %d, see `log disk`)",
		 data->asked ? 'y' : 'p', status);
	damaged(data, text);
}

static void check_begin(struct boot_data *data, enum check_how how)
{
	char device[DISK_NAME_MAX + 8], text[240];
	const char *argv[9] = { E2FSCK, how == CHECK_YES ? "-y" : "-p" };
	struct err err = { 0 };
	size_t n = 2;

	data->asked = how == CHECK_YES;
	if (how != CHECK_PLAIN)
		argv[n++] = "-f";
	if (how == CHECK_BY_BACKUP) { /* the copy in the second block group */
		argv[n++] = "-b";
		argv[n++] = "32768";
		argv[n++] = "-B";
		argv[n++] = "4096";
	}
	argv[n++] = disk_path(data->disk.name, device);
	argv[n] = NULL;
	snprintf(text, sizeof(text), "checking %s: %s", device, check_why[how]);
	set_state(data, INIT_DATA_CHECKING, text);
	if (tool_start(data, argv, check_done, &err) == 0)
		return;
	/* Without the tool the kernel's journal replay is what is left. */
	log_warn("%s not checked: %s", device, err_text(&err));
	data->checked = true;
	mount_disk(data);
}

/* ---- mount ---- */

static int mount_at_data(const char *device, unsigned long flags, const char *more, struct err *err)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/data", FS_HOST, O_RDONLY | O_DIRECTORY, 0, err);
	char options[64];

	if (fd < 0)
		return fd;
	snprintf(options, sizeof(options), "errors=remount-ro,resuid=920,prjquota%s", more);
	return fs_mount(device, fd, "ext4", MS_RELATIME | flags, options, err);
}

static void mount_disk(struct boot_data *data)
{
	char device[DISK_NAME_MAX + 8], text[240];
	struct err err = { 0 };

	if (mount_at_data(disk_path(data->disk.name, device), 0, "", &err) == 0) {
		snprintf(text, sizeof(text), "%s (%llu MiB)", device,
			 (unsigned long long)(data->disk.bytes >> 20));
		set_state(data, INIT_DATA_READY, text);
		return;
	}
	if (!data->checked) {
		log_warn("%s, checking it", err_text(&err));
		check_begin(data, CHECK_FORCED);
		return;
	}
	damaged(data, err_text(&err));
}

static void use_disk(struct boot_data *data, struct disk_list *list)
{
	struct probe_ext4 info;
	const struct disk *fresh;

	data->checked = data->asked = false;
	if (disk_ext4(data->disk.name, &info) && !info.clean) {
		check_begin(data, info.has_errors ? CHECK_FORCED : CHECK_PLAIN);
		return;
	}
	if (search_grow_partition(list, &data->disk) && disk_list_read(list, NULL) == 0) {
		fresh = disk_find(list, data->disk.name);
		if (fresh != NULL)
			data->disk = *fresh;
	}
	mount_disk(data);
}

/* After a restart of this role: /data may be mounted already. */
static bool adopt_mount(struct boot_data *data, const struct disk_list *list)
{
	char source[64], text[240];
	const struct disk *disk;

	if (!boot_mounts_find("/data", source, sizeof(source)))
		return false;
	disk = strncmp(source, "/dev/", 5) == 0 ? disk_find(list, source + 5) : NULL;
	if (disk != NULL)
		data->disk = *disk;
	snprintf(text, sizeof(text), "%s (%llu MiB)", source,
		 (unsigned long long)(data->disk.bytes >> 20));
	set_state(data, INIT_DATA_READY, text);
	return true;
}

void boot_data_start(struct boot_data *data)
{
	static struct disk_list list;
	enum search_verdict verdict;
	char why[SEARCH_WHY_MAX];
	struct err err;

	if (data->tool_pidfd >= 0 || data->state == INIT_DATA_READY ||
	    data->state == INIT_DATA_LOST || data->state == INIT_DATA_DAMAGED)
		return;
	if (disk_list_read(&list, &err) < 0) {
		set_state(data, INIT_DATA_FAILED, err_text(&err));
		return;
	}
	if (adopt_mount(data, &list))
		return;
	verdict = search_data(&list, data->selector, &data->disk, why);
	switch (verdict) {
	case SEARCH_NONE:
	case SEARCH_OFF:
		if (data->state != INIT_DATA_ABSENT || strcmp(data->text, why) != 0)
			set_state(data, INIT_DATA_ABSENT, why);
		break;
	case SEARCH_FOUND:
		use_disk(data, &list);
		break;
	case SEARCH_FORMAT:
		format_begin(data);
		break;
	case SEARCH_DAMAGED:
		check_begin(data, CHECK_BY_BACKUP);
		break;
	case SEARCH_REFUSED:
		if (data->state != INIT_DATA_FAILED || strcmp(data->text, why) != 0)
			set_state(data, INIT_DATA_FAILED, why);
		break;
	}
}

const char *boot_data_remark(const struct boot_data *data)
{
	return data->asked ? "; disk repaired by e2fsck -y, see `log disk`" : "";
}

void boot_data_grow(struct boot_data *data)
{
	OWN_FD int fd = fs_open(AT_FDCWD, "/data", FS_HOST, O_RDONLY | O_DIRECTORY, 0, NULL);
	struct probe_ext4 info;
	uint64_t blocks;

	if (fd < 0 || data->disk.bytes == 0 || !disk_ext4(data->disk.name, &info))
		return;
	blocks = (data->disk.bytes - DISK_MARK_ZONE_BYTES) / info.block_bytes;
	if (blocks < info.blocks + GPT_ALIGN_BYTES / info.block_bytes)
		return;
	if (ioctl(fd, DATA_EXT4_IOC_RESIZE_FS, &blocks) < 0)
		log_warn("the file system on /dev/%s keeps its size: %s", data->disk.name,
			 err_name(errno));
	else
		log_notice("data grown from %llu to %llu MiB",
			   (unsigned long long)(info.blocks * info.block_bytes >> 20),
			   (unsigned long long)(blocks * info.block_bytes >> 20));
}

/* ---- the end ---- */

bool boot_data_unmount(struct boot_data *data, int64_t limit_ms)
{
	struct mono end = mono_add_ms(mono_now(), limit_ms);
	struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct err err = { 0 };
	bool clean = true;

	loop_timer_stop(data->loop, &data->look);
	if (data->state == INIT_DATA_LOST)
		log_notice("/data was lost before");
	if (data->tool_pidfd >= 0)
		(void)spawn_signal(data->tool_pidfd, SIGTERM, NULL);
	while (boot_mounts_drop("/data", "/run/hoy/engine", 0, &err) < 0) {
		if (mono_before(end, mono_now())) {
			clean = false;
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (!clean) {
		log_err("%s; making it read-only by force", err_text(&err));
		(void)boot_mounts_read_only("/data");
		(void)boot_mounts_drop("/data", "/run/hoy/engine", MNT_DETACH, NULL);
		sync();
	}
	return clean;
}

int boot_data_reset(struct boot_data *data, struct err *err)
{
	struct format_args args;
	struct pollfd poll_fd = { .events = POLLIN };
	OWN_FD int pidfd = -1;
	int r, status;

	if (data->disk.name[0] == '\0')
		return err_set(err, -ENODEV, "there is no data disk to reset");
	log_notice("factory reset: formatting /dev/%s", data->disk.name);
	r = disk_mark_set(&data->disk, 0, data->disk.bytes, true, err);
	if (r == 0)
		r = tool_spawn(format_args(&data->disk, &args), &pidfd, err);
	if (r < 0)
		return r;
	poll_fd.fd = pidfd;
	if (poll(&poll_fd, 1, FORMAT_LIMIT_MS) != 1)
		return err_set(err, -ETIMEDOUT, "mke2fs did not end");
	status = tool_status(pidfd);
	if (status != 0)
		return err_set(err, -EIO, "mke2fs: exit %d", status);
	return disk_mark_set(&data->disk, 0, data->disk.bytes, false, err);
}
