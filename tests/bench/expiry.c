/* Session expiry: sessions that each have an ephemeral lose their connections, all at once and without a close. What is
 * measured is when the last ephemeral is gone, from the moment at which the sessions were due, and how long other
 * clients had to wait for a write or a read meanwhile.
 *
 * The first connections are those others, one request at a time without a pause. Half of them read: they count what is
 * left below the sessions' directory, each as its own server shows it. The others write a znode of their own. */
#include "tests/bench/expiry.h"

#include "tests/bench/fail.h"

#include <inttypes.h>

#define SECOND_NS UINT64_C(1000000000)
/* Until the last ephemeral is gone, beyond the sessions' timeout: a server that never ends them ends the run. */
#define EXPIRY_SECONDS_MAX 60
/* The others write for so long before the cut: what they wait for normally. */
#define BEFORE_NS (SECOND_NS / 2)

void expiry_took(struct expiry *e, uint64_t began, uint64_t now, bool write)
{
        bool after = e->cut_ns != 0 && now >= e->cut_ns;
        if (after)
                histogram_add(write ? &e->writes : &e->reads, now - began);
        else if (write)
                histogram_add(&e->before, now - began);
}

void expiry_counted(struct expiry *e, uint32_t reader, uint64_t now, int64_t left)
{
        if (left > e->left[reader])
                bench_fail("%" PRId64 " ephemerals are there, after %" PRId64, left, e->left[reader]);
        e->left[reader] = left;
        if (left < e->sessions && e->first_ns == 0)
                e->first_ns = now;
        for (uint32_t i = 0; i < EXPIRY_READERS; i++) {
                if (e->left[i] != 0)
                        return;
        }
        if (e->last_ns == 0)
                e->last_ns = now;
}

json_t *expiry_report(const struct expiry *e)
{
        json_t *r = json_object();
        const double ms = 1e6;
        (void)json_object_set_new(r, "first_after_due_ms",
                                  json_real(((double)e->first_ns - (double)e->first_due_ns) / ms));
        (void)json_object_set_new(r, "last_after_due_ms",
                                  json_real(((double)e->last_ns - (double)e->last_due_ns) / ms));
        (void)json_object_set_new(r, "due_within_ms", json_real((double)(e->last_due_ns - e->first_due_ns) / ms));
        (void)json_object_set_new(r, "took_ms", json_real((double)(e->last_ns - e->first_ns) / ms));
        (void)json_object_set_new(r, "others_write_max_ms", json_real((double)e->writes.max / ms));
        (void)json_object_set_new(r, "others_read_max_ms", json_real((double)e->reads.max / ms));
        (void)json_object_set_new(r, "others_before_us", report_histogram(&e->before));
        (void)json_object_set_new(r, "others_writes_us", report_histogram(&e->writes));
        (void)json_object_set_new(r, "others_reads_us", report_histogram(&e->reads));
        return r;
}

/* ---- the run ---- */

static void goes_on(struct load *l, struct conn *c)
{
        bool reads = c->index < EXPIRY_READERS;
        request_put(l, c, reads ? DO_STAT_DIR : DO_SET_KEY, reads ? 0 : c->index, now_ns());
}

static void on_reply(struct load *l, struct conn *c, const struct conn_request *what)
{
        struct expiry *e = l->context;
        uint64_t now = now_ns();
        e->heard_ns = now;
        expiry_took(e, what->began_ns, now, what->op == DO_SET_KEY);
        if (what->op == DO_STAT_DIR) {
                expiry_counted(e, c->index, now, l->dir_children);
                l->dir_children = l->dir_changes = 0;
        }
        if (e->last_ns == 0)
                goes_on(l, c);
}

/* The connections of the sessions are reset: the servers learn that they are gone, and that is all they learn. */
static void cut(struct load *l, struct expiry *e)
{
        for (uint32_t i = EXPIRY_OTHERS; i < l->o->connections; i++)
                load_drop(l, &l->conns[i]);
        e->cut_ns = now_ns();
}

/* Until each reader sees every ephemeral: a server may be behind even what it was synced to. */
static void await_all(struct load *l, const struct expiry *e)
{
        struct pump stat = {.op = DO_STAT_DIR,
                            .keys = 1,
                            .operations = EXPIRY_READERS,
                            .outstanding = 1,
                            .connections = EXPIRY_READERS};
        for (uint64_t since = now_ns(); l->dir_children != EXPIRY_READERS * e->sessions;) {
                l->dir_children = l->dir_changes = 0;
                pump_run(l, &stat); /* pings, if that must be */
                if (now_ns() - since > EXPIRY_SECONDS_MAX * SECOND_NS)
                        bench_fail("not every ephemeral was seen by all in %d seconds", EXPIRY_SECONDS_MAX);
        }
        l->dir_children = l->dir_changes = 0;
}

static void run(struct load *l, struct expiry *e)
{
        uint64_t began = now_ns(), end = e->last_due_ns + EXPIRY_SECONDS_MAX * SECOND_NS;
        e->heard_ns = began;
        l->context = e;
        l->on_reply = on_reply;
        for (uint32_t i = 0; i < EXPIRY_OTHERS; i++)
                goes_on(l, &l->conns[i]);
        while (now_ns() < began + BEFORE_NS)
                load_turn(l, began + BEFORE_NS);
        cut(l, e);
        load_mark(l, &l->from);
        while (e->last_ns == 0) {
                load_turn(l, now_ns() + SECOND_NS / 10);
                load_check_progress(l, e->heard_ns, "requests of others");
                if (now_ns() > end)
                        bench_fail("%" PRId64 " ephemerals are left %d seconds after their sessions were due",
                                   e->left[0], EXPIRY_SECONDS_MAX);
        }
        load_mark(l, &l->to);
        for (uint32_t i = 0; i < EXPIRY_OTHERS; i++) {
                for (uint64_t since = now_ns(); l->conns[i].count > 0;
                     load_check_progress(l, since, "the last answers"))
                        load_turn(l, now_ns() + SECOND_NS);
        }
        l->on_reply = NULL;
        l->context = NULL;
}

/* Each ephemeral was made once and ended once, and the others' writes are there. */
static void verify(struct load *l, const struct expiry *e)
{
        struct pump sync = {.op = DO_SYNC_ROOT, .keys = 1, .operations = 1, .connections = 1};
        struct pump stat = {.op = DO_STAT_DIR, .keys = 1, .operations = 1, .connections = 1};
        struct pump keys = {.op = DO_VERIFY_KEY, .keys = EXPIRY_OTHERS, .operations = EXPIRY_OTHERS, .connections = 1};
        pump_run(l, &sync);
        l->dir_children = l->dir_changes = 0;
        pump_run(l, &stat);
        pump_run(l, &keys);
        if (l->dir_children != 0 || l->dir_changes != 2 * e->sessions)
                bench_fail("%" PRId64 " ephemerals were made and ended; the server counts %" PRId64
                           " changes and has %" PRId64 " left",
                           e->sessions, l->dir_changes, l->dir_children);
        (void)json_object_set_new(l->verified, "ephemerals_counted", json_integer((json_int_t)e->sessions));
}

void expiry_run(struct load *l)
{
        const struct load_options *o = l->o;
        if (o->connections <= EXPIRY_OTHERS || o->keys < EXPIRY_OTHERS)
                bench_fail("expiry needs more than %d connections, which are the other clients, and as many keys",
                           EXPIRY_OTHERS);
        static struct expiry e; /* large */
        e = (struct expiry){.sessions = (int64_t)o->connections - EXPIRY_OTHERS};
        for (uint32_t i = 0; i < EXPIRY_READERS; i++)
                e.left[i] = e.sessions;
        histogram_init(&e.before);
        histogram_init(&e.writes);
        histogram_init(&e.reads);
        load_open_all(l, LOAD_OPENING);
        struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1, .connections = 1};
        struct pump dir = {.op = DO_MAKE_DIR, .keys = 1, .operations = 1, .connections = 1};
        struct pump keys = {.op = DO_MAKE_KEY, .keys = EXPIRY_OTHERS, .operations = EXPIRY_OTHERS, .connections = 1};
        struct pump sync = {.op = DO_SYNC_ROOT, .keys = 1, .operations = o->connections, .outstanding = 1};
        pump_run(l, &root);
        pump_run(l, &dir);
        pump_run(l, &keys);
        pump_run(l, &sync);
        for (uint32_t i = EXPIRY_OTHERS; i < o->connections; i++)
                request_put(l, &l->conns[i], DO_CREATE_OWN, i, now_ns());
        for (uint32_t i = EXPIRY_OTHERS; i < o->connections; i++) {
                for (uint64_t since = now_ns(); l->conns[i].count > 0;
                     load_check_progress(l, since, "making ephemerals"))
                        load_turn(l, now_ns() + SECOND_NS);
        }
        await_all(l, &e);
        /* The last that the servers hear of the sessions: each is due a timeout after its request. */
        uint64_t timeout_ns = (uint64_t)l->conns[EXPIRY_OTHERS].timeout_ms * 1000000;
        e.first_due_ns = now_ns() + timeout_ns;
        pump_run(l, &sync);
        e.last_due_ns = now_ns() + timeout_ns;
        histogram_init(&l->latency);
        run(l, &e);
        l->measured = (uint64_t)e.sessions;
        l->measured_seconds = (double)(e.last_ns - e.first_ns) / 1e9;
        l->latency = e.writes;
        verify(l, &e);
        (void)json_object_set_new(l->verified, "expiry", expiry_report(&e));
        struct pump close = {
                .op = DO_CLOSE, .keys = 1, .operations = EXPIRY_OTHERS, .outstanding = 1, .connections = EXPIRY_OTHERS};
        pump_run(l, &close);
}
