/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table of the Docker API. Runs in the api role. Names are those of the Engine API 1.51.
 */
#include "engine/docker/handlers.h"
#include "lib/own.h"

#define SCRAPER	 DOCKER_ROLE_SCRAPER
#define READER	 DOCKER_ROLE_READER
#define OPERATOR DOCKER_ROLE_OPERATOR
#define DEPLOYER DOCKER_ROLE_DEPLOYER
#define ADMIN	 DOCKER_ROLE_ADMIN

const struct docker_route docker_routes[] = {
	{ "GET", "/_ping", READER, docker_ping },
	{ "GET", "/version", READER, docker_version },
	{ "GET", "/info", READER, docker_info },
	{ "GET", "/metrics", SCRAPER, docker_metrics },
	{ "GET", "/containers/json", READER, docker_list },
	{ "POST", "/containers/create", DEPLOYER, docker_create },
	{ "GET", "/containers/{}/json", READER, docker_inspect },
	{ "GET", "/containers/{}/logs", READER, docker_logs },
	{ "GET", "/containers/{}/top", READER, docker_top },
	{ "GET", "/containers/{}/stats", READER, docker_stats },
	{ "GET", "/containers/{}/changes", READER, docker_changes },
	{ "GET", "/containers/{}/export", ADMIN, docker_export },
	{ "GET", "/containers/{}/archive", ADMIN, docker_archive_get },
	{ "PUT", "/containers/{}/archive", ADMIN, docker_archive_put },
	{ "POST", "/containers/prune", DEPLOYER, docker_prune_boxes },
	{ "POST", "/containers/{}/rename", DEPLOYER, docker_rename },
	{ "POST", "/containers/{}/update", DEPLOYER, docker_update },
	{ "POST", "/containers/{}/start", OPERATOR, docker_start },
	{ "POST", "/containers/{}/stop", OPERATOR, docker_stop },
	{ "POST", "/containers/{}/restart", OPERATOR, docker_restart },
	{ "POST", "/containers/{}/kill", OPERATOR, docker_kill },
	{ "POST", "/containers/{}/pause", OPERATOR, docker_pause },
	{ "POST", "/containers/{}/unpause", OPERATOR, docker_unpause },
	{ "POST", "/containers/{}/wait", READER, docker_wait },
	{ "POST", "/containers/{}/attach", ADMIN, docker_attach },
	{ "GET", "/containers/{}/attach/ws", ADMIN, docker_attach_websocket },
	{ "POST", "/containers/{}/resize", OPERATOR, docker_resize },
	{ "POST", "/containers/{}/exec", ADMIN, docker_exec_create },
	{ "DELETE", "/containers/{}", DEPLOYER, docker_remove },
	{ "POST", "/exec/{}/start", ADMIN, docker_exec_start },
	{ "POST", "/exec/{}/resize", ADMIN, docker_exec_resize },
	{ "GET", "/exec/{}/json", READER, docker_exec_inspect },
	{ "GET", "/images/json", READER, docker_images },
	{ "GET", "/images/get", ADMIN, docker_images_save },
	{ "GET", "/images/{}/get", ADMIN, docker_image_save },
	{ "GET", "/images/search", DEPLOYER, docker_search },
	{ "POST", "/auth", DEPLOYER, docker_auth },
	{ "GET", "/distribution/{}/json", DEPLOYER, docker_distribution },
	{ "GET", "/images/{}/json", READER, docker_image_inspect },
	{ "GET", "/images/{}/history", READER, docker_image_history },
	{ "POST", "/images/create", DEPLOYER, docker_image_pull },
	{ "POST", "/images/load", DEPLOYER, docker_image_load },
	{ "POST", "/commit", DEPLOYER, docker_commit },
	{ "POST", "/images/prune", DEPLOYER, docker_image_prune },
	{ "POST", "/images/{}/tag", DEPLOYER, docker_image_tag },
	{ "POST", "/images/{}/push", DEPLOYER, docker_image_push },
	{ "DELETE", "/images/{}", DEPLOYER, docker_image_remove },
	{ "POST", "/build", DEPLOYER, docker_build },
	{ "POST", "/grpc", DEPLOYER, docker_grpc },
	{ "POST", "/session", DEPLOYER, docker_session },
	{ "POST", "/build/cancel", DEPLOYER, docker_build_give_up },
	{ "POST", "/build/prune", DEPLOYER, docker_build_prune },
	{ "GET", "/volumes", READER, docker_volumes },
	{ "POST", "/volumes/create", DEPLOYER, docker_volume_create },
	{ "POST", "/volumes/prune", DEPLOYER, docker_volume_prune },
	{ "GET", "/volumes/{}", READER, docker_volume_inspect },
	{ "DELETE", "/volumes/{}", DEPLOYER, docker_volume_remove },
	{ "GET", "/networks", READER, docker_networks },
	{ "GET", "/networks/", READER, docker_networks },
	{ "POST", "/networks/create", DEPLOYER, docker_network_create },
	{ "POST", "/networks/prune", DEPLOYER, docker_network_prune },
	{ "POST", "/networks/{}/connect", DEPLOYER, docker_network_connect },
	{ "POST", "/networks/{}/disconnect", DEPLOYER, docker_network_disconnect },
	{ "GET", "/networks/{}", READER, docker_network_inspect },
	{ "DELETE", "/networks/{}", DEPLOYER, docker_network_remove },
	{ "GET", "/events", READER, docker_events },
	{ "GET", "/system/df", READER, docker_df },
	{ "GET", "/nodes", READER, docker_swarm },
	{ "GET", "/nodes/{}", READER, docker_swarm },
	{ "DELETE", "/nodes/{}", ADMIN, docker_swarm },
	{ "POST", "/nodes/{}/update", ADMIN, docker_swarm },
	{ "GET", "/swarm", READER, docker_swarm },
	{ "POST", "/swarm/init", ADMIN, docker_swarm },
	{ "POST", "/swarm/join", ADMIN, docker_swarm },
	{ "POST", "/swarm/leave", ADMIN, docker_swarm_leave },
	{ "POST", "/swarm/update", ADMIN, docker_swarm },
	{ "GET", "/swarm/unlockkey", READER, docker_swarm },
	{ "POST", "/swarm/unlock", ADMIN, docker_swarm },
	{ "GET", "/services", READER, docker_swarm },
	{ "POST", "/services/create", ADMIN, docker_swarm },
	{ "GET", "/services/{}", READER, docker_swarm },
	{ "DELETE", "/services/{}", ADMIN, docker_swarm },
	{ "POST", "/services/{}/update", ADMIN, docker_swarm },
	{ "GET", "/services/{}/logs", READER, docker_swarm },
	{ "GET", "/tasks", READER, docker_swarm },
	{ "GET", "/tasks/{}", READER, docker_swarm },
	{ "GET", "/tasks/{}/logs", READER, docker_swarm },
	{ "GET", "/secrets", READER, docker_swarm },
	{ "POST", "/secrets/create", ADMIN, docker_swarm },
	{ "GET", "/secrets/{}", READER, docker_swarm },
	{ "DELETE", "/secrets/{}", ADMIN, docker_swarm },
	{ "POST", "/secrets/{}/update", ADMIN, docker_swarm },
	{ "GET", "/configs", READER, docker_swarm },
	{ "POST", "/configs/create", ADMIN, docker_swarm },
	{ "GET", "/configs/{}", READER, docker_swarm },
	{ "DELETE", "/configs/{}", ADMIN, docker_swarm },
	{ "POST", "/configs/{}/update", ADMIN, docker_swarm },
	{ "GET", "/plugins", READER, docker_plugins },
	{ "GET", "/plugins/privileges", READER, docker_plugin_none },
	{ "GET", "/plugins/{}/json", READER, docker_plugin_none },
	{ "POST", "/plugins/pull", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/create", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/{}/enable", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/{}/disable", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/{}/upgrade", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/{}/push", ADMIN, docker_plugin_none },
	{ "POST", "/plugins/{}/set", ADMIN, docker_plugin_none },
	{ "DELETE", "/plugins/{}", ADMIN, docker_plugin_none },
	{ "PUT", "/volumes/{}", ADMIN, docker_swarm },
};
const size_t docker_route_count = ARRAY_LEN(docker_routes);

bool docker_route_streams(const struct docker_route *route)
{
	static docker_handler_fn *const streamed[] = { docker_archive_put, docker_image_pull,
						       docker_image_load, docker_build };

	for (size_t i = 0; i < ARRAY_LEN(streamed); i++) {
		if (route->handler == streamed[i])
			return true;
	}
	return false;
}
