/* SPDX-License-Identifier: Apache-2.0 */
/* Packages of an image out of its dpkg or apk database, and as SPDX. */
#include "init/console/packages.h"
#include <stdio.h>
#include <string.h>
#include "tests/unit/tap.h"

static const char dpkg[] =
	"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n"
	"Source: glibc (2.36-9)\nVersion: 2.36-9+deb12u1\nDescription: x\n more\n\n"
	"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
	"Package: nameless\n\n\n\n"
	"Package: last\nVersion: 1:2~rc1\nArchitecture: all";
static const char apk[] = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\no:musl\nF:lib\n\n"
			  "P:busy\nV:1\nA:x86_64\n";

static void test_next(void)
{
	struct str rest = str_from(dpkg);
	struct package package = { 0 };

	ok(packages_next(PACKAGES_DPKG, &rest, &package) && str_is(package.name, "libc6") &&
		   str_is(package.version, "2.36-9+deb12u1") && str_is(package.source, "glibc"),
	   "dpkg: an installed package");
	ok(packages_next(PACKAGES_DPKG, &rest, &package) && str_is(package.name, "last"),
	   "one that is not installed, and one without a version, are left out");
	ok(!packages_next(PACKAGES_DPKG, &rest, &package), "the end");
	rest = str_from(apk);
	ok(packages_next(PACKAGES_APK, &rest, &package) && str_is(package.name, "musl") &&
		   str_is(package.license, "MIT"),
	   "apk: a package with its licence");
	ok(packages_next(PACKAGES_APK, &rest, &package) && str_is(package.name, "busy") &&
		   !packages_next(PACKAGES_APK, &rest, &package),
	   "the last one");
	ok(str_is(packages_release(STR("NAME=x\nID=\"debian\"\nVERSION_ID='12'\n"), "ID"),
		  "debian") &&
		   str_is(packages_release(STR("VERSION_ID='12'"), "VERSION_ID"), "12") &&
		   !packages_release(STR("IDS=x"), "ID").len,
	   "os-release");
}

static void test_spdx(void)
{
	struct packages_document document = { .image = "shop/web:1",
					      .digest = "sha256:ab",
					      .created = "2026-11-21T18:00:00Z",
					      .kind = PACKAGES_DPKG,
					      .database = str_from(dpkg),
					      .os_release = STR("ID=debian\nVERSION_ID=12\n") };
	struct buf out = { 0 };
	unsigned count = 0;

	buf_init(&out, 65536);
	ok(packages_spdx(&document, &out, &count) == 0 && count == 2, "a document of two");
	ok(strstr(buf_text(&out), "\"pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro="
				  "debian-12\"") != NULL,
	   "a package URL");
	ok(strstr(buf_text(&out), "SPDXRef-Package-2\"}\n  ]\n}\n") != NULL, "its end");
	buf_clear(&out);
	document.database = STR("Package: a\x1b[2J\"\\\nVersion: \xff\n");
	(void)packages_spdx(&document, &out, &count);
	ok(count == 1 && strchr(buf_text(&out), 0x1b) == NULL &&
		   strchr(buf_text(&out), (char)0xff) == NULL,
	   "nothing in it is a command to a terminal");
	buf_done(&out);
	buf_init(&out, 100);
	ok(packages_spdx(&document, &out, &count) < 0, "its room ends");
	buf_done(&out);
}

int main(void)
{
	test_next();
	test_spdx();
	return tap_done();
}
