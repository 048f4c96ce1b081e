# SPDX-License-Identifier: Apache-2.0
engine_metrics_OBJS := engine/metrics/text.o
