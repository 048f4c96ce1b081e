# SPDX-License-Identifier: Apache-2.0
# Each area lists its own unit tests and fuzz targets.
include $(wildcard tests/unit/*/module.mk)
