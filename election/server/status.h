/* What a server knows of itself, told value by value: mntr writes it as text, the shell's status call as JSON.
 *
 * Nothing here changes the server, and nothing waits: between two steps, from the loop thread. */
#ifndef BATON_SERVER_STATUS_H
#define BATON_SERVER_STATUS_H

#include "election/base/summary.h"
#include "election/server/clients.h"
#include "election/server/server.h"
#include "election/zab/zab.h"

/* Who is told. Names are ZooKeeper's keys (mntr, conf), borrowed like the texts. */
struct status_visitor {
        void *ctx;
        void (*text)(void *ctx, const char *name, const char *value);
        void (*number)(void *ctx, const char *name, int64_t value);
        /* sum / count / divisor; 0 for a count of 0. */
        void (*real)(void *ctx, const char *name, uint64_t sum, uint64_t count, uint64_t divisor);
        /* Values in `divisor`-ths of what is to be shown. */
        void (*summary)(void *ctx, const char *name, const struct summary *s, uint64_t divisor);
        void (*histogram)(void *ctx, const char *name, const struct histogram *h, uint64_t divisor);
        /* Whether a list of unknown length must end. */
        bool (*full)(void *ctx);
};

/* The figures of mntr. */
void server_monitor(const struct server *s, const struct moment *now, const struct status_visitor *v);
/* The settings of conf. */
void server_settings(const struct server *s, const struct status_visitor *v);

/* Where it stands. */
struct server_standing {
        const char *mode;  /* as srvr says: standalone, leader, follower, observer, looking */
        const char *role;  /* leading, following, observing, idle */
        const char *phase; /* discovery, synchronization, broadcast */
        bool serving, halted;
        int64_t sid, leader_sid; /* -1: none */
        int64_t zxid;            /* of the state that is shown */
        int64_t last_logged, last_committed;
        int64_t current_epoch, accepted_epoch;
        uint64_t tree_digest;
        uint64_t started_ms; /* monotonic */
};
void server_standing(const struct server *s, struct server_standing *ret);

/* The leader's learners; nothing elsewhere. */
void server_learners(const struct server *s, void (*fn)(void *ctx, const struct zab_learner_info *info), void *ctx);
/* Connections of clients, the oldest first, those after `after` (0: all), until `fn` returns false. */
void server_connections(const struct server *s, conn_id after, bool (*fn)(void *ctx, const struct client_info *info),
                        void *ctx);

/* Snapshot files of the serving database, routine ones and those asked for (EVENT_SNAPSHOT_WANTED). */
struct server_snapshots {
        uint64_t begun, ended; /* how many; ended: durable, failed or given up */
        int64_t zxid;          /* of the last one begun */
        int status;            /* of the last one that ended: 0 durable, -EIO failed, -ECANCELED given up */
        bool busy;             /* the database is being written, or read out for a learner */
};
void server_snapshots(const struct server *s, struct server_snapshots *ret);

#endif
