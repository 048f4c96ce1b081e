/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modes that --chmod writes. Pure; runs in the files role. Must never give a bit that the text
 * does not name.
 */
#include "engine/files/mode.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool parse_octal(struct str text, mode_t *ret_mode)
{
	mode_t mode = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '7' || mode > 0777)
			return false;
		mode = mode * 8 + (mode_t)(text.ptr[i] - '0');
	}
	*ret_mode = mode;
	return text.len > 0;
}

enum { OWNER = 04700, GROUP = 02070, OTHERS = 0007, STICKY = 01000, PLAIN = 06777, EXEC = 0111 };

/* One sign of a clause while its letters are read. */
struct change {
	mode_t before, mode; /* of the file: as it was; so far */
	mode_t who;	     /* the bits it may touch, 0 = nobody is named: all of them */
	char sign;
	mode_t bits, exec; /* of its letters; of an X */
	bool done;	   /* a '=' has taken away what was there */
};

static void flush(struct change *c)
{
	mode_t bits = c->who ? c->who & c->bits : c->bits;
	mode_t exec = c->who ? c->who & c->exec : c->exec;
	if (c->sign == '=' && (c->bits || !c->done)) {
		c->mode &= ~(c->who ? c->who : (mode_t)PLAIN);
		c->done = true;
	}
	c->mode = c->sign == '-' ? c->mode & ~bits : c->mode | bits;
	if (S_ISDIR(c->before) || (c->before & EXEC))
		c->mode |= exec;
	c->bits = c->exec = 0;
}

/* "g=u": the letters of one class are those of another. */
static void copy_class(struct change *c, char from)
{
	mode_t value = c->mode >> (from == 'u' ? 6 : from == 'g' ? 3 : 0) & 7, spread = 0, all = 0;
	for (unsigned shift = 0; shift <= 6; shift += 3) {
		if (c->who && !(c->who & (4U << shift)))
			continue;
		spread |= value << shift;
		all |= 7U << shift;
	}
	if (c->sign == '=')
		c->mode &= ~all;
	c->mode = c->sign == '-' ? c->mode & ~spread : c->mode | spread;
}

/* false: it is no permission. Of "others" alone neither s nor t says anything. */
static bool take_letter(struct change *c, char letter)
{
	bool others = c->who != 0 && !(c->who & ~(mode_t)OTHERS);
	switch (letter) {
	case 'r':
		c->bits |= 0444;
		return true;
	case 'w':
		c->bits |= 0222;
		return true;
	case 'X':
		if (c->sign == '-')
			c->bits |= EXEC;
		else
			c->exec = EXEC;
		return true;
	case 'x':
		c->bits |= EXEC;
		return true;
	case 's':
		c->bits |= others ? 0 : 06000;
		return true;
	case 't':
		c->bits |= others ? 0 : STICKY;
		c->who |= others || !c->who ? 0 : STICKY;
		return true;
	case 'u':
	case 'g':
	case 'o': {
		bool plain = c->bits == 0;
		c->done = c->done || (plain && c->sign == '=');
		flush(c);
		c->done = c->done || c->sign == '=';
		copy_class(c, letter);
		return true;
	}
	}
	return false;
}

/* Bits that the classes before the sign own. */
static mode_t take_classes(struct str *clause)
{
	mode_t who = 0;
	for (; clause->len > 0 && memchr("ugoa", clause->ptr[0], 4); *clause = str_skip(*clause, 1))
		who |= clause->ptr[0] == 'u'   ? OWNER
		       : clause->ptr[0] == 'g' ? GROUP
		       : clause->ptr[0] == 'o' ? OTHERS
					       : PLAIN;
	return who;
}

static bool apply_clause(struct str clause, mode_t before, mode_t *mode)
{
	struct change c = { .before = before, .mode = *mode, .who = take_classes(&clause) };
	if (clause.len == 0)
		return false;
	while (clause.len > 0) {
		c.sign = clause.ptr[0];
		if (c.sign != '+' && c.sign != '-' && c.sign != '=')
			return false;
		c.done = c.done && c.sign != '=';
		clause = str_skip(clause, 1);
		while (clause.len > 0 && take_letter(&c, clause.ptr[0]))
			clause = str_skip(clause, 1);
		flush(&c);
	}
	*mode = c.mode;
	return true;
}

static bool apply(struct str text, mode_t *mode)
{
	const mode_t before = *mode;
	mode_t octal = 0;
	struct str clause;
	if (text.len == 0)
		return true;
	if (parse_octal(text, &octal)) {
		*mode = (*mode & S_IFMT) | octal;
		return true;
	}
	if (text.ptr[text.len - 1] == ',')
		return false;
	while (str_cut(&text, ',', &clause))
		if (!apply_clause(clause, before, mode))
			return false;
	return true;
}

int mode_check(struct str text, struct err *err)
{
	mode_t mode = S_IFREG | 0644;
	char shown[80];
	if (apply(text, &mode))
		return 0;
	(void)str_escape(text, shown, sizeof(shown));
	if (text.ptr[0] >= '0' && text.ptr[0] <= '9')
		return err_set(err, -EINVAL,
			       "invalid chmod parameter: '%s'. it should be octal string and "
			       "between 0 and 07777",
			       shown);
	return err_set(err, -EINVAL,
		       "invalid --chmod value '%s': octal digits such as 0755, or clauses such as "
		       "u=rwX,go=rX are expected",
		       shown);
}

mode_t mode_apply(struct str text, mode_t mode)
{
	(void)apply(text, &mode);
	return mode & 07777;
}
