/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main() that replays a corpus through a fuzz target: arguments are files and folders, each
 * file is one input and one TAP line. A target that finds something aborts; the missing plan tells.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { REPLAY_INPUT_MAX = 1 << 20, REPLAY_PATH_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count, failures;

static void result(int good, const char *path)
{
	const char *slash = strrchr(path, '/');

	count++;
	if (!good)
		failures++;
	printf("%sok %u - %s\n", good ? "" : "not ", count, slash ? slash + 1 : path);
	(void)fflush(stdout);
}

static void replay_file(const char *path)
{
	/* Exactly as long as the input, so that the sanitiser sees one byte too many. */
	static uint8_t whole[REPLAY_INPUT_MAX];
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (!file) {
		printf("# cannot be read: %s\n", path);
		result(0, path);
		return;
	}
	size = fread(whole, 1, sizeof(whole), file);
	(void)fclose(file);
	data = malloc(size > 0 ? size : 1);
	if (data) {
		for (size_t i = 0; i < size; i++)
			data[i] = whole[i];
		(void)LLVMFuzzerTestOneInput(data, size);
	}
	result(data != NULL, path);
	free(data);
}

static void replay(const char *path)
{
	char inner[REPLAY_PATH_MAX];
	struct dirent **list;
	struct stat st;
	int n;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0) {
		printf("# no such corpus: %s\n", path);
		result(0, path);
		return;
	}
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.') {
			(void)snprintf(inner, sizeof(inner), "%s/%s", path, list[i]->d_name);
			replay_file(inner);
		}
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (count == 0)
		printf("# no input was given, or the corpus is empty\n");
	printf("1..%u\n", count);
	return failures > 0 || count == 0 ? 1 : 0;
}
