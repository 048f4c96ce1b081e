/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of a bundle, the process of an exec, the resources of an update. What is taken holds
 * what the checks promise; what is refused has one line that names its file.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/oci/runtime_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct err *err, const char *file)
{
	if (err->code >= 0 || strncmp(err->text, file, strlen(file)) != 0 ||
	    strchr(err->text, '\n'))
		abort();
}

static void check_process(const struct runtime_process *process)
{
	if (process->args.count == 0 || !process->args.items[0][0] || process->cwd[0] != '/' ||
	    process->args.items[process->args.count])
		abort();
	for (size_t i = 0; i < process->rlimits.count; i++)
		if (process->rlimits.items[i].type < RUNTIME_RLIMIT_TYPE_CPU ||
		    process->rlimits.items[i].type > RUNTIME_RLIMIT_TYPE_RTTIME)
			abort();
}

static void check_config(const struct runtime_config *config)
{
	if (!config->root_path || !config->root_path[0] || !config->linux_.set)
		abort();
	if (config->process.set)
		check_process(&config->process);
	for (size_t i = 0; i < config->mounts.count; i++)
		if (!config->mounts.items[i].target[0])
			abort();
	for (size_t i = 0; i < config->annotations.count; i++)
		if (!config->annotations.items[i].key || !config->annotations.items[i].value)
			abort();
	for (size_t i = 0; i < config->linux_.namespaces.count; i++)
		if (config->linux_.namespaces.items[i].type < RUNTIME_NAMESPACE_PID ||
		    config->linux_.namespaces.items[i].type > RUNTIME_NAMESPACE_TIME)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	struct runtime_config config;
	struct err err = { 0 };

	if (runtime_config_parse(text, &config, &err) == 0)
		check_config(&config);
	else
		check_error(&err, "config.json: ");
	runtime_config_done(&config);
	if (runtime_process_parse(text, &config, &err) == 0)
		check_process(&config.process);
	runtime_config_done(&config);
	memset(&err, 0, sizeof(err));
	if (runtime_resources_parse(text, &config, &err) < 0)
		check_error(&err, "resources: ");
	runtime_config_done(&config);
	return 0;
}
