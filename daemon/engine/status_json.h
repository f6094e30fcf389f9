/* The answers of the status call, as text (docs/status.md has every key). */
#ifndef BATON_ENGINE_STATUS_JSON_H
#define BATON_ENGINE_STATUS_JSON_H

#include "daemon/engine/status_request.h"
#include "election/server/status.h"

/* Keys of the figures in one answer, past which quotas are told of no more: their number is clients' to choose. */
#define STATUS_FIGURES_MAX 4096

/* Each yields one JSON object with a line end, to be freed with free(). */
char *status_json(const struct server *s, const struct server_config *config, const struct server_facts *facts,
                  const struct moment *now);
char *status_json_connections(const struct server *s, const struct status_request *r);
char *status_json_reset(void);
/* A snapshot that ended: its zxid, and the file's path where that is durable. */
char *status_json_snapshot(const struct server_snapshots *snapshots, const char *data_dir);
char *status_json_error(const char *why);

#endif
