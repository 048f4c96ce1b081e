# SPDX-License-Identifier: Apache-2.0
# The network daemon. netd_PURE holds what has no socket in it: what the unit and fuzz tests link.

netd_PURE := netd/ip4.o netd/ip6.o netd/rule.o netd/api/netd_msg.o netd/api/netd_rows_msg.o netd/dhcp/dhcp_codec.o netd/dhcp/dhcp_record.o netd/dhcp/dhcp_client.o \
	netd/dhcp/dhcp_msg.o netd/dns_upstream.o netd/dns/dns_codec.o netd/dns/dns_cache.o netd/dns/dns_table.o netd/dns/dns_service.o \
	netd/ntp/ntp_codec.o netd/ntp/ntp_client.o \
	netd/nd/nd_codec.o netd/nd/nd_client.o netd/dhcp6/dhcp6_codec.o netd/dhcp6/dhcp6_client.o \
	netd/dhcp6/dhcp6_msg.o netd/api/probe_msg.o netd/dns/dns_walk.o netd/probe/echo.o
netd_NL := netd/nl/nl.o netd/nl/rtnl.o netd/nl/rtnl_state.o netd/nl/rtnl_dev.o netd/nl/rtnl_tc.o netd/nl/rtnl_neigh.o netd/nl/nft.o netd/nl/nft_expr.o netd/nl/nft_table.o netd/nl/nft_set.o \
	netd/nl/nft_elem.o netd/nl/nft_bridge.o netd/nl/nft_resolver.o netd/nl/nft_rule.o

# The records of network.ini, for whoever reads them.
netd_CONF := netd/conf.o netd/conf_check.o netd/conf_link.o netd/conf_rule.o netd/conf_bridge.o netd/conf_dns.o netd/driver.o

PROGS += netd
netd_OBJS := $(netd_PURE) $(netd_NL) netd/netd.o $(netd_CONF) netd/link/netdev.o netd/link/nowhere.o netd/role_main.o netd/role_start.o netd/role_dhcp.o netd/role_nd.o netd/main_nd.o netd/role_dhcp6.o netd/main_dhcp6.o \
	netd/role_dns.o netd/main_dns.o netd/role_ntp.o netd/role_splice.o netd/role_splice_udp.o netd/main_splice.o netd/main_time.o netd/main_heal.o netd/main_ula.o netd/main_why.o netd/main_rules.o netd/main_init.o netd/main_name.o netd/main_conf.o netd/main_link.o netd/main_lease.o netd/main_record.o netd/main_roles.o \
	netd/main_container.o netd/main_publish.o netd/main_connect.o netd/main_client.o netd/main_network.o netd/main_show.o netd/main_rows.o netd/link/link_plan.o \
	netd/link/packet.o netd/link/uplink.o netd/link/uplink_names.o netd/container/network.o netd/container/network_subnet.o netd/container/veth.o netd/container/direct.o \
	netd/container/attachment.o netd/container/keep.o netd/container/port.o netd/container/port_used.o netd/dns/dns_forward.o \
	netd/dns/dns_server.o netd/dns/dns_batch.o netd/dns/dns_link.o netd/dns/dns_tls.o
netd_OBJS += netd/role_probe.o netd/main_probe.o netd/main_neigh.o netd/main_trace.o netd/probe/probe.o netd/probe/ping.o netd/probe/trace.o netd/probe/dig.o
netd_LIBS := -lmbedtls -lmbedx509 -lmbedcrypto

# The same program with ASan and UBSan for the namespace tests.
NS += netd/test-netd
netd/test-netd_OBJS := $(netd_OBJS)
netd/test-netd_LIBS := $(netd_LIBS)

# Kernel headers below the host sysroot are no system headers to gcc, and cast away const.
$(B)/san/netd/%.o: SANFLAGS += -Wno-cast-qual
$(B)/fuzz/netd/%.o: FUZZFLAGS += -Wno-cast-qual
