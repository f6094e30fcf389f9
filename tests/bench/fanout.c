/* Watch fan-out: every connection watches one znode, which is set; a round lasts from that request until the last
 * notification. Setting the watches anew is not in the measured time. */
#include "tests/bench/pump.h"

#include "tests/bench/fail.h"

#include "election/base/alloc.h"

#include <inttypes.h>

#define SECOND_NS          UINT64_C(1000000000)
#define EVENT_DATA_CHANGED 3
/* Rounds of one run: fewer when its time is over, as it always is. */
#define ROUNDS_MAX 100000

struct fanout {
        uint64_t began_ns, last_ns;
        uint32_t notified, round;
        uint32_t *heard; /* the round that a connection was told of last */
        bool written;
        bool counts; /* not while warming up */
};

static void fanout_event(struct load *l, struct conn *c, const struct jute_watcher_event *event)
{
        struct fanout *f = l->context;
        uint64_t now = now_ns();
        if (event->type != EVENT_DATA_CHANGED || f->heard[c->index] == f->round)
                bench_fail("connection %u: event %d in round %u, after that of round %u", c->index, event->type,
                           f->round, f->heard[c->index]);
        f->heard[c->index] = f->round;
        f->notified++;
        f->last_ns = now;
        if (f->counts)
                histogram_add(&l->latency, now - f->began_ns);
}

static void fanout_reply(struct load *l, struct conn *c, const struct conn_request *what)
{
        (void)c;
        (void)what;
        struct fanout *f = l->context;
        f->written = true;
}

/* Returns how long it took. */
static uint64_t one_round(struct load *l, struct fanout *f)
{
        struct pump watch = {.op = DO_WATCH_KEY, .keys = 1, .operations = l->o->connections, .outstanding = 1};
        pump_run(l, &watch);
        f->round++;
        f->notified = 0;
        f->written = false;
        l->context = f;
        l->on_event = fanout_event;
        l->on_reply = fanout_reply;
        f->began_ns = f->last_ns = now_ns();
        request_put(l, &l->conns[0], DO_SET_KEY, 0, f->began_ns);
        while (f->notified < l->o->connections || !f->written) {
                load_turn(l, now_ns() + SECOND_NS);
                load_check_progress(l, f->last_ns, "notifications");
        }
        l->on_event = NULL;
        l->on_reply = NULL;
        return f->last_ns - f->began_ns;
}

void fanout_run(struct load *l)
{
        const struct load_options *o = l->o;
        struct fanout f = {.heard = mem_zalloc(o->connections * sizeof(uint32_t))};
        struct histogram *rounds = mem_alloc(sizeof *rounds);
        uint64_t spent = 0, began = now_ns();
        histogram_init(rounds);
        load_open_all(l, LOAD_OPENING);
        histogram_init(&l->latency);
        struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1, .connections = 1};
        struct pump key = {.op = DO_MAKE_KEY, .keys = 1, .operations = 1, .connections = 1};
        struct pump sync = {.op = DO_SYNC_ROOT, .keys = 1, .operations = o->connections, .outstanding = 1};
        pump_run(l, &root);
        pump_run(l, &key);
        pump_run(l, &sync);
        for (began = now_ns(); f.round == 0 || (double)(now_ns() - began) < o->warmup_seconds * 1e9;)
                (void)one_round(l, &f);
        load_mark(l, &l->from);
        f.counts = true;
        for (began = now_ns(); rounds->count == 0 || (double)(now_ns() - began) < o->seconds * 1e9;) {
                uint64_t took = one_round(l, &f);
                histogram_add(rounds, took);
                spent += took;
                if (f.round == ROUNDS_MAX)
                        break;
        }
        load_mark(l, &l->to);
        l->measured = rounds->count * o->connections;
        l->measured_seconds = (double)spent / 1e9;
        struct pump verify = {.op = DO_VERIFY_KEY, .keys = 1, .operations = o->connections, .outstanding = 1};
        pump_run(l, &sync);
        pump_run(l, &verify);
        json_object_set_new(l->verified, "notifications_each_once", json_integer((json_int_t)f.round * o->connections));
        json_object_set_new(l->verified, "rounds", json_integer((json_int_t)rounds->count));
        json_object_set_new(l->verified, "round_us", report_histogram(rounds));
        mem_free(rounds);
        mem_free(f.heard);
        struct pump close = {.op = DO_CLOSE, .keys = 1, .operations = o->connections, .outstanding = 1};
        pump_run(l, &close);
}
