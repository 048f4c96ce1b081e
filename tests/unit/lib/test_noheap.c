/* SPDX-License-Identifier: Apache-2.0 */
/* What PID 1 does after boot, with every allocation counted: there must be none. */
#include <sys/epoll.h>
#include <sys/wait.h>
#include "lib/log.h"
#include "lib/msg.h"
#include "lib/spawn.h"
#include "tests/unit/lib/place.h"
#include "tests/unit/tap.h"

#ifdef __SANITIZE_ADDRESS__
/* sanitizer/allocator_interface.h, which not every compiler package brings along */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

/* volatile: for the compiler malloc() changes nothing of ours. */
static volatile unsigned allocations;
static volatile bool counting;

static void on_malloc(const volatile void *ptr, size_t size)
{
	(void)ptr;
	(void)size;
	if (counting)
		allocations = allocations + 1;
}

static void on_free(const volatile void *ptr)
{
	(void)ptr;
}

#ifdef __GLIBC__
/* The image's C library takes these from a table; a newer glibc allocates to look for translations.
 */
char *strerror(int number)
{
	static char text[128];
	const char *name = strerrordesc_np(number);

	snprintf(text, sizeof(text), "%s", name ? name : "unknown error");
	return text;
}
#endif

static int place;

static void use_files(void)
{
	OWN_FD int fd = fs_open_dir(place, "tree/a/b", FS_BENEATH, 0755, NULL);

	(void)fs_replace(place, "state", "text", 4, 0600, NULL);
	(void)fs_replace(place, "state", "more", 4, 0600, NULL);
	(void)fs_write_control(place, "state", STR("x"), NULL);
	(void)fs_exists(place, "state", FS_BENEATH);
	(void)fs_remove_tree(place, "tree", NULL);
}

static void use_spawn(void)
{
	static const char *const argv[] = { "true", NULL };
	OWN_FD int pidfd = -1;
	struct spawn spawn;
	siginfo_t info;
	char text[64];

	spawn_init(&spawn, "/bin/true", argv);
	if (spawn_start(&spawn, NULL, &pidfd, NULL) == 0)
		(void)waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED);
	spawn_describe_exit(info.si_code, info.si_status, text, sizeof(text));
	spawn.path = "/nowhere";
	(void)spawn_start(&spawn, NULL, &pidfd, NULL);
}

static struct loop loop;
static unsigned answers, requests;

static void on_answer(struct msg_peer *peer, void *owner, struct msg *reply, const struct err *err)
{
	(void)peer;
	(void)owner;
	(void)err;
	answers += reply && reply->body.len == MSG_BODY_INLINE_MAX;
}

static void on_request(struct msg_peer *peer, struct msg *msg)
{
	requests++;
	(void)msg_reply(peer, msg->type, msg->serial, msg->body, NULL, 0);
}

static void on_timer(struct loop_timer *timer)
{
	(void)timer;
}

static const struct msg_rule rules[] = { { 1, "ONE", 0, 1 << 20, 0, 0, 1, on_request } };

static void use_messages(void)
{
	static char body[MSG_BODY_INLINE_MAX];
	static struct msg_peer server, client;
	struct loop_timer timer = { 0 };
	struct err err;
	int ends[2];

	if (msg_pair(ends, NULL) < 0 || loop_init(&loop, NULL) < 0)
		return;
	(void)msg_peer_init(&server, &loop, ends[0], 1, rules, 1, 0, NULL, NULL, NULL);
	(void)msg_peer_init(&client, &loop, ends[1], 0, NULL, 0, 0, NULL, NULL, NULL);
	(void)msg_peer_call(&client, 1, str_make(body, sizeof(body)), NULL, 0, on_answer, NULL,
			    NULL);
	(void)msg_peer_call(&client, 2, STR("unknown"), NULL, 0, on_answer, NULL, NULL);
	(void)msg_reply_err(&server, 1, 99, &(struct err){ .code = -1, .text = "text" });
	loop_timer_set(&loop, &timer, 0, on_timer, NULL);
	for (int i = 0; i < 20; i++)
		(void)loop_step(&loop, 0, &err);
	/* Far more than a socket takes: dropped, not kept. */
	for (int i = 0; i < 20; i++)
		(void)msg_peer_send(&client, 1, str_make(body, sizeof(body)), NULL, 0, &err);
	msg_peer_done(&client);
	msg_peer_done(&server);
	loop_done(&loop);
}

static void use_text(void)
{
	struct err err;
	char text[64];

	(void)err_sys(&err, -2, "open %s", "x");
	(void)err_prefix(&err, "unit %d", 1);
	(void)str_escape(STR("a\x1b[2J"), text, sizeof(text));
	log_init("init", LOG_PRIO_ERR);
	log_info("unit=%s", text);
}

static void count_in(void (*fn)(void), const char *what)
{
	fn(); /* once before: the C library's own first time does not count */
	allocations = 0;
	counting = true;
	fn();
	counting = false;
	is_int(allocations, 0, "%s", what);
}

static void use_heap(void)
{
	void *volatile ptr = malloc(1);

	free(ptr);
}

int main(void)
{
	(void)__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	allocations = 0;
	counting = true;
	use_heap();
	counting = false;
	is_int(allocations, 1, "an allocation is counted");
	place = place_make("noheap");
	count_in(use_files, "files, control files, trees");
	count_in(use_spawn, "starting programs");
	count_in(use_messages, "calls and answers on a loop");
	is_int(answers, 2, "which came");
	ok(requests >= 2, "and were handled");
	count_in(use_text, "errors, escaping, log lines");
	place_remove(place);
	return tap_done();
}
#else
int main(void)
{
	skip("no heap after boot", "allocations are counted by ASan builds only");
	return tap_done();
}
#endif
