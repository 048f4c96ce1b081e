/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of the data device and of the configuration volume. Runs in init's disk role.
 * Must never allow a write to a disk that is neither blank nor our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "init/boot_search.h"
#include "lib/log.h"
#include "lib/own.h"

static bool is_whole_of(const struct disk *part, const struct disk *whole)
{
	return part->partition != 0 && strcmp(part->parent, whole->name) == 0;
}

/* The partition table when it names our ESP. */
static bool carries_esp(const struct disk *disk, struct gpt *ret_gpt)
{
	return disk->partition == 0 && disk_gpt_read(disk, ret_gpt, NULL) == 0 &&
	       gpt_find(ret_gpt, &gpt_type_esp, SEARCH_ESP_LABEL) >= 0;
}

static const struct disk *esp_disk(const struct disk_list *list, struct gpt *ret_gpt)
{
	for (size_t i = 0; i < list->count; i++)
		if (carries_esp(&list->disks[i], ret_gpt))
			return &list->disks[i];
	return NULL;
}

static bool has_label(const struct disk *disk, struct str label)
{
	struct probe_ext4 info;

	return disk_ext4(disk->name, &info) && str_is(label, info.label);
}

/* Superblock copy of the second block group of a file system with 4 KiB blocks. */
static bool had_our_label(const struct disk *disk)
{
	OWN_FD int fd = disk_open(disk->name, O_RDONLY, NULL);
	uint8_t superblock[PROBE_EXT4_BYTES];
	struct probe_ext4 info;

	return fd >= 0 && disk->bytes > 32769ULL * 4096 &&
	       disk_read(fd, 32768ULL * 4096, superblock, sizeof(superblock), NULL) == 0 &&
	       probe_ext4(superblock, &info) && strcmp(info.label, SEARCH_DATA_LABEL) == 0;
}

static enum search_verdict judge_empty(const struct disk *disk, char why[SEARCH_WHY_MAX])
{
	struct err err = { 0 };
	int blank;

	if (disk->bytes < SEARCH_MIN_BYTES) {
		snprintf(why, SEARCH_WHY_MAX, "/dev/%s is smaller than 32 MiB", disk->name);
		return SEARCH_REFUSED;
	}
	if (disk_mark_get(disk))
		return SEARCH_FORMAT;
	blank = disk_blank(disk, &err);
	if (blank == 1)
		return SEARCH_FORMAT;
	if (blank < 0)
		snprintf(why, SEARCH_WHY_MAX, "/dev/%s cannot be read: %.120s", disk->name,
			 err_text(&err));
	else
		snprintf(
			why, SEARCH_WHY_MAX,
			"/dev/%s holds something else and was not touched; name an empty disk with "
			"hoy.data=, or clear its first and last MiB",
			disk->name);
	return SEARCH_REFUSED;
}

/* hoy.data= names one device: itself, one of its partitions, or an empty disk to format. */
static enum search_verdict search_named(const struct disk_list *list, const struct disk *named,
					struct disk *ret_disk, char why[SEARCH_WHY_MAX])
{
	bool divided = false;

	*ret_disk = *named;
	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];

		divided = divided || is_whole_of(disk, named);
		if ((disk == named || is_whole_of(disk, named)) &&
		    has_label(disk, STR(SEARCH_DATA_LABEL)) && !disk_mark_get(disk)) {
			*ret_disk = *disk;
			return SEARCH_FOUND;
		}
	}
	if (divided) {
		snprintf(
			why, SEARCH_WHY_MAX,
			"/dev/%s is divided into partitions and none is labelled " SEARCH_DATA_LABEL
			"; name an empty disk with hoy.data=",
			named->name);
		return SEARCH_REFUSED;
	}
	if (!disk_mark_get(named) && had_our_label(named)) {
		snprintf(why, SEARCH_WHY_MAX, "/dev/%s: the superblock is destroyed", named->name);
		return SEARCH_DAMAGED;
	}
	return judge_empty(named, why);
}

static const struct disk *find_named(const struct disk_list *list,
				     const struct probe_selector *selector)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];

		if (selector->by == PROBE_BY_DEVICE && str_is(selector->text, disk->name))
			return disk;
		if (selector->by == PROBE_BY_SERIAL && disk->partition == 0 &&
		    str_is(selector->text, disk->serial))
			return disk;
	}
	return NULL;
}

static int random_guid(struct gpt_guid *guid)
{
	if (getrandom(guid->bytes, sizeof(guid->bytes), 0) != (ssize_t)sizeof(guid->bytes))
		return -EIO;
	guid->bytes[7] = (uint8_t)((guid->bytes[7] & 0x0f) | 0x40); /* version 4 */
	guid->bytes[8] = (uint8_t)((guid->bytes[8] & 0x3f) | 0x80);
	return 0;
}

/* The mark goes in before the entry: an entry without a mark or a file system is a damaged one. */
static int make_partition(const struct disk *disk, struct gpt *gpt, struct err *err)
{
	uint64_t first, last, unit = disk->sector_bytes, start, bytes;
	struct gpt_guid unique;
	int i, r;

	gpt_stretch(gpt);
	if (!gpt_free_largest(gpt, &first, &last) || (last - first + 1) * unit < SEARCH_MIN_BYTES)
		return err_set(err, -ENOSPC, "/dev/%s has no 32 MiB of free space for data",
			       disk->name);
	start = first * unit;
	bytes = (last - first + 1) * unit;
	r = random_guid(&unique);
	if (r == 0)
		r = disk_mark_set(disk, start, bytes, true, err);
	if (r < 0)
		return r;
	i = gpt_add(gpt, &gpt_type_data, &unique, first, last, SEARCH_DATA_LABEL, err);
	if (i < 0)
		return i;
	r = disk_gpt_write(disk, gpt, err);
	if (r == 0)
		r = disk_partition_add(disk, (uint32_t)i + 1, start, bytes, err);
	return r < 0 ? r : i;
}

static const struct disk *partition_of(const struct disk_list *list, const char *whole, int index)
{
	for (size_t i = 0; index >= 0 && i < list->count; i++)
		if (strcmp(list->disks[i].parent, whole) == 0 &&
		    list->disks[i].partition == (uint32_t)index + 1)
			return &list->disks[i];
	return NULL;
}

static enum search_verdict search_esp(struct disk_list *list, struct disk *ret_disk,
				      char why[SEARCH_WHY_MAX])
{
	static struct gpt gpt;
	const struct disk *disk = esp_disk(list, &gpt), *part;
	char whole[DISK_NAME_MAX];
	enum search_verdict verdict;
	struct err err = { 0 };
	int i;

	if (disk == NULL) {
		snprintf(why, SEARCH_WHY_MAX,
			 "no data disk: none is labelled " SEARCH_DATA_LABEL
			 ", and none is named by hoy.data=; running without");
		return SEARCH_NONE;
	}
	snprintf(whole, sizeof(whole), "%s", disk->name);
	i = gpt_find(&gpt, &gpt_type_data, SEARCH_DATA_LABEL);
	if (i < 0) {
		i = make_partition(disk, &gpt, &err);
		if (i >= 0 && disk_list_read(list, &err) < 0)
			i = -EIO;
	}
	part = partition_of(list, whole, i);
	if (part == NULL) {
		snprintf(why, SEARCH_WHY_MAX, "no data partition on /dev/%s: %.140s", whole,
			 err_text(&err));
		return SEARCH_REFUSED;
	}
	*ret_disk = *part;
	verdict = judge_empty(part, why);
	if (verdict == SEARCH_REFUSED && part->bytes >= SEARCH_MIN_BYTES) {
		snprintf(why, SEARCH_WHY_MAX, "/dev/%s: no file system can be seen in it",
			 part->name);
		return SEARCH_DAMAGED;
	}
	return verdict;
}

/* By label; of several, one on the disk we boot from, else the first by name. */
static enum search_verdict search_label(struct disk_list *list, struct str label,
					struct disk *ret_disk, char why[SEARCH_WHY_MAX])
{
	static struct gpt gpt;
	const struct disk *esp = esp_disk(list, &gpt), *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];

		if (!has_label(disk, label) || disk_mark_get(disk))
			continue;
		if (found != NULL)
			log_warn("/dev/%s is labelled %.*s too: only one is used", disk->name,
				 STR_ARG(label));
		if (found == NULL || (esp != NULL && is_whole_of(disk, esp)))
			found = disk;
	}
	if (found != NULL) {
		*ret_disk = *found;
		return SEARCH_FOUND;
	}
	if (str_is(label, SEARCH_DATA_LABEL))
		return search_esp(list, ret_disk, why);
	snprintf(why, SEARCH_WHY_MAX, "no disk is labelled %.*s; running without",
		 (int)(label.len < 32 ? label.len : 32), label.ptr);
	return SEARCH_NONE;
}

enum search_verdict search_data(struct disk_list *list, const char *selector, struct disk *ret_disk,
				char why[SEARCH_WHY_MAX])
{
	struct probe_selector sel;
	const struct disk *named;

	why[0] = '\0';
	if (probe_selector(str_from(selector), SEARCH_DATA_LABEL, &sel) < 0) {
		snprintf(why, SEARCH_WHY_MAX,
			 "hoy.data=%.60s is none of /dev/NAME, serial:TEXT, label:TEXT, none",
			 selector);
		return SEARCH_NONE;
	}
	if (sel.by == PROBE_BY_NONE) {
		snprintf(why, SEARCH_WHY_MAX, "switched off by hoy.data=none");
		return SEARCH_OFF;
	}
	if (sel.by == PROBE_BY_LABEL)
		return search_label(list, sel.text, ret_disk, why);
	named = find_named(list, &sel);
	if (named != NULL)
		return search_named(list, named, ret_disk, why);
	snprintf(why, SEARCH_WHY_MAX, "hoy.data=%.60s is not there (yet); running without",
		 selector);
	return SEARCH_NONE;
}

bool search_grow_partition(struct disk_list *list, const struct disk *partition)
{
	static struct gpt gpt;
	const struct disk *whole = disk_find(list, partition->parent);
	uint64_t unit = partition->sector_bytes, last;
	struct gpt_entry entry;
	struct err err;
	int r;

	if (partition->partition == 0 || whole == NULL || disk_gpt_read(whole, &gpt, NULL) < 0 ||
	    !gpt_entry(&gpt, partition->partition - 1, &entry) ||
	    strcmp(entry.name, SEARCH_DATA_LABEL) != 0)
		return false;
	gpt_stretch(&gpt);
	last = gpt_free_end(&gpt, partition->partition - 1);
	if ((last - entry.last) * unit < GPT_ALIGN_BYTES)
		return false;
	gpt_set_last(&gpt, partition->partition - 1, last);
	r = disk_gpt_write(whole, &gpt, &err);
	if (r == 0)
		r = disk_partition_resize(whole, partition->partition, entry.first * unit,
					  (last - entry.first + 1) * unit, &err);
	if (r < 0)
		log_warn("/dev/%s not grown: %s", partition->name, err_text(&err));
	return r == 0;
}

bool search_config(const struct disk_list *list, const char *selector, struct disk *ret_disk)
{
	struct probe_selector sel;
	char label[PROBE_LABEL_MAX];
	const struct disk *named;

	if (probe_selector(str_from(selector), "HOY_CONF", &sel) < 0 || sel.by == PROBE_BY_NONE)
		return false;
	if (sel.by != PROBE_BY_LABEL) {
		named = find_named(list, &sel);
		for (size_t i = 0; named != NULL && i < list->count; i++)
			if ((&list->disks[i] == named || is_whole_of(&list->disks[i], named)) &&
			    disk_fat_label(list->disks[i].name, label)) {
				*ret_disk = list->disks[i];
				return true;
			}
		return false;
	}
	for (size_t i = 0; i < list->count; i++)
		if (disk_fat_label(list->disks[i].name, label) && str_is(sel.text, label)) {
			*ret_disk = list->disks[i];
			return true;
		}
	return false;
}
