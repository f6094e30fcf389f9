/* Clients of one life: they ask for everything the protocol has, several things at once, lose their connections, resume
 * their sessions elsewhere, leave old connections behind that go on speaking, give sessions up, and try passwords that
 * are not theirs. All they ask and are told goes into a history (tests/sim/history), which is judged when the life is
 * over.
 *
 * What they do is drawn from the seed, and how often they do it too: one life is full of sequential nodes, another of
 * watches and reconnections (swarm testing). Never waits: load_step() once per millisecond. */
#ifndef BATON_TESTS_SIM_LOAD_H
#define BATON_TESTS_SIM_LOAD_H

#include "tests/sim/history/history.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world/world.h"

#define LOAD_CLIENTS_MAX 8

/* What a life is about, where that takes clients who are about it, too. */
enum load_bent {
        LOAD_AS_DRAWN,
        LOAD_SYNCS, /* one writes, the others sync and read, move and are patient */
        LOAD_BULK,  /* nodes are large, and writes follow each other closely */
};

struct load;

/* What came about, over all clients. */
struct load_tally {
        uint64_t asked, acked, refused, unknown;
        uint64_t reads, multi_reads, events, syncs, multis, broken_multis;
        uint64_t sessions, resumed, moved, expired, closed, abandoned, refused_passwords;
        uint64_t moved_meanwhile;                     /* of the moved ones: while there was no leader */
        uint64_t watches_restored;                    /* setWatches that were answered */
        uint64_t persistent_events, recursive_events; /* told by a watch that stays; of a node below such a one */
        uint64_t watches_removed;                     /* by removeWatches */
        uint64_t watches_found;                       /* by checkWatches */
        uint64_t numbers, ephemerals;                 /* getAllChildrenNumber above 0; nodes told by getEphemerals */
        uint64_t read_only, read_only_reads; /* connections to a server in that mode; what it was asked and showed */
        uint64_t read_only_refused, read_only_over; /* writes there; sessions of that mode, elsewhere or later */
        uint64_t identities;                        /* told by whoAmI, without addresses */
        uint64_t ghosts;                            /* requests sent on a connection whose session had moved away */
        uint64_t sleeps;                            /* stays away longer than its session lives */
        uint64_t auths, refused_auths;              /* packets that were accepted and refused */
        uint64_t no_auths;                          /* requests refused for want of a right */
};

/* All three are borrowed. `v` is told of what can't be put into a history: an answer that can't be read, or that
 * answers nothing. Nobody else may write below the paths that the clients use: /h*, /u*, /s*, /e*, /c*, /b*, /r*. */
struct load *load_new(struct world *w, struct history *h, struct verdict *v, uint64_t seed);
/* Before the first step. */
void load_bend(struct load *l, enum load_bent bent);
/* Before the first step: some of the clients take a server in read-only mode where there is no other. */
void load_allow_read_only(struct load *l);
/* Takes NULL. Before the world is freed. */
void load_free(struct load *l);
/* `busy`: new requests and new trouble; else clients finish, keep their sessions and stay connected. */
void load_step(struct load *l, bool busy);
/* All connected, with nothing outstanding, and what all work on was made. */
bool load_idle(const struct load *l);
/* All are idle, and from here on nothing is amiss: nobody has a reason to take a connection or a session from them. */
void load_settle(struct load *l);
/* Each client writes something, asks for a sync and then reads all it may know of; when all are idle again that is
 * done. */
void load_look(struct load *l);
/* Breaks LIVE where a client has lost its connection or its session since load_settle(), or where its write of
 * load_look() was not acknowledged. */
void load_check_settled(struct load *l);
/* Whatever is still outstanding has an unknown outcome: goes into the history. Nothing is asked after this. */
void load_finish(struct load *l);
const struct load_tally *load_tally(const struct load *l);
/* Whether data is sometimes larger than a portion of a snapshot. Known before the first step. */
bool load_is_bulky(const struct load *l);

/* ---- what else goes into the history of a life (load_record.c) ---- */
/* A committed transaction: bytes as in the log. Returns 0, -EPROTO when they can't be read. */
int load_record_txn(struct history *h, int64_t zxid, const uint8_t *txn, size_t len);
/* The tree and the sessions of a running server as they are now. */
void load_record_tree(struct history *h, struct world *w, int sid);

#endif
