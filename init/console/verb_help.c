/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `help`: all commands, or one with its words. Runs in the console program.
 */
#include <string.h>
#include "init/console/alias.h"
#include "init/console/console.h"
#include "init/console/verb_json.h"

enum { HELP_COLUMNS = 80, HELP_INDENT = 14 };

/* The length of the next argument: up to the blank behind it, what is in brackets as a whole. */
static size_t argument_length(const char *text)
{
	size_t n = 0;
	int depth = 0;

	for (; text[n] && (text[n] != ' ' || depth); n++)
		depth += text[n] == '[' ? 1 : text[n] == ']' ? -1 : 0;
	return n;
}

/* Name and arguments, on as many lines as 80 columns ask for; leaves the cursor behind them. */
static void print_usage(struct console *console, const struct verb *verb)
{
	const char *text = verb->arguments;
	size_t column = HELP_INDENT, n;

	console_printf(console, "%-*s", HELP_INDENT, verb->name);
	while ((n = argument_length(text))) {
		if (column + n + 1 >= HELP_COLUMNS) {
			console_printf(console, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		}
		console_printf(console, "%s%.*s", column > HELP_INDENT ? " " : "", (int)n, text);
		column += n + (column > HELP_INDENT);
		text += n + (text[n] == ' ');
	}
}

static void print_row(struct console *console, const struct verb *verb)
{
	size_t wide = strlen(verb->arguments);

	if (console->json) {
		CONSOLE_OBJECT(console, JSON_TEXT("name", verb->name),
			       JSON_TEXT("arguments", verb->arguments),
			       JSON_TEXT("help", verb->help));
		return;
	}
	wide = wide < 20 ? 20 : wide;
	if (HELP_INDENT + wide + 1 + strlen(verb->help) < HELP_COLUMNS) {
		console_printf(console, "%-13s %-20s %s\n", verb->name, verb->arguments,
			       verb->help);
		return;
	}
	print_usage(console, verb);
	console_printf(console, "\n%*s%s\n", HELP_INDENT, "", verb->help);
}

static void print_alias(struct console *console, const struct alias *alias)
{
	const char *second = alias->words[1];

	if (console->json) {
		CONSOLE_OBJECT(console, JSON_TEXT("name", alias->name),
			       JSON_TEXT("same_as", alias->words[0]),
			       JSON_TEXT("with", second ? second : ""));
		return;
	}
	console_printf(console, "%-13s %-20s the same as `%s%s%s`\n", alias->name, "",
		       alias->words[0], second ? " " : "", second ? second : "");
}

void console_help(struct console *console, const char *line)
{
	struct str rest = str_from(line), word = { 0 };
	char name[32] = "";
	const struct verb *verb = NULL;

	if (str_cut(&rest, ' ', &word))
		(void)str_copy(word, name, sizeof(name));
	for (size_t i = 0; i < console_alias_count; i++)
		if (!strcmp(name, console_aliases[i].name)) {
			print_alias(console, &console_aliases[i]);
			return;
		}
	for (size_t i = 0; *name && i < console_verb_count; i++)
		if (!strcmp(name, console_verbs[i].name))
			verb = &console_verbs[i];
	if (verb && console->json) {
		print_row(console, verb);
		return;
	}
	if (verb) {
		print_usage(console, verb);
		console_printf(console, "\n%*s%s\n", HELP_INDENT, "", verb->help);
		return;
	}
	for (size_t i = 0; i < console_verb_count; i++)
		print_row(console, &console_verbs[i]);
	for (size_t i = 0; i < console_alias_count; i++)
		print_alias(console, &console_aliases[i]);
	if (console->json)
		return;
	console_printf(console, "Tab completes, arrow up brings a line back, Ctrl-R searches.\n"
				"COMMAND | grep [-v] TEXT, | count, | json, | more, | no-more.\n");
}
