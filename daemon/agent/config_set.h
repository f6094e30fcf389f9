/* Writing committed configuration for a worker: sets a znode below /baton/config, or makes it, with the znodes above
 * it. No I/O. */
#ifndef BATON_AGENT_CONFIG_SET_H
#define BATON_AGENT_CONFIG_SET_H

#include "election/client/client.h"

/* Under way at a time, of all workers. */
#define CONFIG_SETS_MAX 256
/* Made and removed by others in turn, meanwhile: after so many attempts the last error is told. */
#define CONFIG_SET_TRIES_MAX 4

/* Who asks. Comes back unchanged. */
struct config_set_from {
        size_t worker;
        uint64_t conversation;
        int64_t number;
};
/* error: of enum zk_error or client_error; version: of the znode, when it is ZK_OK. */
typedef void config_set_done_fn(void *ctx, const struct config_set_from *from, int32_t error, int32_t version);

struct config_sets {
        size_t count; /* under way */
        config_set_done_fn *done;
        void *ctx;
};

/* `version` -1: any, and made where it is missing. Fails at once while there is no connection. `done` is called exactly
 * once, maybe before this returns; at the latest in client_free(). */
void config_set(struct config_sets *sets, struct client *c, const struct config_set_from *from, struct jute_str path,
                struct jute_str data, int32_t version);

#endif
