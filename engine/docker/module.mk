engine_docker_OBJS := engine/docker/server.o engine/docker/routes.o
