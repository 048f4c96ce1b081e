/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim and login. Runs in the console program, the only one but init that sees the password's hash
 * (bcrypt, "$2b$"). A password itself stays in this process and is wiped.
 */
#include <crypt.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "init/api/init_msg.h"
#include "init/console/login.h"
#include "lib/own.h"

enum { LOGIN_PASSWORD_MAX = 73, LOGIN_PASSWORD_MIN = 8, LOGIN_DELAY_MAX_S = 32 };

struct login_auth {
	bool claimed, needed;
	char hash[INIT_HASH_MAX];
	uint32_t idle_s;
};

static int get_auth(struct console *console, struct login_auth *ret_auth, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;
	int r = console_unit_call(console, INIT_MSG_AUTH_GET, STR(""), &reply, err);

	if (r < 0)
		return r;
	wire_init(&in, reply.body.ptr, reply.body.len);
	ret_auth->claimed = wire_bool(&in);
	wire_text(&in, ret_auth->hash, sizeof(ret_auth->hash));
	ret_auth->needed = wire_bool(&in);
	ret_auth->idle_s = wire_u32(&in);
	return wire_end(&in) < 0 ? err_set(err, -EBADMSG, "init: malformed answer") : 0;
}

/* All bytes are looked at, whatever the first difference. */
static bool same(const char *a, const char *b)
{
	size_t len = strlen(a);
	unsigned diff = len != strlen(b);

	for (size_t i = 0; i < len && !diff; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return !diff;
}

static bool check(const char *password, const char *hash)
{
	const char *made = strncmp(hash, "$2b$", 4) ? NULL : crypt(password, hash);

	return made && *made != '*' && same(made, hash);
}

/* Who sits here, for the line that init writes. */
static void tell(struct console *console, enum init_audit fact, uint32_t seconds)
{
	struct msg msg = { .type = INIT_MSG_AUDIT };
	struct buf body OWN(buf_done) = { 0 };

	if (console->unit_fd < 0)
		return;
	buf_init(&body, 8);
	wire_put_u8(&body, (uint8_t)fact);
	wire_put_u32(&body, seconds);
	msg.body = buf_str(&body);
	(void)msg_send(console->unit_fd, &msg, NULL);
}

/* Tells init of a try before it is made, or of the right password; the seconds to wait first. */
static uint32_t try_password(struct console *console, bool right)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct wire in;

	if (console_unit_call(console, INIT_MSG_AUTH_TRY, str_make(right ? "\1" : "\0", 1), &reply,
			      NULL) < 0)
		return 0; /* without its disk role init cannot count; each one still takes its time
			   */
	wire_init(&in, reply.body.ptr, reply.body.len);
	return wire_u32(&in);
}

/* The count is init's and outlives this process, a logout and a reboot. */
static void wait_turn(struct console *console)
{
	uint32_t wait_s = try_password(console, false);

	if (wait_s)
		tell(console, INIT_AUDIT_HELD, wait_s);
	while (wait_s && !console->quit) {
		console_printf(console, "too many wrong passwords: it is looked at in %u s\n",
			       wait_s);
		for (uint32_t i = 0; i < wait_s && !console->quit; i++)
			(void)console_interrupted(console), (void)console_wait(console, -1, 1000);
		wait_s = try_password(console, false);
	}
}

void console_state(struct console *console, const char *state)
{
	struct msg msg = { .type = INIT_MSG_STATUS };
	struct buf body OWN(buf_done) = { 0 }, text OWN(buf_done) = { 0 };

	if (console->unit_fd < 0)
		return;
	buf_init(&text, 128);
	buf_init(&body, 160);
	(void)buf_printf(&text, "%s%s%s", state, *console->terminal ? " on " : "",
			 console->terminal);
	wire_put_str(&body, buf_str(&text));
	msg.body = buf_str(&body);
	(void)msg_send(console->unit_fd, &msg, NULL);
}

/* Until the right password was typed; `always`: where init says that none is needed, too. */
static void ask_password(struct console *console, bool always)
{
	struct login_auth auth = { 0 };
	char password[LOGIN_PASSWORD_MAX];
	struct err err = { 0 };
	unsigned delay_s = 1;

	while (!console->quit) {
		if (get_auth(console, &auth, &err) < 0) {
			console_printf(console, "login: %s\n", err_text(&err));
			(void)console_wait(console, -1, 2000);
			continue;
		}
		console->claimed = auth.claimed;
		console->idle_ms = auth.idle_s * INT64_C(1000);
		if ((!auth.needed && !always) || !auth.claimed)
			return;
		if (!console_ask(console, "password: ", true, password, sizeof(password)) ||
		    !*password)
			continue;
		wait_turn(console);
		if (check(password, auth.hash)) {
			explicit_bzero(password, sizeof(password));
			(void)try_password(console, true);
			console->logged_in = true;
			tell(console, always ? INIT_AUDIT_UNLOCK : INIT_AUDIT_LOGIN, 0);
			return;
		}
		explicit_bzero(password, sizeof(password));
		tell(console, INIT_AUDIT_WRONG, 0);
		/* Each wrong one costs more time; the terminal's speed does not help. */
		sleep(delay_s);
		delay_s = delay_s >= LOGIN_DELAY_MAX_S ? LOGIN_DELAY_MAX_S : delay_s * 2;
		console_printf(console, "wrong password\n");
	}
}

void console_login(struct console *console)
{
	ask_password(console, false);
	if (console->quit)
		return;
	if (!console->logged_in)
		tell(console, INIT_AUDIT_OPEN, 0);
	console_tty_carrier(console);
	console_state(console, console->logged_in ? "logged in" : "open");
}

void console_logout(struct console *console, enum init_audit how)
{
	tell(console, how, 0);
}

int console_lock(struct console *console, struct err *err)
{
	if (!console->is_unit)
		return err_set(err, -EPERM, "only on the machine's own console");
	if (console->capture)
		return err_set(err, -EINVAL, "lock stands before no pipe");
	if (!console->claimed)
		return err_set(err, -EPERM,
			       "the machine has no password to lock it with: `claim` sets one");
	console_raw(console, "\x1b[2J\x1b[H", 7);
	console_printf(console, "locked; log lines still come\n");
	console_state(console, "locked");
	tell(console, INIT_AUDIT_LOCK, 0);
	ask_password(console, true);
	if (console->quit)
		return 0;
	console_state(console, "logged in");
	return 0;
}

static int make_hash(const char *password, char dst[INIT_HASH_MAX], struct err *err)
{
	static const char letters[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789";
	char salt[32] = "$2b$10$";
	unsigned char random[22];
	const char *made;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, -EAGAIN, "no random bytes yet; try again");
	for (size_t i = 0; i < sizeof(random); i++)
		salt[7 + i] = letters[random[i] & 63];
	/* The last letter of a bcrypt salt carries two bits only. */
	salt[28] = letters[(random[21] & 3) << 4];
	made = crypt(password, salt);
	if (!made || strncmp(made, "$2b$", 4) != 0)
		return err_set(err, -EIO, "the password could not be hashed");
	return str_copy(str_from(made), dst, INIT_HASH_MAX);
}

static int store_hash(struct console *console, const char *hash, struct err *err)
{
	struct msg reply OWN(msg_done) = { 0 };
	struct buf body OWN(buf_done) = { 0 };
	int r;

	buf_init(&body, 256);
	wire_put_text(&body, hash);
	r = console_unit_call(console, INIT_MSG_AUTH_SET, buf_str(&body), &reply, err);
	if (r < 0)
		return r;
	console->claimed = console->logged_in = true;
	if (reply.body.len && !reply.body.ptr[0])
		console_printf(console, "The password holds until the next boot only: there is no "
					"data partition to keep it.\n");
	else
		console_printf(console, "The machine is claimed.\n");
	return 0;
}

int console_claim(struct console *console, struct err *err)
{
	char first[LOGIN_PASSWORD_MAX], second[LOGIN_PASSWORD_MAX], hash[INIT_HASH_MAX];
	int r;

	if (!console->is_unit)
		return err_set(err, -EPERM, "only on the machine's own console");
	if (!console_ask(console, "new password (8 to 72 characters): ", true, first,
			 sizeof(first)))
		return err_set(err, -ECANCELED, "nothing was changed");
	if (strlen(first) < LOGIN_PASSWORD_MIN)
		return err_set(err, -EINVAL, "a password has at least %d characters",
			       LOGIN_PASSWORD_MIN);
	if (!console_ask(console, "the same password again: ", true, second, sizeof(second)))
		return err_set(err, -ECANCELED, "nothing was changed");
	if (strcmp(first, second) != 0)
		r = err_set(err, -EINVAL, "the two are not the same; nothing was changed");
	else
		r = make_hash(first, hash, err);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(second, sizeof(second));
	return r < 0 ? r : store_hash(console, hash, err);
}
