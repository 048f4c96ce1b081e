/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_DOCKERFILE_HEREDOC_H
#define HOY_ENGINE_DOCKERFILE_HEREDOC_H

#include "engine/dockerfile/dockerfile.h"
#include "engine/dockerfile/line.h"

/*
 * A word such as <<EOF, <<-EOF, 3<<"EOF" : 1 with name and how it is to be read, 0 = it is none,
 * -ENOMEM. Private to this folder.
 */
int heredoc_parse(struct arena *arena, struct str word, struct dockerfile_heredoc *ret,
		  bool *ret_chomp, struct err *err);

/* Reads the bodies that the words of the step's line announce, from the lines behind it. */
int heredoc_read(struct line_reader *reader, const struct cursor *cursor,
		 struct dockerfile_step *step, struct err *err);

#endif
