/* Committed configuration as a plugin was told it: decides what is news, so that each change is told exactly once
 * although the agent tells everything anew over each link; and keeps the values for host->config_get().
 *
 * Over a link come first the values there are, in any order, then `synced`, then changes by zxid. A fresh agent may be
 * connected to a server that lags behind: what is older than what was told counts for nothing. One thread only. */
#ifndef BATON_WORKER_CONFIG_CACHE_H
#define BATON_WORKER_CONFIG_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of all values kept. What is beyond is told to the plugin, but cannot be asked for later. */
#define CONFIG_CACHE_BYTES_MAX (64u << 20)

struct config_cache;

struct config_cache *config_cache_new(void);
void config_cache_free(struct config_cache *c);

/* A value came over link number `generation` (growing), NULL data: it was removed. Returns whether it is news. */
bool config_cache_put(struct config_cache *c, const char *path, const void *data, size_t size, int32_t version,
                      int64_t zxid, uint64_t generation);
/* All values there are at `zxid` have been told over this link: tells each path that is gone, once. */
typedef void config_cache_gone_fn(void *ctx, const char *path, int64_t zxid);
void config_cache_synced(struct config_cache *c, int64_t zxid, uint64_t generation, config_cache_gone_fn *on_gone,
                         void *ctx);
/* The value as last told: 0, -ENOENT, or -ENOBUFS (it was too much to be kept). *ret is borrowed until the next call.
 */
int config_cache_get(const struct config_cache *c, const char *path, const void **ret, size_t *ret_size,
                     int32_t *ret_version);
size_t config_cache_count(const struct config_cache *c);

#endif
