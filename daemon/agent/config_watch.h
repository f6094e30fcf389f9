/* What the node knows of the committed configuration, the znodes below /baton/config: kept current by one-shot watches
 * on each of them, told in the order of their transactions. No I/O, no clock of its own.
 *
 * The order. Every znode has two reads, of its value and of its children, and each is either being made or watched. A
 * watch that fires comes before any reply that shows its change (client.h), so the change is newer than every reply
 * seen until then: that is the read's *floor*. What has been read is told, by rising mzxid, as far as the lowest floor
 * of the reads still being made; nothing that comes later can be older. Endless changes to one znode therefore hold up
 * nobody else. Of a znode that changes faster than it is read only the latest value is told, as with any watch.
 *
 * The removal of a znode has no transaction that a reader sees: it counts as of the reply that showed it. What had been
 * left out and is taken in later counts as of then.
 *
 * A lost connection costs nothing (the client sets the watches again). A new session reads everything again and tells
 * the differences. */
#ifndef BATON_AGENT_CONFIG_WATCH_H
#define BATON_AGENT_CONFIG_WATCH_H

#include "daemon/common/log.h"
#include "election/client/client.h"

/* Where it is. */
#define CONFIG_ROOT "/baton/config"
/* Znodes below the root that are looked at; others are left out, and said so. */
#define CONFIG_NODES_MAX 16384
/* Levels below the root. */
#define CONFIG_DEPTH_MAX 16
/* Bytes of a path below the root. */
#define CONFIG_PATH_MAX 1024
/* Bytes of all values together; a link to a worker (IPC_QUEUE_BYTES_MAX) takes them at once. */
#define CONFIG_BYTES_MAX (16u << 20)
/* Reads under way at a time. */
#define CONFIG_READS_MAX 256
/* After a refusal that is no answer (no right to read or create) it is tried again so much later. */
#define CONFIG_RETRY_MS 5000

struct config_watch;

/* Borrowed until the function it is given to returns. */
struct config_change {
        const char *path;     /* below the root, without a leading slash */
        struct jute_str data; /* len -1: it was removed. An empty value has len 0 */
        int32_t version;
        int64_t zxid;
};
typedef void config_change_fn(void *ctx, const struct config_change *change);

/* All must be there. They may make requests, and call config_watch_replay(). */
struct config_watch_host {
        uint64_t (*now_ms)(void *ctx);
        struct client *(*client)(void *ctx);
        /* A change, after `synced`. */
        config_change_fn *changed;
        /* Told once: all that was there at the beginning is known; config_watch_replay() has it. */
        void (*synced)(void *ctx, int64_t zxid);
        void (*log)(void *ctx, enum log_level level, const char *text);
};

struct config_watch *config_watch_new(const struct config_watch_host *host, void *ctx);
/* After client_free(): nothing may call it back any more. Takes NULL. */
void config_watch_free(struct config_watch *w);

/* The client is CONNECTED or RESUMED: begins, the first time; then asks again for what was refused. */
void config_watch_session(struct config_watch *w);
/* Due when config_watch_deadline() is reached; UINT64_MAX: nothing to wait for. */
void config_watch_tick(struct config_watch *w);
uint64_t config_watch_deadline(const struct config_watch *w);

/* Whether the state at the beginning is known. */
bool config_watch_is_synced(const struct config_watch *w);
/* All that has been told so far, as if told now: by rising zxid. Returns the zxid up to which that is. */
int64_t config_watch_replay(const struct config_watch *w, config_change_fn *fn, void *ctx);
/* 0, or -EINVAL with what is wrong in `why`: a path below the root as above. Pure. */
int config_path_check(const char *path, size_t len, const char **why);

#endif
