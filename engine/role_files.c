/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files role: walks trees that images, containers and users filled, for engine main. No
 * network, an empty root of its own, the capabilities that owners and modes need and no other. Must
 * never touch anything but the trees whose fds came with the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "engine/api/files_msg.h"
#include "engine/files/files.h"
#include "engine/role.h"
#include "engine/role_start.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/own.h"

enum { ROLE_FD_USERNS = 4, ROLE_FILES_MAX = 128, ROLE_BODY_MAX = 4 << 20 };
#define ROLE_MEMORY_MAX (UINT64_C(2) << 30)

static void reply(struct msg_peer *peer, const struct msg *msg, int result, struct buf *body,
		  struct err *err)
{
	if (result == 0 && buf_error(body) < 0)
		result = err_set(err, buf_error(body), "files: answer does not fit");
	if (result < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, buf_str(body), NULL, 0);
}

static int malformed(const struct msg *msg, struct err *err)
{
	return err_set(err, -EBADMSG, "files: malformed message %u", msg->type);
}

static void on_diff(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int upper = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	static struct files_diff_rules rules;
	struct files_totals totals;
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 64);
	rules = (struct files_diff_rules){ .newest_s = INT64_MAX };
	wire_init(&in, msg->body.ptr, msg->body.len);
	if (msg->body.len > 0) {
		rules.newest_s = wire_i64(&in);
		rules.stub_count = wire_count(&in, FILES_STUBS_MAX);
		for (uint32_t i = 0; i < rules.stub_count; i++)
			rules.stubs[i] = wire_str(&in, FILES_PATH_MAX - 1);
	}
	int r = wire_end(&in) < 0 ? malformed(msg, &err)
				  : files_diff(upper, out, &rules, &totals, &err);
	if (r == 0) {
		wire_put_u64(&body, totals.files);
		wire_put_u64(&body, totals.bytes);
	}
	own_close(&out); /* pack reads to the end of file */
	reply(peer, msg, r, &body, &err);
}

/* The body of COPY and HASH; slices into the message. */
static int get_copy(const struct msg *msg, struct files_copy *ret_copy, struct err *err)
{
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	files_copy_get(&in, ret_copy);
	return wire_end(&in) < 0 ? malformed(msg, err) : 0;
}

static void on_copy(struct msg_peer *peer, struct msg *msg)
{
	static struct files_copy copy;
	struct buf body OWN(buf_done) = { 0 }, archives OWN(buf_done) = { 0 };
	struct files_totals totals = { 0 };
	uint32_t count = 0;
	struct err err = { 0 };
	buf_init(&body, ROLE_BODY_MAX);
	buf_init(&archives, ROLE_BODY_MAX - 64);
	int r = get_copy(msg, &copy, &err);
	if (r == 0)
		r = files_add(msg->fds[0], msg->fds[1], &copy, &totals,
			      copy.unpack ? &archives : NULL, &count, &err);
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	wire_put_u32(&body, count);
	wire_put_bytes(&body, archives.data, archives.len);
	reply(peer, msg, r, &body, &err);
}

static void on_hash(struct msg_peer *peer, struct msg *msg)
{
	static struct files_copy copy;
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest = { 0 };
	struct files_totals totals = { 0 };
	struct err err = { 0 };
	buf_init(&body, 64);
	int r = get_copy(msg, &copy, &err);
	if (r == 0)
		r = files_hash(msg->fds[0], &copy, &digest, &totals, &err);
	wire_put_bytes(&body, digest.bytes, sizeof(digest.bytes));
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	reply(peer, msg, r, &body, &err);
}

static void on_sum(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct digest digest = { 0 };
	uint64_t bytes = 0;
	struct err err = { 0 };
	buf_init(&body, 64);
	int r = files_sum(msg->fds[0], &digest, &bytes, &err);
	wire_put_bytes(&body, digest.bytes, sizeof(digest.bytes));
	wire_put_u64(&body, bytes);
	reply(peer, msg, r, &body, &err);
}

static void on_passwd(struct msg_peer *peer, struct msg *msg)
{
	static struct files_user user;
	struct buf body OWN(buf_done) = { 0 };
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 8192);
	wire_init(&in, msg->body.ptr, msg->body.len);
	struct str spec = wire_str(&in, FILES_USER_MAX - 1);
	uint32_t count = in.left ? wire_count(&in, FILES_GROUPS_MAX) : 0;
	struct wire groups = in;
	for (uint32_t i = 0; i < count; i++)
		(void)wire_str(&in, FILES_USER_MAX - 1);
	int r = wire_end(&in) < 0 ? malformed(msg, &err)
				  : files_user_find(msg->fds[0], spec, &user, &err);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = files_user_join(msg->fds[0], wire_str(&groups, FILES_USER_MAX - 1), &user,
				    &err);
	if (r == 0)
		files_user_put(&body, &user);
	reply(peer, msg, r, &body, &err);
}

static void on_read(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, content OWN(buf_done) = { 0 };
	char path[FILES_PATH_MAX];
	struct err err = { 0 };
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, path, sizeof(path));
	uint32_t max = wire_u32(&in);
	int r = wire_end(&in) < 0 || max > FILES_READ_MAX ? malformed(msg, &err) : 0;
	buf_init(&body, FILES_READ_MAX + 64);
	buf_init(&content, FILES_READ_MAX + 64);
	if (r == 0)
		r = fs_read(msg->fds[0], path, FS_IN_ROOT, max, &content, &err);
	bool missing = r == -ENOENT || r == -ENOTDIR;
	wire_put_u8(&body, !missing);
	wire_put_str(&body, missing ? (struct str){ 0 } : buf_str(&content));
	reply(peer, msg, missing ? 0 : r, &body, &err);
}

static void on_mkdir(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	char path[FILES_PATH_MAX];
	struct files_owner owner = { 0 };
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 64);
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, path, sizeof(path));
	struct str spec = wire_str(&in, FILES_USER_MAX - 1);
	int r = wire_end(&in) < 0 ? malformed(msg, &err) : 0;
	if (r == 0)
		r = files_owner_find(msg->fds[0], spec, &owner, &err);
	/* A user whom the image does not know (yet) is root to WORKDIR, as to BuildKit. */
	if (r == -ENOENT) {
		err = (struct err){ 0 };
		r = 0;
	}
	if (r == 0)
		r = files_mkdir(msg->fds[0], path, spec.len ? &owner : NULL, &err);
	reply(peer, msg, r, &body, &err);
}

static void on_open(struct msg_peer *peer, struct msg *msg)
{
	char path[FILES_PATH_MAX];
	struct err err = { 0 };
	struct stat st;
	struct wire in;
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, path, sizeof(path));
	OWN_FD int fd = wire_end(&in) < 0 ? malformed(msg, &err)
					  : fs_open(msg->fds[0], path, FS_IN_ROOT,
						    O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &err);
	int r = fd;
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		r = err_set(&err, -EINVAL, "%s is not a file", path);
	if (r < 0)
		(void)msg_reply_err(peer, msg->type, msg->serial, &err);
	else
		(void)msg_reply(peer, msg->type, msg->serial, STR(""), &fd, 1);
}

static void on_extract(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int records = msg_take_fd(msg, 0);
	OWN_FD int root = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	struct files_totals totals = { 0 };
	struct files_owner owner;
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 64);
	wire_init(&in, msg->body.ptr, msg->body.len);
	struct str dest = wire_str(&in, FILES_PATH_MAX - 1);
	struct str chown = wire_str(&in, FILES_USER_MAX - 1);
	int r = wire_end(&in) < 0 ? malformed(msg, &err) : 0;
	if (r == 0 && chown.len > 0)
		r = files_owner_find(root, chown, &owner, &err);
	if (r == 0)
		r = files_extract(records, root, dest, chown.len > 0 ? &owner : NULL, &totals,
				  &err);
	own_close(&records); /* unpack must not wait for a reader that has given up */
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	reply(peer, msg, r, &body, &err);
}

static void on_fill(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct files_totals totals = { 0 };
	char path[FILES_PATH_MAX];
	struct err err = { 0 };
	bool found = false;
	struct wire in;
	buf_init(&body, 64);
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, path, sizeof(path));
	int r = wire_end(&in) < 0
			? malformed(msg, &err)
			: files_fill(msg->fds[0], path, msg->fds[1], &found, &totals, &err);
	wire_put_u8(&body, found);
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	reply(peer, msg, r, &body, &err);
}

static void put_stat(struct buf *body, const struct files_stat *st)
{
	wire_put_u64(body, st->size);
	wire_put_u32(body, st->mode);
	wire_put_i64(body, st->mtime_s);
	wire_put_text(body, st->link);
}

static void on_tree(struct msg_peer *peer, struct msg *msg)
{
	OWN_FD int root = msg_take_fd(msg, 0);
	OWN_FD int out = msg_take_fd(msg, 1);
	struct buf body OWN(buf_done) = { 0 };
	char path[FILES_PATH_MAX], name[FILES_PATH_MAX];
	struct files_tree tree = { .path = path, .name = name };
	struct files_totals totals = { 0 };
	static struct files_stat st;
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 8192);
	wire_init(&in, msg->body.ptr, msg->body.len);
	tree.plain = wire_bool(&in);
	wire_text(&in, path, sizeof(path));
	wire_text(&in, name, sizeof(name));
	int r = wire_end(&in) < 0 ? malformed(msg, &err)
				  : files_tree(root, out, &tree, &totals, &st, &err);
	own_close(&out); /* whoever writes the tar reads to the end of file */
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	put_stat(&body, &st);
	reply(peer, msg, r, &body, &err);
}

static void on_stat(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	char path[FILES_PATH_MAX];
	static struct files_stat st;
	struct err err = { 0 };
	struct wire in;
	buf_init(&body, 8192);
	wire_init(&in, msg->body.ptr, msg->body.len);
	wire_text(&in, path, sizeof(path));
	int r = wire_end(&in) < 0 ? malformed(msg, &err) : files_stat(msg->fds[0], path, &st, &err);
	put_stat(&body, &st);
	reply(peer, msg, r, &body, &err);
}

static void on_changes(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 }, list OWN(buf_done) = { 0 };
	uint32_t count = 0;
	struct err err = { 0 };
	buf_init(&body, ROLE_BODY_MAX);
	buf_init(&list, ROLE_BODY_MAX - 64);
	int r = files_changes(msg->fds[0], msg->fds[1], &list, &count, &err);
	wire_put_u32(&body, count);
	wire_put_bytes(&body, list.data, list.len);
	reply(peer, msg, r, &body, &err);
}

static void on_usage(struct msg_peer *peer, struct msg *msg)
{
	struct buf body OWN(buf_done) = { 0 };
	struct files_totals totals;
	struct err err = { 0 };
	buf_init(&body, 64);
	int r = files_usage(msg->fds[0], &totals, &err);
	wire_put_u64(&body, totals.files);
	wire_put_u64(&body, totals.bytes);
	reply(peer, msg, r, &body, &err);
}

static const struct msg_rule role_rules[] = {
	{ FILES_MSG_DIFF, "diff", 0, ROLE_BODY_MAX, 2, 2, ROLE_PEER_MAIN, on_diff },
	{ FILES_MSG_COPY, "copy", 39, ROLE_BODY_MAX, 2, 2, ROLE_PEER_MAIN, on_copy },
	{ FILES_MSG_HASH, "hash", 39, ROLE_BODY_MAX, 1, 1, ROLE_PEER_MAIN, on_hash },
	{ FILES_MSG_PASSWD, "passwd", 4, 32768, 1, 1, ROLE_PEER_MAIN, on_passwd },
	{ FILES_MSG_READ, "read", 8, 8192, 1, 1, ROLE_PEER_MAIN, on_read },
	{ FILES_MSG_MKDIR, "mkdir", 8, 8192, 1, 1, ROLE_PEER_MAIN, on_mkdir },
	{ FILES_MSG_FILL, "fill", 4, 8192, 2, 2, ROLE_PEER_MAIN, on_fill },
	{ FILES_MSG_OPEN, "open", 4, 8192, 1, 1, ROLE_PEER_MAIN, on_open },
	{ FILES_MSG_EXTRACT, "extract", 8, 8192, 2, 2, ROLE_PEER_MAIN, on_extract },
	{ FILES_MSG_TREE, "tree", 9, 8204, 2, 2, ROLE_PEER_MAIN, on_tree },
	{ FILES_MSG_STAT, "stat", 4, 8192, 1, 1, ROLE_PEER_MAIN, on_stat },
	{ FILES_MSG_CHANGES, "changes", 0, 0, 2, 2, ROLE_PEER_MAIN, on_changes },
	{ FILES_MSG_USAGE, "usage", 0, 0, 1, 1, ROLE_PEER_MAIN, on_usage },
	{ FILES_MSG_SUM, "sum", 0, 0, 1, 1, ROLE_PEER_MAIN, on_sum },
};

#define CAP(name) (UINT64_C(1) << CAP_##name)

/*
 * With a user namespace as fd 4 this process is its root, before it has read a thing: ids of what
 * it sees and makes are those of the container that lives there, and the machine's own files are
 * nobody's.
 */
static void join_user_namespace(void)
{
	if (ioctl(ROLE_FD_USERNS, NS_GET_NSTYPE) != CLONE_NEWUSER)
		return;
	if (setns(ROLE_FD_USERNS, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		fatal("join a user namespace: %s", strerror(errno));
	(void)close(ROLE_FD_USERNS);
}

int role_files(void)
{
	static struct role_service service = { .rules = role_rules,
					       .rule_count = ARRAY_LEN(role_rules),
					       .queue_max = 8 << 20 };
	/* A directory of the kernel's in which nothing can be made: paths without an fd lead
	 * nowhere. */
	const struct sandbox sandbox = {
		.profile = SANDBOX_PROFILE_FILES,
		.root = "/proc/self/fdinfo",
		.capabilities = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) |
				CAP(MKNOD) | CAP(SETFCAP),
		.address_space_max = ROLE_MEMORY_MAX,
		.files_max = ROLE_FILES_MAX,
	};

	join_user_namespace();
	role_begin(&service, &sandbox);
	return role_run(&service);
}
