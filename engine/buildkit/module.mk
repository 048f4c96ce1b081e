engine_buildkit_OBJS := engine/buildkit/agent.o engine/buildkit/cache.o engine/buildkit/control.o engine/buildkit/deliver.o engine/buildkit/fileset.o engine/buildkit/history.o engine/buildkit/grpc.o engine/buildkit/outline.o \
	engine/buildkit/packet.o engine/buildkit/pb.o engine/buildkit/prune.o engine/buildkit/report.o engine/buildkit/request.o \
	engine/buildkit/session.o engine/buildkit/solve.o engine/buildkit/solve_ask.o engine/buildkit/solve_build.o engine/buildkit/solve_call.o engine/buildkit/solve_export.o engine/buildkit/solve_gather.o \
	engine/buildkit/solve_tell.o engine/buildkit/stream.o engine/buildkit/subrequest.o engine/buildkit/sync.o engine/buildkit/sync_link.o engine/buildkit/tar.o engine/buildkit/upload.o
