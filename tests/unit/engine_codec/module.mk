# SPDX-License-Identifier: Apache-2.0
tests_unit_codec := tests/unit/engine_codec
codec_json := engine/json/json.o engine/json/json_write.o
codec_http := engine/http/http.o engine/http/http_body.o engine/http/url.o
codec_oci = $(engine_oci_OBJS) $(codec_json) $(codec_http)
codec_proxy := engine/registry/proxy.o engine/registry/net.o $(codec_http)
# tls.o brings lib/tls_base.o, the source of chance that mbedtls is built for.
codec_cosign := engine/registry/cosign.o engine/registry/tls.o engine/registry/net.o \
	$(codec_json) $(codec_http)
codec_cosign_LIBS := -lmbedtls -lmbedx509 -lmbedcrypto -lyyjson
codec_tar := engine/tar/stream.o engine/tar/stream_gzip.o engine/tar/stream_xz.o engine/tar/stream_bzip2.o engine/tar/name.o engine/tar/unpack.o engine/tar/walk.o \
	engine/tar/write.o engine/api/entry.o engine/api/unpack_msg.o

UNIT += $(addprefix $(tests_unit_codec)/test_,json http oci image entry tar gzip tar_write challenge pull_msg retry dockercfg \
	proxy cosign confusion referrers)
$(tests_unit_codec)/test_json_OBJS := $(tests_unit_codec)/test_json.o $(codec_json)
$(tests_unit_codec)/test_json_LIBS := -lyyjson
$(tests_unit_codec)/test_http_OBJS := $(tests_unit_codec)/test_http.o $(codec_http)
$(tests_unit_codec)/test_oci_OBJS = $(tests_unit_codec)/test_oci.o $(codec_oci)
$(tests_unit_codec)/test_oci_LIBS := -lyyjson
$(tests_unit_codec)/test_referrers_OBJS = $(tests_unit_codec)/test_referrers.o $(codec_oci)
$(tests_unit_codec)/test_referrers_LIBS := -lyyjson
$(tests_unit_codec)/test_confusion_OBJS = $(tests_unit_codec)/test_confusion.o $(codec_oci)
$(tests_unit_codec)/test_confusion_LIBS := -lyyjson
$(tests_unit_codec)/test_image_OBJS := $(tests_unit_codec)/test_image.o engine/oci/image.o
$(tests_unit_codec)/test_entry_OBJS := $(tests_unit_codec)/test_entry.o engine/api/entry.o
$(tests_unit_codec)/test_tar_OBJS = $(tests_unit_codec)/test_tar.o $(codec_tar) $(codec_oci)
$(tests_unit_codec)/test_tar_LIBS := -larchive -llzma -lbz2 -lisal -lz -lzstd -lyyjson
$(tests_unit_codec)/test_gzip_OBJS = $(tests_unit_codec)/test_gzip.o $(codec_tar) $(codec_oci)
$(tests_unit_codec)/test_gzip_LIBS := -larchive -llzma -lbz2 -lisal -lz -lzstd -lyyjson
$(tests_unit_codec)/test_tar_write_OBJS = $(tests_unit_codec)/test_tar_write.o $(codec_tar) $(codec_oci)
$(tests_unit_codec)/test_tar_write_LIBS := -larchive -llzma -lbz2 -lisal -lz -lzstd -lyyjson
$(tests_unit_codec)/test_challenge_OBJS := $(tests_unit_codec)/test_challenge.o \
	engine/registry/challenge.o engine/http/url.o
$(tests_unit_codec)/test_pull_msg_OBJS := $(tests_unit_codec)/test_pull_msg.o \
	engine/api/pull_msg.o engine/api/unpack_msg.o
$(tests_unit_codec)/test_dockercfg_OBJS := $(tests_unit_codec)/test_dockercfg.o \
	engine/registry/dockercfg.o $(codec_json)
$(tests_unit_codec)/test_dockercfg_LIBS := -lyyjson -lmbedcrypto
$(tests_unit_codec)/test_proxy_OBJS := $(tests_unit_codec)/test_proxy.o $(codec_proxy)
$(tests_unit_codec)/test_proxy_LIBS := -lmbedcrypto
$(tests_unit_codec)/test_cosign_OBJS := $(tests_unit_codec)/test_cosign.o $(codec_cosign)
$(tests_unit_codec)/test_cosign_LIBS := $(codec_cosign_LIBS)
$(tests_unit_codec)/test_retry_OBJS := $(tests_unit_codec)/test_retry.o \
	engine/registry/retry.o engine/registry/rate.o

FUZZ += $(addprefix tests/fuzz/fuzz_,json oci referrers http tar entry reference challenge retry \
	dockercfg proxy cosign)
tests/fuzz/fuzz_json_OBJS := tests/fuzz/fuzz_json.o $(codec_json)
tests/fuzz/fuzz_json_LIBS := -lyyjson
tests/fuzz/fuzz_oci_OBJS = tests/fuzz/fuzz_oci.o $(codec_oci)
tests/fuzz/fuzz_oci_LIBS := -lyyjson
tests/fuzz/fuzz_referrers_OBJS = tests/fuzz/fuzz_referrers.o $(codec_oci)
tests/fuzz/fuzz_referrers_LIBS := -lyyjson
FUZZ += tests/fuzz/fuzz_build_cache
tests/fuzz/fuzz_build_cache_OBJS = tests/fuzz/fuzz_build_cache.o $(codec_oci)
tests/fuzz/fuzz_build_cache_LIBS := -lyyjson
tests/fuzz/fuzz_http_OBJS := tests/fuzz/fuzz_http.o $(codec_http)
tests/fuzz/fuzz_tar_OBJS = tests/fuzz/fuzz_tar.o $(codec_tar) $(codec_oci)
tests/fuzz/fuzz_tar_LIBS := -larchive -llzma -lbz2 -lisal -lz -lzstd -lyyjson
tests/fuzz/fuzz_entry_OBJS := tests/fuzz/fuzz_entry.o engine/api/entry.o
tests/fuzz/fuzz_reference_OBJS := tests/fuzz/fuzz_reference.o engine/oci/reference.o \
	engine/http/url.o
tests/fuzz/fuzz_challenge_OBJS := tests/fuzz/fuzz_challenge.o engine/registry/challenge.o \
	engine/http/url.o
tests/fuzz/fuzz_dockercfg_OBJS := tests/fuzz/fuzz_dockercfg.o engine/registry/dockercfg.o \
	$(codec_json)
tests/fuzz/fuzz_dockercfg_LIBS := -lyyjson -lmbedcrypto
tests/fuzz/fuzz_proxy_OBJS := tests/fuzz/fuzz_proxy.o $(codec_proxy)
tests/fuzz/fuzz_proxy_LIBS := -lmbedcrypto
tests/fuzz/fuzz_cosign_OBJS := tests/fuzz/fuzz_cosign.o $(codec_cosign)
tests/fuzz/fuzz_cosign_LIBS := $(codec_cosign_LIBS)
tests/fuzz/fuzz_retry_OBJS := tests/fuzz/fuzz_retry.o engine/registry/retry.o

# pull_driver is no test: it plays engine main for tests/ns/pull_*.py.
NS += tests/tool/pull_driver
tests/tool/pull_driver_OBJS = tests/ns/pull_driver.o tests/ns/pull_unpack.o \
	tests/ns/pull_blobs.o \
	$(engine_registry_OBJS) $(engine_git_OBJS) $(codec_tar) $(codec_oci)
tests/tool/pull_driver_LIBS := -lmbedtls -lmbedx509 -lmbedcrypto -larchive -llzma -lbz2 -lisal -lz -lzstd -lyyjson

FUZZ += tests/fuzz/fuzz_role_msg tests/fuzz/fuzz_passwd
tests/fuzz/fuzz_role_msg_OBJS = tests/fuzz/fuzz_role_msg.o $(engine_api_OBJS) \
	engine/oci/image.o
tests/fuzz/fuzz_passwd_OBJS := tests/fuzz/fuzz_passwd.o engine/files/user.o
