engine_health_OBJS := engine/health/machine.o engine/health/test.o engine/health/monitor.o \
	engine/health/serve.o
