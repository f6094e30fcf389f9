/* Election: what is said in it, and what is concluded from it (safety: E1 to E5). It is no safety mechanism (E6), but
 * servers that break its rules don't come to an end, or elect who can't lead. */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/vote/vote.h"

/* An observer's vote for nobody. */
#define VOTE_FOR_NOBODY INT64_MIN

static uint64_t mix(uint64_t h, int64_t v)
{
        return hash_u64(h ^ (uint64_t)v);
}

/* One vote of a server that was looking. */
static uint64_t vote_key(int sid, const struct oracle_vote *v)
{
        return mix(mix(mix(mix(hash_u64((uint64_t)sid), v->leader), v->zxid), v->round), v->epoch);
}

/* That it has settled on a leader. */
static uint64_t follower_key(int sid, int64_t leader)
{
        return (uint64_t)sid << 32 | (uint64_t)leader;
}

static bool is_voter(const struct oracle *o, int64_t sid)
{
        return sid >= 1 && sid <= o->count && o->servers[sid].voter;
}

/* A candidate's own vote names what a crash would leave. */
static void check_own(struct oracle *o, const struct oracle_server *s, const struct oracle_vote *v, bool lost)
{
        if (lost && v->zxid != -1)
                ORACLE_BREAK(o, "E5", "server %d, whose disk was lost, votes for itself with " ZX, s->sid,
                             (uint64_t)v->zxid);
        if (!lost && (v->zxid != oracle__durable_end(s) || v->epoch != s->current))
                ORACLE_BREAK(o, "E1",
                             "server %d votes for itself with epoch %" PRId64 " and " ZX "; on disk are %" PRId64
                             " and " ZX,
                             s->sid, v->epoch, (uint64_t)v->zxid, s->current, (uint64_t)oracle__durable_end(s));
}

void oracle__voted(struct oracle *o, struct oracle_server *s, const struct oracle_vote *v, bool lost)
{
        if (!is_voter(o, v->leader) && !(v->leader == VOTE_FOR_NOBODY && !s->voter))
                ORACLE_BREAK(o, "E4", "server %d votes for %" PRId64 ", which is no voter", s->sid, v->leader);
        if (v->state == VOTE_LOOKING) {
                oracle__set_number(&o->votes, vote_key(s->sid, v), 1);
                if (v->leader == s->sid && v->fresh)
                        check_own(o, s, v, lost);
                return;
        }
        oracle__set_number(&o->followers, follower_key(s->sid, v->leader), 1);
        if (v->state == VOTE_LEADING && v->leader != s->sid)
                ORACLE_BREAK(o, "E3", "server %d says that it leads, and that its leader is %" PRId64, s->sid,
                             v->leader);
}

void oracle__rounds(struct oracle *o, struct oracle_server *s, int64_t round)
{
        if (round < s->round)
                ORACLE_BREAK(o, "E2", "server %d goes from round %" PRId64 " back to %" PRId64, s->sid, s->round,
                             round);
        s->round = round;
}

/* Own votes are not sent; who decides supports what it decides, if it has a vote at all. */
void oracle__decided(struct oracle *o, struct oracle_server *s, const struct oracle_vote *v)
{
        uint64_t bits = oracle__bit(s->sid);
        size_t equal = 0;
        for (int sid = 1; sid <= o->count; sid++) {
                if (!o->servers[sid].voter || sid == s->sid)
                        continue;
                bool looking = oracle__number(&o->votes, vote_key(sid, v)) != 0;
                bool settled = oracle__number(&o->followers, follower_key(sid, v->leader)) != 0;
                bits |= looking || settled ? oracle__bit(sid) : 0;
                equal += looking && oracle__durable_end(&o->servers[sid]) == v->zxid;
        }
        if (!is_voter(o, v->leader))
                ORACLE_BREAK(o, "E4", "server %d elects %" PRId64 ", which is no voter", s->sid, v->leader);
        if (!oracle__is_quorum(o, bits))
                ORACLE_BREAK(o, "E1",
                             "server %d elects %" PRId64 " in round %" PRId64 "; only those of the set %" PRIx64
                             " (bits by sid) ever voted so",
                             s->sid, v->leader, v->round, bits);
        if (v->leader == s->sid && equal > 0 && v->zxid > 0)
                oracle__mark(o, MARK_EQUAL_ZXIDS);
}
