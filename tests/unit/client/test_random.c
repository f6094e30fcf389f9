/* Clients in an ensemble whose servers crash, hang and lose connections, by seed. What must hold for each client:
 *  - every request that was accepted completes exactly once, and in order;
 *  - nothing is sent twice: a node that this client alone makes, once, is never there already;
 *  - an answer is true: what was answered is there, what was not sent is not;
 *  - no watch is lost or called twice: once all is quiet, each client knows the last state of what it watches.
 * BATON_SEED=N runs that seed alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/world/scene.h"

#include "election/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS     200
#define SERVERS   3
#define ACTORS    3
#define OPS_MAX   512
#define FAULTS    40
#define SETTLE_MS 10000

static uint64_t seed_now;

#define CHECK(condition)                                                                                               \
        do {                                                                                                           \
                if (!(condition)) {                                                                                    \
                        print_error("BATON_SEED=%" PRIu64 " repeats this\n", seed_now);                                \
                        assert_true(condition);                                                                        \
                }                                                                                                      \
        } while (0)

/* ---- one client ---- */

enum subject { SUBJECT_DATA, SUBJECT_CHILDREN, SUBJECT_FLAG, SUBJECT_MAX };
static const char *const subject_paths[] = {"/data", "/list", "/flag"};

struct actor;

/* Reads a node with a watch, again and again, as an owner that must not miss a change. */
struct watcher {
        struct actor *actor;
        enum subject subject;
        bool asking, standing;
        int64_t known; /* mzxid or pzxid read last; 0: no such node */
};

struct op {
        struct actor *actor;
        size_t number;
        bool at_once, lasting, done;
        enum client_outcome outcome;
        int32_t error;
};

struct actor {
        struct scene *s;
        struct patron *p;
        int index;
        struct op ops[OPS_MAX];
        size_t op_count, done_before; /* all below are completed */
        int64_t zxid;                 /* of the last answer */
        struct watcher watchers[SUBJECT_MAX];
};

static struct {
        size_t answered, unknown, not_sent, expired, resumed, events;
} total;

static void op_done(void *ctx, const struct client_result *r)
{
        struct op *op = ctx;
        struct actor *a = op->actor;
        CHECK(!op->done);
        op->done = true;
        op->outcome = r->outcome;
        op->error = r->error;
        total.answered += r->outcome == CLIENT_ANSWERED;
        total.unknown += r->outcome == CLIENT_UNKNOWN;
        total.not_sent += r->outcome == CLIENT_NOT_SENT;
        CHECK(r->outcome != CLIENT_ANSWERED || r->conn == client_conn(a->p->c));
        CHECK((r->outcome == CLIENT_NOT_SENT) == (r->sent_ms == 0));
        if (r->outcome == CLIENT_ANSWERED) {
                CHECK(r->zxid >= a->zxid);
                a->zxid = r->zxid;
        }
        while (a->done_before < a->op_count && a->ops[a->done_before].done)
                a->done_before++;
        /* Only one that would not wait may be done with before those before it. */
        if (!(op->at_once && op->outcome == CLIENT_NOT_SENT))
                CHECK(a->done_before > op->number);
}

/* A node that nobody else makes: it can't be there, unless somebody asked twice. */
static void make_own(struct actor *a, uint64_t random)
{
        char path[64];
        if (a->op_count == OPS_MAX)
                return;
        struct op *op = &a->ops[a->op_count];
        *op = (struct op){.actor = a, .number = a->op_count, .at_once = random % 4 == 0, .lasting = random / 4 % 4 > 0};
        struct client_call call = {.done = op_done, .ctx = op, .at_once = op->at_once};
        (void)snprintf(path, sizeof path, "/own-%d-%zu", a->index, op->number);
        if (client_create(a->p->c, path, jute_cstr("v"), op->lasting ? 0 : CLIENT_EPHEMERAL, NULL, &call) == 0)
                a->op_count++;
        else
                CHECK(op->at_once && !client_is_connected(a->p->c));
}

static void stir(struct actor *a, uint64_t random)
{
        char text[32];
        struct client *c = a->p->c;
        (void)snprintf(text, sizeof text, "%" PRIu64, random);
        switch (random % 5) {
        case 0:
                CHECK(client_set(c, "/data", jute_cstr(text), -1, NULL) == 0);
                break;
        case 1:
                CHECK(client_create(c, "/list/x", jute_cstr(""), 0, NULL, NULL) == 0);
                break;
        case 2:
                CHECK(client_delete(c, "/list/x", -1, NULL) == 0);
                break;
        case 3:
                CHECK(client_create(c, "/flag", jute_cstr(text), 0, NULL, NULL) == 0);
                break;
        default:
                CHECK(client_delete(c, "/flag", -1, NULL) == 0);
                break;
        }
}

static void watcher_ask(struct watcher *w);

static void watcher_event(void *ctx, enum client_event event, const char *path)
{
        struct watcher *w = ctx;
        CHECK(w->standing);
        CHECK(strcmp(path, subject_paths[w->subject]) == 0);
        total.events += event != CLIENT_EVENT_NONE;
        w->standing = false;
        watcher_ask(w);
}

static void watcher_done(void *ctx, const struct client_result *r)
{
        struct watcher *w = ctx;
        CHECK(w->asking && !w->standing);
        w->asking = false;
        w->standing = r->watching;
        if (r->outcome != CLIENT_ANSWERED) {
                CHECK(!r->watching);
                watcher_ask(w);
                return;
        }
        CHECK(r->watching);
        CHECK(r->error == ZK_OK || (r->error == ZK_NO_NODE && w->subject == SUBJECT_FLAG));
        CHECK(r->zxid >= w->actor->zxid);
        w->actor->zxid = r->zxid;
        w->known = w->subject == SUBJECT_CHILDREN ? r->stat.pzxid : r->stat.mzxid;
}

static int subject_read(struct client *c, enum subject subject, const struct client_call *call)
{
        const char *path = subject_paths[subject];
        if (subject == SUBJECT_DATA)
                return client_get(c, path, call);
        return subject == SUBJECT_FLAG ? client_exists(c, path, call) : client_children2(c, path, call);
}

static void watcher_ask(struct watcher *w)
{
        struct client_call call = {.done = watcher_done, .ctx = w, .watch = watcher_event, .watch_ctx = w};
        if (subject_read(w->actor->p->c, w->subject, &call) == 0)
                w->asking = true;
        else
                CHECK(client_state(w->actor->p->c) == CLIENT_CLOSED); /* client_free() */
}

static void on_state(struct patron *p, enum client_state state)
{
        struct actor *a = p->ctx;
        total.expired += state == CLIENT_EXPIRED;
        total.resumed += state == CLIENT_RESUMED;
        if (state == CLIENT_EXPIRED)
                client_start(p->c, world_now(a->s->w), &p->fx);
}

/* ---- what befalls them ---- */

static void befall(struct scene *s, struct prng *random)
{
        int sid = 1 + (int)(prng_next(random) % SERVERS);
        struct patron *p = &s->patrons[prng_next(random) % ACTORS];
        switch (prng_next(random) % 8) {
        case 0:
                if (world_running(s->w, sid))
                        world_crash(s->w, sid);
                break;
        case 1:
                if (world_running(s->w, sid))
                        world_kill(s->w, sid);
                break;
        case 2:
        case 3:
                if (!world_running(s->w, sid))
                        world_start(s->w, sid);
                break;
        case 4:
                world_reset(s->w, sid, 0);
                break;
        case 5:
                world_freeze(s->w, sid, prng_next(random) % 2);
                break;
        case 6:
                p->stopped = true;
                break;
        default:
                p->stopped = false;
                break;
        }
}

static void misfortunes(struct scene *s, struct actor *actors, uint64_t seed)
{
        struct prng random = {seed};
        for (int i = 0; i < FAULTS; i++) {
                befall(s, &random);
                for (uint64_t n = prng_next(&random) % 12; n > 0; n--) {
                        struct actor *a = &actors[prng_next(&random) % ACTORS];
                        if (prng_next(&random) % 3)
                                make_own(a, prng_next(&random));
                        else
                                stir(a, prng_next(&random));
                        scene_run(s, prng_next(&random) % 10);
                }
                uint64_t pause_max = prng_next(&random) % 8 ? 100 : 1500;
                scene_run(s, prng_next(&random) % pause_max);
        }
}

static void heal(struct scene *s)
{
        for (int sid = 1; sid <= SERVERS; sid++) {
                world_freeze(s->w, sid, false);
                if (!world_running(s->w, sid))
                        world_start(s->w, sid);
        }
        for (int i = 0; i < ACTORS; i++)
                s->patrons[i].stopped = false;
        CHECK(world_serving(s->w, 0, SETTLE_MS));
        for (int i = 0; i < ACTORS; i++)
                CHECK(scene_connected(s, &s->patrons[i], SETTLE_MS));
        scene_run(s, 3000); /* what was asked is answered, what changed is told */
}

/* ---- what must hold ---- */

static void check_own(struct scene *s, struct patron *judge, struct actor *a)
{
        for (size_t i = 0; i < a->op_count; i++) {
                struct op *op = &a->ops[i];
                struct scene_reply r;
                struct client_call call = scene_call(&r);
                char path[64];
                (void)snprintf(path, sizeof path, "/own-%d-%zu", a->index, op->number);
                CHECK(client_exists(judge->c, path, &call) == 0);
                int there = scene_await(s, &r);
                CHECK(op->done);
                CHECK(op->outcome != CLIENT_ANSWERED || op->error == ZK_OK || op->error == ZK_SESSION_EXPIRED);
                if (op->outcome == CLIENT_ANSWERED && op->error == ZK_OK && op->lasting)
                        CHECK(there == ZK_OK);
                if (op->outcome == CLIENT_NOT_SENT)
                        CHECK(there == ZK_NO_NODE);
        }
        CHECK(a->done_before == a->op_count);
}

static void check_watchers(struct scene *s, struct patron *judge, struct actor *a)
{
        for (int i = 0; i < SUBJECT_MAX; i++) {
                struct scene_reply r;
                struct client_call call = scene_call(&r);
                struct watcher *w = &a->watchers[i];
                CHECK(subject_read(judge->c, w->subject, &call) == 0);
                (void)scene_await(s, &r); /* there or not: both are looked at */
                CHECK(r.done && r.outcome == CLIENT_ANSWERED);
                CHECK(w->standing && !w->asking);
                CHECK(w->known == (w->subject == SUBJECT_CHILDREN ? r.stat.pzxid : r.stat.mzxid));
        }
}

static void begin(struct scene *s, struct actor *actors)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        for (int i = 0; i < ACTORS; i++) {
                struct patron *p = scene_add(s, 0, NULL);
                actors[i].s = s;
                actors[i].p = p;
                actors[i].index = i;
                p->on_state = on_state;
                p->ctx = &actors[i];
        }
        CHECK(client_create(actors[0].p->c, "/data", jute_cstr(""), 0, NULL, NULL) == 0);
        CHECK(client_create(actors[0].p->c, "/list", jute_cstr(""), 0, NULL, &call) == 0);
        CHECK(scene_await(s, &r) == ZK_OK);
        for (int i = 0; i < ACTORS; i++) {
                CHECK(client_sync(actors[i].p->c, "/", NULL) == 0);
                for (enum subject subject = 0; subject < SUBJECT_MAX; subject++) {
                        actors[i].watchers[subject] = (struct watcher){.actor = &actors[i], .subject = subject};
                        watcher_ask(&actors[i].watchers[subject]);
                }
        }
}

static void run_seed(uint64_t seed)
{
        static struct actor actors[ACTORS];
        struct scene s;
        struct scene_reply r;
        seed_now = seed;
        memset(actors, 0, sizeof actors);
        scene_init(&s, SERVERS, seed);
        begin(&s, actors);
        misfortunes(&s, actors, seed);
        heal(&s);
        struct patron *judge = scene_add(&s, 0, NULL);
        struct client_call call = scene_call(&r);
        CHECK(client_sync(judge->c, "/", &call) == 0);
        CHECK(scene_await(&s, &r) == ZK_OK);
        for (int i = 0; i < ACTORS; i++) {
                check_own(&s, judge, &actors[i]);
                check_watchers(&s, judge, &actors[i]);
        }
        scene_done(&s);
}

static void test_each_request_completes_once_and_in_order_and_no_watch_is_lost(void **state)
{
        (void)state;
        const char *one = getenv("BATON_SEED");
        if (one) {
                run_seed(strtoull(one, NULL, 10));
                return;
        }
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                run_seed(seed);
        print_message("answered %zu, unknown %zu, not sent %zu, resumed %zu, expired %zu, events %zu\n", total.answered,
                      total.unknown, total.not_sent, total.resumed, total.expired, total.events);
        /* All that can happen did. */
        assert_true(total.answered > SEEDS && total.unknown > SEEDS && total.not_sent > SEEDS);
        assert_true(total.resumed > SEEDS && total.expired > SEEDS / 10 && total.events > SEEDS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_request_completes_once_and_in_order_and_no_watch_is_lost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
