UNIT += tests/unit/engine_service/test_machine tests/unit/engine_service/test_spec
tests/unit/engine_service/test_machine_OBJS := tests/unit/engine_service/test_machine.o \
	engine/service/machine.o
tests/unit/engine_service/test_spec_OBJS := tests/unit/engine_service/test_spec.o \
	engine/service/schema.o engine/service/schema_engine.o engine/service/window.o engine/service/parse.o engine/service/spec.o engine/service/order.o \
	engine/health/test.o engine/oci/image.o $(engine_json_OBJS)
tests/unit/engine_service/test_spec_LIBS := -lyyjson

FUZZ += tests/fuzz/fuzz_service_value
tests/fuzz/fuzz_service_value_OBJS = tests/fuzz/fuzz_service_value.o engine/service/parse.o \
	$(engine_json_OBJS)
tests/fuzz/fuzz_service_value_LIBS := -lyyjson

UNIT += tests/unit/engine_service/test_hosts
tests/unit/engine_service/test_hosts_OBJS = tests/unit/engine_service/test_hosts.o \
	engine/service/hosts.o engine/service/schema.o engine/service/schema_engine.o engine/service/window.o engine/service/parse.o \
	engine/health/test.o engine/oci/image.o \
	engine/api/pull_msg.o engine/oci/reference.o engine/http/url.o \
	$(engine_json_OBJS)
tests/unit/engine_service/test_hosts_LIBS := -lyyjson

UNIT += tests/unit/engine_service/test_cron
tests/unit/engine_service/test_cron_OBJS := tests/unit/engine_service/test_cron.o engine/service/cron.o
FUZZ += tests/fuzz/fuzz_cron
tests/fuzz/fuzz_cron_OBJS := tests/fuzz/fuzz_cron.o engine/service/cron.o

FUZZ += tests/fuzz/fuzz_ends
tests/fuzz/fuzz_ends_OBJS := tests/fuzz/fuzz_ends.o engine/service/ends.o
UNIT += tests/unit/engine_service/test_ends
tests/unit/engine_service/test_ends_OBJS := tests/unit/engine_service/test_ends.o engine/service/ends.o

UNIT += tests/unit/engine_service/test_trial
tests/unit/engine_service/test_trial_OBJS := tests/unit/engine_service/test_trial.o \
	engine/service/trial_machine.o

UNIT += tests/unit/engine_service/test_turn
tests/unit/engine_service/test_turn_OBJS := tests/unit/engine_service/test_turn.o \
	engine/service/turn.o

UNIT += tests/unit/engine_service/test_window
tests/unit/engine_service/test_window_OBJS := tests/unit/engine_service/test_window.o engine/service/window.o
FUZZ += tests/fuzz/fuzz_window
tests/fuzz/fuzz_window_OBJS := tests/fuzz/fuzz_window.o engine/service/window.o
