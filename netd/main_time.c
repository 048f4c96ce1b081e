/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the machine's clock: which servers the ntp role asks, and the one place that sets the time.
 * Run by netd main. It must never set the clock to before this program was built: certificates
 * would become valid again that are not.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include "lib/log.h"
#include "lib/own.h"
#include "netd/main.h"
#include "netd/ntp/ntp_msg.h"

enum { SERVERS_BYTES_MAX = 4096 };

#define SECOND_NS INT64_C(1000000000)

bool main_time_allowed(void)
{
	return prctl(PR_CAPBSET_READ, CAP_SYS_TIME, 0, 0, 0) == 1;
}

static void send_servers(struct netd *netd)
{
	OWN(buf_done) struct buf body = { 0 };

	buf_init(&body, SERVERS_BYTES_MAX);
	wire_put_i64(&body, HOY_BUILD_EPOCH);
	wire_put_u32(&body, (uint32_t)netd->time.servers.count);
	for (size_t i = 0; i < netd->time.servers.count; i++)
		wire_put_text(&body, netd->time.servers.list[i]);
	main_helper_send(&netd->ntp, NTP_MSG_SERVERS, buf_str(&body), NULL, 0);
}

void main_time_forget(struct netd *netd)
{
	send_servers(netd);
}

void main_time_servers(struct netd *netd)
{
	struct uplink_time_servers now;
	struct err err;

	memset(&now, 0, sizeof(now)); /* compared byte for byte below */
	uplink_time_servers(&netd->uplinks, &now);
	if (!memcmp(&now, &netd->time.servers, sizeof(now)))
		return;
	netd->time.servers = now;
	/* Most small networks have none: no process for nothing. */
	if (!netd->ntp.netd && now.count) {
		if (main_helper_start(netd, &netd->ntp, "ntp", &err) < 0)
			log_err("%s", err_text(&err));
	} else if (netd->ntp.netd) {
		send_servers(netd);
	}
}

void main_time_hurry(struct netd *netd)
{
	if (netd->ntp.netd)
		main_helper_send(&netd->ntp, NTP_MSG_HURRY, (struct str){ 0 }, NULL, 0);
}

static int step(int64_t offset_ns, struct err *err)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	if (__builtin_add_overflow(now.tv_sec * SECOND_NS + now.tv_nsec, offset_ns, &ns) ||
	    ns / SECOND_NS < HOY_BUILD_EPOCH)
		return err_set(err, -ERANGE,
			       "the time servers name a time before this system was built");
	now.tv_sec = (time_t)(ns / SECOND_NS);
	now.tv_nsec = (long)(ns % SECOND_NS);
	return clock_settime(CLOCK_REALTIME, &now) < 0 ? err_sys(err, -errno, "set the clock") : 0;
}

static int slew(int64_t offset_ns, struct err *err)
{
	struct timex change = { .modes = ADJ_OFFSET_SINGLESHOT,
				.offset = (long)(offset_ns / 1000) };

	return adjtimex(&change) < 0 ? err_sys(err, -errno, "slew the clock") : 0;
}

/* The kernel then says "synchronised" to whoever asks and keeps the hardware clock right. */
static void mark_good(void)
{
	struct timex change = { .modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR };

	(void)adjtimex(&change);
}

void main_time_adjust(struct netd *netd, int64_t offset_ns, bool at_once)
{
	struct err err;
	int r = at_once ? step(offset_ns, &err) : slew(offset_ns, &err);

	if (r < 0) {
		log_err("%s", err_text(&err));
		netd->time.failed = true;
		return;
	}
	netd->time.failed = false;
	if (at_once)
		log_notice("clock set: it was %s%lld.%03lld s off", offset_ns < 0 ? "-" : "",
			   (long long)((offset_ns < 0 ? -offset_ns : offset_ns) / SECOND_NS),
			   (long long)((offset_ns < 0 ? -offset_ns : offset_ns) / 1000000 % 1000));
	mark_good();
}

void main_time_state(struct netd *netd, const struct main_time_report *report)
{
	static const char *const words[] = { "asking", "no answer", "the servers disagree",
					     "synchronised" };

	if (report->verdict >= ARRAY_LEN(words))
		return;
	if (report->verdict != netd->time.report.verdict)
		log_notice("time: %s (%u of %zu servers)", words[report->verdict], report->agreed,
			   netd->time.servers.count);
	netd->time.report = *report;
}

void main_time_show(const struct netd *netd, struct buf *out)
{
	const struct main_time_report *report = &netd->time.report;

	if (!netd->time.servers.count)
		buf_add_text(out, "no time server: none from DHCP, and no NTP in network.ini\n");
	for (size_t i = 0; i < netd->time.servers.count; i++)
		buf_printf(out, "server %s\n", netd->time.servers.list[i]);
	if (!netd->time.servers.count)
		return;
	buf_printf(out, "state %s\n",
		   netd->time.failed	  ? "the clock cannot be set: see the log"
		   : report->synchronised ? "synchronised"
					  : "not synchronised");
	buf_printf(out, "last round %s\n",
		   report->verdict == NTP_VERDICT_AGREE	     ? "agreed"
		   : report->verdict == NTP_VERDICT_DISAGREE ? "the servers disagree"
		   : report->verdict == NTP_VERDICT_SILENT   ? "no answer"
							     : "not over yet");
	if (report->verdict == NTP_VERDICT_AGREE)
		buf_printf(out, "offset %lld us by %u servers\n",
			   (long long)(report->offset_ns / 1000), report->agreed);
}
