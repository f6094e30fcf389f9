/* Zab: discovery, synchronisation and broadcast for leader, follower and observer, on ZooKeeper's
 * learner protocol (zookeeper/quorum-protocol.md 3-6), with the orderings of safety.md 1.1, 1.2, 1.6.
 *
 * A state machine: no I/O, no clock. It knows transactions as bytes with a zxid; what is in them is its
 * host's business. Election tells it whom to follow; zab never trusts that for safety (E6).
 *
 * What it keeps: the epochs as they are on disk; the last logged zxid; the history, a contiguous run of
 * recent transactions ending at the last logged one, its tail possibly uncommitted; the connections of
 * the quorum port.
 *
 * Rule of memory and disk: while no role is held, the host's database equals the durable log, tail
 * included (ZOOKEEPER-2845): zab delivers the tail when it leaves a role. A sync that cuts (TRUNC) or
 * replaces (SNAP) swaps the database only when the disk has done the same; an interrupted one leaves
 * the old database (ZOOKEEPER-3642, 5094).
 *
 * All functions run on the loop thread. Times are monotonic milliseconds, never going back. */
#ifndef BATON_ZAB_ZAB_H
#define BATON_ZAB_ZAB_H

#include "election/base/effect.h"
#include "election/base/ensemble.h"
#include "election/base/summary.h"
#include "election/jute/record.h"
#include "election/txnlog/store.h"

enum zab_role {
        ZAB_IDLE, /* looking, or waiting for the disk */
        ZAB_LEADING,
        ZAB_FOLLOWING,
        ZAB_OBSERVING,
        ZAB_ROLE_MAX,
};

enum zab_phase {
        ZAB_DISCOVERY,
        ZAB_SYNCHRONIZATION,
        ZAB_BROADCAST, /* serving */
        ZAB_PHASE_MAX,
};

/* Connections on the quorum port that have not been taken on as learners yet. */
#define ZAB_WAITING_MAX 64
/* Bytes queued in the core for one learner that is still receiving its snapshot; past it the learner is
 * dropped and must begin anew. */
#define ZAB_LEARNER_QUEUE_BYTES_MAX (256u << 20)
/* How much of a snapshot stream is handed to a connection before waiting for it to be sent. */
#define ZAB_SNAPSHOT_CHUNK_BYTES (256u << 10)
/* Bytes of transactions that a leader commits in one call, or one transaction more. The rest follows at a tick, a
 * millisecond later: pings and clients have their turn between. A twentieth of a second, where all of it is setData of
 * nothing in one transaction of the greatest size. */
#define ZAB_STEP_BYTES_MAX (1u << 20)
/* Pings that must be missing before a learner leaves its leader for their sake, however short election_timeout is. */
#define ZAB_HEARTBEATS_MISSED_MIN 3
/* A learner that left a leader sooner than by sync_limit is twice as patient, and twice again each further time, up to
 * sync_limit, until it had no need of that for this long: a machine that is too slow for its election timeout must not
 * elect for ever. */
#define ZAB_PATIENCE_MS 60000
/* Proposals not yet committed: what eight servers of this program forward at most (CLIENTS_OUTSTANDING_MAX each),
 * and half of what a learner bears (ZAB_TAIL_MAX). A learner that forwards more is dropped: it can't be left
 * unread until there is room, for its acknowledgements, which make the room, come behind its requests. */
#define ZAB_OUTSTANDING_MAX 524288
/* Their bytes. Servers of this program keep their clients from coming near it (CLIENTS_QUEUE_BYTES_MAX, twice,
 * for each server); a learner that goes on forwarding past it is dropped. */
#define ZAB_OUTSTANDING_BYTES_MAX (512u << 20)

struct zab_config {
        int64_t sid;
        const struct ensemble *ensemble; /* borrowed */
        uint32_t tick_ms;
        uint32_t init_limit, sync_limit; /* ticks */
        /* A leader pings each half tick, and at least this often; its pings say so. 0: each half tick, and they say
         * nothing, as ZooKeeper's. */
        uint32_t heartbeat_ms;
        /* Silence after which a serving learner leaves a leader whose pings say how often they come, where that is
         * sooner than sync_limit. 0: sync_limit alone counts. */
        uint32_t election_timeout_ms;
        int32_t item_max;   /* jute.maxbuffer + extra */
        size_t history_max; /* committed transactions kept for DIFF; at least 500 */
        size_t history_bytes_max;
        size_t step_bytes_max;          /* ZAB_STEP_BYTES_MAX */
        size_t outstanding_bytes_max;   /* ZAB_OUTSTANDING_BYTES_MAX */
        size_t learner_queue_bytes_max; /* ZAB_LEARNER_QUEUE_BYTES_MAX */
};

struct zab;

/* Upcalls, all synchronous, on the loop thread, from inside a zab_* call. A host must not call zab_lead,
 * zab_follow, zab_leave or zab_free from inside one; it notes the change and acts after the call. */
struct zab_host {
        void *ctx;
        /* One committed transaction (or, after `ended`, one of the tail, which nobody may be told was
         * committed), in zxid order, each exactly once per database: apply it. The blob may be referenced. */
        void (*deliver)(void *ctx, const struct store_txn *txn, struct effects *fx);
        /* Phase BROADCAST was reached: serve. On a leader the database's zxid becomes (epoch, 0). */
        void (*serving)(void *ctx, int64_t epoch, struct effects *fx);
        /* The role ended, for `reason`; zab_role() is ZAB_IDLE already. Stop serving, before the tail is
         * delivered; then look again (vote_look) once the disk queue is dry. */
        void (*ended)(void *ctx, const char *reason, struct effects *fx);

        /* -- on a leader -- */
        /* A learner's REQUEST; authinfo as in the packet (may be null). */
        void (*request)(void *ctx, int64_t from_sid, int64_t session, int32_t cxid, int32_t opcode,
                        struct jute_str body, struct jute_vec authinfo, struct effects *fx);
        /* A sync asked for with zab_sync() on the leader is done. In order of asking. */
        void (*synced)(void *ctx, struct effects *fx);
        /* Whether the session lives; if so, it was heard from, and is at that server now. */
        bool (*revalidate)(void *ctx, int64_t from_sid, int64_t session, int32_t timeout_ms);
        /* A session was heard from: as a learner reports with its next PING; at once, by a REQUEST of it that
         * is handled next. */
        void (*touch)(void *ctx, int64_t session, int32_t timeout_ms);
        void (*heard)(void *ctx, int64_t session);
        /* Reading out the database for a learner (database_snapshot_*): begin yields 0 or -EBUSY (zab tries
         * again when zab_snapshot_free() is called, or at the next tick). */
        int (*snapshot_begin)(void *ctx, int64_t *ret_zxid);
        int (*snapshot_read)(void *ctx, struct jute_writer *w, size_t max_bytes); /* 1 more, 0 done */
        void (*snapshot_end)(void *ctx);

        /* -- on a learner -- */
        /* Whether `payload` (its header was looked at) is a transaction that deliver() can apply. Asked before
         * it is logged: a log that holds one which can't be applied can't be recovered from either. */
        bool (*readable)(void *ctx, const uint8_t *payload, size_t len);
        /* The leader answered the oldest pending zab_forward() of OP_SYNC. */
        void (*sync_reply)(void *ctx, struct effects *fx);
        /* Answer to zab_revalidate(); on a leader, to zab_session_unknown(). */
        void (*revalidated)(void *ctx, int64_t session, bool valid, struct effects *fx);
        /* Writes the touches since the last call: (long session, int timeout)*. */
        void (*touches)(void *ctx, struct jute_writer *w);
        /* Receiving a snapshot: begin, feed as database_loader_feed(); then save: the host writes the loaded
         * database as a snapshot file named by `zxid` (SNAPSHOT_* effects) and calls zab_snapshot_saved()
         * when it is durable; adopt: the host swaps it in for its database, which stands at `zxid`. drop: the
         * sync was interrupted before save, forget it. Once save was called adopt follows, even if the role
         * ends in between; a host that can't write the file can't go on. */
        void (*load_begin)(void *ctx);
        int (*load_feed)(void *ctx, const uint8_t *data, size_t len, size_t *ret_consumed);
        void (*load_save)(void *ctx, int64_t zxid, struct effects *fx);
        void (*load_adopt)(void *ctx, int64_t zxid);
        void (*load_drop)(void *ctx, struct effects *fx);
        /* After TRUNC: the database recovered from the cut log; take `r->db` (set it to NULL). */
        void (*reloaded)(void *ctx, struct recovered *r);
        /* True while the host is writing a snapshot file: a TRUNC waits for zab_snapshot_free(). The host
         * should abort that file when asked. */
        bool (*snapshot_writing)(void *ctx, struct effects *fx);
};

/* Begins in ZAB_IDLE with what recovery found; takes over r's history (not r->db). */
struct zab *zab_new(const struct zab_config *config, const struct zab_host *host, struct recovered *r);
void zab_free(struct zab *z);

/* ---- role: only in ZAB_IDLE, with zab_disk_dry() ---- */
void zab_lead(struct zab *z, uint64_t now_ms, struct effects *fx);
/* Follower or observer, as the configuration says of this server. */
void zab_follow(struct zab *z, uint64_t now_ms, int64_t leader_sid, struct effects *fx);
/* Leaves the present role: closes its connections, becomes IDLE, calls `ended`, delivers the tail.
 * Nothing happens in IDLE. */
void zab_leave(struct zab *z, uint64_t now_ms, const char *reason, struct effects *fx);
/* Clean stop: a leader takes no more proposals, finishes those it has made (at most sync_limit ticks),
 * then leaves; a learner leaves at once. zab_tick/zab_disk_done/… carry it on; `ended` reports it. */
void zab_stop(struct zab *z, uint64_t now_ms, struct effects *fx);

enum zab_role zab_role(const struct zab *z);
enum zab_phase zab_phase(const struct zab *z);
const char *zab_role_name(enum zab_role role);
const char *zab_phase_name(enum zab_phase phase);
/* The leader's sid (own when leading), -1 in IDLE. */
int64_t zab_leader(const struct zab *z);
int64_t zab_last_logged(const struct zab *z);
int64_t zab_last_committed(const struct zab *z);
int64_t zab_current_epoch(const struct zab *z);
int64_t zab_accepted_epoch(const struct zab *z);
/* True when nothing of the log queue is outstanding and no received snapshot is on its way to become the
 * database: the time to look. */
bool zab_disk_dry(const struct zab *z);

/* This server's durable history was lost, and no leader has synchronised it since: it must not vote, it never
 * leads, and its promises say that they do not count. Ends when currentEpoch is durable (txnlog/mark.c). */
bool zab_lost(const struct zab *z);
/* The host's tree is not what the leader's is at the same zxid. The log is still what was acknowledged, so votes
 * and promises go on saying what it holds; but a serving learner leaves its role, and from now on each role as a
 * learner ends instead of serving, until a leader's snapshot has replaced the tree. A leader's tree is the measure:
 * one that is established does not distrust its own. From inside deliver(). */
void zab_distrust(struct zab *z);
bool zab_distrusts(const struct zab *z);
/* Whether a difference proves nothing yet: a Java server reads its tree out while it goes on applying, so that a
 * snapshot may hold transactions that come again behind it. All of those come before NEWLEADER. */
bool zab_fuzzy(const struct zab *z);
/* Whether the role just ended for a snapshot that its leader is asked for at once, without an election: with the
 * leader gone looking for its followers, all would stand still. Until the next zab_follow() or zab_lead(). */
bool zab_again(const struct zab *z);

/* ---- leader: broadcast ---- */
/* The zxid the next proposal must carry; 0 when the counter is used up (the leader steps down then) or
 * this server is not a serving leader (or is stopping). */
int64_t zab_next_zxid(struct zab *z, uint64_t now_ms, struct effects *fx);
/* Proposes a payload (header with zxid == zab_next_zxid(), body, optional digest). Copies the bytes once. */
void zab_propose(struct zab *z, uint64_t now_ms, const uint8_t *payload, size_t len, struct effects *fx);
size_t zab_outstanding(const struct zab *z);
/* Asks for a sync for a local client: `synced` follows once every proposal made by now has committed and
 * a quorum has answered a ping sent after this call (so that a deposed leader can't answer: safety S9). */
void zab_sync(struct zab *z, uint64_t now_ms, struct effects *fx);

/* ---- learner: forwarding ---- */
/* Sends a REQUEST to the leader; false when not serving. authinfo may be null (count -1). */
bool zab_forward(struct zab *z, int64_t session, int32_t cxid, int32_t opcode, struct jute_str body,
                 struct jute_vec authinfo, struct effects *fx);
bool zab_revalidate(struct zab *z, int64_t session, int32_t timeout_ms, struct effects *fx);
/* On a leader, for a local client whose session it does not know: whether that may be said. 0: it leads, surely;
 * -EINPROGRESS: a quorum is asked first, `revalidated` follows, or the role ends; -ENOTCONN: not serving, or too much
 * is asked already. A deposed leader that has not noticed yet knows nothing of sessions that its successor has made. */
int zab_session_unknown(struct zab *z, uint64_t now_ms, int64_t session, int32_t timeout_ms, struct effects *fx);

/* ---- events ---- */
void zab_conn_accepted(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx);
/* Each returns false when the connection is none of zab's. */
bool zab_conn_dialled(struct zab *z, uint64_t now_ms, conn_id conn, int status, struct effects *fx);
bool zab_conn_bytes(struct zab *z, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len, struct effects *fx);
bool zab_conn_closed(struct zab *z, uint64_t now_ms, conn_id conn, int reason, struct effects *fx);
bool zab_conn_sent(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx);
/* Everything up to `ticket` is durable; `reloaded` is what a TRUNCATE with reload brought, else NULL. */
void zab_disk_done(struct zab *z, uint64_t now_ms, uint64_t ticket, struct recovered *reloaded, struct effects *fx);
void zab_snapshot_saved(struct zab *z, uint64_t now_ms, struct effects *fx);
/* The host's database is free for another snapshot walk / no snapshot file is being written any more. */
void zab_snapshot_free(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab_tick(struct zab *z, uint64_t now_ms, struct effects *fx);
uint64_t zab_deadline(const struct zab *z);

/* ---- what mntr and the status call show ---- */
enum zab_sync {
        ZAB_SYNC_NONE, /* not yet */
        ZAB_SYNC_DIFF,
        ZAB_SYNC_TRUNC,
        ZAB_SYNC_SNAP,
        ZAB_SYNC_MAX,
};
const char *zab_sync_name(enum zab_sync sync);

/* A learner as its leader sees it. Times are monotonic, 0 for what has not happened. */
struct zab_learner_info {
        int64_t sid;
        bool observer, voter;
        const char *state; /* "joining", "synchronising" or "active" */
        enum zab_sync sync;
        uint64_t since_ms;   /* the present state began */
        int64_t acked_zxid;  /* the last proposal it acknowledged, or what it came with; -1 of an observer */
        int64_t sent_zxid;   /* the last one that was sent to it, or that its synchronisation covered */
        size_t queued_bytes; /* waiting behind its snapshot */
        uint64_t pings_sent, pings_answered;
};
/* Calls `fn` for each learner that has said who it is; nothing unless leading. */
void zab_learners(const struct zab *z, void (*fn)(void *ctx, const struct zab_learner_info *info), void *ctx);

struct zab_stats {
        size_t learners, synced_followers, synced_observers, synced_non_voting, pending_syncs;
        uint64_t proposals, commits, bad_input;
        uint64_t learner_proposals, learner_commits;                      /* as learner: received from its leader */
        uint64_t logged;                                                  /* transactions handed to the log queue */
        uint64_t sync_diff, sync_trunc, sync_snap;                        /* as leader: learners synchronised by each */
        int64_t proposal_size_last, proposal_size_min, proposal_size_max; /* -1 before the first */
        struct summary log_queue;                                         /* items in the log queue at each append */
        struct summary inflight_diff, inflight_snap; /* learners being synchronised as each of them began */
        struct histogram log_ms;                     /* from the log queue to the disk */
        struct histogram quorum_ms;                  /* as leader: from proposal to quorum */
};
void zab_stats(const struct zab *z, struct zab_stats *ret);
void zab_stats_reset(struct zab *z);

#endif
