/* One server of the ensemble: election, Zab, database, sessions and clients tied together.
 *
 * The one door of the core: server_step(server, event, effects). The shell turns descriptors into
 * events and effects into system calls and decides nothing; the simulator does the same with fakes.
 * What must be durable before what is sent is written in base/effect.h.
 *
 * A write's way: EVENT_CONN_BYTES -> clients (frame, session order) -> prep (checks, makes the
 * transaction; on a learner the request is forwarded instead) -> zab (propose) -> effects: append +
 * send -> EVENT_DISK_DONE and ACKs -> commit -> database -> reply and watch events. */
#ifndef BATON_SERVER_SERVER_H
#define BATON_SERVER_SERVER_H

#include "election/base/effect.h"
#include "election/base/ensemble.h"
#include "election/base/summary.h"
#include "election/server/acl.h"
#include "election/txnlog/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Named limits and their defaults (docs/architecture.md lists them all). */
#define SERVER_MAX_CLIENT_CNXNS_DEFAULT  60    /* connections per address; 0 = no limit */
#define SERVER_MAX_CNXNS_DEFAULT         10000 /* connections in total */
#define SERVER_OUTSTANDING_LIMIT_DEFAULT 1000  /* requests read and not yet answered, all connections */
#define SERVER_CONNECT_TIMEOUT_MS        10000 /* a client connection without a ConnectRequest */
/* Recent transactions in memory for learners that lag (Java's commitLogCount, which is 500), and the bytes
 * they may take. */
#define SERVER_COMMIT_LOG_COUNT_DEFAULT 5000
#define SERVER_COMMIT_LOG_BYTES         (16u << 20)
/* A snapshot is begun after about this many transactions. */
#define SERVER_SNAP_COUNT_DEFAULT 100000
#define SERVER_WORDS_MAX          32
/* A server that has looked for a leader for so long, and for a tick, begins read-only mode where that is allowed. */
#define SERVER_READ_ONLY_WAIT_MS 2000
/* Sessions that a server in read-only mode knows, about 100 bytes each; they stay for their timeout when their
 * connection is gone. Past it none is opened. */
#define SERVER_LOCAL_SESSIONS_MAX 250000
/* Empty containers and nodes whose time is over are looked for this often, and so many a minute deleted
 * (znode.container.checkIntervalMs, znode.container.maxPerMinute). */
#define SERVER_CONTAINER_CHECK_INTERVAL_MS_DEFAULT 60000
#define SERVER_CONTAINER_MAX_PER_MINUTE_DEFAULT    10000
/* A client that leaves this much unread is dropped by the shell (EVENT_CONN_CLOSED with -ENOBUFS). */
#define SERVER_CLIENT_BACKLOG_BYTES (64u << 20)
/* The same for a peer of the ensemble. */
#define SERVER_PEER_BACKLOG_BYTES (512u << 20)

/* Bytes of a super user's digest, "super:" and base64 of SHA-512 with NUL included; longer ones match nobody. */
#define SERVER_SUPER_DIGEST_MAX 128
/* Schemes of which one must have been used, where authentication is enforced. */
#define SERVER_SCHEMES_MAX 8

struct server_config {
        char name[64];
        int64_t sid;
        struct ensemble ensemble;
        uint32_t tick_ms, init_limit, sync_limit;
        uint32_t heartbeat_ms, election_timeout_ms; /* as struct zab_config */
        size_t step_bytes_max;                      /* 0: ZAB_STEP_BYTES_MAX */
        int32_t min_session_timeout_ms, max_session_timeout_ms;
        uint32_t snap_count;
        uint32_t commit_log_count; /* recent transactions kept for servers that come back: their DIFF */
        int32_t max_buffer;        /* jute.maxbuffer */
        int32_t max_buffer_extra;  /* zookeeper.jute.maxbuffer.extrasize; 0: as much as max_buffer */
        uint32_t max_client_cnxns, max_cnxns, outstanding_limit;
        bool extended_types; /* nodes with a time to live may be created, and are swept */
        uint32_t container_check_interval_ms, container_max_per_minute; /* 0: nothing is swept */
        uint64_t container_max_never_used_ms;                           /* 0: those stay */
        uint16_t client_port;                                           /* only to be shown (conf), like these */
        int32_t listen_backlog;                                         /* -1: the shell's own choice */
        char words[SERVER_WORDS_MAX][5];                                /* allowed four-letter words; "*" allows all */
        size_t word_count;
        bool enforce_quota;  /* hard limits refuse: zookeeper.enforceQuota */
        bool read_only_mode; /* without a leader, clients that ask for no more are shown what is here */
        struct acl_policy acl;
        char digest_algorithm[16];                    /* of scheme digest, Java's name; "": SHA-1 */
        char super_digest[SERVER_SUPER_DIGEST_MAX];   /* whose digest identity is this may do all; "": nobody */
        char enforced_schemes[SERVER_SCHEMES_MAX][8]; /* a connection needs an identity of one of them */
        size_t enforced_scheme_count;                 /* 0: it needs none */
        bool audit;                                   /* entries are made (audit.h) */
        char data_dir[256];
        char version[32];  /* as shown by srvr: "3.9.5-REVISION", which tools parse */
        char built_on[24]; /* "2026-11-30 00:00 UTC" */
        uint64_t seed;     /* randomness for jitter and snapshot timing */
};

/* Longest string or buffer inside anything received, and longest record of the log: jute.maxbuffer and as much
 * again, as ZooKeeper grants, or what the configuration says. */
static inline int32_t server_item_max(const struct server_config *c)
{
        return c->max_buffer + (c->max_buffer_extra ? c->max_buffer_extra : c->max_buffer);
}

enum event_type {
        EVENT_START,           /* once, first */
        EVENT_CONN_ACCEPTED,   /* conn, accepted.port, accepted.address */
        EVENT_CONN_DIALLED,    /* conn, status: outcome of EFFECT_DIAL, 0 or -errno */
        EVENT_CONN_BYTES,      /* conn, bytes: in order, any portions; borrowed */
        EVENT_CONN_CLOSED,     /* conn, status: 0 the peer closed, -errno failed (-ENOBUFS: backlog).
                                  The name is dead. Never follows an EFFECT_CLOSE. */
        EVENT_CONN_SENT,       /* conn: answer to EFFECT_NOTIFY_SENT */
        EVENT_DISK_DONE,       /* disk: all log-queue effects up to ticket are durable */
        EVENT_DISK_FAILED,     /* disk.status, disk.why: the log queue is dead */
        EVENT_SNAPSHOT_DONE,   /* disk: all snapshot effects up to ticket are carried out (END: durable), or
                                  failed with disk.status and disk.why: that snapshot is gone, older ones stay */
        EVENT_SNAPSHOT_WANTED, /* somebody asks for a snapshot file now: begun, unless that can't be done at this
                                  moment (server_snapshots() tells) */
        EVENT_TICK,            /* server_deadline() has passed */
        EVENT_STOP,            /* stop cleanly; EFFECT_HALT follows, now or later */
        EVENT_MAX,
};

/* Times of an event. */
struct moment {
        uint64_t mono_ms; /* monotonic, never going back */
        int64_t wall_ms;  /* Unix milliseconds: into transactions, shown to people; decides nothing but which times
                             to live are over (sweeper.h) */
        uint64_t mono_ns; /* same clock as mono_ms, for latency figures only */
};

struct event {
        enum event_type type;
        struct moment now;
        conn_id conn;
        int status;
        union {
                struct {
                        enum port port;
                        const char *address; /* numeric, without port; IPv6 without brackets */
                        uint16_t remote_port;
                } accepted;
                struct {
                        const uint8_t *data;
                        size_t len;
                } bytes;
                struct {
                        uint64_t ticket;
                        struct recovered *reloaded; /* TRUNCATE with reload that reached its zxid; the core takes
                                                       what it needs, the shell frees the rest */
                        const char *why;
                        /* DISK_DONE, to be shown only: the syncs since the last one, each with the microseconds it
                           took, and with the transactions it made durable. */
                        struct summary fsync_us, batch;
                } disk;
        };
};

/* Facts only the shell has, for four-letter words; refreshed by the shell before each step. */
struct server_facts {
        int64_t data_dir_size, log_dir_size;
        int64_t open_files, max_files;
        uint64_t queued_client_bytes;
        uint64_t recovery_ms;    /* what reading snapshot and log took at the start ... */
        uint64_t recovered_txns; /* ... and how many transactions of the log that were */
        /* For envi: where the process runs, as whom, and bytes of memory. */
        char host_name[65], os_name[32], os_arch[32], os_version[65];
        char user_name[33], user_home[128], work_dir[128];
        uint64_t memory_free, memory_max; /* of the machine */
        uint64_t memory_total;            /* taken by this process */
};

struct server;

/* Takes over r->db and r's history. */
struct server *server_new(const struct server_config *config, struct recovered *r);
void server_free(struct server *s);
/* Handles one event; appends what must be done to `fx` (which the caller resets between steps). */
void server_step(struct server *s, const struct event *e, struct effects *fx);
/* When EVENT_TICK is wanted next (monotonic ms), UINT64_MAX for never. Ask after each step. */
uint64_t server_deadline(const struct server *s);
void server_set_facts(struct server *s, const struct server_facts *facts);
/* About how much memory the tree takes, and the one that is received in its place. */
uint64_t server_tree_bytes(const struct server *s);
/* Whatever mntr and srvr count begins anew. */
void server_stats_reset(struct server *s);
/* And what is counted of each connection. */
void server_connections_reset(struct server *s);

#endif
