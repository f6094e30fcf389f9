/* The engine's configuration: sections [node] and [ensemble] of the file that all programs of a node
 * share. [supervisor], [engine], [agent], [group …] and [plugin …] belong to others and are passed over.
 *
 * Everything is judged before anything is touched: a configuration that loads can be run, or fails for
 * a reason that lies outside it (a port taken, a disk refused). */
#ifndef BATON_ENGINE_ENGINE_CONFIG_H
#define BATON_ENGINE_ENGINE_CONFIG_H

#include "daemon/common/inifile.h"
#include "election/server/server.h"

#include <stdio.h>

/* Longest data_dir; it is shown by `conf` whole. */
#define ENGINE_PATH_MAX 256
/* jute.maxbuffer of a Java server that was not told otherwise (client-protocol.md 1). */
#define ENGINE_MAX_BUFFER_DEFAULT 0xfffff
/* A larger znode could be written, but hardly read: its answer would exceed what one client may leave unread
 * (SERVER_CLIENT_BACKLOG_BYTES), and its reader would be dropped each time. */
#define ENGINE_MAX_BUFFER_MAX (32 << 20)
/* Fewer are unsafe: one may be invalid, one may be in the making (storage-format.md 6). */
#define ENGINE_RETAIN_SNAPSHOTS_MIN 3

struct engine_config {
        struct server_config server;             /* but for .seed */
        char data_dir[ENGINE_PATH_MAX];          /* absolute */
        char runtime_dir[ENGINE_PATH_MAX];       /* the same, for the status socket; "": none */
        char client_host[ENSEMBLE_HOST_MAX + 1]; /* where clients are served: the own member's, or `client` */
        uint16_t client_port;
        bool peers;      /* false: an ensemble of one without ports for others */
        bool listen_all; /* election and quorum ports on every address of this machine */
        uint64_t preallocate_bytes;
        size_t retain_snapshots;
};

/* Reads and judges the file. Returns 0, or -EINVAL (or -errno, where it could not be read) with at least
 * one entry in `problems`, ordered by line. `ret` is written on 0 only. Touches nothing but the file. */
int engine_config_load(const char *path, struct engine_config *ret, struct problems *problems);

/* The same for entries that were read elsewhere, from several files maybe; those of other sections are passed
 * over. What is missing is told of line 1 of `file`. `problems` may hold some already: then it is -EINVAL. */
int engine_config_judge(const struct inifile_entry *entries, size_t count, const char *file, struct engine_config *ret,
                        struct problems *problems);

/* Prints every setting with range, default and meaning. */
void engine_config_help(FILE *out);

#endif
