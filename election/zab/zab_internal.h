/* What the files of this room share. See zab.h for the whole. */
#ifndef BATON_ZAB_ZAB_INTERNAL_H
#define BATON_ZAB_ZAB_INTERNAL_H

#include "election/base/list.h"
#include "election/zab/history.h"
#include "election/zab/packet_stream.h"
#include "election/zab/ring.h"
#include "election/zab/zab.h"
#include "election/zab/zxid.h"

/* What LearnerInfo and LEADERINFO carry; older dialogues are not spoken (quorum-protocol.md 3.1). */
#define ZAB_PROTOCOL_VERSION 0x10000
/* Longest reason for the end of a role; a longer one is cut. */
#define ZAB_REASON_MAX 256

/* ---- the log queue: what was handed to it and is not known to be durable yet ---- */
enum disk_kind {
        DISK_APPEND,     /* value: zxid */
        DISK_ACCEPTED,   /* value: epoch */
        DISK_PREPARE,    /* value: epoch */
        DISK_CURRENT,    /* value: epoch */
        DISK_CUT,        /* TRUNCATE with reload; value: zxid */
        DISK_CUT_BEHIND, /* TRUNCATE behind a received snapshot; value: zxid */
        DISK_ROLL,
};
struct disk_item {
        uint64_t ticket;
        enum disk_kind kind;
        int64_t value;
        uint64_t since_ms;
};

/* ---- leader ---- */

/* A connection somebody else made to the quorum port, in the order of its life. */
enum peer_state {
        PEER_WAITING,   /* has not said who it is, or this server does not lead yet */
        PEER_KNOWN,     /* FOLLOWERINFO is here; waits for barrier E */
        PEER_INFORMED,  /* LEADERINFO sent; owes ACKEPOCH */
        PEER_PROMISED,  /* ACKEPOCH is here; waits for barrier A */
        PEER_SNAP_WAIT, /* waits for its turn to be sent a snapshot */
        PEER_SNAP,      /* snapshot going out; everything else queues up behind it */
        PEER_SYNC,      /* NEWLEADER sent; owes its ACK */
        PEER_ACKED,     /* NEWLEADER acknowledged; waits for barrier N */
        PEER_ACTIVE,    /* UPTODATE sent */
};
struct zab_peer {
        struct list link; /* in zab.peers */
        conn_id conn;
        struct packet_stream in;
        enum peer_state state;
        bool gone;     /* dropped: nothing of it is processed, freed when the call is done */
        bool observer; /* came with OBSERVERINFO */
        bool voter;    /* came with FOLLOWERINFO and is a voter of the configuration */
        int64_t sid;
        int64_t last_zxid;    /* of its ACKEPOCH */
        uint64_t deadline_ms; /* it must have been heard of by then; UINT64_MAX while it owes nothing */
        struct ring queue;    /* struct blob *: waiting behind the snapshot */
        size_t queue_bytes;
        int64_t commit_sent;                 /* COMMITs up to here are out, or were covered by its sync */
        uint64_t ping_base;                  /* ping round after which it answers pings */
        uint64_t pings_sent, pings_answered; /* since then */
        enum zab_sync sync;                  /* how it was synchronised */
        uint64_t sync_ms, active_ms;         /* when that began, when it ended; 0 not yet */
        int64_t acked_zxid;                  /* the last proposal it acknowledged, or what it came with */
        int64_t watch_zxid, latest_zxid;     /* a proposal it owes an ACK for, and the latest one; 0 none */
        uint64_t watch_ms, latest_ms;        /* when they were sent */
};

struct proposal {
        struct member_set acks; /* durable at these voters; counts for those that acknowledged NEWLEADER */
        uint64_t since_ms;
};

/* A sync that waits: for its proposals and for a quorum's answer to a ping sent after it. Or the question whether a
 * session lives that this leader does not know: the same shows that no successor knows it either. */
struct pending_sync {
        conn_id conn; /* the learner that asked; 0 for this server */
        int64_t zxid;
        uint64_t round;
        bool asks_session;
        int64_t session;
        int32_t timeout_ms;
};
/* Syncs waiting on one leader; a learner that would exceed it is dropped. */
#define ZAB_SYNCS_MAX ZAB_OUTSTANDING_MAX

struct zab_leader {
        int64_t epoch;               /* 0 before barrier E */
        int64_t own_epoch, own_zxid; /* state summary for barrier A */
        struct member_set promised;  /* voters whose ACKEPOCH was counted */
        struct member_set spent;     /* voters that can never be counted in this epoch any more */
        struct member_set synced;    /* voters, self included, that acknowledged NEWLEADER; connected ones */
        int64_t last_proposed;
        struct ring proposals;     /* struct proposal: one for each transaction of the tail */
        struct ring syncs;         /* struct pending_sync */
        uint64_t more_ms;          /* committing goes on then; UINT64_MAX: it is not held up */
        uint64_t barrier_ms;       /* the present barrier must have been reached by then */
        uint64_t ping_ms, tick_ms; /* next ping round, next quorum check */
        uint64_t stop_ms;          /* a clean stop takes at most until then */
        uint64_t ping_round;       /* ping rounds so far */
        struct zab_peer *reading;  /* whose snapshot is being read from the host */
        struct blob *newleader;
        bool announced; /* acceptedEpoch is durable, LEADERINFO may be sent */
        bool stopping;
};

/* ---- learner ---- */
enum learner_step {
        STEP_DIAL,         /* dial under way, or waiting for the next try */
        STEP_HELLO,        /* FOLLOWERINFO sent */
        STEP_PROMISE,      /* LEADERINFO is here; waits for the log queue to be dry */
        STEP_KIND,         /* ACKEPOCH sent; DIFF, TRUNC or SNAP must come */
        STEP_TRUNC_WAIT,   /* waits for a snapshot file being written */
        STEP_TRUNC,        /* waits for the cut */
        STEP_SNAP_LOAD,    /* stream coming in */
        STEP_SNAP_SEAL,    /* "BenWasHere" must follow */
        STEP_SNAP_PREPARE, /* waits for the log queue to be dry */
        STEP_SNAP_SAVE,    /* zab.adoption carries it on */
        STEP_SYNC,         /* history coming in; NEWLEADER must come */
        STEP_EPOCH,        /* NEWLEADER is here; waits for history and epoch to be durable */
        STEP_UPTODATE,     /* ACK sent; UPTODATE must come */
        STEP_BROADCAST,
};
/* Proposals not committed yet on a learner: number and bytes. A leader that exceeds them is left. */
#define ZAB_TAIL_MAX       1048576
#define ZAB_TAIL_BYTES_MAX ((size_t)1 << 30)
/* Log-queue items not durable yet at which a learner stops reading, and at which it goes on. */
#define ZAB_UNSYNCED_MAX 16384
#define ZAB_UNSYNCED_LOW 8192
/* Refused dials are repeated after 5, 10, 20, … ms, for this long altogether. */
#define ZAB_DIAL_RETRY_MIN_MS 5
#define ZAB_DIAL_RETRY_MAX_MS 100
#define ZAB_DIAL_TOTAL_MS     1000

struct zab_learner {
        enum learner_step step;
        int64_t leader_sid;
        conn_id conn; /* 0: none, or a retry is due */
        struct packet_stream in;
        bool paused;          /* reading stopped; buffered bytes wait */
        int64_t epoch;        /* of LEADERINFO */
        int64_t promise;      /* epoch for ACKEPOCH, -1 when it must not count */
        bool hidden;          /* ACKEPOCH did not tell of the log: only a snapshot will do */
        int64_t target;       /* of TRUNC or SNAP */
        int64_t floor;        /* what the sync itself covered: COMMITs up to here are repetitions */
        uint64_t silent_ms;   /* the leader must have been heard by then; UINT64_MAX while paused */
        uint64_t heard_ms;    /* when it was heard last */
        bool suspected;       /* it was not: silent_ms is the end of its last chance */
        bool hasty;           /* silent_ms comes sooner than by sync_limit */
        int32_t heartbeat_ms; /* how often the leader says that it pings; 0: it says nothing */
        uint64_t wait_ticket; /* STEP_EPOCH: durable when the log queue is past it */
        uint64_t retry_at_ms; /* next dial; UINT64_MAX: none due */
        uint64_t dial_end_ms; /* no further dial after this */
        uint32_t retry_ms;
        struct ring acks; /* int64_t: zxids logged that owe the leader an ACK */
};

/* A received snapshot on its way to become this server's state; outlives the role (see zab.c). */
enum adoption { ADOPT_NONE, ADOPT_SAVING, ADOPT_CUTTING };

struct zab {
        struct zab_config config;
        struct zab_host host;
        enum zab_role role;
        enum zab_phase phase;
        int64_t accepted_epoch, current_epoch; /* as on disk */
        int64_t heard_epoch;                   /* highest acceptedEpoch that a member came with; outlives the role */
        int64_t prepared_epoch;                /* highest CURRENT_PREPARE or CURRENT handed to the log queue */
        int64_t durable_zxid;                  /* the log is durable up to here */
        struct history history;
        struct ring disk; /* struct disk_item */
        enum adoption adoption;
        int64_t adoption_zxid;
        bool cutting;          /* a TRUNCATE with reload is under way */
        bool hide_log;         /* only a snapshot helps: ask for one next time */
        bool lost;             /* see zab_lost() */
        bool distrust;         /* see zab_distrust() */
        bool fuzzy;            /* see zab_fuzzy() */
        bool again;            /* see zab_again() */
        unsigned int patience; /* how often a leader was left in haste, until patient_until_ms */
        uint64_t patient_until_ms;
        size_t step_bytes;          /* of transactions committed in this call, as leader */
        struct list peers;          /* struct zab_peer, dropped ones included */
        size_t peer_count;          /* living ones */
        bool peers_gone;            /* some wait to be freed */
        struct zab_leader leader;   /* while LEADING */
        struct zab_learner learner; /* while FOLLOWING or OBSERVING */
        struct zab_stats stats;
        int depth; /* calls under way, upcalls included */
        bool leaving, leave_flush;
        char leave_reason[ZAB_REASON_MAX];
};

/* Accepted connections, learners included. */
#define ZAB_PEERS_MAX (ZAB_WAITING_MAX + 128)

/* ---- zab.c ---- */
/* The role ends when the present call is done; the first reason stands. Nothing more is processed. */
void zab__leave_soon(struct zab *z, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The role ends, and its leader is asked for a snapshot at once. */
void zab__again_soon(struct zab *z);
/* The only place where role and phase change. */
void zab__set_phase(struct zab *z, enum zab_role role, enum zab_phase phase, const char *why, struct effects *fx);
bool zab__learning(const struct zab *z);
uint64_t zab__ticks(const struct zab *z, uint32_t n); /* in ms */
/* Appends to history and log; takes the caller's reference. */
void zab__append(struct zab *z, uint64_t now_ms, int64_t zxid, struct blob *blob, uint32_t offset, uint32_t len,
                 struct effects *fx);
void zab__epoch_write(struct zab *z, uint64_t now_ms, enum epoch_kind kind, int64_t epoch, struct effects *fx);
void zab__cut(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx);
/* Hands a loaded snapshot over to be saved and adopted. */
void zab__adopt(struct zab *z, int64_t zxid, struct effects *fx);
/* Counts the first `n` of the tail as committed and delivers them. */
void zab__deliver(struct zab *z, size_t n, struct effects *fx);
/* Test hook: this quiescent server stands at `zxid` with an empty history; a serving leader goes on there. */
void zab__jump(struct zab *z, int64_t zxid);

/* ---- peers.c ---- */
struct zab_peer *zab__peer_find(const struct zab *z, conn_id conn);
/* Takes the peer out and closes its connection (unless `closed` already); freed when the call is done. */
void zab__peer_drop(struct zab *z, struct zab_peer *p, bool closed, bool flush, struct effects *fx);
/* Drops it for what it sent. */
void zab__peer_bad(struct zab *z, struct zab_peer *p, const char *what, struct effects *fx);
void zab__peers_sweep(struct zab *z);
/* Processes the packets at hand. */
void zab__peer_run(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx);
/* Sends, or queues behind the peer's snapshot. Takes the caller's reference. */
void zab__peer_send(struct zab *z, struct zab_peer *p, struct blob *b, struct effects *fx);
void zab__peers_tick(struct zab *z, uint64_t now_ms, struct effects *fx);
uint64_t zab__peers_deadline(const struct zab *z);

/* For each living peer. Dropped ones stay in the list until the outermost call ends, so the body may drop
 * any peer. */
#define EACH_PEER(z, p)                                                                                                \
        for (struct list *p##_at = (z)->peers.next;                                                                    \
             p##_at != &(z)->peers && ((p) = LIST_ENTRY(p##_at, struct zab_peer, link), true); p##_at = p##_at->next)  \
                if ((p)->gone)                                                                                         \
                        continue;                                                                                      \
                else

/* ---- leader.c ---- */
void zab__leader_enter(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__leader_exit(struct zab *z);
void zab__leader_packet(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                        struct effects *fx);
void zab__leader_disk(struct zab *z, uint64_t now_ms, struct effects *fx);
/* A voter acknowledged NEWLEADER, or this server's own part of it is durable. */
void zab__leader_established(struct zab *z, uint64_t now_ms, struct effects *fx);

/* ---- leader_sync.c ---- */
void zab__sync_start(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx);
/* Gives the host's snapshot to the first peer that waits for one, if it is free. */
void zab__sync_snapshots(struct zab *z, uint64_t now_ms, struct effects *fx);
/* The next portion of a snapshot may go out. */
void zab__sync_more(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx);

/* ---- leader_broadcast.c ---- */
void zab__activate(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx);
void zab__broadcast_packet(struct zab *z, uint64_t now_ms, struct zab_peer *p, const struct jute_quorum_packet *q,
                           struct effects *fx);
void zab__commit_ready(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__forget_acks(struct zab *z, const struct zab_peer *p);
void zab__ack(struct zab *z, uint64_t now_ms, struct zab_peer *p, int64_t zxid, struct effects *fx);

/* ---- leader_liveness.c ---- */
void zab__ping_round(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__ping_answered(struct zab *z, uint64_t now_ms, struct zab_peer *p, struct effects *fx);
void zab__syncs_ready(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__sync_ask(struct zab *z, uint64_t now_ms, conn_id conn, struct effects *fx);
/* A session that is not known here: true, and nothing follows, when it may be called over at once. */
bool zab__session_ask(struct zab *z, uint64_t now_ms, conn_id conn, int64_t session, int32_t timeout_ms,
                      struct effects *fx);
void zab__session_answer(struct zab *z, struct zab_peer *p, int64_t session, bool valid, struct effects *fx);
void zab__leader_tick(struct zab *z, uint64_t now_ms, struct effects *fx);
uint64_t zab__leader_deadline(const struct zab *z);

/* ---- learner.c ---- */
void zab__learner_enter(struct zab *z, uint64_t now_ms, int64_t leader_sid, struct effects *fx);
void zab__learner_exit(struct zab *z, bool flush, struct effects *fx);
void zab__learner_dialled(struct zab *z, uint64_t now_ms, int status, struct effects *fx);
void zab__learner_run(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__learner_heard(struct zab *z, uint64_t now_ms);
/* The data of the leader's PING: how often they come, if it says so. */
void zab__learner_heartbeat(struct zab *z, uint64_t now_ms, struct jute_str data);
void zab__learner_disk(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__learner_tick(struct zab *z, uint64_t now_ms, struct effects *fx);
uint64_t zab__learner_deadline(const struct zab *z);
void zab__learner_pause(struct zab *z, struct effects *fx);
void zab__learner_resume(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__learner_send(struct zab *z, struct blob *b, struct effects *fx);
/* The leader sent what can't be: counted, left. */
void zab__learner_bad(struct zab *z, const char *what);

/* ---- learner_sync.c ---- */
void zab__learner_kind(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx);
void zab__learner_sync_packet(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q, struct effects *fx);
/* Consumes snapshot bytes; false when more are needed or the stream is done. */
bool zab__learner_load(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__learner_sync_disk(struct zab *z, uint64_t now_ms, struct effects *fx);
void zab__learner_truncate(struct zab *z, uint64_t now_ms, struct effects *fx);
/* currentEpoch.tmp must be there before anything of an epoch above currentEpoch is (storage-format.md 8.5). */
void zab__learner_prepare(struct zab *z, uint64_t now_ms, int64_t zxid, struct effects *fx);

/* ---- learner_broadcast.c ---- */
void zab__learner_broadcast_packet(struct zab *z, uint64_t now_ms, const struct jute_quorum_packet *q,
                                   struct effects *fx);
/* These return false when the role ends because of it. */
bool zab__learner_proposal(struct zab *z, uint64_t now_ms, int64_t zxid, struct jute_str payload, struct effects *fx);
bool zab__learner_commit(struct zab *z, int64_t zxid, struct effects *fx);
bool zab__learner_inform(struct zab *z, uint64_t now_ms, int64_t zxid, struct jute_str payload, struct effects *fx);
/* COMMITANDACTIVATE / INFORMANDACTIVATE: strips the designated leader off `data`. */
bool zab__learner_activation(struct zab *z, struct jute_str *data, struct effects *fx);
/* Acknowledges what is durable, once that is allowed. */
void zab__learner_acks(struct zab *z, struct effects *fx);
/* What was committed before NEWLEADER needs no acknowledgement. */
void zab__learner_acks_skip(struct zab *z);

#endif
