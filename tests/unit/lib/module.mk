# SPDX-License-Identifier: Apache-2.0
tests_unit_lib := err str signame wire arena mono random log loop sha256 fs tree ini inidiff msg peer spawn vchild sandbox torture noheap

UNIT += $(tests_unit_lib:%=tests/unit/lib/test_%)
$(foreach t,$(tests_unit_lib),$(eval tests/unit/lib/test_$(t)_OBJS := tests/unit/lib/test_$(t).o))

$(B)/san/tests/unit/lib/test_torture.o: SANFLAGS += -DHOY_TORTURE

tests_fuzz_lib := ini wire msg str
FUZZ += $(tests_fuzz_lib:%=tests/fuzz/fuzz_%)
$(foreach t,$(tests_fuzz_lib),$(eval tests/fuzz/fuzz_$(t)_OBJS := tests/fuzz/fuzz_$(t).o))
