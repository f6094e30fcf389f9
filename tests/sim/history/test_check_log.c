/* Illegal histories with the committed log, and legal ones that are nearly illegal (safety D1, D2, D4, S1 to S6, S10,
 * S11, Z4, Z11). */
#include "tests/sim/history/history_bench.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define TXN(zxid, s, x, rest) "txn zxid=" #zxid " s=" #s " x=" #x " op=" rest "\n"
/* /a with w1, made at 3. */
#define MADE     OPEN LOG_OPEN TXN(3, 0x1, 1, "create path=/a data=w1 pcv=1")
#define MADE_OP  OP(10, 11, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/a")
#define BOTH     MADE MADE_OP
#define SET      TXN(4, 0x1, 2, "set path=/a data=w2 version=1")
#define SET_STAT STAT(3, 4, 3, 1, 0, 0, 0)

static void test_acknowledged_write_is_in_the_log(void **state)
{
        (void)state;
        bench_expect("", BOTH);
        bench_expect("D1", BOTH OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" SET_STAT));
        bench_expect("", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" SET_STAT));
        /* With another content, zxid, or name. */
        bench_expect("D1", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w3 err=0 zxid=4" SET_STAT));
        bench_expect("D1", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=5" SET_STAT));
        bench_expect("D1", MADE OP(10, 11, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/b"));
        /* Its Stat is that of the write. */
        bench_expect("S11", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 2, 0, 0, 0)));
        bench_expect("S11", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 version=3 err=0 zxid=4" SET_STAT));
}

static void test_log_holds_nothing_else(void **state)
{
        (void)state;
        bench_expect("Z4", BOTH SET);
        /* What nobody knows the outcome of may be there, once, as it was asked for. */
        bench_expect("", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 err=?"));
        bench_expect("S5", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w3 err=?"));
        bench_expect("S5", BOTH SET TXN(5, 0x1, 2, "set path=/a data=w2 version=2")
                                   OP(12, 13, 1, 2, "set path=/a data=w2 err=?"));
        /* What was refused is not. */
        bench_expect("S5", BOTH SET OP(12, 13, 1, 2, "set path=/a data=w2 version=9 err=-103 zxid=4"));
        /* Who refuses it asks the leader first, but of how busy it is. */
        bench_expect("S5", BOTH OP(12, 13, 1, 2, "set path=/a data=w2 version=9 err=-103 zxid=3"));
        bench_expect("S5", BOTH OP(12, 13, 1, 2, "create path=/b/c data=w2 err=-101 zxid=3"));
        bench_expect("", BOTH OP(12, 13, 1, 2, "set path=/a data=w2 err=-127 zxid=3"));
        bench_expect("", BOTH TXN(4, 0x1, 2, "error err=-103")
                                 OP(12, 13, 1, 2, "set path=/a data=w2 version=9 err=-103 zxid=4"));
        /* And acknowledged what has failed. */
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-103")
                                   OP(12, 13, 1, 2, "set path=/a data=w2 version=9 err=0 zxid=4"));
}

static void test_refusals_have_their_reason(void **state)
{
        (void)state;
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-103")
                                   OP(12, 13, 1, 2, "set path=/a data=w2 version=0 err=-103 zxid=4"));
        /* Nothing that is in a log ends so. */
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-4") OP(12, 13, 1, 2, "delete path=/a err=-4 zxid=4"));
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-101") OP(12, 13, 1, 2, "delete path=/a err=-101 zxid=4"));
        bench_expect("S5",
                     BOTH TXN(4, 0x1, 2, "error err=-110") OP(12, 13, 1, 2, "create path=/b data=w2 err=-110 zxid=4"));
        bench_expect("",
                     BOTH TXN(4, 0x1, 2, "error err=-110") OP(12, 13, 1, 2, "create path=/a data=w2 err=-110 zxid=4"));
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-111") OP(12, 13, 1, 2, "delete path=/a err=-111 zxid=4"));
        bench_expect("S5", BOTH TXN(4, 0x1, 2, "error err=-108")
                                   OP(12, 13, 1, 2, "create path=/a/b data=w2 err=-108 zxid=4"));
}

/* A create with its acknowledgement. */
#define CREATED(zxid, call, ret, x, path, data, pcv)                                                                   \
        TXN(zxid, 0x1, x, "create path=" path " data=" data " pcv=" #pcv)                                              \
        OP(call, ret, 1, x, "create path=" path " data=" data " err=0 zxid=" #zxid " name=" path)
#define QUOTA_REFUSED(zxid, call, ret, x, what)                                                                        \
        TXN(zxid, 0x1, x, "error err=-125") OP(call, ret, 1, x, what " err=-125 zxid=" #zxid)

/* Client-protocol.md 6.4: by what had been applied, which is what anybody had been shown, or more. */
static void test_a_quota_refuses_only_what_is_too_much(void **state)
{
        (void)state;
#define QUOTA(limits)                                                                                                  \
        BOTH CREATED(4, 12, 13, 2, "/zookeeper/quota/a", "q1", 1)                                                      \
                CREATED(5, 14, 15, 3, "/zookeeper/quota/a/zookeeper_limits", limits, 1)                                \
                        CREATED(6, 16, 17, 4, "/zookeeper/quota/a/zookeeper_stats", "q2", 2)
#define QUOTA_FULL QUOTA("countHardLimit%3d2") CREATED(7, 18, 19, 5, "/a/b", "w2", 1)
#define QUOTA_GONE TXN(8, 0x1, 6, "delete path=/a/b") OP(20, 22, 1, 6, "delete path=/a/b err=0 zxid=8")
        bench_expect("", QUOTA_FULL QUOTA_REFUSED(8, 20, 21, 6, "create path=/a/c data=w3"));
        bench_expect("S5", QUOTA("countHardLimit%3d2") QUOTA_REFUSED(7, 20, 21, 5, "create path=/a/c data=w3"));
        bench_expect("S5", QUOTA("count%3d2") QUOTA_REFUSED(7, 20, 21, 5, "set path=/none data=w3"));
        bench_expect("S5", BOTH QUOTA_REFUSED(4, 20, 21, 2, "create path=/a/c data=w3"));
        /* Full when the leader looked, perhaps; and surely not any more. */
        bench_expect("", QUOTA_FULL QUOTA_GONE QUOTA_REFUSED(9, 21, 23, 7, "create path=/a/c data=w3"));
        bench_expect("S5", QUOTA_FULL QUOTA_GONE QUOTA_REFUSED(9, 23, 24, 7, "create path=/a/c data=w3"));
}

static void test_reads_show_the_state_at_their_zxid(void **state)
{
        (void)state;
        const char *const good[] = {
                "get path=/a err=0 zxid=3 got=w1" STAT(3, 3, 3, 0, 0, 0, 0),
                "exists path=/a err=-101 zxid=2",
                "children path=/ err=0 zxid=3 kids=a,zookeeper",
                "children path=/ err=0 zxid=3 kids=zookeeper,a" STAT(0, 0, 3, 0, 0, 0, 2),
        };
        const char *const bad[] = {
                "get path=/a err=0 zxid=3 got=w2" STAT(3, 3, 3, 0, 0, 0, 0),
                "get path=/a err=0 zxid=3 got=w1" STAT(3, 3, 3, 1, 0, 0, 0),
                "exists path=/a err=-101 zxid=3",
                "exists path=/a err=0 zxid=2" STAT(3, 3, 3, 0, 0, 0, 0),
                "children path=/ err=0 zxid=3 kids=b,zookeeper",
                "children path=/ err=0 zxid=2 kids=a,zookeeper",
        };
        char text[2000];
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                (void)snprintf(text, sizeof text, "%sop call=20 ret=30 k=2 s=0x2 x=1 op=%s\n", BOTH, good[i]);
                bench_expect("", text);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                (void)snprintf(text, sizeof text, "%sop call=20 ret=30 k=2 s=0x2 x=1 op=%s\n", BOTH, bad[i]);
                bench_expect("D4", text);
        }
        /* What is not committed is not shown. */
        bench_expect("D2", BOTH OP(20, 30, 2, 1, "exists path=/a err=0 zxid=5" STAT(3, 3, 3, 0, 0, 0, 0)));
        /* A new leader stands at the beginning of its epoch. */
        bench_expect("", BOTH OP(20, 30, 2, 1, "exists path=/b err=-101 zxid=0x100000000"));
}

static void test_sessions_of_the_log(void **state)
{
        (void)state;
        bench_expect("S1", BOTH TXN(4, 0x1, 0, "open timeout=1000"));
        bench_expect("S2", BOTH TXN(4, 0x1, 0, "close") TXN(5, 0x1, 2, "set path=/a data=w2 version=1")
                                   OP(12, 13, 1, 2, "set path=/a data=w2 err=?"));
        bench_expect("S4", BOTH "refuse call=2000000 at=2000010 k=3 c=1 s=0x1 srv=1\n");
        bench_expect("", BOTH TXN(4, 0x1, 0, "close") "refuse call=2000000 at=2000010 k=3 c=1 s=0x1 srv=1\n");
        /* An ephemeral of a session that does not live. */
        bench_expect("S2 S3", BOTH TXN(4, 0x1, 0, "close") TXN(5, 0x1, 2, "create path=/e data=w2 flags=e pcv=2")
                                      OP(12, 13, 1, 2, "create path=/e data=w2 flags=e err=?"));
}

static void test_session_is_called_over_when_it_is(void **state)
{
        (void)state;
#define REFUSED "refuse call=2000000 at=2000010 k=3 c=1 s=0x1 srv=1\n"
#define LATER   TXN(4, 0x2, 1, "set path=/a data=w2 version=1") TXN(5, 0x1, 0, "close")
        /* Somebody asked for a write afterwards, and it stands before the end in the log. */
        bench_expect("S4", BOTH LATER REFUSED OP(2000020, 2000030, 2, 1, "set path=/a data=w2 err=0 zxid=4" SET_STAT));
        bench_expect("", BOTH LATER REFUSED OP(2000005, 2000030, 2, 1, "set path=/a data=w2 err=0 zxid=4" SET_STAT));
        bench_expect("", BOTH TXN(4, 0x1, 0, "close") TXN(5, 0x2, 1, "set path=/a data=w2 version=1") REFUSED OP(
                                 2000020, 2000030, 2, 1, "set path=/a data=w2 err=0 zxid=5" STAT(3, 5, 3, 1, 0, 0, 0)));
        /* By an answer: its zxid is behind the end. */
        bench_expect("S4", BOTH TXN(4, 0x1, 2, "error err=-112") TXN(5, 0x1, 0, "close")
                                   OP(2000000, 2000010, 1, 2, "delete path=/a err=-112 zxid=4"));
        bench_expect("S4", BOTH OP(2000000, 2000010, 1, 2, "delete path=/a err=-112 zxid=4"));
        bench_expect("", BOTH TXN(4, 0x1, 0, "close") TXN(5, 0x1, 2, "error err=-112")
                                 OP(2000000, 2000010, 1, 2, "delete path=/a err=-112 zxid=5"));
}

/* Nobody came back for the session, but an answer shows a state without it. */
static void test_session_does_not_expire_early(void **state)
{
        (void)state;
#define TOUCHED                                                                                                        \
        OPEN LOG_OPEN TXN(3, 0x1, 1, "create path=/a data=w1 pcv=1") TXN(4, 0x1, 0, "close")                           \
                OP(400000, 410000, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/a")
        bench_expect("S4", TOUCHED OP(900000, 900010, 2, 1, "ping err=0 zxid=4"));
        bench_expect("", TOUCHED OP(1390000, 1400000, 2, 1, "ping err=0 zxid=4"));
        bench_expect("", TOUCHED OP(900000, 900010, 2, 1, "ping err=0 zxid=3"));
}

static void test_requests_are_done_in_their_order(void **state)
{
        (void)state;
        bench_expect("S6", BOTH TXN(4, 0x1, 3, "set path=/a data=w3 version=1")
                                   TXN(5, 0x1, 2, "set path=/a data=w2 version=2")
                                           OP(12, 13, 1, 2, "set path=/a data=w2 err=?")
                                                   OP(12, 13, 1, 3, "set path=/a data=w3 err=?"));
        /* Refusals may come when they like. */
        bench_expect("", BOTH TXN(4, 0x1, 3, "set path=/a data=w3 version=1") TXN(5, 0x1, 2, "error err=-118")
                                 OP(12, 13, 1, 2, "set path=/a data=w2 err=?")
                                         OP(12, 13, 1, 3, "set path=/a data=w3 err=?"));
}

#define MOVED "resume call=20 at=30 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=3\n"

static void test_session_that_moved_is_not_served_where_it_was(void **state)
{
        (void)state;
        /* The new connection has written, and what the old one asked for later is done after it. */
        const char *asked = "op call=31 ret=40 k=3 s=0x1 x=2 op=set path=/a data=w2 err=0 zxid=4" SET_STAT
                            "\n" OP(41, 50, 1, 3, "set path=/a data=w3 err=?");
        char text[2000];
        (void)snprintf(text, sizeof text, "%s%s%s%s", BOTH MOVED, SET, TXN(5, 0x1, 3, "set path=/a data=w3 version=2"),
                       asked);
        bench_expect("S6", text);
        (void)snprintf(text, sizeof text, "%s%s%s%s", BOTH MOVED, SET, TXN(5, 0x1, 3, "error err=-118"), asked);
        bench_expect("", text);
        /* The leader of the next epoch has not heard of the move. */
        (void)snprintf(text, sizeof text, "%s%s%s%s", BOTH MOVED, SET,
                       TXN(0x100000001, 0x1, 3, "set path=/a data=w3 version=2"), asked);
        bench_expect("", text);
}

static void test_log_counts_right(void **state)
{
        (void)state;
        bench_expect("Z11", BOTH TXN(5, 0x1, 2, "set path=/a data=w2 version=1")
                                    OP(12, 13, 1, 2, "set path=/a data=w2 err=?"));
        bench_expect("S11", BOTH TXN(4, 0x1, 2, "set path=/a data=w2 version=2")
                                    OP(12, 13, 1, 2, "set path=/a data=w2 err=?"));
        bench_expect("S11", BOTH TXN(4, 0x1, 2, "create path=/b data=w2 pcv=3")
                                    OP(12, 13, 1, 2, "create path=/b data=w2 err=?"));
        bench_expect("S11", BOTH TXN(4, 0x1, 2, "create path=/a data=w2 pcv=2")
                                    OP(12, 13, 1, 2, "create path=/a data=w2 err=?"));
        bench_expect("S11", BOTH TXN(4, 0x1, 2, "delete path=/b") OP(12, 13, 1, 2, "delete path=/b err=?"));
        bench_expect("S11", BOTH TXN(4, 0x1, 2, "create path=/a/b data=w2 pcv=1") TXN(5, 0x1, 3, "delete path=/a")
                                    OP(12, 13, 1, 2, "create path=/a/b data=w2 err=?")
                                            OP(12, 13, 1, 3, "delete path=/a err=?"));
}

static void test_sequence_numbers_are_the_parents_creations(void **state)
{
        (void)state;
        bench_expect("", BOTH TXN(4, 0x1, 2, "create path=/a/q-0000000000 data=w2 pcv=1") OP(
                                 12, 13, 1, 2, "create path=/a/q- flags=s data=w2 err=0 zxid=4 name=/a/q-0000000000"));
        bench_expect("S11",
                     BOTH TXN(4, 0x1, 2, "create path=/a/q-0000000001 data=w2 pcv=1")
                             OP(12, 13, 1, 2, "create path=/a/q- flags=s data=w2 err=0 zxid=4 name=/a/q-0000000001"));
}

static void test_multi_is_one_transaction(void **state)
{
        (void)state;
        const char *txn = TXN(4, 0x1, 2, "multi") "sub op=set path=/a data=w2 version=1\nsub op=create path=/b data=w3 "
                                                  "pcv=2\n";
        const char *set = "sub op=set path=/a data=w2 err=0" SET_STAT "\n";
        char text[2000];
        (void)snprintf(text, sizeof text, "%s%s%s%ssub op=create path=/b data=w3 err=0 name=/b\n", BOTH, txn,
                       OP(12, 13, 1, 2, "multi err=0 zxid=4"), set);
        bench_expect("", text);
        (void)snprintf(text, sizeof text, "%s%s%s%s", BOTH, txn, OP(12, 13, 1, 2, "multi err=0 zxid=4"), set);
        bench_expect("D1", text);
        (void)snprintf(text, sizeof text, "%s%s%s%ssub op=create path=/c data=w3 err=0 name=/c\n", BOTH, txn,
                       OP(12, 13, 1, 2, "multi err=0 zxid=4"), set);
        bench_expect("S10", text);
        /* One that failed has done nothing. */
        (void)snprintf(text, sizeof text, "%s%s%s%s", BOTH,
                       TXN(4, 0x1, 2, "multi") "sub op=error err=0\nsub op=error err=-103\n",
                       OP(12, 13, 1, 2, "multi err=-103 zxid=4") "sub op=set path=/a data=w2 err=0\nsub op=check "
                                                                 "path=/a version=9 err=-103\n",
                       OP(20, 30, 1, 3, "get path=/a err=0 zxid=4 got=w2" SET_STAT));
        bench_expect("D4", text);
}

static void test_final_trees_are_what_the_log_makes(void **state)
{
        (void)state;
#define A "node path=/a data=w1" STAT(3, 3, 3, 0, 0, 0, 0) "\n"
        bench_expect("", BOTH "final at=90 srv=1\n" A);
        bench_expect("D1", BOTH "final at=90 srv=1\n");
        bench_expect("D4", BOTH "final at=90 srv=1\nnode path=/a data=w2" STAT(3, 3, 3, 0, 0, 0, 0) "\n");
        bench_expect("D4", BOTH "final at=90 srv=1\n" A "node path=/b data=w2" STAT(3, 3, 3, 0, 0, 0, 0) "\n");
#define E                                                                                                              \
        TXN(4, 0x1, 2, "create path=/e data=w2 flags=e pcv=2")                                                         \
        OP(12, 13, 1, 2, "create path=/e data=w2 flags=e err=0 zxid=4 name=/e")
#define E_NODE "node path=/e data=w2" STAT(4, 4, 4, 0, 0, 0x1, 0) "\n"
        bench_expect("", BOTH E "final at=90 srv=1\n" A E_NODE);
        bench_expect("S3", BOTH E "final at=90 srv=1\n" A);
        bench_expect("S3", BOTH E TXN(5, 0x1, 0, "close") "final at=90 srv=1\n" A E_NODE);
        bench_expect("", BOTH E TXN(5, 0x1, 0, "close") "final at=90 srv=1\n" A);
        bench_expect("S2", BOTH TXN(4, 0x1, 0, "close") "final at=90 srv=1\n" A "sess s=0x1 timeout=1000\n");
}

static void test_reads_of_many_nodes_show_the_state_at_their_zxid(void **state)
{
        (void)state;
        /* /a at 3, /e of session 1 below the root at 4, /a/n of it at 5, gone at 6. */
#define TREE                                                                                                           \
        BOTH TXN(4, 0x1, 2, "create path=/e data=w2 flags=e pcv=2")                                                    \
                OP(12, 13, 1, 2, "create path=/e data=w2 flags=e err=0 zxid=4 name=/e")                                \
                        TXN(5, 0x1, 3, "create path=/a/n data=w3 flags=e pcv=1")                                       \
                                OP(14, 15, 1, 3, "create path=/a/n data=w3 flags=e err=0 zxid=5 name=/a/n")            \
                                        TXN(6, 0x1, 4, "delete path=/a/n")                                             \
                                                OP(16, 17, 1, 4, "delete path=/a/n err=0 zxid=6")
#define NUMBER(path, zxid, count) TREE OP(20, 21, 2, 1, "descendants path=" path " err=0 zxid=" #zxid " count=" #count)
        bench_expect("", NUMBER("/", 5, 6)); /* with the three that are always there */
        bench_expect("", NUMBER("/", 6, 5));
        bench_expect("D4", NUMBER("/", 6, 6));
        bench_expect("", NUMBER("/a", 5, 1));
        bench_expect("D4", NUMBER("/a", 5, 2)); /* without itself */
        bench_expect("D4", NUMBER("/e", 2, 0));
        bench_expect("D2", NUMBER("/e", 7, 0));
        bench_expect("D4", TREE OP(20, 21, 2, 1, "descendants path=/a err=-101 zxid=5"));
#define LISTED(k, prefix, zxid, kids)                                                                                  \
        TREE OP(20, 21, k, 9, "ephemerals path=" prefix " err=0 zxid=" #zxid " kids=" kids)
        bench_expect("", LISTED(1, "/", 6, "/e"));
        bench_expect("D4", LISTED(1, "/", 6, ""));
        bench_expect("D4", LISTED(1, "/", 6, "/e,/e"));
        bench_expect("D4", LISTED(1, "/", 6, "/a"));
        bench_expect("D4", LISTED(1, "/", 6, "/e,/a/n"));
        bench_expect("", LISTED(1, "/a", 6, ""));
        bench_expect("D4", LISTED(1, "/a", 6, "/e"));
        bench_expect("", LISTED(2, "/", 6, ""));
        bench_expect("D4", LISTED(2, "/", 6, "/e"));
        bench_expect("D2", LISTED(1, "/", 8, "/e"));
#undef TREE
#undef NUMBER
#undef LISTED
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_acknowledged_write_is_in_the_log),
                cmocka_unit_test(test_log_holds_nothing_else),
                cmocka_unit_test(test_refusals_have_their_reason),
                cmocka_unit_test(test_a_quota_refuses_only_what_is_too_much),
                cmocka_unit_test(test_reads_show_the_state_at_their_zxid),
                cmocka_unit_test(test_reads_of_many_nodes_show_the_state_at_their_zxid),
                cmocka_unit_test(test_sessions_of_the_log),
                cmocka_unit_test(test_session_is_called_over_when_it_is),
                cmocka_unit_test(test_session_does_not_expire_early),
                cmocka_unit_test(test_requests_are_done_in_their_order),
                cmocka_unit_test(test_session_that_moved_is_not_served_where_it_was),
                cmocka_unit_test(test_log_counts_right),
                cmocka_unit_test(test_sequence_numbers_are_the_parents_creations),
                cmocka_unit_test(test_multi_is_one_transaction),
                cmocka_unit_test(test_final_trees_are_what_the_log_makes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
