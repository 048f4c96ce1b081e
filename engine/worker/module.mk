engine_worker_OBJS := engine/worker/worker.o
