/* Illegal histories of watches, and legal ones that are nearly illegal (safety W1 to W6). */
#include "tests/sim/history/history_bench.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define TXN(zxid, s, x, rest)    "txn zxid=" #zxid " s=" #s " x=" #x " op=" rest "\n"
#define EVENT(at, k, type, path) "event at=" #at " k=" #k " type=" type " path=" path "\n"

/* Client 1 writes: /a made at 3, changed at 4, a child at 5, gone at 6 and 7, made anew at 8. */
#define WRITES                                                                                                         \
        OP(10, 11, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/a")                                                \
        OP(20, 21, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))                                 \
        OP(30, 31, 1, 3, "create path=/a/b data=w3 err=0 zxid=5 name=/a/b")                                            \
        OP(40, 41, 1, 4, "delete path=/a/b err=0 zxid=6")                                                              \
        OP(50, 51, 1, 5, "delete path=/a err=0 zxid=7")                                                                \
        OP(60, 61, 1, 6, "create path=/a data=w6 err=0 zxid=8 name=/a")
#define LOG                                                                                                            \
        LOG_OPEN TXN(3, 0x1, 1, "create path=/a data=w1 pcv=1") TXN(4, 0x1, 2, "set path=/a data=w2 version=1")        \
                TXN(5, 0x1, 3, "create path=/a/b data=w3 pcv=1") TXN(6, 0x1, 4, "delete path=/a/b")                    \
                        TXN(7, 0x1, 5, "delete path=/a") TXN(8, 0x1, 6, "create path=/a data=w6 pcv=2")

#define GET_AT_3                 OP(12, 13, 2, 1, "get path=/a watch=1 err=0 zxid=3 got=w1" STAT(3, 3, 3, 0, 0, 0, 0))
#define EXISTS_AT_2              OP(8, 9, 2, 1, "exists path=/a watch=1 err=-101 zxid=2")
#define CHILDREN_AT_4            OP(22, 23, 2, 1, "children path=/a watch=1 err=0 zxid=4 kids=")
#define PING(call, ret, x, zxid) OP(call, ret, 2, x, "ping err=0 zxid=" #zxid)

/* With the log, and without it. */
static void expect_both(const char *checkers, const char *story)
{
        char text[6000];
        (void)snprintf(text, sizeof text, "%s%s%s", OPEN, WRITES, story);
        bench_expect(checkers, text);
        (void)snprintf(text, sizeof text, "%s%s%s%s", OPEN, LOG, WRITES, story);
        bench_expect(checkers, text);
}

/* Only with the log it can be known. */
static void expect_with_log(const char *checkers, const char *story)
{
        char text[6000];
        (void)snprintf(text, sizeof text, "%s%s%s%s", OPEN, LOG, WRITES, story);
        bench_expect(checkers, text);
}

static void test_change_is_told_before_it_is_shown(void **state)
{
        (void)state;
        expect_both("", GET_AT_3 EVENT(24, 2, "changed", "/a") PING(25, 26, 2, 4));
        expect_both("W3", GET_AT_3 PING(25, 26, 2, 4) EVENT(27, 2, "changed", "/a"));
        expect_both("W5", GET_AT_3 PING(25, 26, 2, 4));
        /* What is not shown yet need not be told. */
        expect_both("", GET_AT_3 PING(25, 26, 2, 3));
        expect_both("", GET_AT_3 "lost at=30 k=2\n");
}

static void test_missing_node_is_watched_for(void **state)
{
        (void)state;
        expect_both("", EXISTS_AT_2 EVENT(14, 2, "created", "/a") PING(25, 26, 2, 4));
        expect_both("W5", EXISTS_AT_2 PING(25, 26, 2, 3));
        /* getData of a missing node watches nothing. */
        expect_both("", OP(8, 9, 2, 1, "get path=/a watch=1 err=-101 zxid=2") PING(25, 26, 2, 4));
}

static void test_children_are_watched(void **state)
{
        (void)state;
        expect_both("", CHILDREN_AT_4 EVENT(33, 2, "children", "/a") PING(34, 35, 2, 5));
        expect_both("W5", CHILDREN_AT_4 PING(34, 35, 2, 5));
        /* Data is not theirs. */
        expect_both("", OP(12, 13, 2, 1, "children path=/a watch=1 err=0 zxid=3 kids=") PING(25, 26, 2, 4));
}

static void test_registration_gives_one_event(void **state)
{
        (void)state;
        expect_both("W1", GET_AT_3 EVENT(24, 2, "changed", "/a") EVENT(55, 2, "deleted", "/a"));
        expect_both("", GET_AT_3 EVENT(24, 2, "changed", "/a")
                                OP(25, 26, 2, 2, "get path=/a watch=1 err=0 zxid=4 got=w2" STAT(3, 4, 3, 1, 0, 0, 0))
                                        EVENT(55, 2, "deleted", "/a") PING(56, 57, 3, 7));
        /* Two registrations of one kind are one. */
        expect_both("", GET_AT_3 OP(14, 15, 2, 2, "exists path=/a watch=1 err=0 zxid=3" STAT(3, 3, 3, 0, 0, 0, 0))
                                EVENT(24, 2, "changed", "/a") PING(25, 26, 3, 4));
        /* One deletion is told once, to whoever watches data and children. */
        expect_both("", OP(44, 45, 2, 1, "exists path=/a watch=1 err=0 zxid=6" STAT(3, 4, 6, 1, 2, 0, 0))
                                OP(46, 47, 2, 2, "children path=/a watch=1 err=0 zxid=6 kids=")
                                        EVENT(55, 2, "deleted", "/a") PING(56, 57, 3, 7));
}

static void test_event_has_a_cause(void **state)
{
        (void)state;
        expect_both("W6", EVENT(24, 2, "changed", "/a"));
        expect_both("W6", GET_AT_3 EVENT(24, 2, "changed", "/b") EVENT(25, 2, "changed", "/a"));
        expect_with_log("W6", GET_AT_3 EVENT(24, 2, "deleted", "/a"));
        expect_with_log("W6", OP(70, 71, 2, 1, "exists path=/a watch=1 err=0 zxid=8" STAT(8, 8, 8, 0, 0, 0, 0))
                                      EVENT(80, 2, "changed", "/a"));
}

static void test_events_come_in_the_order_of_changes(void **state)
{
        (void)state;
        const char *story = "create path=/c data=w7 err=0 zxid=9 name=/c";
        (void)story;
        expect_with_log("W4", EXISTS_AT_2 OP(9, 10, 2, 2, "children path=/ watch=1 err=0 zxid=2 kids=zookeeper")
                                      OP(9, 10, 2, 3, "exists path=/a/b watch=1 err=-101 zxid=2")
                                              EVENT(14, 2, "created", "/a/b") EVENT(15, 2, "created", "/a")
                                                      EVENT(16, 2, "children", "/"));
}

#define BACK "resume call=24 at=25 k=3 c=2 s=0x2 srv=1 timeout=1000 seen=3\n"
#define RESET(ret, zxid, lists)                                                                                        \
        "op call=26 ret=" #ret " k=3 s=0x2 x=-8 op=setwatches rel=3 " lists " err=0 zxid=" #zxid "\n"
#define PING_3(call, ret, x, zxid) "op call=" #call " ret=" #ret " k=3 s=0x2 x=" #x " op=ping err=0 zxid=" #zxid "\n"

static void test_watches_are_restored(void **state)
{
        (void)state;
        const char *const lost = GET_AT_3 "lost at=14 k=2\n" BACK;
        char text[3000];
        /* It changed while the client was away: told at once. */
        (void)snprintf(text, sizeof text, "%s%s%s", lost, EVENT(27, 3, "changed", "/a"), RESET(28, 4, "dw=/a"));
        expect_both("", text);
        (void)snprintf(text, sizeof text, "%s%s", lost, RESET(28, 4, "dw=/a"));
        expect_both("W5", text);
        /* It did not: armed again. */
        (void)snprintf(text, sizeof text, "%s%s%s%s", lost, RESET(28, 3, "dw=/a"), EVENT(29, 3, "changed", "/a"),
                       PING_3(30, 31, 2, 4));
        expect_both("", text);
        (void)snprintf(text, sizeof text, "%s%s%s", lost, RESET(28, 3, "dw=/a"), PING_3(30, 31, 2, 4));
        expect_both("W5", text);
        /* It is gone. */
        (void)snprintf(text, sizeof text, "%s%s%s", lost, EVENT(57, 3, "deleted", "/a"), RESET(58, 7, "dw=/a"));
        expect_both("", text);
        /* It is said to have changed, and has not. */
        (void)snprintf(text, sizeof text, "%s%s%s", lost, EVENT(27, 3, "changed", "/a"), RESET(28, 3, "dw=/a"));
        expect_with_log("W6", text);
        /* Children. */
        (void)snprintf(text, sizeof text, "%s%s%s", lost, EVENT(37, 3, "children", "/a"), RESET(38, 5, "cw=/a"));
        expect_both("", text);
        (void)snprintf(text, sizeof text, "%s%s", lost, RESET(38, 5, "cw=/a"));
        expect_both("W5", text);
        /* A node that was missing, and is there. */
        (void)snprintf(text, sizeof text, "%s%s%s", lost, EVENT(67, 3, "created", "/a"), RESET(68, 8, "ew=/a"));
        expect_both("", text);
        (void)snprintf(text, sizeof text, "%s%s", lost, RESET(68, 8, "ew=/a"));
        expect_with_log("W5", text);
        /* One that was made and went meanwhile is not told of: the allowed exception. */
        (void)snprintf(text, sizeof text, "%s%s", lost, RESET(58, 7, "ew=/a"));
        expect_both("", text);
        /* Who restores nothing hears nothing. */
        (void)snprintf(text, sizeof text, "%s%s", lost, PING_3(26, 27, 2, 4));
        expect_both("", text);
}

/* ---- watches that stay ---- */

#define EVENT_AT(at, type, path, zxid) "event at=" #at " k=2 type=" type " path=" path " zxid=" #zxid "\n"
#define ADD_AT_2(mode, path)           OP(8, 9, 2, 1, "addwatch path=" path " mode=" mode " err=0 zxid=2")

static void test_persistent_watch_tells_everything(void **state)
{
        (void)state;
#define ALL                                                                                                            \
        EVENT_AT(14, "created", "/a", 3)                                                                               \
        EVENT_AT(24, "changed", "/a", 4)                                                                               \
        EVENT_AT(34, "children", "/a", 5) EVENT_AT(44, "children", "/a", 6) EVENT_AT(54, "deleted", "/a", 7)
        expect_both("", ADD_AT_2("persistent", "/a") ALL PING(56, 57, 3, 7));
        expect_both("", ADD_AT_2("persistent", "/a") ALL EVENT_AT(64, "created", "/a", 8) PING(66, 67, 3, 8));
        /* The one at 8 is missing. */
        expect_both("W5", ADD_AT_2("persistent", "/a") ALL PING(66, 67, 3, 8));
        /* It told once, and no more. */
        expect_both("W5", ADD_AT_2("persistent", "/a") EVENT_AT(14, "created", "/a", 3) PING(25, 26, 3, 4));
        /* One was left out. */
        expect_both("W5", ADD_AT_2("persistent", "/a") EVENT_AT(14, "created", "/a", 3)
                                  EVENT_AT(34, "children", "/a", 5) PING(35, 36, 3, 5));
        /* Told with another's zxid. */
        expect_with_log("W6", ADD_AT_2("persistent", "/a") EVENT_AT(14, "created", "/a", 4) PING(15, 16, 3, 3));
        /* Too late. */
        expect_both("W3", ADD_AT_2("persistent", "/a") PING(15, 16, 3, 3) EVENT_AT(17, "created", "/a", 3));
        /* Set twice it tells once. */
        expect_with_log("W6",
                        ADD_AT_2("persistent", "/a") OP(10, 11, 2, 2, "addwatch path=/a mode=persistent err=0 zxid=2")
                                EVENT_AT(14, "created", "/a", 3) EVENT_AT(15, "created", "/a", 3));
#undef ALL
}

static void test_recursive_watch_tells_of_all_below(void **state)
{
        (void)state;
#define ALL                                                                                                            \
        EVENT_AT(14, "created", "/a", 3)                                                                               \
        EVENT_AT(24, "changed", "/a", 4)                                                                               \
        EVENT_AT(34, "created", "/a/b", 5) EVENT_AT(44, "deleted", "/a/b", 6) EVENT_AT(54, "deleted", "/a", 7)
        expect_both("", ADD_AT_2("recursive", "/") ALL PING(56, 57, 3, 7));
        expect_both("", ADD_AT_2("recursive", "/a") ALL PING(56, 57, 3, 7));
        expect_both("W5", ADD_AT_2("recursive", "/a") EVENT_AT(14, "created", "/a", 3) EVENT_AT(24, "changed", "/a", 4)
                                  PING(35, 36, 3, 5));
        /* Nothing of what is elsewhere, and nothing of children. */
        expect_both("W6", ADD_AT_2("recursive", "/aa") EVENT_AT(14, "created", "/a", 3));
        expect_both("W6", ADD_AT_2("recursive", "/") EVENT_AT(14, "created", "/a", 3) EVENT_AT(24, "changed", "/a", 4)
                                  EVENT_AT(34, "created", "/a/b", 5) EVENT_AT(35, "children", "/zookeeper", 5)
                                          PING(36, 37, 3, 5));
#undef ALL
}

/* 7.3: one copy for all watches of a connection that are told of the same. */
static void test_one_event_answers_watches_of_all_kinds(void **state)
{
        (void)state;
#define SET                                                                                                            \
        ADD_AT_2("recursive", "/")                                                                                     \
        OP(10, 11, 2, 2, "addwatch path=/a mode=persistent err=0 zxid=2")                                              \
        OP(10, 11, 2, 3, "exists path=/a watch=1 err=-101 zxid=2")
        expect_both("", SET EVENT_AT(14, "created", "/a", 3) EVENT_AT(24, "changed", "/a", 4) PING(25, 26, 4, 4));
        expect_with_log("W6", SET EVENT_AT(14, "created", "/a", 3) EVENT_AT(15, "created", "/a", 3));
#undef SET
}

static void test_watches_are_removed(void **state)
{
        (void)state;
#define REMOVE(x, mode, err) OP(15, 16, 2, x, "removewatches path=/a mode=" mode " err=" err " zxid=3")
#define SET                                                                                                            \
        ADD_AT_2("persistent", "/a")                                                                                   \
        OP(10, 11, 2, 2, "addwatch path=/a mode=recursive err=0 zxid=2") EVENT_AT(14, "created", "/a", 3)
        /* The other kind still tells. */
        expect_both("", SET REMOVE(3, "persistent", "0") EVENT_AT(24, "changed", "/a", 4) PING(25, 26, 4, 4));
        expect_both("W5", SET REMOVE(3, "persistent", "0") PING(25, 26, 4, 4));
        expect_both("", SET REMOVE(3, "persistent", "0") REMOVE(4, "recursive", "0") PING(25, 26, 5, 4));
        expect_both("", SET REMOVE(3, "any", "0") REMOVE(4, "any", "-121") PING(25, 26, 5, 4));
        expect_both("", SET REMOVE(3, "data", "-121") REMOVE(4, "children", "-121") EVENT_AT(24, "changed", "/a", 4));
        /* Removed, and it tells all the same. */
        expect_both("W1", SET REMOVE(3, "any", "0") EVENT_AT(24, "changed", "/a", 4));
        /* Asked for, it stays. */
#define CHECK(x, mode, err) OP(15, 16, 2, x, "checkwatches path=/a mode=" mode " err=" err " zxid=3")
        expect_both("", SET CHECK(3, "recursive", "0") CHECK(4, "any", "0") EVENT_AT(24, "changed", "/a", 4));
        expect_both("W5", SET CHECK(3, "recursive", "0") PING(25, 26, 4, 4));
        expect_both("", SET CHECK(3, "data", "-121") REMOVE(4, "any", "0") CHECK(5, "any", "-121"));
        expect_both("W5", SET CHECK(3, "persistent", "-121") EVENT_AT(24, "changed", "/a", 4));
        expect_both("W6", SET CHECK(3, "children", "0") EVENT_AT(24, "changed", "/a", 4));
#undef CHECK
        /* Said not to be there, and it is; the other way round. */
        expect_both("W5", SET REMOVE(3, "recursive", "-121"));
        expect_both("W6", SET REMOVE(3, "children", "0"));
#undef SET
#undef REMOVE
}

/* Of the ephemerals of one session, which go at once, watches may tell in any order. */
static void test_end_of_a_session_has_no_order(void **state)
{
        (void)state;
        const char *const told[] = {
                EVENT_AT(34, "deleted", "/x", 5) EVENT_AT(35, "deleted", "/y", 5),
                EVENT_AT(34, "deleted", "/y", 5) EVENT_AT(35, "deleted", "/x", 5),
                EVENT_AT(34, "deleted", "/y", 5) EVENT_AT(35, "deleted", "/y", 5),
                EVENT_AT(34, "deleted", "/x", 5),
        };
        const char *const found[] = {"", "", "W6", "W5"};
        for (int i = 0; i < 4; i++) {
                char text[6000];
                (void)snprintf(text, sizeof text, "%s%s%s%s",
                               OPEN LOG_OPEN TXN(3, 0x1, 1, "create path=/x data=w1 flags=e pcv=1")
                                       TXN(4, 0x1, 2, "create path=/y data=w2 flags=e pcv=2") TXN(5, 0x1, 3, "close"),
                               OP(10, 11, 1, 1, "create path=/x data=w1 flags=e err=0 zxid=3 name=/x")
                                       OP(20, 21, 1, 2, "create path=/y data=w2 flags=e err=0 zxid=4 name=/y")
                                               OP(30, 31, 1, 3, "close err=0 zxid=5")
                                                       OP(22, 23, 2, 1, "addwatch path=/ mode=recursive err=0 zxid=4"),
                               told[i], PING(40, 41, 2, 5));
                bench_expect(found[i], text);
        }
}

static void test_watches_that_stay_are_set_again(void **state)
{
        (void)state;
        const char *const lost = ADD_AT_2("persistent", "/a") "lost at=12 k=2\n" BACK;
        char text[3000];
        /* From there on, and nothing of what was missed. */
        (void)snprintf(text, sizeof text, "%s%s%s%s", lost, RESET(28, 4, "pw=/a rw=/"),
                       EVENT(34, 3, "created", "/a/b") EVENT(35, 3, "children", "/a"), PING_3(36, 37, 2, 5));
        expect_both("", text);
        (void)snprintf(text, sizeof text, "%s%s%s%s", lost, RESET(28, 4, "pw=/a"), EVENT(35, 3, "created", "/a/b"),
                       PING_3(36, 37, 2, 5));
        expect_both("W5 W6", text);
        (void)snprintf(text, sizeof text, "%s%s%s", lost, RESET(28, 4, "rw=/a"), PING_3(36, 37, 2, 5));
        expect_both("W5", text);
        /* Who sets nothing again has none. */
        (void)snprintf(text, sizeof text, "%s%s", lost, PING_3(36, 37, 1, 5));
        expect_both("", text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_change_is_told_before_it_is_shown),
                cmocka_unit_test(test_missing_node_is_watched_for),
                cmocka_unit_test(test_children_are_watched),
                cmocka_unit_test(test_registration_gives_one_event),
                cmocka_unit_test(test_event_has_a_cause),
                cmocka_unit_test(test_events_come_in_the_order_of_changes),
                cmocka_unit_test(test_watches_are_restored),
                cmocka_unit_test(test_persistent_watch_tells_everything),
                cmocka_unit_test(test_recursive_watch_tells_of_all_below),
                cmocka_unit_test(test_one_event_answers_watches_of_all_kinds),
                cmocka_unit_test(test_watches_are_removed),
                cmocka_unit_test(test_end_of_a_session_has_no_order),
                cmocka_unit_test(test_watches_that_stay_are_set_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
