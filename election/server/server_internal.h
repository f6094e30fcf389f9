/* What the files of the room share: the server itself. */
#ifndef BATON_SERVER_SERVER_INTERNAL_H
#define BATON_SERVER_SERVER_INTERNAL_H

#include "election/server/clients.h"
#include "election/server/prep.h"
#include "election/server/server.h"
#include "election/server/status.h"
#include "election/server/sweeper.h"
#include "election/session/session.h"
#include "election/txnlog/snapfile.h"
#include "election/vote/vote.h"
#include "election/zab/zab.h"

/* Bytes of a snapshot handed to the writer at a time; the next portion follows when it is written. */
#define SERVER_SNAPSHOT_CHUNK_BYTES (1u << 20)
/* Touches reported to the leader in one ping: 12 bytes each, far below any packet limit. */
#define SERVER_TOUCHES_MAX 65536

enum server_state {
        SERVER_RESTING, /* no role; waits for the disk before it looks */
        SERVER_LOOKING,
        SERVER_IN_ROLE, /* zab has it */
        SERVER_HALTED,
        SERVER_STATE_MAX,
};

/* A snapshot file being written, portion by portion. */
struct snapshot_job {
        enum {
                JOB_NONE,
                JOB_ROUTINE,  /* of the serving database */
                JOB_RECEIVED, /* of a database that came from a leader */
                JOB_ABORTING,
        } kind;
        struct database *db;
        int64_t zxid;
        uint64_t since_ms;
        bool read_out; /* all portions handed over, END is under way */
        struct snapfile_writer file;
        uint64_t begin;  /* ticket of its first effect: what is told of earlier ones was of another job */
        uint64_t ticket; /* the effect whose completion lets it go on */
};

/* Quotas exceeded. */
struct quota_log {
        uint64_t next_ms; /* no line in the log before */
        uint64_t unsaid;  /* excesses since the last one */
        struct quota_refusals *refusals;
        size_t refusal_count, refusal_capacity;
};

/* What mntr and the status call count of the server as a whole, since its start or the last srst. Milliseconds, but
 * where it is said otherwise. */
struct server_figures {
        uint64_t looks;
        uint64_t snapshots, snapshot_errors; /* files written, and given up */
        uint64_t revalidations;              /* sessions that learners asked the leader about */
        uint64_t sessions_expired;
        uint64_t prepared;                 /* requests made transactions of, by the leader */
        struct summary election;           /* from looking to knowing whom to follow */
        struct summary unavailable;        /* not serving, up to the moment it serves again */
        struct summary leader_unavailable; /* the same where it leads then */
        struct summary follower_sync;      /* from following to serving */
        struct summary observer_sync;
        struct summary snapshot;             /* from the first byte of a snapshot file to its durable end */
        struct summary fsync_us;             /* microseconds the disk took, each time */
        struct summary batch;                /* transactions made durable together */
        struct histogram propagation;        /* from the transaction's making, by its leader's clock, to here */
        struct histogram commit_propagation; /* the same, of learners */
        struct histogram proposal;           /* from its making to its arrival at a learner */
};

struct server {
        struct server_config config;
        struct server_facts facts;
        enum server_state state;
        bool serving;
        bool role_over; /* zab has left its role in this step */
        bool stopping;
        const struct event *event; /* the one being handled, for upcalls */
        struct prng prng;
        struct vote *vote;
        struct zab *zab;
        struct database *db;
        struct database *received; /* loaded from a leader, not adopted yet */
        struct database_loader *loader;
        struct session_clock *clock;     /* leader */
        struct prep *prep;               /* leader */
        struct sweeper *sweeper;         /* leader; NULL where nothing is swept */
        struct session_touches *touches; /* learner */
        struct session_clock *local;     /* the sessions of read-only mode, for as long as that lasts */
        struct clients *clients;
        struct outcome outcome;
        struct jute_writer txn;
        struct snapshot_job job;
        uint64_t snapshots_begun, snapshots_ended; /* of the serving database */
        int64_t snapshot_zxid;                     /* of the last one begun */
        int snapshot_status;                       /* of the last one that ended */
        uint32_t txns_since_snapshot, snapshot_after;
        uint64_t started_ms, serving_since_ms;
        char role_reason[EFFECT_TEXT_MAX];
        bool failed; /* halt with fail_status once the step is over */
        int fail_status;
        struct server_figures figures;
        uint64_t digest_mismatches;
        bool doubtful; /* the database recovered did not agree with its digests, and no leader's snapshot replaced it */
        struct quota_log quota;
        uint64_t looking_ms, sync_ms; /* when it began to look, to learn; 0: it does neither */
        uint64_t unavailable_ms;      /* when it ceased to serve, or was started */
        int64_t trace_mask;           /* gtmk, stmk */
        uint32_t resyncs;             /* snapshots asked for because of a tree that differs, since one last agreed */
};

/* Snapshots asked for because of a tree that differs from the leader's, without one transaction in between after
 * which it did not; then the server ends. */
#define SERVER_RESYNCS_MAX 5

/* Exit statuses of a server whose data is not to be used, or whose disk failed (daemon/engine/engine.h has all). */
#define SERVER_STATUS_DATA 3
#define SERVER_STATUS_DISK 4

/* Ends the server: everything is closed, EFFECT_HALT says why. */
void server__fail(struct server *s, int status, const char *why);
/* Installs the ensemble's text in the database at hand. */
void server__install_config(struct server *s, struct database *db);

/* server_zab.c */
const struct zab_host *server__zab_host(void);
/* Clears away what a role owned, after it ended. */
void server__rest(struct server *s, struct effects *fx);
/* Makes a transaction of a request and proposes it. Returns its zxid, 0 when this server can't propose now. */
int64_t server__propose(struct server *s, const struct prep_request *r, struct effects *fx);

/* server_clients.c */
const struct clients_host *server__clients_host(void);

/* server_read_only.c */
/* Whether read-only clients are served, for want of a leader. */
bool server__read_only(const struct server *s);
/* Begins that when it is time, and ends the sessions whose time is over. At the end of a step. */
void server__read_only_turn(struct server *s, struct effects *fx);
/* Closes those clients; harmless where there are none. */
void server__read_only_end(struct server *s, struct effects *fx);
uint64_t server__read_only_deadline(const struct server *s);

/* server_snapshot.c */
void server__snapshot_counted(struct server *s, struct effects *fx);
/* Begins one now, if the server serves and nobody else reads the database out. */
void server__snapshot_wanted(struct server *s, struct effects *fx);
void server__snapshot_redraw(struct server *s);
void server__snapshot_received(struct server *s, struct database *db, int64_t zxid, struct effects *fx);
void server__snapshot_abort(struct server *s, struct effects *fx);
/* The same, saying what waits for it: a disk that hangs must not look like a server that does nothing. */
void server__snapshot_yield(struct server *s, const char *waits, struct effects *fx);
void server__snapshot_done(struct server *s, const struct event *e, struct effects *fx);

/* server_quota.c */
/* Says and counts what prep has met at a quota's limits. */
void server__quota_excess(struct server *s, struct effects *fx);
/* What mntr tells of quotas. */
void server__quota_figures(const struct server *s, const struct status_visitor *v);
void server__quota_done(struct server *s);

/* server_words.c */
void server__word(void *ctx, const struct event *e, const uint8_t *word, struct jute_writer *w);
size_t server__word_bytes(void *ctx, const uint8_t word[4]);

#endif
