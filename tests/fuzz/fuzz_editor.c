/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a terminal sends to the editor. Whatever comes: the cursor stays in the text, the text in
 * its bounds, and the cursor of the picture on the screen.
 */
#include "init/console/editor.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct editor editor;
	static struct screen screen;
	unsigned row, column;
	size_t half = size / 2;

	if (size > 4096 || editor_init(&editor, str_make(data, half)) < 0)
		return 0;
	screen_init(&screen, 24, 80);
	editor_issues_clear(&editor);
	editor_issue_add(&editor, str_make(data, half));
	for (size_t i = half; i < size; i++) {
		(void)editor_feed(&editor, data[i]);
		require(editor.pos <= editor.len && editor.len <= CONF_TEXT_MAX);
		editor_draw(&editor, &screen, &row, &column);
		require(row >= 1 && row <= 21 && column >= 1 && column <= 80);
	}
	return 0;
}
