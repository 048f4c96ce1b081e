engine_docker_OBJS := engine/docker/server.o engine/docker/routes.o engine/docker/rfc3339.o
