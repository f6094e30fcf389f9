/* Fast Leader Election's counting (quorum-protocol.md 2.2, 2.3): who is voted for, who has said what,
 * and when that settles it. Pure: messages and times in, decisions out. Internal to the room.
 *
 * Three additions to ZooKeeper's algorithm:
 *  - The early decision. A quorum votes for the proposal, and every voter either votes for it too or is
 *    known to be away: no vote can still arrive that would change the outcome, so the 200 ms of silence
 *    are not waited for.
 *  - A server known to be away is no candidate: what it said is forgotten, and if it is our proposal, or
 *    becomes somebody else's, a new round begins, in which nobody remembers its vote. (Following it would
 *    end in a refused connection and another election.)
 *  - The leader's word. Who has voted for a server in this round follows it when that one says that it leads: it has
 *    counted a quorum. Voters that can't hear each other, of a quorum without one to spare, would else wait for each
 *    other's votes until the leader gives up (safety: E7); and so would those whose connection is slow. */
#ifndef BATON_VOTE_TALLY_H
#define BATON_VOTE_TALLY_H

#include "election/vote/notification.h"

/* How long nothing new must be heard once a quorum agrees (2.3.5, finalizeWait). */
#define VOTE_FINALIZE_MS 200
#define VOTE_NEVER       UINT64_MAX

struct vote_ballot {
        int64_t leader, zxid, epoch;
};

/* What one server said last. */
struct vote_said {
        bool present;
        struct vote_ballot ballot;
        int64_t round;
        enum vote_state state;
        int32_t version;
};

struct vote_tally {
        const struct ensemble *ensemble; /* borrowed */
        int64_t sid;
        bool voter;
        bool looking;
        bool countless; /* the database may be lost (zxid -1): takes no part in counting */
        int64_t round;  /* logical clock; only grows (safety: E2) */
        struct vote_ballot initial, proposal;
        /* By place in the ensemble. `received`: votes of this round (recvset). `settled`: what servers that
         * are not looking said, whatever their round (outofelection). */
        struct vote_said received[ENSEMBLE_MEMBERS_MAX];
        struct vote_said settled[ENSEMBLE_MEMBERS_MAX];
        struct member_set away;
        struct member_set purged; /* away servers whose votes a new round was begun against */
        uint32_t interval_ms;
        uint64_t resend_at_ms;
        uint64_t finalize_at_ms;  /* VOTE_NEVER unless a quorum agrees with the proposal */
        struct vote_said current; /* the settled vote; present once an election has ended */
};

/* What a step asks for; together as bits. SEND comes first when both are set. */
#define VOTE_TALLY_SEND    1u /* tell the proposal, in state LOOKING, to every voter */
#define VOTE_TALLY_SETTLED 2u /* `current` is the outcome */

/* Whether `a` beats `b`: by epoch, then zxid, then sid of the server voted for. */
bool vote__ballot_better(const struct vote_ballot *a, const struct vote_ballot *b);
/* Whether two votes count as the same one (2.2). */
bool vote__said_equal(const struct vote_said *a, const struct vote_said *b);

void vote__tally_init(struct vote_tally *t, const struct ensemble *e, int64_t sid);
/* Starts looking: a new round, nothing known of anybody. */
unsigned vote__tally_begin(struct vote_tally *t, uint64_t now_ms, int64_t zxid, int64_t epoch);
/* Takes one message of another voter while looking. */
unsigned vote__tally_receive(struct vote_tally *t, uint64_t now_ms, int64_t from, const struct vote_notification *n);
/* The next repetition is due soon, and those after it as at first. */
void vote__tally_hurry(struct vote_tally *t, uint64_t now_ms);
/* A voter is known to be away / may be there again. Sids that are no member are ignored. */
unsigned vote__tally_away(struct vote_tally *t, uint64_t now_ms, int64_t sid);
void vote__tally_back(struct vote_tally *t, int64_t sid);
/* The connection to `sid` is gone: what it said as a settled server may have gone with it. */
void vote__tally_forget(struct vote_tally *t, int64_t sid);
unsigned vote__tally_tick(struct vote_tally *t, uint64_t now_ms);
uint64_t vote__tally_deadline(const struct vote_tally *t);
/* Asserts the type's rules; for tests. */
void vote__tally_check(const struct vote_tally *t);

#endif
