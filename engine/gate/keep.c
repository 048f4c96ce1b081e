/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of the machine's own authority. Runs in engine main, on its own file and on what the
 * sign role answers. Pure; must never forget that a certificate was revoked while it is valid.
 */
#include "engine/gate/keep.h"

#include <errno.h>
#include <string.h>
#include "lib/own.h"
#include "lib/sha256.h"

enum { KEEP_MAGIC = 8, KEEP_HEAD = KEEP_MAGIC + SHA256_SIZE };

static const char magic[] = "hoyaccs1";

static void sum(struct str rest, struct digest *ret_digest)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, rest.ptr, rest.len);
	sha256_end(&hash, ret_digest);
}

int gate_keep_encode(const struct gate_keep *keep, struct buf *out, struct err *err)
{
	static const char nothing[SHA256_SIZE];
	struct digest digest;

	(void)buf_add(out, magic, KEEP_MAGIC);
	(void)buf_add(out, nothing, sizeof(nothing));
	wire_put_text(out, keep->ca);
	wire_put_text(out, keep->ca_key);
	wire_put_text(out, keep->server);
	wire_put_text(out, keep->server_key);
	wire_put_u32(out, keep->host_count);
	for (uint32_t i = 0; i < keep->host_count; i++)
		wire_put_text(out, keep->hosts[i]);
	wire_put_u32(out, keep->row_count);
	for (uint32_t i = 0; i < keep->row_count; i++)
		access_row_put(out, &keep->rows[i]);
	if (buf_error(out))
		return err_set(err, buf_error(out), "the record of who may come in");
	sum(str_skip(buf_str(out), KEEP_HEAD), &digest);
	memcpy(out->data + KEEP_MAGIC, digest.bytes, SHA256_SIZE);
	return 0;
}

int gate_keep_decode(struct str file, struct gate_keep *ret_keep, struct err *err)
{
	struct gate_keep *keep = ret_keep;
	struct digest digest;
	struct wire in;

	memset(keep, 0, sizeof(*keep));
	if (file.len > KEEP_HEAD)
		sum(str_skip(file, KEEP_HEAD), &digest);
	if (file.len <= KEEP_HEAD || memcmp(file.ptr, magic, KEEP_MAGIC) != 0 ||
	    memcmp(file.ptr + KEEP_MAGIC, digest.bytes, SHA256_SIZE) != 0)
		return err_set(err, -EBADMSG, "the record of who may come in is damaged");
	wire_init(&in, file.ptr + KEEP_HEAD, file.len - KEEP_HEAD);
	wire_text(&in, keep->ca, sizeof(keep->ca));
	wire_text(&in, keep->ca_key, sizeof(keep->ca_key));
	wire_text(&in, keep->server, sizeof(keep->server));
	wire_text(&in, keep->server_key, sizeof(keep->server_key));
	keep->host_count = wire_count(&in, ACCESS_HOSTS_MAX);
	for (uint32_t i = 0; i < keep->host_count; i++) {
		wire_text(&in, keep->hosts[i], sizeof(keep->hosts[i]));
		if (!access_host_fits(str_from(keep->hosts[i])))
			in.error = -EBADMSG;
	}
	keep->row_count = wire_count(&in, ACCESS_ROWS_MAX);
	for (uint32_t i = 0; i < keep->row_count; i++)
		access_row_get(&in, &keep->rows[i]);
	if (wire_end(&in) >= 0)
		return 0;
	memset(keep, 0, sizeof(*keep));
	return err_set(err, -EBADMSG, "the record of who may come in is of another version");
}

static void drop_host(struct gate_keep *keep, uint32_t at)
{
	keep->host_count--;
	memmove(&keep->hosts[at], &keep->hosts[at + 1],
		(keep->host_count - at) * sizeof(keep->hosts[0]));
	memset(&keep->hosts[keep->host_count], 0, sizeof(keep->hosts[0]));
}

/* The youngest is the last, also one that was known: an order must not push out its own hosts. */
void gate_keep_host(struct gate_keep *keep, struct str host)
{
	uint32_t at = 0;

	if (!access_host_fits(host))
		return;
	while (at < keep->host_count && !str_is(host, keep->hosts[at]))
		at++;
	if (at < keep->host_count)
		drop_host(keep, at);
	else if (keep->host_count == ACCESS_HOSTS_MAX)
		drop_host(keep, 0);
	(void)str_copy(host, keep->hosts[keep->host_count++], sizeof(keep->hosts[0]));
}

int gate_keep_room(struct gate_keep *keep, int64_t now_s, struct err *err)
{
	uint32_t kept = 0;

	if (keep->row_count < ACCESS_ROWS_MAX)
		return 0;
	for (uint32_t i = 0; i < keep->row_count; i++) {
		/* A clock that is set back must not let a revoked one in again. */
		int64_t margin_s = keep->rows[i].revoked ? GATE_KEEP_MARGIN_S : 0;

		if (keep->rows[i].until_s + margin_s >= now_s)
			keep->rows[kept++] = keep->rows[i];
	}
	keep->row_count = kept;
	if (kept < ACCESS_ROWS_MAX)
		return 0;
	return err_set(err, -E2BIG, "%d certificates are valid or revoked: no more are kept",
		       ACCESS_ROWS_MAX);
}

int gate_keep_take(struct gate_keep *keep, const struct access_order *order,
		   const struct access_made *made, struct err *err)
{
	struct access_row *row = &keep->rows[keep->row_count];

	if (keep->row_count == ACCESS_ROWS_MAX ||
	    str_copy(made->ca, keep->ca, sizeof(keep->ca)) < 0 ||
	    str_copy(made->ca_key, keep->ca_key, sizeof(keep->ca_key)) < 0 ||
	    str_copy(made->server, keep->server, sizeof(keep->server)) < 0 ||
	    str_copy(made->server_key, keep->server_key, sizeof(keep->server_key)) < 0)
		return err_set(err, -E2BIG, "a certificate is too large to be kept");
	*row = (struct access_row){ .role = order->role, .until_s = order->until_s };
	(void)str_copy(order->name, row->name, sizeof(row->name));
	(void)str_copy(made->serial, row->serial, sizeof(row->serial));
	keep->row_count++;
	return 0;
}

uint32_t gate_keep_revoke(struct gate_keep *keep, struct str which)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < keep->row_count; i++) {
		struct access_row *row = &keep->rows[i];

		if (row->revoked || (!str_is(which, row->name) && !str_is(which, row->serial)))
			continue;
		row->revoked = true;
		count++;
	}
	return count;
}
