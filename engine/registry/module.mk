# SPDX-License-Identifier: Apache-2.0
engine_registry_OBJS := engine/registry/feed.o engine/registry/rate.o engine/registry/net.o engine/registry/tls.o \
	engine/registry/challenge.o engine/registry/client.o engine/registry/auth.o \
	engine/registry/dockercfg.o engine/registry/proxy.o \
	engine/registry/session.o engine/registry/retry.o engine/registry/place.o \
	engine/registry/layers.o engine/registry/pull.o engine/registry/push.o \
	engine/registry/cosign.o engine/registry/signature.o engine/registry/archive.o \
	engine/registry/documents.o engine/registry/save.o engine/registry/fetch.o engine/registry/git.o \
	engine/registry/referrers.o engine/registry/ask.o engine/registry/serve.o engine/registry/serve_cache.o \
	engine/api/pull_msg.o engine/role_pull.o engine/role_load.o
engine_registry_LIBS := -lmbedtls -lmbedx509 -lmbedcrypto
