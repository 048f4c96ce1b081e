/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_FILES_STUB_H
#define HOY_ENGINE_FILES_STUB_H

#include <stdbool.h>
#include "engine/files/files.h"
#include "engine/files/walk.h"

/*
 * Takes the names out of a directory's list that only stand in an upper because a container was
 * mounted over them: empty /dev, /proc and /sys, empty /etc/hostname, /etc/hosts, /etc/resolv.conf,
 * and an /etc that has nothing else and was not changed itself. Private to this folder.
 */
void stub_filter(int dirfd, const char *path, struct walk_names *names);

/*
 * Whether `path` of the upper is nothing but what mounting onto the step's mount points has made:
 * an empty directory or file at one of them, or a directory that holds only such.
 */
bool stub_is_mount_point(int upper_fd, const char *path, const struct files_diff_rules *rules);

#endif
