/* Workloads that are about sessions coming and going: storm and churn. */
#include "tests/bench/pump.h"

#include "tests/bench/fail.h"

#include <inttypes.h>

#define SECOND_NS UINT64_C(1000000000)

/* The measured time is that of the whole storm: from the first connection begun to the last session granted. */
void storm_run(struct load *l)
{
        load_mark(l, &l->from);
        load_open_all(l, l->o->outstanding);
        load_mark(l, &l->to);
        l->measured = l->o->connections;
        /* A request on each says that it is alive. */
        struct pump p = {.op = DO_SYNC_ROOT, .keys = 1, .operations = l->o->connections, .outstanding = 1};
        if (!l->o->canned) {
                struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1};
                pump_run(l, &root);
                pump_run(l, &p);
                (void)json_object_set_new(l->verified, "sessions_answered", json_integer(l->o->connections));
        }
        p = (struct pump){.op = DO_CLOSE, .keys = 1, .operations = l->o->connections, .outstanding = 1};
        pump_run(l, &p);
}

/* ---- churn ---- */

struct churn {
        uint64_t cycles, all, last_ns, begun_ns, measures_ns, ends_ns;
        uint32_t living, next_key;
};

static void churn_ready(struct load *l, struct conn *c)
{
        struct churn *h = l->context;
        request_put(l, c, DO_CREATE_OWN, h->next_key++, c->opened_ns);
}

/* A cycle is over when the close is acknowledged; the next one begins at once, until the time is over. */
static void churn_reply(struct load *l, struct conn *c, const struct conn_request *what)
{
        struct churn *h = l->context;
        uint64_t now = now_ns();
        h->last_ns = now;
        if (what->op == DO_CREATE_OWN) {
                request_put(l, c, DO_CLOSE, what->key, what->began_ns);
                return;
        }
        h->all++;
        if (now >= h->measures_ns && now < h->ends_ns)
                h->cycles++;
        if (what->began_ns >= h->measures_ns)
                histogram_add(&l->latency, now - what->began_ns);
        load_drop(l, c);
        if (now < h->ends_ns)
                load_open(l, c);
        else
                h->living--;
}

/* The parent's cversion counts each create and each delete; connection 0 reads it, and does not churn itself. */
static void churn_count(struct load *l, const struct churn *h)
{
        struct pump sync = {.op = DO_SYNC_ROOT, .keys = 1, .operations = 1, .connections = 1};
        struct pump stat = {.op = DO_STAT_DIR, .keys = 1, .operations = 1, .connections = 1};
        l->dir_children = l->dir_changes = 0;
        pump_run(l, &sync);
        pump_run(l, &stat);
        if (l->dir_children != 0 || l->dir_changes != (int64_t)(2 * h->all))
                bench_fail("%" PRIu64 " ephemerals were made and ended; the server counts %" PRId64
                           " changes and has %" PRId64 " left",
                           h->all, l->dir_changes, l->dir_children);
        (void)json_object_set_new(l->verified, "ephemerals_counted", json_integer((json_int_t)h->all));
}

void churn_run(struct load *l)
{
        const struct load_options *o = l->o;
        struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1, .connections = 1};
        struct pump dir = {.op = DO_MAKE_DIR, .keys = 1, .operations = 1, .connections = 1};
        struct conn *observer = &l->conns[0];
        load_open(l, observer);
        for (uint64_t since = now_ns(); observer->state != CONN_READY; load_check_progress(l, since, "connecting"))
                load_turn(l, now_ns() + SECOND_NS);
        pump_run(l, &root);
        pump_run(l, &dir);

        struct churn h = {.begun_ns = now_ns(), .living = o->connections - 1};
        h.last_ns = h.begun_ns;
        h.measures_ns = h.begun_ns + (uint64_t)(o->warmup_seconds * (double)SECOND_NS);
        h.ends_ns = h.measures_ns + (uint64_t)(o->seconds * (double)SECOND_NS);
        l->context = &h;
        l->on_ready = churn_ready;
        l->on_reply = churn_reply;
        for (uint32_t i = 1; i < o->connections; i++)
                load_open(l, &l->conns[i]);
        bool begun = false, over = false;
        while (h.living || !over) {
                load_turn(l, !begun ? h.measures_ns : over ? now_ns() + SECOND_NS : h.ends_ns);
                load_check_progress(l, h.last_ns, "churn");
                if (!begun && now_ns() >= h.measures_ns) {
                        begun = true;
                        load_mark(l, &l->from);
                }
                if (!over && now_ns() >= h.ends_ns) {
                        over = true;
                        load_mark(l, &l->to);
                }
        }
        l->on_ready = NULL;
        l->on_reply = NULL;
        l->measured = h.cycles;
        if (!o->canned)
                churn_count(l, &h);
}
