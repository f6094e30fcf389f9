#include "election/vote/tally.h"

#include "election/base/plant.h"

#include <assert.h>
#include <string.h>

bool vote__ballot_better(const struct vote_ballot *a, const struct vote_ballot *b)
{
        if (a->epoch != b->epoch && !(PLANTED(M6_ZXID_BEFORE_EPOCH) && a->zxid != b->zxid))
                return a->epoch > b->epoch;
        if (a->zxid != b->zxid)
                return a->zxid > b->zxid;
        return a->leader > b->leader;
}

bool vote__said_equal(const struct vote_said *a, const struct vote_said *b)
{
        if (a->ballot.leader != b->ballot.leader)
                return false;
        if (a->state == VOTE_LOOKING || b->state == VOTE_LOOKING)
                return a->ballot.zxid == b->ballot.zxid && a->round == b->round && a->ballot.epoch == b->ballot.epoch;
        /* Settled servers may disagree about zxid and round (ZOOKEEPER-1732), old ones about the epoch too. */
        if ((a->version > 0) != (b->version > 0))
                return true;
        return a->ballot.epoch == b->ballot.epoch;
}

void vote__tally_init(struct vote_tally *t, const struct ensemble *e, int64_t sid)
{
        memset(t, 0, sizeof *t);
        t->ensemble = e;
        t->sid = sid;
        t->voter = ensemble_is_voter(e, sid);
        t->resend_at_ms = t->finalize_at_ms = VOTE_NEVER;
}

/* A member's place, or ENSEMBLE_MEMBERS_MAX for a stranger. */
static size_t place_of(const struct vote_tally *t, int64_t sid)
{
        const struct member *m = ensemble_find(t->ensemble, sid);
        return m ? (size_t)(m - t->ensemble->members) : ENSEMBLE_MEMBERS_MAX;
}

/* Puts our own proposal among the votes received: ZooKeeper sends it to itself. */
static void count_own(struct vote_tally *t)
{
        if (!t->voter || t->countless)
                return;
        t->received[place_of(t, t->sid)] = (struct vote_said){
                .present = true,
                .ballot = t->proposal,
                .round = t->round,
                .state = VOTE_LOOKING,
        };
}

static struct vote_said own_vote(const struct vote_tally *t)
{
        return (struct vote_said){.present = true, .ballot = t->proposal, .round = t->round, .state = VOTE_LOOKING};
}

/* Those in `said` whose vote equals `v`. */
static struct member_set alike(const struct vote_tally *t, const struct vote_said *said, const struct vote_said *v)
{
        struct member_set s = {0};
        for (size_t i = 0; i < t->ensemble->count; i++) {
                if (said[i].present && vote__said_equal(&said[i], v))
                        member_set_add(&s, t->ensemble, t->ensemble->members[i].sid);
        }
        return s;
}

/* Those who voted for the proposal in this round. A server that has settled on it meanwhile did so too; its
 * epoch may be the new leader's by now (2.4), which ZooKeeper's strict comparison takes for another vote. */
static struct member_set supporters(const struct vote_tally *t)
{
        struct vote_said own = own_vote(t);
        struct member_set s = alike(t, t->received, &own);
        for (size_t i = 0; i < t->ensemble->count; i++) {
                const struct vote_said *v = &t->received[i];
                if (v->present && v->state != VOTE_LOOKING && v->ballot.leader == t->proposal.leader &&
                    v->ballot.zxid == t->proposal.zxid && v->ballot.epoch >= t->proposal.epoch)
                        member_set_add(&s, t->ensemble, t->ensemble->members[i].sid);
        }
        return s;
}

static bool is_away(const struct vote_tally *t, int64_t sid)
{
        return member_set_has(&t->away, t->ensemble, sid);
}

/* Whether nobody is left who could still vote otherwise. */
static bool all_heard(const struct vote_tally *t, const struct member_set *agreeing)
{
        for (size_t i = 0; i < t->ensemble->count; i++) {
                const struct member *m = &t->ensemble->members[i];
                if (!m->observer && !member_set_has(agreeing, t->ensemble, m->sid) && !is_away(t, m->sid))
                        return false;
        }
        return true;
}

static unsigned settle(struct vote_tally *t, const struct vote_said *v)
{
        t->looking = false;
        t->resend_at_ms = t->finalize_at_ms = VOTE_NEVER;
        t->current = *v;
        t->current.present = true;
        t->current.version = VOTE_NOTIFICATION_VERSION;
        if (v->ballot.leader == t->sid)
                t->current.state = VOTE_LEADING;
        else
                t->current.state = t->voter ? VOTE_FOLLOWING : VOTE_OBSERVING;
        return VOTE_TALLY_SETTLED;
}

/* Counts the votes for the proposal. The silence that must follow a quorum begins anew with each piece
 * of news only: a peer that repeats itself can't hold an election up (2.3, last paragraph). */
static unsigned conclude(struct vote_tally *t, uint64_t now_ms, bool news)
{
        struct vote_said own = own_vote(t);
        struct member_set agreeing = supporters(t);
        if (t->countless || !ensemble_is_quorum(t->ensemble, &agreeing)) {
                t->finalize_at_ms = VOTE_NEVER;
                return 0;
        }
        if (all_heard(t, &agreeing))
                return settle(t, &own);
        if (news || t->finalize_at_ms == VOTE_NEVER)
                t->finalize_at_ms = now_ms + VOTE_FINALIZE_MS;
        return 0;
}

static unsigned propose(struct vote_tally *t, uint64_t now_ms, const struct vote_ballot *b)
{
        t->proposal = *b;
        t->resend_at_ms = now_ms + t->interval_ms;
        count_own(t);
        return VOTE_TALLY_SEND;
}

/* At the end of the clock elections share a round: votes of the one before may then be counted, which costs
 * time but never safety (E6). */
static int64_t round_after(int64_t round)
{
        return round < VOTE_ROUND_MAX ? round + 1 : VOTE_ROUND_MAX;
}

static unsigned new_round(struct vote_tally *t, uint64_t now_ms, int64_t round, const struct vote_ballot *b)
{
        memset(t->received, 0, sizeof t->received);
        t->round = round;
        return propose(t, now_ms, b);
}

unsigned vote__tally_begin(struct vote_tally *t, uint64_t now_ms, int64_t zxid, int64_t epoch)
{
        t->looking = true;
        t->countless = t->voter && zxid == -1;
        /* 2.3.2: who may not be elected proposes nobody. */
        t->initial = t->voter ? (struct vote_ballot){.leader = t->sid, .zxid = zxid, .epoch = epoch}
                              : (struct vote_ballot){.leader = VOTE_NONE, .zxid = VOTE_NONE, .epoch = VOTE_NONE};
        t->interval_ms = VOTE_INTERVAL_MIN_MS;
        t->finalize_at_ms = VOTE_NEVER;
        t->away = t->purged = (struct member_set){0};
        memset(t->settled, 0, sizeof t->settled);
        unsigned r = new_round(t, now_ms, round_after(t->round), &t->initial);
        return r | conclude(t, now_ms, true);
}

/* Somebody votes for a server that is known here to be away, and we would have to follow. Those who never
 * were connected with it can't know; a new round makes everybody forget its vote. Once for each: when it is
 * voted for again, in a newer round, then it is there after all. */
static bool purge(struct vote_tally *t, const struct vote_ballot *b)
{
        if (!is_away(t, b->leader))
                return false;
        if (member_set_has(&t->purged, t->ensemble, b->leader)) {
                vote__tally_back(t, b->leader);
                return false;
        }
        member_set_add(&t->purged, t->ensemble, b->leader);
        return true;
}

/* 2.3.5 */
static unsigned receive_looking(struct vote_tally *t, uint64_t now_ms, size_t from, const struct vote_notification *n)
{
        struct vote_ballot b = {.leader = n->leader, .zxid = n->zxid, .epoch = n->epoch};
        unsigned r = 0;
        t->settled[from].present = false; /* by its own word */
        if (t->countless || n->zxid == -1 || n->round < t->round)
                return 0;
        bool newer = n->round > t->round;
        bool better = vote__ballot_better(&b, newer ? &t->initial : &t->proposal);
        if (better && purge(t, &b)) {
                r = new_round(t, now_ms, round_after(n->round), &t->initial);
                return r | conclude(t, now_ms, true);
        }
        if (newer)
                r = new_round(t, now_ms, n->round, better ? &b : &t->initial);
        else if (better)
                r = propose(t, now_ms, &b);
        struct vote_said said = {.present = true, .ballot = b, .round = n->round, .state = VOTE_LOOKING};
        struct vote_said *old = &t->received[from];
        bool news = r || !old->present || old->state != VOTE_LOOKING || !vote__said_equal(old, &said);
        *old = said;
        return r | conclude(t, now_ms, news);
}

/* 2.3.8: a leader must say itself that it leads. We ourselves lead only in the round we are in, on what we
 * proposed in it (a follower that has not noticed our restart yet names an older vote), and never with a
 * database that may be lost (safety: E5). */
static bool check_leader(const struct vote_tally *t, const struct vote_said *said, const struct vote_said *v)
{
        if (v->ballot.leader == t->sid)
                return !t->countless && v->round == t->round && v->ballot.zxid == t->initial.zxid &&
                       v->ballot.epoch == t->initial.epoch;
        const struct vote_said *l = &said[place_of(t, v->ballot.leader)];
        return l->present && l->state == VOTE_LEADING;
}

static bool names_leader(const struct vote_tally *t, const struct vote_said *said, const struct vote_said *v)
{
        struct member_set agreeing = alike(t, said, v);
        return ensemble_is_quorum(t->ensemble, &agreeing) && check_leader(t, said, v);
}

/* The server that this one has voted for in this round says that it leads by that vote: a quorum has voted alike. With
 * a bare quorum, one that does not hear every other voter has no other way to learn of it, and is missed (safety: E7).
 * Once its epoch is another one the leader can do without: the others must confirm it. */
static bool is_led(const struct vote_tally *t, size_t from, const struct vote_said *v)
{
        struct vote_said own = own_vote(t);
        return v->state == VOTE_LEADING && place_of(t, v->ballot.leader) == from && vote__said_equal(v, &own);
}

/* 2.3.7 */
static unsigned receive_settled(struct vote_tally *t, uint64_t now_ms, size_t from, const struct vote_notification *n)
{
        struct vote_said said = {
                .present = true,
                .ballot = {.leader = n->leader, .zxid = n->zxid, .epoch = n->epoch},
                .round = n->round,
                .state = n->state,
                .version = n->version,
        };
        bool news = false;
        if (n->round == t->round) {
                struct vote_said *old = &t->received[from];
                news = !old->present || old->state != said.state || !vote__said_equal(old, &said);
                *old = said;
                old->version = 0; /* as ZooKeeper 3.6 and later keep it: compared by leader only */
                if (is_led(t, from, &said) || names_leader(t, t->received, &said))
                        return settle(t, &said);
        }
        t->settled[from] = said;
        if (names_leader(t, t->settled, &said)) {
                if (n->round > t->round)
                        t->round = n->round; /* Java takes a smaller one too; ours only grows (safety: E2) */
                return settle(t, &said);
        }
        return conclude(t, now_ms, news);
}

unsigned vote__tally_receive(struct vote_tally *t, uint64_t now_ms, int64_t from, const struct vote_notification *n)
{
        assert(t->looking && from != t->sid);
        if (!ensemble_is_voter(t->ensemble, from) || !ensemble_is_voter(t->ensemble, n->leader))
                return 0; /* 2.3.4, safety: E4 */
        switch (n->state) {
        case VOTE_LOOKING:
                return receive_looking(t, now_ms, place_of(t, from), n);
        case VOTE_FOLLOWING:
        case VOTE_LEADING:
                return receive_settled(t, now_ms, place_of(t, from), n);
        case VOTE_OBSERVING:
        default:
                return 0; /* 2.3.6 */
        }
}

unsigned vote__tally_away(struct vote_tally *t, uint64_t now_ms, int64_t sid)
{
        size_t i = place_of(t, sid);
        if (i == ENSEMBLE_MEMBERS_MAX || sid == t->sid || is_away(t, sid))
                return 0;
        member_set_add(&t->away, t->ensemble, sid);
        if (!t->looking)
                return 0;
        t->received[i].present = false;
        t->settled[i].present = false;
        unsigned r = 0;
        if (t->proposal.leader == sid)
                r = new_round(t, now_ms, round_after(t->round), &t->initial);
        return r | conclude(t, now_ms, r != 0);
}

void vote__tally_back(struct vote_tally *t, int64_t sid)
{
        member_set_remove(&t->away, t->ensemble, sid);
}

void vote__tally_forget(struct vote_tally *t, int64_t sid)
{
        size_t i = place_of(t, sid);
        if (i < ENSEMBLE_MEMBERS_MAX)
                t->settled[i].present = false;
}

unsigned vote__tally_tick(struct vote_tally *t, uint64_t now_ms)
{
        if (!t->looking)
                return 0;
        if (t->finalize_at_ms != VOTE_NEVER) {
                struct vote_said own = own_vote(t);
                return now_ms >= t->finalize_at_ms ? settle(t, &own) : 0;
        }
        if (now_ms < t->resend_at_ms)
                return 0;
        if (t->interval_ms < VOTE_INTERVAL_MAX_MS)
                t->interval_ms *= 2;
        if (t->interval_ms > VOTE_INTERVAL_MAX_MS)
                t->interval_ms = VOTE_INTERVAL_MAX_MS;
        t->resend_at_ms = now_ms + t->interval_ms;
        return VOTE_TALLY_SEND;
}

void vote__tally_hurry(struct vote_tally *t, uint64_t now_ms)
{
        t->interval_ms = VOTE_INTERVAL_MIN_MS;
        if (t->resend_at_ms > now_ms + VOTE_INTERVAL_MIN_MS)
                t->resend_at_ms = now_ms + VOTE_INTERVAL_MIN_MS;
}

uint64_t vote__tally_deadline(const struct vote_tally *t)
{
        if (!t->looking)
                return VOTE_NEVER;
        return t->finalize_at_ms != VOTE_NEVER ? t->finalize_at_ms : t->resend_at_ms;
}

void vote__tally_check(const struct vote_tally *t)
{
        assert(t->round >= 0);
        assert(t->looking || t->finalize_at_ms == VOTE_NEVER);
        assert(!member_set_has(&t->away, t->ensemble, t->sid));
        if (!t->looking)
                return;
        assert(t->voter || t->proposal.leader != t->sid);
        assert(!is_away(t, t->proposal.leader));
        assert(!vote__ballot_better(&t->initial, &t->proposal));
        for (size_t i = 0; i < t->ensemble->count; i++) {
                assert(!t->received[i].present || t->received[i].round == t->round);
                assert(!t->received[i].present || !t->ensemble->members[i].observer);
        }
}
