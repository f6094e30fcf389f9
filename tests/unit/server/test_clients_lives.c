/* Lives of clients at random: they connect, ask in bursts, hang up, resume their own or each other's
 * sessions, close them, while transactions commit, leaders answer, and roles end. Whatever happens, each
 * connection's replies come in order, zxids never go back, nothing is answered twice, and in the end nothing
 * is left on any account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/hash.h"
#include "tests/unit/server/clients_desk.h"

#include <stdlib.h>
#include <string.h>

#define LIVES 6
#define STEPS 600
#define SEEDS 60

struct life {
        conn_id conn; /* 0: none */
        int64_t session, zxid;
        int32_t asked, answered; /* xids on this connection, which begin at 1 */
        bool open;
        bool ending; /* has closed its session, or sent what ends the connection */
};

struct lives {
        struct desk *d;
        struct prng prng;
        struct life life[LIVES];
};

static uint64_t below(struct lives *w, uint64_t n)
{
        return prng_next(&w->prng) % n;
}

/* ---- what comes out ---- */

static void heard_word(struct lives *w, struct life *l, const char *word)
{
        if (!strcmp(word, "open")) {
                assert_false(l->open);
                l->open = true;
                l->session = desk_session(w->d, l->conn);
        } else if (!strcmp(word, "refused")) {
                assert_false(l->open);
        } else if (strstr(word, ":-6")) {
                assert_true(l->ending); /* at once, and the end: it may overtake */
        } else if (word[0] != '!' && word[0] != '/' && strchr(word, ':')) {
                assert_true(l->open);
                assert_int_equal(strtol(word, NULL, 10), ++l->answered);
                assert_true(l->answered <= l->asked);
        }
}

static void hear(struct lives *w, struct life *l)
{
        static char text[1 << 16];
        if (!l->conn)
                return;
        /* A connection that is gone may have been told of its session before. */
        const bool closed = desk_conn(w->d, l->conn)->closed;
        (void)strncpy(text, desk_take(w->d, l->conn), sizeof text - 1);
        char *rest = NULL;
        for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
                if (strcmp(word, "open") != 0 || !closed)
                        heard_word(w, l, word);
                else
                        l->open = true;
        int64_t zxid = desk_conn(w->d, l->conn)->zxid;
        if (zxid > l->zxid)
                l->zxid = zxid;
        if (closed)
                *l = (struct life){.session = l->session, .zxid = l->zxid};
}

/* ---- what goes in ---- */

static void ask_one(struct lives *w, struct life *l)
{
        static const char *const paths[] = {"/a", "/b", "/a/x", "/"};
        static const char kinds[] = "u!ccccccccdddddyyyyysssssgggggeeeeepppp";
        struct desk *d = w->d;
        const char *path = paths[below(w, 4)];
        int32_t xid = ++l->asked;
        switch (kinds[below(w, sizeof kinds - 1)]) {
        case '!':
                desk_add(d, xid, OP_CLOSE_SESSION, NULL);
                l->ending = true;
                break;
        case 'u':
                desk_add(d, xid, 99, NULL);
                l->ending = true;
                break;
        case 'c':
                desk_add_create(d, xid, path, 1, below(w, 2) ? 1 : 0);
                break;
        case 'd':
                desk_add_path(d, xid, OP_DELETE, path, -1);
                break;
        case 'y':
                desk_add_path(d, xid, OP_SYNC, path, 0);
                break;
        case 's':
                desk_add_set(d, xid, path, 10);
                break;
        case 'g':
                desk_add_path(d, xid, OP_GET_CHILDREN2, path, 1);
                break;
        case 'e':
                desk_add_path(d, xid, OP_EXISTS, path, 1);
                break;
        default:
                desk_add(d, xid, OP_WHO_AM_I, NULL);
                break;
        }
}

static void ask(struct lives *w, struct life *l)
{
        if (!l->open || l->ending)
                return;
        desk_begin(w->d);
        for (uint64_t n = 1 + below(w, 6); n > 0 && !l->ending; n--)
                ask_one(w, l);
        desk_put(w->d, l->conn);
}

static void enter(struct lives *w, struct life *l)
{
        int64_t session = l->session, zxid = l->zxid;
        if (below(w, 3) == 0)
                session = w->life[below(w, LIVES)].session; /* somebody's, perhaps one that is in use */
        if (below(w, 4) == 0)
                session = 0;
        l->conn = desk_accept(w->d, "10.0.0.1");
        desk_connect(w->d, l->conn, session, zxid);
}

static void leave(struct lives *w, struct life *l)
{
        if (!l->conn || desk_conn(w->d, l->conn)->closed)
                return;
        desk_hang_up(w->d, l->conn);
        *l = (struct life){.session = l->session, .zxid = l->zxid};
}

static void act(struct lives *w)
{
        struct desk *d = w->d;
        static const char kinds[] = "hxtccccrrryyyaaaaaaaaaaa";
        struct life *l = &w->life[below(w, LIVES)];
        switch (kinds[below(w, sizeof kinds - 1)]) {
        case 'h':
                leave(w, l);
                break;
        case 'x':
                desk_close_session(d, l->session); /* it expired */
                break;
        case 't':
                desk_tick(d, below(w, 3000));
                break;
        case 'c':
                desk_commit(d, 1 + below(w, 8));
                break;
        case 'r':
                if (d->resumes)
                        desk_revalidate(d);
                break;
        case 'y':
                if (d->syncs && d->first == d->end)
                        desk_sync_done(d);
                break;
        default:
                if (l->conn)
                        ask(w, l);
                else
                        enter(w, l);
                break;
        }
}

/* Everything that waits comes to its end. */
static void finish(struct lives *w)
{
        struct desk *d = w->d;
        while (d->first < d->end || d->syncs || d->resumes) {
                desk_commit(d, SIZE_MAX);
                if (d->resumes)
                        desk_revalidate(d);
                else if (d->syncs && d->first == d->end)
                        desk_sync_done(d);
        }
}

static void assert_nothing_left(const struct desk *d)
{
        const struct clients *c = d->clients;
        assert_int_equal(c->by_conn.count, 0);
        assert_int_equal(c->by_session.count, 0);
        assert_int_equal(c->addresses.count, 0);
        assert_int_equal(c->orphans.count, 0);
        assert_int_equal(c->asked_count, 0);
        assert_int_equal(c->stats.outstanding, 0);
        assert_int_equal(c->queue_bytes, 0);
        assert_int_equal(c->input_bytes, 0);
        assert_int_equal(watches_weight(c->watches), 0);
        assert_int_equal(watches_count(c->watches), 0);
        assert_true(list_empty(&c->paused) && list_empty(&c->released) && list_empty(&c->doomed));
}

static void live(struct lives *w, bool roles_end)
{
        for (int step = 0; step < STEPS; step++) {
                act(w);
                if (roles_end && below(w, 100) == 0)
                        desk_new_epoch(w->d);
                for (size_t i = 0; i < LIVES; i++)
                        hear(w, &w->life[i]);
        }
        finish(w);
        for (size_t i = 0; i < LIVES; i++) {
                struct life *l = &w->life[i];
                hear(w, l);
                if (l->open) { /* and so neither expired nor taken over: nothing is still owed */
                        assert_int_equal(l->answered, l->asked);
                        assert_true(desk_conn(w->d, l->conn)->reading);
                }
                leave(w, l);
        }
        finish(w);
        assert_nothing_left(w->d);
}

static void run_seeds(bool learner, bool roles_end)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct lives w = {.d = desk_new(), .prng = {.state = seed}};
                w.d->learner = learner;
                w.d->sync_at_once = !learner && seed % 2;
                live(&w, roles_end);
                desk_free(w.d);
        }
}

static void test_lives_with_a_leader(void **state)
{
        (void)state;
        run_seeds(false, false);
}

static void test_lives_with_a_learner(void **state)
{
        (void)state;
        run_seeds(true, false);
}

static void test_lives_while_roles_end(void **state)
{
        (void)state;
        run_seeds(false, true);
        run_seeds(true, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lives_with_a_leader),
                cmocka_unit_test(test_lives_with_a_learner),
                cmocka_unit_test(test_lives_while_roles_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
