/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No test: the program of a container that is attacked while it starts. It says what the container
 * sees, and is small: a shell takes longer than the start does.
 *
 *   seen mask FILE         the number of bytes that can be read there; one is written to it, too
 *   seen lines WORD FILE   the number of lines with that word
 *
 * tests/ns/run_race.py builds it static.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1 << 16 };

static char text[MOST + 1];

static size_t read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	while (len < MOST && (n = read(fd, text + len, MOST - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		perror(path);
	(void)close(fd);
	return len;
}

static int lines_with(const char *word)
{
	int count = 0;

	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		count += strstr(line, word) != NULL;
	}
	return count;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 3 && strcmp(argv[1], "mask") == 0) {
		(void)printf("%zu\n", read_all(argv[2]));
		fd = open(argv[2], O_WRONLY | O_CLOEXEC);
		return fd >= 0 && write(fd, "x", 1) < 0 ? 1 : 0;
	}
	if (argc != 4 || strcmp(argv[1], "lines") != 0)
		return 2;
	(void)read_all(argv[3]);
	(void)printf("%d\n", lines_with(argv[2]));
	return 0;
}
