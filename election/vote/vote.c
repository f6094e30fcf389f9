#include "election/vote/vote.h"

#include "election/base/alloc.h"
#include "election/vote/vote_internal.h"

#include <assert.h>
#include <string.h>

static const char *const state_name[] = {
        [VOTE_LOOKING] = "looking",
        [VOTE_FOLLOWING] = "following",
        [VOTE_LEADING] = "leading",
        [VOTE_OBSERVING] = "observing",
};
_Static_assert(sizeof state_name / sizeof *state_name == VOTE_OBSERVING + 1, "a state has no name");

/* ---- what this server says ---- */

static struct blob *encode(const struct vote *v, enum vote_state state, const struct vote_ballot *b, int64_t round)
{
        struct vote_notification n = {
                .state = state,
                .leader = b->leader,
                .zxid = b->zxid,
                .round = round,
                .epoch = b->epoch,
        };
        return vote__notification_encode(&n, v->config_text, v->config_len);
}

/* The proposal of a looking server. Also what those who are not voters are answered meanwhile: Java tells
 * them its last settled vote, which after a failure names the leader that was lost. */
static struct blob *proposal_message(const struct vote *v)
{
        return encode(v, VOTE_LOOKING, &v->tally.proposal, v->tally.round);
}

/* The settled vote, with the round of its election for voters, the logical clock for others (2.4). */
static struct blob *settled_message(const struct vote *v, bool to_voter)
{
        const struct vote_said *c = &v->tally.current;
        return encode(v, c->state, &c->ballot, to_voter ? c->round : v->tally.round);
}

/* Two limits on 2.4, without which a looking voter and an observer answer each other's answers as fast as
 * the network allows (ZooKeeper's do): who is no voter answers nobody, since voters never ask it; and one
 * that is no voter is answered only while it looks, and not the same again at once. */
static void answer_other(struct vote *v, uint64_t now_ms, int64_t to, struct effects *fx)
{
        struct blob *m = v->tally.looking ? proposal_message(v) : settled_message(v, false);
        if (!vote__channel_repeats(&v->channel, now_ms, to, m))
                vote__channel_send(&v->channel, now_ms, to, m, fx);
        blob_unref(m);
}

static void answer_voter(struct vote *v, uint64_t now_ms, int64_t to, struct effects *fx)
{
        if (!v->tally.voter)
                return;
        struct blob *m = v->tally.looking ? proposal_message(v) : settled_message(v, true);
        vote__channel_send(&v->channel, now_ms, to, m, fx);
        blob_unref(m);
}

static void tell_voters(struct vote *v, uint64_t now_ms, struct effects *fx)
{
        struct blob *m = proposal_message(v);
        v->asked = (struct member_set){0};
        for (size_t i = 0; i < v->ensemble->count; i++) {
                const struct member *to = &v->ensemble->members[i];
                if (!to->observer && to->sid != v->sid)
                        vote__channel_send(&v->channel, now_ms, to->sid, m, fx);
        }
        blob_unref(m);
}

/* From now on new connections are told the settled vote, not the last thing said in the election. */
static void restage(struct vote *v)
{
        struct blob *to_voters = settled_message(v, true);
        struct blob *to_others = settled_message(v, false);
        vote__channel_restage(&v->channel, to_voters, to_others);
        blob_unref(to_voters);
        blob_unref(to_others);
}

/* Those that have voted for this server and look still are told that it leads: they need not hear of each other
 * (tally.h). ZooKeeper's servers say so when they are asked only, at pauses that grow up to a minute. */
static void tell_electors(struct vote *v, uint64_t now_ms, struct effects *fx)
{
        struct blob *m = settled_message(v, true);
        for (size_t i = 0; i < v->ensemble->count; i++) {
                const struct vote_said *said = &v->tally.received[i];
                int64_t sid = v->ensemble->members[i].sid;
                if (sid != v->sid && said->present && said->state == VOTE_LOOKING && said->ballot.leader == v->sid)
                        vote__channel_send(&v->channel, now_ms, sid, m, fx);
        }
        blob_unref(m);
}

/* ---- the tally's wishes ---- */

static void carry_out(struct vote *v, uint64_t now_ms, unsigned wishes, struct effects *fx)
{
        if (wishes & VOTE_TALLY_SEND)
                tell_voters(v, now_ms, fx);
        if (!(wishes & VOTE_TALLY_SETTLED))
                return;
        const struct vote_said *c = &v->tally.current;
        vote__channel_search(&v->channel, now_ms, false, fx);
        restage(v);
        if (c->state == VOTE_LEADING)
                tell_electors(v, now_ms, fx);
        effect_report(fx, REPORT_INFO, "election: %s, leader is server %lld (round %lld, after %llu ms)",
                      state_name[c->state], (long long)c->ballot.leader, (long long)c->round,
                      (unsigned long long)(now_ms - v->looking_since_ms));
}

/* ---- messages ---- */

static bool is_settled(enum vote_state s)
{
        return s == VOTE_FOLLOWING || s == VOTE_LEADING;
}

/* The proposal, to one voter only. */
static void repeat_to(struct vote *v, uint64_t now_ms, int64_t to, struct effects *fx)
{
        struct blob *m = proposal_message(v);
        vote__channel_send(&v->channel, now_ms, to, m, fx);
        blob_unref(m);
}

/* A follower names a leader that has not said itself that it leads (2.3.8): it may have settled after it
 * heard our vote, so it is asked again, once between two repetitions to all. ZooKeeper waits for those. */
static void ask_leader(struct vote *v, uint64_t now_ms, const struct vote_notification *n, struct effects *fx)
{
        if (n->state != VOTE_FOLLOWING || n->leader == v->sid || !ensemble_is_voter(v->ensemble, n->leader) ||
            member_set_has(&v->asked, v->ensemble, n->leader))
                return;
        const struct member *m = ensemble_find(v->ensemble, n->leader);
        size_t i = (size_t)(m - v->ensemble->members);
        if (v->has_heard[i] && v->heard[i].state == VOTE_LEADING)
                return;
        member_set_add(&v->asked, v->ensemble, n->leader);
        repeat_to(v, now_ms, n->leader, fx);
}

/* Whether a looking voter says something that it has not said before. */
static bool is_news(const struct vote_notification *n, const struct vote_notification *before)
{
        return n->state == VOTE_LOOKING &&
               (!before || before->state != n->state || before->round != n->round || before->leader != n->leader);
}

/* A voter's message while this server looks (2.3, 2.4). `before`: what that voter had said before, or NULL. */
static void count(struct vote *v, uint64_t now_ms, int64_t from, const struct vote_notification *n,
                  const struct vote_notification *before, struct effects *fx)
{
        /* One that has only just begun to look has dropped what we told it before. ZooKeeper lets it wait
         * for our next repetition. */
        bool missed = n->state == VOTE_LOOKING && before && is_settled(before->state);
        if (n->state == VOTE_LOOKING && n->round < v->tally.round) {
                answer_voter(v, now_ms, from, fx);
                missed = false;
        }
        unsigned wishes = vote__tally_receive(&v->tally, now_ms, from, n);
        if (missed && !(wishes & VOTE_TALLY_SEND))
                repeat_to(v, now_ms, from, fx);
        carry_out(v, now_ms, wishes, fx);
        if (!v->tally.looking)
                return;
        ask_leader(v, now_ms, n, fx);
        /* An election without us, whose outcome we must ask for. Each of our questions would else take twice as long as
         * the one before: up to a minute (safety: E7). What is said again and again is no reason to hurry. */
        if (v->tally.countless && is_news(n, before))
                vote__tally_hurry(&v->tally, now_ms);
}

static void receive(struct vote *v, uint64_t now_ms, int64_t from, const struct vote_notification *n,
                    struct effects *fx)
{
        const struct member *m = ensemble_find(v->ensemble, from);
        bool settled = !v->tally.looking && v->tally.current.present && v->begin_at_ms == VOTE_NEVER;
        if (!m || m->observer) {
                if (v->tally.voter && n->state == VOTE_LOOKING && (v->tally.looking || settled))
                        answer_other(v, now_ms, from, fx);
                return;
        }
        size_t i = (size_t)(m - v->ensemble->members);
        struct vote_notification before = v->heard[i];
        bool had = v->has_heard[i];
        v->heard[i] = *n;
        v->has_heard[i] = true;
        if (v->tally.looking)
                count(v, now_ms, from, n, had ? &before : NULL, fx);
        else if (settled && n->state == VOTE_LOOKING)
                answer_voter(v, now_ms, from, fx);
}

static bool on_message(void *self, uint64_t now_ms, int64_t from, const uint8_t *data, size_t len, struct effects *fx)
{
        struct vote_notification n;
        if (vote__notification_decode(data, len, &n) < 0)
                return false;
        receive(self, now_ms, from, &n, fx);
        return true;
}

static void on_down(void *self, int64_t sid)
{
        struct vote *v = self;
        const struct member *m = ensemble_find(v->ensemble, sid);
        if (!m)
                return;
        v->has_heard[m - v->ensemble->members] = false;
        vote__tally_forget(&v->tally, sid);
}

static void on_away(void *self, uint64_t now_ms, int64_t sid, struct effects *fx)
{
        struct vote *v = self;
        carry_out(v, now_ms, vote__tally_away(&v->tally, now_ms, sid), fx);
}

static void on_back(void *self, int64_t sid)
{
        struct vote *v = self;
        vote__tally_back(&v->tally, sid);
}

/* ---- looking ---- */

static void begin(struct vote *v, uint64_t now_ms, struct effects *fx)
{
        bool first = !v->begun;
        v->begun = true;
        v->begin_at_ms = VOTE_NEVER;
        vote__channel_search(&v->channel, now_ms, true, fx);
        unsigned wishes = vote__tally_begin(&v->tally, now_ms, v->begin_zxid, v->begin_epoch);
        carry_out(v, now_ms, wishes, fx);
        /* ZooKeeper's receive queue holds what came in before the first round. */
        for (size_t i = 0; first && i < v->ensemble->count && v->tally.looking; i++) {
                if (v->has_heard[i])
                        count(v, now_ms, v->ensemble->members[i].sid, &v->heard[i], NULL, fx);
        }
}

void vote_look(struct vote *v, uint64_t now_ms, int64_t zxid, int64_t epoch, struct effects *fx)
{
        v->begin_zxid = zxid;
        v->begin_epoch = epoch;
        v->looking_since_ms = now_ms;
        if (v->tally.voter || !v->begun) {
                begin(v, now_ms, fx);
                return;
        }
        v->tally.looking = false;
        vote__channel_search(&v->channel, now_ms, false, fx);
        v->begin_at_ms = now_ms + prng_next(&v->prng) % (VOTE_OBSERVER_DELAY_MS + 1);
        if (v->begin_at_ms == now_ms)
                begin(v, now_ms, fx);
}

int vote_decided(const struct vote *v, int64_t *ret_leader, enum vote_state *ret_state)
{
        if (v->tally.looking || v->begin_at_ms != VOTE_NEVER || !v->tally.current.present)
                return 0;
        *ret_leader = v->tally.current.ballot.leader;
        *ret_state = v->tally.current.state;
        return 1;
}

void vote_set_epoch(struct vote *v, int64_t epoch)
{
        int64_t leader;
        enum vote_state state;
        if (!vote_decided(v, &leader, &state))
                return;
        v->tally.current.ballot.epoch = epoch;
        restage(v);
}

/* ---- events ---- */

void vote_conn_accepted(struct vote *v, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        vote__channel_accepted(&v->channel, now_ms, conn, fx);
}

bool vote_conn_dialled(struct vote *v, uint64_t now_ms, conn_id conn, int status, struct effects *fx)
{
        return vote__channel_dialled(&v->channel, now_ms, conn, status, fx);
}

bool vote_conn_bytes(struct vote *v, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len, struct effects *fx)
{
        return vote__channel_bytes(&v->channel, now_ms, conn, data, len, fx);
}

bool vote_conn_sent(struct vote *v, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        (void)now_ms; /* all events carry it */
        return vote__channel_sent(&v->channel, conn, fx);
}

bool vote_conn_closed(struct vote *v, uint64_t now_ms, conn_id conn, int reason, struct effects *fx)
{
        return vote__channel_closed(&v->channel, now_ms, conn, reason, fx);
}

void vote_peer_lost(struct vote *v, uint64_t now_ms, int64_t sid, struct effects *fx)
{
        vote__channel_hint(&v->channel, now_ms, sid, fx);
}

void vote_tick(struct vote *v, uint64_t now_ms, struct effects *fx)
{
        vote__channel_tick(&v->channel, now_ms, fx);
        if (now_ms >= v->begin_at_ms)
                begin(v, now_ms, fx);
        carry_out(v, now_ms, vote__tally_tick(&v->tally, now_ms), fx);
}

uint64_t vote_deadline(const struct vote *v)
{
        uint64_t at = vote__channel_deadline(&v->channel);
        uint64_t tally_at = vote__tally_deadline(&v->tally);
        if (tally_at < at)
                at = tally_at;
        return v->begin_at_ms < at ? v->begin_at_ms : at;
}

uint64_t vote_bad_input_count(const struct vote *v)
{
        return v->channel.bad_input_count;
}

/* ---- life ---- */

struct vote *vote_new(const struct vote_config *config)
{
        struct vote *v = mem_zalloc(sizeof *v);
        const struct vote_channel_host host = {
                .self = v,
                .message = on_message,
                .down = on_down,
                .away = on_away,
                .back = on_back,
        };
        v->ensemble = config->ensemble;
        v->sid = config->sid;
        v->prng.state = config->seed;
        v->begin_at_ms = VOTE_NEVER;
        v->config_len = ensemble_text(v->ensemble, NULL, 0);
        v->config_text = mem_alloc(v->config_len + 1);
        (void)ensemble_text(v->ensemble, v->config_text, v->config_len + 1); /* the length is known */
        vote__tally_init(&v->tally, v->ensemble, v->sid);
        vote__channel_init(&v->channel, &host, v->ensemble, v->sid);
        return v;
}

void vote_free(struct vote *v)
{
        if (!v)
                return;
        vote__channel_done(&v->channel);
        mem_free(v->config_text);
        mem_free(v);
}

void vote__check(const struct vote *v)
{
        vote__tally_check(&v->tally);
        vote__channel_check(&v->channel);
        assert(!v->tally.looking || v->begin_at_ms == VOTE_NEVER);
        assert(v->channel.searching == v->tally.looking);
}
