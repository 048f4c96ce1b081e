# SPDX-License-Identifier: Apache-2.0
UNIT += tests/unit/engine_metrics/test_text
tests/unit/engine_metrics/test_text_OBJS := tests/unit/engine_metrics/test_text.o engine/metrics/text.o
FUZZ += tests/fuzz/fuzz_metrics
tests/fuzz/fuzz_metrics_OBJS := tests/fuzz/fuzz_metrics.o engine/metrics/text.o
