/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of `events`, out of a directory that looks like a control group.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/bundle/stats.h"
#include "lib/fs.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static int group = -1;

static void file(const char *name, const char *text)
{
	OWN_FD int fd = openat(group, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write %s", name);
}

static void is_stats(const char *wanted, const char *what)
{
	struct buf out OWN(buf_done) = { 0 };
	struct json_writer w;

	buf_init(&out, 65536);
	json_writer_init(&w, &out);
	stats_put(&w, group, 3);
	buf_add_byte(&out, '\0');
	is_text(out.data, wanted, "%s", what);
}

static void test_nothing(void)
{
	is_stats("{\"cpu\":{\"usage\":{\"total\":0,\"kernel\":0,\"user\":0},\"throttling\":"
		 "{\"periods\":0,\"throttledPeriods\":0,\"throttledTime\":0}},\"memory\":{"
		 "\"cache\":0,"
		 "\"usage\":{\"limit\":18446744073709551615,\"usage\":0,\"failcnt\":0},"
		 "\"swap\":{\"limit\":18446744073709551615,\"usage\":0,\"failcnt\":0},\"raw\":{}},"
		 "\"pids\":{\"current\":3},\"blkio\":{},\"hugetlb\":{}}",
		 "a group without controllers");
}

static void test_all(void)
{
	file("cpu.stat", "usage_usec 12\nuser_usec 5\nsystem_usec 7\nnr_periods 4\nnr_throttled 2\n"
			 "throttled_usec 9\n");
	file("cpu.pressure", "some avg10=1.25 avg60=0.00 avg300=100.00 total=77\n"
			     "full avg10=0.00 avg60=0.05 avg300=0.00 total=0\n");
	file("memory.max", "1048576\n");
	file("memory.current", "4096\n");
	file("memory.peak", "8192\n");
	file("memory.events", "low 1\nhigh 2\nmax 3\noom 4\n");
	file("memory.swap.max", "max\n");
	file("memory.swap.current", "0\n");
	file("memory.stat", "anon 1\nfile 2\nbroken\nfile_mapped x\n");
	file("pids.current", "1\n");
	file("pids.max", "20\n");
	file("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
			"x:y rbytes=1\n259:3 rios=5\n");
	file("hugetlb.2MB.current", "2097152\n");
	file("hugetlb.2MB.rsvd.current", "0\n");
	file("hugetlb.2MB.events", "max 6\n");
	is_stats(
		"{\"cpu\":{\"usage\":{\"total\":12000,\"kernel\":7000,\"user\":5000},"
		"\"throttling\":"
		"{\"periods\":4,\"throttledPeriods\":2,\"throttledTime\":9000},\"psi\":{"
		"\"some\":{\"avg10\":1.250,\"avg60\":0.000,\"avg300\":100.000,\"total\":77},"
		"\"full\":{\"avg10\":0.000,\"avg60\":0.050,\"avg300\":0.000,\"total\":0}}},"
		"\"memory\":{\"cache\":2,\"usage\":{\"limit\":1048576,\"usage\":4096,\"max\":8192,"
		"\"failcnt\":3},\"swap\":{\"limit\":18446744073709551615,\"usage\":0,\"failcnt\":0}"
		","
		"\"raw\":{\"anon\":1,\"file\":2}},\"pids\":{\"current\":1,\"limit\":20},\"blkio\":{"
		"\"ioServiceBytesRecursive\":["
		"{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":10},"
		"{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":20}],\"ioServicedRecursive\":["
		"{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":1},"
		"{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":2},"
		"{\"major\":259,\"minor\":3,\"op\":\"Read\",\"value\":5}]},"
		"\"hugetlb\":{\"2MB\":{\"usage\":2097152,\"failcnt\":6}}}",
		"a group with all of them");
}

int main(void)
{
	char path[] = "/tmp/hoy-stats-XXXXXX";
	OWN_FD int top = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!mkdtemp(path))
		return 1;
	group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_nothing();
	test_all();
	(void)close(group);
	(void)fs_remove_tree(top, path + 5, NULL);
	return tap_done();
}
