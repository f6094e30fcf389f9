/* What the files of the oracle share. Functions take facts, not servers, wherever that is natural: tests tell them
 * histories that no server would make. oracle.c gathers the facts from the world. */
#ifndef BATON_TESTS_SIM_ORACLE_ORACLE_INTERNAL_H
#define BATON_TESTS_SIM_ORACLE_ORACLE_INTERNAL_H

#include "election/base/hash.h"
#include "election/base/map.h"
#include "tests/sim/oracle/oracle.h"

#include <inttypes.h>

/* The i-th commit is followed by a test of all disks with this chance, unless set otherwise. */
#define ORACLE_IMAGE_PERIOD 150

/* A transaction as its leader proposed it. The line of a transaction is all that stands before it, by `before`:
 * a log that ends with it can only be that line. */
struct oracle_txn {
        int64_t zxid, before; /* what the leader's log ended with when it proposed this */
        int proposer;
        uint64_t hash;
        uint8_t *bytes;
        size_t len;
        size_t place; /* in the line of commits, SIZE_MAX while it is not committed */
};

struct oracle_commit {
        const struct oracle_txn *txn;
        uint64_t digest; /* of the model's tree behind it */
        size_t sessions; /* of the model */
};

struct oracle_record {
        int64_t zxid;
        uint64_t ticket; /* durable with it */
};

/* What was asked of the log queue and is not durable yet, appends aside. */
enum oracle_ask_kind { ASK_ACCEPTED, ASK_PREPARE, ASK_CURRENT, ASK_CUT, ASK_REPLACE };
struct oracle_ask {
        enum oracle_ask_kind kind;
        int64_t value;
        uint64_t ticket;
        bool leads; /* by a candidate, of its own epoch: it may be none any more when it is done */
};
/* Epochs, and cuts: a role asks for a few at a time. */
#define ORACLE_ASKS_MAX 64

/* One server as it is known from outside, whether it runs or not. */
struct oracle_server {
        int sid;
        bool voter;
        bool lost;    /* its disk was, and no leader has synchronised it since */
        bool damaged; /* its disk is, as somebody has announced */
        bool running;
        /* The log: `base` with all its line, then the records. The first `durable` are on disk. */
        int64_t base;
        struct oracle_record *log;
        size_t count, capacity, durable;
        struct oracle_ask asks[ORACLE_ASKS_MAX];
        size_t ask_count;
        int64_t cut_asked;         /* the disk is done with a cut to this: whether it was made comes next; -1 none */
        int64_t saving;            /* a received snapshot of this may be on disk any time; -1 none */
        int64_t accepted, current; /* on disk */
        int64_t prepared;          /* in currentEpoch.tmp, perhaps */
        bool disk_failed;          /* in this run */
        /* This run's role, as last seen. */
        bool candidate;      /* elected, in whatever phase */
        int64_t leads;       /* the epoch it has chosen, 0 none */
        bool established;    /* in that epoch */
        int64_t led_zxid;    /* its log when it became a candidate, */
        int64_t led_epoch;   /* and its currentEpoch */
        int64_t shown;       /* zxid of its database when last looked at while it served; -1: it did not */
        int64_t shown_alone; /* the same in read-only mode */
        int64_t round;       /* of its election, in this run */
        bool looking;
        struct map conns;   /* conn_id -> struct oracle_link */
        struct map clients; /* conn_id -> CLIENT_* */
};

/* What a client's connection has been sent: a first frame is no reply. */
#define CLIENT_NEW     ((void *)1)
#define CLIENT_GREETED ((void *)2)
#define CLIENT_CLOSED  ((void *)3)
/* Greeted by a server in read-only mode: what it is told need not be committed. */
#define CLIENT_READ_ONLY ((void *)4)

/* A connection between two servers. */
struct oracle_link {
        struct oracle_link *next; /* in oracle.links */
        int dialler, acceptor;
        conn_id dialled, accepted; /* 0: not accepted yet */
        enum port port;
        bool told;         /* FOLLOWERINFO or OBSERVERINFO was sent, */
        bool observes;     /* the latter, */
        int64_t promised;  /* with this acceptedEpoch */
        int64_t announced; /* epoch of the LEADERINFO sent on it, 0 none */
        int64_t sync_end;  /* what has been sent or said on it before NEWLEADER ends here */
        enum { LINK_SYNC, LINK_NEWLEADER, LINK_ACTIVE } step;
        bool raw;                             /* a snapshot is going out: bytes, not packets */
        bool dialler_gone, acceptor_gone;     /* the process */
        bool dialler_closed, acceptor_closed; /* by its own decision */
};

struct oracle {
        struct world *world; /* NULL in tests without one */
        struct verdict *verdict;
        struct coverage *coverage;
        struct coverage unasked; /* where nobody counts */
        uint64_t now;
        struct prng prng; /* for what is sampled */
        uint32_t image_period;
        struct oracle_server servers[WORLD_SERVERS_MAX + 1]; /* by sid */
        int count;
        struct map txns; /* zxid -> struct oracle_txn */
        struct oracle_txn **txn_list;
        size_t txn_count, txn_capacity;
        struct oracle_commit *commits;
        size_t commit_count, commit_capacity;
        struct model *model;
        uint64_t fresh_digest; /* of a tree without any transaction */
        /* Maps to numbers that are not 0. */
        struct map leaders;   /* epoch -> the sid of who led it */
        struct map promises;  /* epoch and sid -> a counted ACKEPOCH was sent */
        struct map counted;   /* epoch and leader's sid -> voters whose promise to it can count, as bits */
        struct map votes;     /* hash of a vote and its sender -> it was sent */
        struct map followers; /* sender and leader -> the sender has said that it follows or is that leader */
        struct oracle_link *links;
        uint64_t images; /* tests of all disks so far */
};

#define ORACLE_BREAK(o, checker, ...) verdict_break((o)->verdict, (o)->now, checker, __VA_ARGS__)
/* zxids in texts. */
#define ZX "0x%" PRIx64

static inline void oracle__mark(struct oracle *o, enum mark mark)
{
        coverage_hit(o->coverage, mark);
}
static inline int64_t oracle__epoch_of(int64_t zxid)
{
        return zxid >> 32;
}
static inline int64_t oracle__counter_of(int64_t zxid)
{
        return zxid & INT64_C(0xffffffff);
}

static inline uint64_t oracle__bit(int sid)
{
        return UINT64_C(1) << sid;
}
static inline uint64_t oracle__number(const struct map *m, uint64_t key)
{
        return (uint64_t)(uintptr_t)map_get(m, key);
}
static inline void oracle__set_number(struct map *m, uint64_t key, uint64_t number)
{
        map_put(m, key, (void *)(uintptr_t)number); /* never followed: maps hold pointers */
}

/* ---- oracle.c ---- */
/* Without a world: for tests of the checkers. */
struct oracle *oracle__new(const struct ensemble *e, struct verdict *v, struct coverage *c, uint64_t seed);
/* Whether those whose bits (1 << sid) are set are more than half of the voters. */
bool oracle__is_quorum(const struct oracle *o, uint64_t sids);

/* ---- oracle_log.c: what was proposed, and what stands in logs (Z4, Z7, Z10, Z11, Z14, Z26) ---- */
struct oracle_txn *oracle__txn(const struct oracle *o, int64_t zxid);
/* A record goes into a server's log; `leads`: the epoch it leads, established, or 0. */
void oracle__append(struct oracle *o, struct oracle_server *s, int64_t zxid, const uint8_t *bytes, size_t len,
                    uint64_t ticket, int64_t leads);
int64_t oracle__log_end(const struct oracle_server *s);
int64_t oracle__durable_end(const struct oracle_server *s);
/* The log now ends at `zxid`, which it holds, durably. */
void oracle__cut(struct oracle *o, struct oracle_server *s, int64_t zxid);
/* The log is empty, the state is that of a snapshot of `zxid`, durably. */
void oracle__replace(struct oracle_server *s, int64_t zxid);
/* Up to this ticket all is durable. Whether a cut with reload was made is told later: oracle__cut_done(). */
void oracle__durable(struct oracle *o, struct oracle_server *s, uint64_t ticket);
void oracle__cut_done(struct oracle *o, struct oracle_server *s, bool made);
void oracle__ask(struct oracle *o, struct oracle_server *s, enum oracle_ask_kind kind, int64_t value, uint64_t ticket);
/* Whether a state that ends at `end` holds `zxid`: it stands on the line of `end`. */
bool oracle__holds(const struct oracle *o, int64_t end, int64_t zxid);
/* The digest of the tree behind `zxid`; false when it is not known. */
bool oracle__digest(const struct oracle *o, int64_t zxid, uint64_t *ret);

/* ---- oracle_commit.c: the one line of commits (Z3, Z5, Z6, Z8, Z9, Z12, Z13, Z16, D1, D2, D4) ---- */
/* The place of the last commit that is not above `zxid`, SIZE_MAX when there is none. */
size_t oracle__floor(const struct oracle *o, int64_t zxid);
/* The last commit's zxid, 0 when there is none. */
int64_t oracle__committed_end(const struct oracle *o);
/* A leader of `epoch` has a quorum's word for NEWLEADER: what it holds is committed. */
void oracle__established(struct oracle *o, struct oracle_server *s, int64_t epoch);
/* It counts everything up to `zxid` as committed. */
void oracle__commit_to(struct oracle *o, struct oracle_server *s, int64_t epoch, int64_t zxid);
/* A serving server's database stands at `zxid`. */
void oracle__shows(struct oracle *o, struct oracle_server *s, int64_t zxid, uint64_t digest, size_t sessions);
/* That of one in read-only mode does, for want of a leader. */
void oracle__shows_alone(struct oracle *o, struct oracle_server *s, int64_t zxid, uint64_t digest);
/* A client is told `zxid`, in no such mode. */
void oracle__told(struct oracle *o, const struct oracle_server *s, int64_t zxid);

/* ---- oracle_epoch.c: promises and leaders (Z1, Z2, Z20-Z25) ---- */
void oracle__epoch_durable(struct oracle *o, struct oracle_server *s, const struct oracle_ask *a);
/* It leads, and its currentEpoch is that epoch, durably. */
void oracle__leads(struct oracle *o, struct oracle_server *s, int64_t epoch);
/* A packet between two servers. `data` NULL: none. */
void oracle__packet(struct oracle *o, struct oracle_link *l, int from, int32_t type, int64_t zxid, const uint8_t *data,
                    int32_t len);

/* ---- oracle_vote.c: election (E1-E5) ---- */
struct oracle_vote {
        int32_t state;
        int64_t leader, zxid, round, epoch;
        bool fresh;
};
/* `lost`: it knows that its disk was. `v->fresh`: it is what the server stands for at this instant; an earlier vote may
 * go out late, when a connection is there for it. */
void oracle__voted(struct oracle *o, struct oracle_server *s, const struct oracle_vote *v, bool lost);
/* It has settled on `v`, in `round`. */
void oracle__decided(struct oracle *o, struct oracle_server *s, const struct oracle_vote *v);
void oracle__rounds(struct oracle *o, struct oracle_server *s, int64_t round);

/* ---- oracle_wire.c: who is connected with whom, and what they send ---- */
void oracle__dial(struct oracle *o, struct oracle_server *s, conn_id conn, enum port port, int target);
void oracle__accepted(struct oracle *o, struct oracle_server *s, conn_id conn, int dialler, conn_id dialled,
                      enum port port);
/* Finds the highest COMMIT among the packets of one send, 0 if there is none. */
int64_t oracle__commit_in(struct oracle *o, struct oracle_server *s, conn_id conn, const uint8_t *data, size_t len);
/* It has closed the connection: nothing of it may be processed any more (safety: Z15), and so nothing be said on it. */
void oracle__closed(struct oracle_server *s, conn_id conn);
void oracle__send(struct oracle *o, struct oracle_server *s, conn_id conn, const uint8_t *data, size_t len);

/* Its disk is known to be damaged or lost: what it finds there is not held against it, and it counts as holding what it
 * held, as a minority may. */
bool oracle__excused(const struct oracle *o, const struct oracle_server *s);

/* ---- oracle_disk.c: recovery, and disks as a crash would leave them (D1, D3, D4, Z23, Z25) ---- */
struct oracle_found {
        int64_t last_zxid, accepted, current;
        bool lost;
        uint64_t digest;
};
/* Whether a crash may leave a log that ends so: with all that was durable, and nothing that was not asked for. */
bool oracle__may_find(const struct oracle_server *s, int64_t last_zxid);
/* A server begins with what it has found. */
void oracle__recovered(struct oracle *o, struct oracle_server *s, const struct oracle_found *f);
/* All disks, copied and crashed: a quorum of them holds what is committed. */
void oracle__test_images(struct oracle *o);
/* A disk as it is, against what its server has in memory. */
void oracle__test_memory(struct oracle *o, int sid);

/* ---- oracle_mark.c: what servers report, as coverage ---- */
void oracle__noted(void *ctx, struct world *w, int sid, const char *text);

/* ---- oracle_tree.c: a server's tree against the model's (D4, S3, S11, Z3) ---- */
void oracle__compare_tree(struct oracle *o, int sid, const struct database *db);
/* All that serve and stand at the last commit. */
void oracle__compare_serving(struct oracle *o);

#endif
