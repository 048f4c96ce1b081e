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

/* Bits of one permission letter for all three classes; -1 = no such letter. */
static int letter_bits(char letter, mode_t mode)
{
	switch (letter) {
	case 'r':
		return 0444;
	case 'w':
		return 0222;
	case 'x':
		return 0111;
	case 'X':
		return S_ISDIR(mode) || (mode & 0111) ? 0111 : 0;
	case 's':
		return 06000;
	case 't':
		return 01000;
	}
	return -1;
}

/* Bits that the classes before the sign own. */
static mode_t take_classes(struct str *clause)
{
	mode_t mask = 0;
	for (; clause->len > 0 && memchr("ugoa", clause->ptr[0], 4); *clause = str_skip(*clause, 1))
		mask |= clause->ptr[0] == 'u'	? 04700U
			: clause->ptr[0] == 'g' ? 02070U
			: clause->ptr[0] == 'o' ? 01007U
						: 07777U;
	return mask ? mask : 07777;
}

static bool apply_clause(struct str clause, mode_t *mode)
{
	mode_t mask = take_classes(&clause);
	if (clause.len == 0)
		return false;
	while (clause.len > 0) {
		char sign = clause.ptr[0];
		mode_t bits = 0;
		if (sign != '+' && sign != '-' && sign != '=')
			return false;
		clause = str_skip(clause, 1);
		for (; clause.len > 0 && !memchr("+-=", clause.ptr[0], 3);
		     clause = str_skip(clause, 1)) {
			int letter = letter_bits(clause.ptr[0], *mode);
			if (letter < 0)
				return false;
			bits |= (mode_t)letter;
		}
		bits &= mask;
		if (sign == '=')
			*mode &= ~(mask & (S_ISDIR(*mode) ? 0777U : 07777U));
		*mode = sign == '-' ? *mode & ~bits : *mode | bits;
	}
	return true;
}

static bool apply(struct str text, mode_t *mode)
{
	mode_t octal = 0;
	struct str clause;
	if (text.len == 0)
		return true;
	if (parse_octal(text, &octal)) {
		*mode = (*mode & S_IFMT) | octal;
		return true;
	}
	while (str_cut(&text, ',', &clause))
		if (!apply_clause(clause, mode))
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
