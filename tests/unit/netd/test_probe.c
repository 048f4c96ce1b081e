/* SPDX-License-Identifier: Apache-2.0 */
/* ping, traceroute, dig: what is asked for, echo packets, answers of name servers as text. */
#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "netd/api/probe_msg.h"
#include "netd/dns/dns_walk.h"
#include "netd/probe/echo.h"
#include "tests/unit/tap.h"

static const struct probe_ask good = { .kind = PROBE_PING,
				       .type = 1,
				       .count = 4,
				       .interval_ms = 1000,
				       .wait_ms = 2000,
				       .size = 56,
				       .hops = 30,
				       .host = STR("web.example") };

static int round_trip(const struct probe_ask *ask, struct probe_ask *ret_ask)
{
	static struct buf body;

	buf_done(&body);
	buf_init(&body, PROBE_ASK_BYTES_MAX);
	probe_ask_put(&body, ask);
	return probe_ask_get(buf_str(&body), ret_ask);
}

static void test_ask(void)
{
	struct probe_ask ask = good, got;
	uint16_t type = 0;
	char text[16];

	ok(round_trip(&ask, &got) == 0 && str_is(got.host, "web.example") && got.count == 4 &&
		   got.size == 56 && got.wait_ms == 2000,
	   "a question comes back as it was");
	ask.count = 0;
	is_int(round_trip(&ask, &got), -EBADMSG, "no packets at all");
	ask.count = PROBE_COUNT_MAX + 1;
	is_int(round_trip(&ask, &got), -EBADMSG, "packets without end");
	ask = good;
	ask.interval_ms = 1;
	is_int(round_trip(&ask, &got), -EBADMSG, "a flood");
	ask = good;
	ask.wait_ms = PROBE_WAIT_MAX_MS + 1;
	is_int(round_trip(&ask, &got), -EBADMSG, "a wait that is too long");
	ask = good;
	ask.kind = PROBE_KIND_MAX + 1;
	is_int(round_trip(&ask, &got), -EBADMSG, "a kind that there is not");
	ask = good;
	ask.host = STR("");
	is_int(round_trip(&ask, &got), -EBADMSG, "nobody");
	ok(probe_type_read(STR("aaaa"), &type) == 0 && type == 28, "a type by its name");
	ok(probe_type_read(STR("TYPE65"), &type) == 0 && type == 65, "a type by its number");
	is_int(probe_type_read(STR("nonsense"), &type), -EINVAL, "no type");
	ok(!strcmp(probe_type_name(15, text), "MX") &&
		   !strcmp(probe_type_name(999, text), "TYPE999"),
	   "and back");
}

static void test_echo(void)
{
	struct buf packet OWN(buf_done) = { 0 };
	const uint64_t nonce = UINT64_C(0x1122334455667788);
	uint16_t seq = 0;

	buf_init(&packet, 256);
	echo_write(false, 258, nonce, 56, &packet);
	is_int((long)packet.len, ECHO_HEADER + 56, "head and payload");
	ok(packet.data[0] == 8 && packet.data[6] == 1 && packet.data[7] == 2, "a request");
	ok(!echo_read(buf_str(&packet), false, nonce, &seq), "a request is no reply");
	ok(echo_returned(buf_str(&packet), false, &seq) && seq == 258, "one that came back");
	packet.data[0] = 0;
	ok(echo_read(buf_str(&packet), false, nonce, &seq) && seq == 258, "its reply");
	ok(!echo_read(buf_str(&packet), false, nonce + 1, &seq), "another's");
	ok(!echo_read(buf_str(&packet), true, nonce, &seq), "the other family's");
	ok(!echo_read(str_head(buf_str(&packet), 7), false, nonce, &seq), "cut off");
	buf_clear(&packet);
	echo_write(true, 1, nonce, 3, &packet);
	packet.data[0] = (char)129;
	ok(echo_read(buf_str(&packet), true, nonce, &seq) && seq == 1 &&
		   packet.len == ECHO_HEADER + 3,
	   "IPv6, and less payload than a nonce");
	ok(!strcmp(echo_error_text(false, 3, 1), "Destination Host Unreachable") &&
		   !strcmp(echo_error_text(true, 3, 0), "Time to live exceeded") &&
		   !strcmp(echo_error_text(false, 3, 200), "an ICMP error"),
	   "errors in ping's words");
}

static void test_count(void)
{
	struct echo_count count = { .sent = 4 };

	is_int((long)echo_count_loss(&count), 1000, "nothing came: all is lost");
	is_int((long)echo_count_average(&count), 0, "and there is no average");
	echo_count_reply(&count, 300);
	echo_count_reply(&count, 100);
	echo_count_reply(&count, 200);
	ok(count.min_us == 100 && count.max_us == 300 && echo_count_average(&count) == 200,
	   "least, most and average");
	is_int((long)echo_count_loss(&count), 250, "a quarter is lost");
}

/* Question web.example A, with the name at offset 12. */
#define HEAD(answers) "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0\3web\7example\0\0\1\0\1"

static int walk_all(struct str message, struct buf *lines)
{
	struct dns_walk_record record;
	struct buf data OWN(buf_done) = { 0 };
	struct dns_walk walk;
	char type[16];
	int r = dns_walk_begin(message, &walk);

	buf_init(&data, 65536);
	buf_clear(lines);
	while (r >= 0 && (r = dns_walk_next(&walk, &record, &data)) > 0) {
		(void)buf_printf(lines, "%s %s %u %s %s\n", dns_section_names[record.section],
				 record.name, record.ttl_s, probe_type_name(record.type, type),
				 buf_text(&data));
		buf_clear(&data);
	}
	return r;
}

static void test_walk(void)
{
	static const char plain[] = HEAD("\3") "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2\1"
					       "\xc0\x0c\0\x0f\0\1\0\0\1\0\0\7\0\x0a\2mx\xc0\x10"
					       "\xc0\x0c\0\x10\0\1\0\0\0\0\0\7\3a\"\x1b\2ok";
	static const char strange[] = HEAD("\2") "\xc0\x0c\0\1\0\1\0\0\0\5\0\3\xc0\0\2"
						 "\xc0\x0c\xff\0\0\1\0\0\0\0\0\2\xab\xcd";
	static const char cut[] = HEAD("\1") "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2";
	static const char loop[] = HEAD("\1") "\xc0\x1d\0\1\0\1\0\0\0\5\0\0";
	struct buf lines OWN(buf_done) = { 0 };
	char text[16];

	buf_init(&lines, 65536);
	is_int(walk_all(str_make(plain, sizeof(plain) - 1), &lines), 0, "a whole answer");
	is_text(buf_text(&lines),
		"question web.example 0 A \nanswer web.example 5 A 192.0.2.1\n"
		"answer web.example 256 MX 10 mx.example.\n"
		"answer web.example 0 TXT \"a\\\"\\x1b\" \"ok\"\n",
		"its sections as text, foreign bytes escaped");
	is_int(walk_all(str_make(strange, sizeof(strange) - 1), &lines), 0, "strange records");
	is_text(buf_text(&lines),
		"question web.example 0 A \nanswer web.example 5 A \\# 3 c00002\n"
		"answer web.example 0 TYPE65280 \\# 2 abcd\n",
		"what is not as its type says, or has no form here, as bytes");
	is_int(walk_all(str_make(cut, sizeof(cut) - 1), &lines), -EBADMSG, "a record that is cut");
	is_int(walk_all(str_make(loop, sizeof(loop) - 1), &lines), -EBADMSG,
	       "a name that points at itself");
	is_int(walk_all(STR("\x12\x34\x01\x80\0\0\0\0\0\0\0\0"), &lines), -EBADMSG, "no answer");
	ok(!strcmp(dns_rcode_name(0x8183, text), "NXDOMAIN") &&
		   !strcmp(dns_rcode_name(15, text), "RCODE15"),
	   "codes by name");
}

int main(void)
{
	test_ask();
	test_echo();
	test_count();
	test_walk();
	return tap_done();
}
