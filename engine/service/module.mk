engine_service_OBJS := engine/service/machine.o engine/service/schema.o engine/service/schema_engine.o engine/service/schema_compose.o engine/service/parse.o \
	engine/service/spec.o engine/service/order.o engine/service/manager.o \
	engine/service/prepare.o engine/service/rebuild.o engine/service/hosts.o engine/service/supervise.o \
	engine/service/schedule.o engine/service/wanted.o engine/service/cron.o engine/service/cron_serve.o engine/service/ends.o \
	engine/service/reasons.o engine/service/trial.o engine/service/trial_machine.o engine/service/turn.o \
	engine/service/update.o engine/service/compose.o engine/service/env_file.o engine/service/networks.o engine/service/window.o
