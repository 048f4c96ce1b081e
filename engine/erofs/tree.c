/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns names and inodes of the image being written. Runs in the pack role. Pure memory: must never
 * touch the file, nor grow beyond EROFS_NODES_MAX and EROFS_TEXT_MAX, whatever the records say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "engine/erofs/erofs.h"
#include "engine/erofs/tree.h"

static int grow(void **array, uint32_t *room, uint32_t count, size_t item, uint32_t max,
		struct err *err)
{
	if (count < *room)
		return 0;
	if (count >= max)
		return err_set(err, -EFBIG, "layer has more than %u files and names", max);
	uint32_t wanted = *room == 0 ? 256 : *room * 2;
	if (wanted > max)
		wanted = max;
	void *bigger = realloc(*array, (size_t)wanted * item);
	if (bigger == NULL)
		return err_set(err, -ENOMEM, "out of memory at %u files of a layer", count);
	*array = bigger;
	*room = wanted;
	return 0;
}

int tree_text(struct tree *tree, const void *data, size_t size, uint32_t *ret_offset,
	      struct err *err)
{
	if (size > EROFS_TEXT_MAX - tree->text_size)
		return err_set(err, -EFBIG, "names and attributes of a layer exceed %u MiB",
			       (unsigned)EROFS_TEXT_MAX >> 20);
	if (tree->text_size + size > tree->text_room) {
		size_t room = tree->text_room == 0 ? 16384 : tree->text_room * 2;
		while (room < tree->text_size + size)
			room *= 2;
		char *bigger = realloc(tree->text, room);
		if (bigger == NULL)
			return err_set(err, -ENOMEM, "out of memory for names of a layer");
		tree->text = bigger;
		tree->text_room = room;
	}
	if (size > 0 && data != NULL)
		memcpy(tree->text + tree->text_size, data, size);
	else if (size > 0)
		memset(tree->text + tree->text_size, 0, size);
	*ret_offset = (uint32_t)tree->text_size;
	tree->text_size += size;
	return 0;
}

int tree_node_new(struct tree *tree, uint32_t *ret_node, struct err *err)
{
	void *array = tree->nodes;
	int r = grow(&array, &tree->node_room, tree->node_count, sizeof(struct tree_node),
		     EROFS_NODES_MAX, err);
	tree->nodes = array;
	if (r < 0)
		return r;
	tree->nodes[tree->node_count] = (struct tree_node){ 0 };
	*ret_node = tree->node_count++;
	return 0;
}

static uint32_t hash_name(uint32_t parent, struct str name)
{
	/* FNV-1a; the table is rebuilt from indexes, so a crafted layer costs time, not memory. */
	uint32_t hash = 2166136261U ^ (parent * 2654435761U);
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619U;
	return hash ^ (hash >> 15);
}

static struct str name_text(const struct tree *tree, const struct tree_name *name)
{
	return str_make(tree->text + name->text, name->len);
}

static void link_name(struct tree *tree, uint32_t index)
{
	struct tree_name *name = &tree->names[index];
	uint32_t bucket = hash_name(name->parent, name_text(tree, name)) & (tree->bucket_count - 1);
	name->next = tree->buckets[bucket];
	tree->buckets[bucket] = index;
}

static int rehash(struct tree *tree, struct err *err)
{
	if (tree->name_count < tree->bucket_count)
		return 0;
	uint32_t count = tree->bucket_count == 0 ? 1024 : tree->bucket_count * 2;
	uint32_t *buckets = malloc((size_t)count * sizeof(*buckets));
	if (buckets == NULL)
		return err_set(err, -ENOMEM, "out of memory for %u names of a layer", count);
	memset(buckets, 0xff, (size_t)count * sizeof(*buckets));
	free(tree->buckets);
	tree->buckets = buckets;
	tree->bucket_count = count;
	for (uint32_t i = 1; i < tree->name_count; i++)
		if (!tree->names[i].dead)
			link_name(tree, i);
	return 0;
}

static uint32_t find_child(const struct tree *tree, uint32_t parent, struct str name)
{
	if (tree->bucket_count == 0)
		return TREE_NONE;
	uint32_t i = tree->buckets[hash_name(parent, name) & (tree->bucket_count - 1)];
	while (i != TREE_NONE) {
		const struct tree_name *have = &tree->names[i];
		if (!have->dead && have->parent == parent && str_eq(name_text(tree, have), name))
			return i;
		i = have->next;
	}
	return TREE_NONE;
}

static int add_name(struct tree *tree, uint32_t parent, struct str text, uint32_t *ret_name,
		    struct err *err)
{
	void *array = tree->names;
	int r = grow(&array, &tree->name_room, tree->name_count, sizeof(struct tree_name),
		     EROFS_NODES_MAX, err);
	tree->names = array;
	uint32_t offset = 0;
	if (r == 0)
		r = rehash(tree, err);
	if (r == 0)
		r = tree_text(tree, text.ptr, text.len, &offset, err);
	if (r < 0)
		return r;
	uint32_t index = tree->name_count++;
	tree->names[index] = (struct tree_name){
		.parent = parent,
		.node = TREE_NONE,
		.text = offset,
		.next = TREE_NONE,
		.len = (uint8_t)text.len,
	};
	if (index != TREE_ROOT)
		link_name(tree, index);
	*ret_name = index;
	return 0;
}

static int make_dir(struct tree *tree, uint32_t name, struct err *err)
{
	uint32_t node = 0;
	int r = tree_node_new(tree, &node, err);
	if (r < 0)
		return r;
	tree->nodes[node].mode = S_IFDIR | 0755;
	tree->names[name].node = node;
	return 0;
}

int tree_init(struct tree *tree)
{
	*tree = (struct tree){ 0 };
	uint32_t root = 0;
	int r = add_name(tree, TREE_ROOT, STR(""), &root, NULL);
	return r < 0 ? r : make_dir(tree, root, NULL);
}

void tree_done(struct tree *tree)
{
	free(tree->nodes);
	free(tree->names);
	free(tree->buckets);
	free(tree->text);
	free(tree->order);
	*tree = (struct tree){ 0 };
}

uint32_t tree_find(const struct tree *tree, struct str path)
{
	uint32_t name = TREE_ROOT;
	struct str part;
	while (name != TREE_NONE && str_cut(&path, '/', &part))
		if (part.len > 0)
			name = find_child(tree, name, part);
	return name;
}

static bool is_whiteout(const struct tree_node *node)
{
	return S_ISCHR(node->mode) && node->rdev == 0;
}

/* What stands above a path must be a directory. A whiteout there becomes one that hides the layers
 * below. */
static int check_parent(struct tree *tree, uint32_t *name, struct str path, struct err *err)
{
	uint32_t node = tree->names[*name].node;
	if (node != TREE_NONE && S_ISDIR(tree->nodes[node].mode))
		return 0;
	char shown[256];
	str_escape(path, shown, sizeof(shown));
	if (node != TREE_NONE && !is_whiteout(&tree->nodes[node]))
		return err_set(err, -EBADMSG, "layer has '%s' below something that is no directory",
			       shown);
	int r = node == TREE_NONE ? 0 : tree_replace(tree, name, err);
	if (r == 0)
		r = make_dir(tree, *name, err);
	if (r == 0 && node != TREE_NONE)
		tree->nodes[tree->names[*name].node].opaque = true;
	return r;
}

int tree_make(struct tree *tree, struct str path, uint32_t *ret_name, struct err *err)
{
	struct str rest = path, part;
	uint32_t name = TREE_ROOT;
	while (str_cut(&rest, '/', &part)) {
		if (part.len == 0)
			continue;
		int r = check_parent(tree, &name, path, err);
		if (r < 0)
			return r;
		uint32_t child = find_child(tree, name, part);
		if (child == TREE_NONE)
			r = add_name(tree, name, part, &child, err);
		if (r < 0)
			return r;
		name = child;
	}
	*ret_name = name;
	return 0;
}

int tree_replace(struct tree *tree, uint32_t *name, struct err *err)
{
	struct tree_name *old = &tree->names[*name];
	if (*name == TREE_ROOT)
		return err_set(err, -EBADMSG, "layer replaces its root by something else");
	old->dead = true;
	uint32_t parent = old->parent;
	char text[256];
	struct str copy = str_make(text, old->len);
	/* add_name() may move the text it would be reading. */
	memcpy(text, tree->text + old->text, old->len);
	return add_name(tree, parent, copy, name, err);
}

static int compare_names(const void *a, const void *b, void *owner)
{
	const struct tree *tree = owner;
	const struct tree_name *x = &tree->names[*(const uint32_t *)a];
	const struct tree_name *y = &tree->names[*(const uint32_t *)b];
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return str_cmp(name_text(tree, x), name_text(tree, y));
}

int tree_sort(struct tree *tree, struct err *err)
{
	tree->order = malloc(((size_t)tree->name_count + 1) * sizeof(*tree->order));
	if (tree->order == NULL)
		return err_set(err, -ENOMEM, "out of memory for sorting a layer");
	tree->order_count = 0;
	/* A parent's name always has a smaller index than its children's: one pass finds the dead.
	 */
	for (uint32_t i = 1; i < tree->name_count; i++) {
		struct tree_name *name = &tree->names[i];
		if (name->node == TREE_NONE || tree->names[name->parent].dead)
			name->dead = true;
		if (!name->dead)
			tree->order[tree->order_count++] = i;
	}
	qsort_r(tree->order, tree->order_count, sizeof(*tree->order), compare_names, tree);
	struct tree_node *root = &tree->nodes[tree->names[TREE_ROOT].node];
	root->nlink = 2;
	for (uint32_t i = 0; i < tree->order_count; i++) {
		const struct tree_name *name = &tree->names[tree->order[i]];
		struct tree_node *parent = &tree->nodes[tree->names[name->parent].node];
		struct tree_node *node = &tree->nodes[name->node];
		if (parent->count++ == 0)
			parent->first = i;
		if (S_ISDIR(node->mode)) {
			node->nlink = 2;
			parent->nlink++;
		} else {
			node->nlink++;
		}
	}
	return 0;
}
