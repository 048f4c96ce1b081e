/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first fault of a text that should have been JSON. Runs in the api role, on foreign bytes.
 * Must never decide what is taken: json_parse() has refused the text already.
 */
#include <stdio.h>
#include <string.h>
#include "engine/docker/json_fault.h"
#include "engine/json/json.h"

struct scan {
	const char *at, *end;
	unsigned depth;
	char *text; /* of the fault */
};

/* Words for the byte that is there, or for the end. Always false. */
static bool fault(struct scan *s, const char *where)
{
	static const char invalid[] = "invalid JSON: invalid character";

	if (s->at >= s->end)
		(void)snprintf(s->text, JSON_FAULT_MAX, "invalid JSON: unexpected EOF");
	else if (*s->at == '\'' || *s->at == '\\')
		(void)snprintf(s->text, JSON_FAULT_MAX, "%s '\\%c' %s", invalid, *s->at, where);
	else if (*s->at == '\n' || *s->at == '\t' || *s->at == '\r')
		(void)snprintf(s->text, JSON_FAULT_MAX, "%s '\\%c' %s", invalid,
			       *s->at == '\n'	? 'n'
			       : *s->at == '\t' ? 't'
						: 'r',
			       where);
	else if (*s->at < 0x20 || *s->at == 0x7f) /* bytes above ASCII are below 0 or above 0x7f */
		(void)snprintf(s->text, JSON_FAULT_MAX, "%s '\\x%02x' %s", invalid,
			       (unsigned char)*s->at, where);
	else
		(void)snprintf(s->text, JSON_FAULT_MAX, "%s '%c' %s", invalid, *s->at, where);
	return false;
}

static char peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : 0;
}

static void skip_space(struct scan *s)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4))
		s->at++;
}

static bool is_digit(const struct scan *s)
{
	return peek(s) >= '0' && peek(s) <= '9';
}

static bool digits(struct scan *s, const char *where)
{
	if (!is_digit(s))
		return fault(s, where);
	while (is_digit(s))
		s->at++;
	return true;
}

static bool number(struct scan *s)
{
	bool zero;

	if (peek(s) == '-')
		s->at++;
	zero = peek(s) == '0';
	if (zero)
		s->at++;
	else if (!digits(s, "in numeric literal"))
		return false;
	if (peek(s) == '.') {
		s->at++;
		if (!digits(s, "after decimal point in numeric literal"))
			return false;
	}
	if (peek(s) != 'e' && peek(s) != 'E')
		return true;
	s->at++;
	if (peek(s) == '+' || peek(s) == '-')
		s->at++;
	return digits(s, "in exponent of numeric literal");
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool escape(struct scan *s)
{
	bool wide = peek(s) == 'u';

	if (s->at >= s->end || !memchr("bfnrt\\/\"u", *s->at, 9))
		return fault(s, "in string escape code");
	s->at++;
	for (int i = 0; wide && i < 4; i++, s->at++) {
		if (!is_hex(peek(s)))
			return fault(s, "in \\u hexadecimal character escape");
	}
	return true;
}

static bool string(struct scan *s)
{
	s->at++;
	while (s->at < s->end && *s->at != '"') {
		if ((unsigned char)*s->at < 0x20)
			return fault(s, "in string literal");
		if (*s->at++ == '\\' && !escape(s))
			return false;
	}
	if (s->at >= s->end)
		return fault(s, "");
	s->at++;
	return true;
}

static bool literal(struct scan *s, const char *word)
{
	char where[64];

	for (const char *c = word; *c; c++, s->at++) {
		if (peek(s) == *c)
			continue;
		(void)snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, *c);
		return fault(s, where);
	}
	return true;
}

static bool value(struct scan *s);

/* Behind a value inside of something: 1 = another follows, 0 = the end, -1 = a fault. */
static int behind(struct scan *s, char close, const char *where)
{
	skip_space(s);
	if (peek(s) != ',' && peek(s) != close)
		return fault(s, where) ? 0 : -1;
	return *s->at++ == ',';
}

static bool object(struct scan *s)
{
	int more = 1;

	for (bool first = true; more > 0; first = false) {
		skip_space(s);
		if (first && peek(s) == '}') {
			s->at++;
			return true;
		}
		if (peek(s) != '"')
			return fault(s, "looking for beginning of object key string");
		if (!string(s))
			return false;
		skip_space(s);
		if (peek(s) != ':')
			return fault(s, "after object key");
		s->at++;
		if (!value(s))
			return false;
		more = behind(s, '}', "after object key:value pair");
	}
	return more == 0;
}

static bool array(struct scan *s)
{
	int more = 1;

	skip_space(s);
	if (peek(s) == ']') {
		s->at++;
		return true;
	}
	while (more > 0) {
		if (!value(s))
			return false;
		more = behind(s, ']', "after array element");
	}
	return more == 0;
}

/* Recursion is bounded: what is nested deeper is no fault of form. */
static bool value(struct scan *s)
{
	bool fine;

	skip_space(s);
	if (s->depth > JSON_DEPTH_MAX) {
		s->at = s->end;
		return false;
	}
	s->depth++;
	switch (peek(s)) {
	case '{':
		s->at++;
		fine = object(s);
		break;
	case '[':
		s->at++;
		fine = array(s);
		break;
	case '"':
		fine = string(s);
		break;
	case 't':
		fine = literal(s, "true");
		break;
	case 'f':
		fine = literal(s, "false");
		break;
	case 'n':
		fine = literal(s, "null");
		break;
	default:
		fine = peek(s) == '-' || is_digit(s) ? number(s)
						     : fault(s, "looking for beginning of value");
	}
	s->depth--;
	return fine;
}

bool json_fault(struct str text, char ret_text[JSON_FAULT_MAX])
{
	struct scan s = { text.ptr, text.ptr + text.len, 0, ret_text };

	ret_text[0] = 0;
	if (!value(&s))
		return ret_text[0] != 0;
	skip_space(&s);
	if (s.at < s.end)
		(void)snprintf(ret_text, JSON_FAULT_MAX, "unexpected content after JSON");
	return ret_text[0] != 0;
}
