# SPDX-License-Identifier: Apache-2.0
engine_http_OBJS := engine/http/http.o engine/http/http_body.o engine/http/url.o
