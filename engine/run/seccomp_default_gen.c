/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of the build, not of the image: compiles the profile for the default capabilities with
 * the host's copy of the pinned libseccomp and prints it as C. Must never print what was made for
 * another machine than the image is built for: then it prints a program that nobody asks for.
 */
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include "engine/run/seccomp.h"
#include "engine/run/seccomp_default.h"
#include "engine/run/spec.h"
#include "lib/own.h"

/* There is none yet: seccomp_compile() shall ask libseccomp. */
struct str seccomp_default_find(uint64_t caps, uint32_t arch)
{
	(void)caps;
	(void)arch;
	return (struct str){ 0 };
}

static uint32_t arch_of(const char *name)
{
	return seccomp_arch_resolve_name(name);
}

int main(int argc, char **argv)
{
	struct buf program OWN(buf_done) = { 0 };
	uint32_t arch = argc == 2 ? arch_of(argv[1]) : 0;
	struct sock_filter one;
	struct err err = { 0 };

	buf_init(&program, 256 << 10);
	if (seccomp_compile(run_caps_default(), &program, &err) < 0) {
		(void)fprintf(stderr, "seccomp_default_gen: %s\n", err_text(&err));
		return 1;
	}
	/* Built on another architecture: no set of capabilities has all bits, so it is never used.
	 */
	(void)printf("#include \"engine/run/seccomp_default.h\"\n"
		     "const uint64_t seccomp_default_caps = UINT64_C(0x%" PRIx64 ");\n"
		     "const uint32_t seccomp_default_arch = 0x%" PRIx32 ";\n"
		     "const struct sock_filter seccomp_default_program[] = {\n",
		     arch == seccomp_arch_native() ? run_caps_default() : UINT64_MAX, arch);
	for (size_t at = 0; at + sizeof(one) <= program.len; at += sizeof(one)) {
		memcpy(&one, program.data + at, sizeof(one));
		(void)printf("\t{ 0x%x, %u, %u, 0x%" PRIx32 " },\n", one.code, one.jt, one.jf,
			     one.k);
	}
	(void)printf("};\nconst size_t seccomp_default_bytes = sizeof(seccomp_default_program);\n");
	return ferror(stdout) || fflush(stdout) != 0;
}
