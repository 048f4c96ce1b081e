# SPDX-License-Identifier: Apache-2.0
tests_unit_netd := nl plan conf msg dhcp dns container ntp nd dhcp6 netdev probe rules

UNIT += $(tests_unit_netd:%=tests/unit/netd/test_%)
$(foreach t,$(tests_unit_netd),$(eval tests/unit/netd/test_$(t)_OBJS := tests/unit/netd/test_$(t).o \
	$(netd_PURE)))
tests/unit/netd/test_nl_OBJS += $(netd_NL)
tests/unit/netd/test_plan_OBJS += $(netd_NL) $(netd_CONF) netd/link/netdev.o netd/link/link_plan.o netd/link/nowhere.o netd/container/network.o netd/container/network_subnet.o netd/link/uplink.o netd/link/uplink_names.o
tests/unit/netd/test_netdev_OBJS += $(netd_NL) $(netd_CONF) netd/link/netdev.o netd/link/link_plan.o netd/link/uplink.o netd/link/uplink_names.o
tests/unit/netd/test_nd_OBJS += $(netd_NL) $(netd_CONF) netd/link/link_plan.o netd/link/uplink.o netd/link/uplink_names.o
tests/unit/netd/test_conf_OBJS += $(netd_NL) $(netd_CONF)
tests/unit/netd/test_rules_OBJS += $(netd_NL) $(netd_CONF) netd/main_rules.o
tests/unit/netd/test_container_OBJS += $(netd_NL) $(netd_CONF) netd/link/link_plan.o \
	netd/container/network.o netd/container/network_subnet.o netd/container/attachment.o netd/container/port.o netd/container/port_used.o

tests_fuzz_netd := dhcp4 dns netlink ntp nd dhcp6 network_ini probe port_used
FUZZ += $(tests_fuzz_netd:%=tests/fuzz/fuzz_%)
$(foreach t,$(tests_fuzz_netd),$(eval tests/fuzz/fuzz_$(t)_OBJS := tests/fuzz/fuzz_$(t).o \
	$(netd_PURE) $(netd_NL)))
tests/fuzz/fuzz_network_ini_OBJS += $(netd_CONF)
tests/fuzz/fuzz_port_used_OBJS += netd/container/port_used.o

# Loads the firewall table without one of its rules, for tests/ns/netd_rules.py.
NS += tests/tool/netd_mutant
tests/tool/netd_mutant_OBJS := tests/ns/netd_mutant.o netd/ip4.o netd/ip6.o netd/rule.o $(netd_NL)
