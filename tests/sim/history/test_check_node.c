/* Illegal histories of nodes when the committed log is not known, and legal ones that are nearly illegal (safety D1,
 * D2, D4, S2, S3, S5, S10, S11). */
#include "tests/sim/history/history_bench.h"

#include <stdio.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* /a with w1, made at 3 by client 1. */
#define MADE                  OPEN OP(10, 11, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/a")
#define SEEN(zxid, got, stat) OP(30, 40, 2, 1, "get path=/a err=0 zxid=" #zxid " got=" got stat)

static void test_acknowledged_node_is_there(void **state)
{
        (void)state;
        bench_expect("D1", MADE OP(30, 40, 2, 1, "get path=/a err=-101 zxid=5"));
        bench_expect("", MADE OP(30, 40, 2, 1, "get path=/a err=-101 zxid=2"));
        /* Somebody may have deleted it, */
        bench_expect("", MADE OP(12, 20, 1, 2, "delete path=/a err=?") OP(30, 40, 2, 1, "get path=/a err=-101 zxid=5"));
        /* but not who asked for it afterwards, */
        bench_expect("D1",
                     MADE OP(30, 40, 2, 1, "get path=/a err=-101 zxid=5") OP(41, 50, 1, 2, "delete path=/a err=?"));
        /* nor one that was refused, */
        bench_expect("D1", MADE OP(12, 20, 1, 2, "delete path=/a err=-103 zxid=4 version=7")
                                   OP(30, 40, 2, 1, "get path=/a err=-101 zxid=5"));
        /* and not one request twice. */
        bench_expect("D1", MADE OP(12, 20, 1, 2, "delete path=/a err=?") OP(30, 40, 2, 1, "get path=/a err=-101 zxid=5")
                                   OP(50, 51, 2, 2, "create path=/a data=w2 err=0 zxid=6 name=/a")
                                           OP(60, 61, 2, 3, "get path=/a err=-101 zxid=7"));
}

static void test_acknowledged_change_is_seen(void **state)
{
        (void)state;
        bench_expect("", MADE SEEN(5, "w1", STAT(3, 3, 3, 0, 0, 0, 0)));
        bench_expect("D1", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))
                                   SEEN(5, "w1", STAT(3, 3, 3, 0, 0, 0, 0)));
        bench_expect("", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))
                                 SEEN(3, "w1", STAT(3, 3, 3, 0, 0, 0, 0)));
        bench_expect("D1", MADE "final at=90 srv=1\n");
        bench_expect("", MADE "final at=90 srv=1\nnode path=/a data=w1" STAT(3, 3, 3, 0, 0, 0, 0) "\n");
}

static void test_only_what_was_written_is_read(void **state)
{
        (void)state;
        bench_expect("D2", MADE SEEN(5, "x9", STAT(3, 4, 3, 1, 0, 0, 0)) OP(3, 4, 2, 0, "set path=/a data=w2 err=?"));
        bench_expect("", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=?") SEEN(5, "w2", STAT(3, 4, 3, 1, 0, 0, 0)));
        /* It was refused. */
        bench_expect("D2 S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 version=7 err=-103 zxid=4")
                                       SEEN(6, "w2", STAT(3, 5, 3, 1, 0, 0, 0)));
        /* It was written elsewhere. */
        bench_expect("D2", MADE OP(12, 13, 1, 2, "create path=/b data=w2 err=0 zxid=4 name=/b") OP(
                                   13, 14, 1, 3, "set path=/a data=w3 err=?") SEEN(6, "w2", STAT(3, 5, 3, 1, 0, 0, 0)));
        /* It comes later than the state it was read of. */
        bench_expect("D2", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=?") SEEN(5, "w2", STAT(3, 6, 3, 1, 0, 0, 0)));
}

static void test_unknown_outcome_happens_once(void **state)
{
        (void)state;
        bench_expect("S11 S5",
                     MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=?") SEEN(5, "w2", STAT(3, 4, 3, 1, 0, 0, 0))
                             OP(50, 60, 2, 2, "get path=/a err=0 zxid=8 got=w2" STAT(3, 7, 3, 2, 0, 0, 0)));
        bench_expect("S5", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0)) OP(
                                   13, 14, 1, 3, "set path=/a data=w3 err=?") SEEN(8, "w2", STAT(3, 5, 3, 2, 0, 0, 0)));
        /* Made anew by one whose outcome nobody knows, then changed by one that was answered: that is one create. */
        bench_expect("", OPEN OP(10, 11, 2, 1, "get path=/a err=-101 zxid=3") OP(10, 50, 1, 1,
                                                                                 "create path=/a data=w1 err=?")
                                 OP(20, 21, 2, 2, "set path=/a data=w2 err=0 zxid=5" STAT(4, 5, 4, 1, 0, 0, 0)));
        bench_expect("D2", OPEN OP(10, 11, 2, 1, "get path=/a err=-101 zxid=3")
                                   OP(20, 21, 2, 2, "set path=/a data=w2 err=0 zxid=5" STAT(4, 5, 4, 1, 0, 0, 0)));
        /* Changed by one that was not answered, and so perhaps another than the one known before. */
        bench_expect("",
                     MADE OP(12, 13, 1, 2, "delete path=/a err=?") OP(13, 14, 1, 3, "create path=/a data=w3 err=?")
                             OP(14, 15, 1, 4, "set path=/a data=w2 err=?") SEEN(9, "w2", STAT(5, 6, 5, 1, 0, 0, 0)));
        bench_expect("D2", MADE OP(12, 13, 1, 2, "delete path=/a err=?") OP(14, 15, 1, 3, "set path=/a data=w2 err=?")
                                   SEEN(9, "w2", STAT(5, 6, 5, 1, 0, 0, 0)));
}

/* At version 1. */
#define CONTAINER                                                                                                      \
        OPEN OP(10, 11, 1, 1, "create path=/a data=w1 flags=c err=0 zxid=3 name=/a")                                   \
                OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))

/* Writes without an answer explain one thing each, and that alone which they ask for. */
static void test_doubts_explain_no_more_than_they_can(void **state)
{
        (void)state;
#define DOUBT(x, rest)      OP(14, 15, 1, x, rest " err=?")
#define GONE                OP(30, 40, 2, 1, "exists path=/a err=-101 zxid=9")
#define DELETED(x, v, zxid) OP(30, 40, 2, x, "delete path=/a version=" #v " err=0 zxid=" #zxid)
        /* That a container is asked for makes none of what was there. */
        bench_expect("D1", MADE DOUBT(3, "create path=/a data=w3 flags=c") GONE);
        bench_expect("", MADE DOUBT(3, "create path=/a data=w3 flags=c") DOUBT(4, "delete path=/a") GONE);
        bench_expect("S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))
                                    DOUBT(3, "create path=/a data=w3 flags=c") DELETED(1, 0, 9));
        /* A deletion is of one version. */
        bench_expect("D1", MADE DOUBT(3, "delete path=/a version=1") GONE);
        bench_expect("", MADE DOUBT(3, "delete path=/a version=0") GONE);
        bench_expect("", MADE DOUBT(3, "delete path=/a version=1") DOUBT(4, "set path=/a data=w2") GONE);
        /* Three changes make it version 3; so they do of one that is made anew. */
        bench_expect("S11", MADE DOUBT(3, "set path=/a data=w2") DELETED(1, 3, 9));
        bench_expect("", MADE DOUBT(3, "set path=/a data=w2") DOUBT(4, "set path=/a data=w3")
                                 DOUBT(5, "set path=/a data=w4") DELETED(1, 3, 9));
        bench_expect("S11", MADE DELETED(1, 0, 9) DOUBT(3, "create path=/a data=w2") DELETED(2, 1, 10));
        bench_expect("", MADE DELETED(1, 0, 9) DOUBT(3, "create path=/a data=w2") DOUBT(4, "set path=/a data=w3")
                                 DELETED(2, 1, 10));
        /* One that has gone is not made anew by that. */
        bench_expect("S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))
                                    DOUBT(3, "delete path=/a") DELETED(1, 0, 9));
        bench_expect("", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0))
                                 DOUBT(3, "delete path=/a") DOUBT(4, "create path=/a data=w3") DELETED(1, 0, 9));
        /* Nor twice. */
        bench_expect("S11", CONTAINER DOUBT(3, "create path=/a data=w3 flags=c") DELETED(1, 0, 9) DELETED(2, 0, 10));
        bench_expect("", CONTAINER DOUBT(3, "create path=/a data=w3 flags=c") DOUBT(4, "create path=/a data=w4 flags=c")
                                 DELETED(1, 0, 9) DELETED(2, 0, 10));
        /* Two ways to version 1, and it is not known which it was: neither is taken for what comes after. */
        bench_expect("", MADE DOUBT(3, "set path=/a data=w2") DOUBT(4, "delete path=/a")
                                 DOUBT(5, "create path=/a data=w3") DOUBT(6, "set path=/a data=w4") DELETED(1, 1, 9)
                                         OP(41, 42, 2, 2, "create path=/a data=w5 err=0 zxid=10 name=/a")
                                                 OP(43, 44, 2, 3, "exists path=/a err=-101 zxid=11"));
#undef DOUBT
#undef GONE
#undef DELETED
}

static void test_versions_count_changes(void **state)
{
        (void)state;
        /* A container may be swept and made anew without a word. */
        bench_expect("S11", CONTAINER OP(30, 40, 2, 1, "delete path=/a version=0 err=0 zxid=9"));
        bench_expect("", CONTAINER OP(14, 15, 1, 3, "create path=/a data=w3 flags=c err=?")
                                 OP(30, 40, 2, 1, "delete path=/a version=0 err=0 zxid=9"));
        /* One was skipped, and nobody can have asked for it. */
        bench_expect("S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 2, 0, 0, 0)));
        bench_expect("", MADE OP(12, 13, 2, 1, "set path=/a data=w3 err=?")
                                 OP(12, 19, 1, 2, "set path=/a data=w2 err=0 zxid=5" STAT(3, 5, 3, 2, 0, 0, 0)));
        /* Not above the one before. */
        bench_expect("S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4" STAT(3, 4, 3, 0, 0, 0, 0)));
        /* Another version was asked for. */
        bench_expect("S11",
                     MADE OP(12, 13, 1, 2, "set path=/a data=w2 version=3 err=0 zxid=4" STAT(3, 4, 3, 1, 0, 0, 0)));
        bench_expect("S11", MADE OP(12, 13, 1, 2, "delete path=/a version=3 err=0 zxid=4"));
        /* The Stat is of another change. */
        bench_expect("S11", MADE OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=5" STAT(3, 4, 3, 1, 0, 0, 0)));
        /* One change has one version and one content. */
        bench_expect("S11", MADE SEEN(5, "w1", STAT(3, 3, 3, 1, 0, 0, 0)));
        bench_expect("D2 D4", MADE OP(13, 14, 2, 0, "create path=/b data=w4 err=0 zxid=4 name=/b")
                                      SEEN(5, "w4", STAT(3, 3, 3, 0, 0, 0, 0)));
}

static void test_node_is_not_another(void **state)
{
        (void)state;
        bench_expect("D1 D2", MADE SEEN(6, "w9", STAT(5, 5, 5, 0, 0, 0, 0)));
        bench_expect("", MADE OP(12, 13, 1, 2, "delete path=/a err=?") OP(13, 14, 1, 3, "create path=/a data=w9 err=?")
                                 SEEN(6, "w9", STAT(5, 5, 5, 0, 0, 0, 0)));
        /* Whose answer was lost may have happened after others that were asked for later. */
        bench_expect("", MADE OP(12, 13, 1, 2, "create path=/a data=w9 err=?") OP(20, 25, 2, 1, "delete path=/a err=?")
                                 OP(30, 40, 2, 2, "get path=/a err=0 zxid=6 got=w9" STAT(5, 5, 5, 0, 0, 0, 0)));
        bench_expect("D1", MADE OP(12, 13, 1, 2, "create path=/a data=w9 err=?")
                                   OP(30, 40, 2, 1, "get path=/a err=0 zxid=6 got=w9" STAT(5, 5, 5, 0, 0, 0, 0))
                                           OP(41, 45, 2, 2, "delete path=/a err=?"));
        bench_expect("S11", MADE OP(12, 13, 1, 2, "delete path=/a err=0 zxid=4")
                                    OP(14, 15, 1, 3, "delete path=/a err=0 zxid=5"));
        bench_expect("D1", MADE OP(12, 13, 1, 2, "create path=/a data=w2 err=0 zxid=4 name=/a"));
}

static void test_children_are_counted(void **state)
{
        (void)state;
        const char *made = MADE OP(12, 13, 1, 2, "create path=/a/b data=w2 err=0 zxid=4 name=/a/b")
                OP(20, 21, 2, 1, "children path=/a err=0 zxid=5 kids=b" STAT(3, 3, 4, 0, 1, 0, 1));
        bench_expect("", made);
        bench_expect("D1", MADE OP(12, 13, 1, 2, "create path=/a/b data=w2 err=0 zxid=4 name=/a/b")
                                   OP(20, 21, 2, 1, "children path=/a err=0 zxid=5 kids="));
        bench_expect("S11", MADE OP(12, 13, 1, 2, "create path=/a/b data=w2 err=0 zxid=4 name=/a/b")
                                    OP(20, 21, 2, 1, "children path=/a err=0 zxid=5 kids=b" STAT(3, 3, 4, 0, 0, 0, 1)));
        bench_expect("S11", MADE OP(12, 13, 1, 2, "create path=/a/b data=w2 err=0 zxid=4 name=/a/b")
                                    OP(20, 21, 2, 1, "children path=/a err=0 zxid=5 kids=b" STAT(3, 3, 3, 0, 1, 0, 1)));
        bench_expect("D4", MADE OP(12, 13, 1, 2, "create path=/a/b data=w2 err=0 zxid=4 name=/a/b")
                                   OP(14, 15, 1, 3, "delete path=/a/b err=0 zxid=5")
                                           OP(20, 21, 2, 1, "children path=/a err=0 zxid=6 kids=b"));
}

#define Q(call, ret, x, zxid, name)                                                                                    \
        OP(call, ret, 1, x, "create path=/a/q- flags=s data=v" #x " err=0 zxid=" #zxid " name=/a/" name)

static void test_sequence_numbers_never_repeat(void **state)
{
        (void)state;
        bench_expect("", MADE Q(20, 21, 2, 4, "q-0000000000") Q(22, 23, 3, 5, "q-0000000001"));
        bench_expect("", MADE Q(20, 21, 2, 4, "q-0000000000") Q(22, 23, 3, 5, "q-0000000007"));
        bench_expect("S11", MADE Q(20, 21, 2, 4, "q-0000000001") Q(22, 23, 3, 5, "q-0000000000"));
        /* A plain child counts too. */
        bench_expect("S11", MADE Q(20, 21, 2, 4, "q-0000000000")
                                    OP(22, 23, 1, 3, "create path=/a/b data=w2 err=0 zxid=5 name=/a/b")
                                            Q(24, 25, 4, 6, "q-0000000001"));
}

#define EPHEMERAL OPEN OP(10, 11, 1, 1, "create path=/e data=w1 flags=e err=0 zxid=3 name=/e")

static void test_ephemerals_live_as_long_as_their_session(void **state)
{
        (void)state;
        bench_expect("", EPHEMERAL OP(30, 40, 2, 1, "exists path=/e err=-101 zxid=9"));
        /* The session was served later: it lived. */
        bench_expect("S3", EPHEMERAL OP(30, 40, 2, 1, "exists path=/e err=-101 zxid=9")
                                   OP(41, 50, 1, 2, "ping err=0 zxid=10"));
        bench_expect("S3", EPHEMERAL OP(20, 21, 1, 2, "close err=0 zxid=5")
                                   OP(30, 40, 2, 1, "exists path=/e err=0 zxid=6" STAT(3, 3, 3, 0, 0, 0x1, 0)));
        bench_expect("", EPHEMERAL OP(20, 21, 1, 2, "close err=0 zxid=5")
                                 OP(30, 40, 2, 1, "exists path=/e err=0 zxid=4" STAT(3, 3, 3, 0, 0, 0x1, 0)));
        bench_expect("D4", EPHEMERAL OP(20, 21, 1, 2, "close err=0 zxid=5")
                                   OP(30, 40, 2, 1, "children path=/ err=0 zxid=6 kids=e,zookeeper"));
        /* Deleted, and another made, both without an answer, before the session ended. */
        bench_expect("", EPHEMERAL OP(12, 13, 1, 2, "delete path=/e err=?")
                                 OP(13, 14, 2, 2, "create path=/e data=w2 err=?") OP(20, 21, 1, 3, "close err=0 zxid=6")
                                         OP(30, 40, 2, 3, "exists path=/e err=0 zxid=9" STAT(5, 5, 5, 0, 0, 0, 0)));
        bench_expect("D4",
                     EPHEMERAL OP(13, 14, 2, 2, "create path=/e data=w2 err=?") OP(20, 21, 1, 3, "close err=0 zxid=6")
                             OP(30, 40, 2, 3, "exists path=/e err=0 zxid=9" STAT(5, 5, 5, 0, 0, 0, 0)));
        /* But the deletion was not of this one. */
        bench_expect("D4",
                     EPHEMERAL OP(12, 13, 1, 2, "delete path=/e version=4 err=?")
                             OP(13, 14, 2, 2, "create path=/e data=w2 err=?") OP(20, 21, 1, 3, "close err=0 zxid=6")
                                     OP(30, 40, 2, 3, "exists path=/e err=0 zxid=9" STAT(5, 5, 5, 0, 0, 0, 0)));
        /* At the end, after it was refused as expired. */
        bench_expect("S3", EPHEMERAL "refuse call=3000000 at=3000010 k=3 c=1 s=0x1 srv=1\nfinal at=4000000 srv=1\n"
                                     "node path=/e data=w1" STAT(3, 3, 3, 0, 0, 0x1, 0) "\n");
        bench_expect("S2", EPHEMERAL "refuse call=3000000 at=3000010 k=3 c=1 s=0x1 srv=1\nfinal at=4000000 srv=1\n"
                                     "node path=/e data=w1" STAT(3, 3, 3, 0, 0, 0, 0) "\nsess s=0x1 timeout=1000\n");
}

/* What a session is told of its own. */
static void test_ephemerals_are_listed(void **state)
{
        (void)state;
#define MINE(k) OP(10, 11, k, 1, "create path=/e data=w1 flags=e err=0 zxid=3 name=/e")
#define LISTED(call, ret, x, prefix, zxid, kids)                                                                       \
        OP(call, ret, 1, x, "ephemerals path=" prefix " err=0 zxid=" #zxid " kids=" kids)
        bench_expect("", OPEN MINE(1) LISTED(20, 21, 2, "/", 4, "/e"));
        bench_expect("", OPEN MINE(1) LISTED(20, 21, 2, "/x", 4, ""));
        bench_expect("S3", OPEN MINE(1) LISTED(20, 21, 2, "/", 4, ""));
        bench_expect("", OPEN MINE(1) OP(14, 15, 2, 1, "delete path=/e err=?") LISTED(20, 21, 2, "/", 4, ""));
        bench_expect("D4",
                     OPEN MINE(1) OP(14, 15, 2, 1, "delete path=/e err=0 zxid=4") LISTED(20, 21, 2, "/", 4, "/e"));
        bench_expect("", OPEN MINE(1) OP(14, 15, 2, 1, "delete path=/e err=0 zxid=4") LISTED(20, 21, 2, "/", 4, ""));
        /* Another's. */
        bench_expect("", OPEN MINE(2) LISTED(20, 21, 2, "/", 4, ""));
        bench_expect("D4", OPEN MINE(2) LISTED(20, 21, 2, "/", 4, "/e"));
        bench_expect("", OPEN MINE(2) OP(12, 13, 1, 1, "create path=/e data=w2 flags=e err=?")
                                 LISTED(20, 21, 2, "/", 4, "/e"));
#undef MINE
#undef LISTED
}

static void test_multi_is_all_or_nothing(void **state)
{
        (void)state;
        const char *sub = "sub op=create path=/b data=w2 err=-2\nsub op=check path=/a version=9 err=-103\n";
        char text[2000];
        (void)snprintf(text, sizeof text, "%s%s%s", MADE OP(12, 13, 1, 2, "multi err=-103 zxid=4"), sub,
                       OP(20, 21, 2, 1, "get path=/b err=0 zxid=5 got=w2" STAT(4, 4, 4, 0, 0, 0, 0)));
        bench_expect("S10", text);
        /* Acknowledged, and by half. */
        bench_expect("D1", MADE OP(12, 13, 1, 2, "multi err=0 zxid=4") "sub op=create path=/b data=w2 err=0 "
                                                                       "name=/b\nsub op=create path=/c data=w3 err=0 "
                                                                       "name=/c\n" OP(20, 21, 2, 1,
                                                                                      "get path=/c err=-101 zxid=5"));
        /* Nobody knows what came of it, but one half is there. */
        bench_expect("D1",
                     MADE OP(12, 13, 1, 2,
                             "multi err=?") "sub op=create path=/b data=w2 err=?\nsub op=create path=/c data=w3 "
                                            "err=?\n" OP(20, 21, 2, 1,
                                                         "get path=/b err=0 zxid=5 got=w2" STAT(4, 4, 4, 0, 0, 0, 0))
                                                    OP(22, 23, 2, 2, "get path=/c err=-101 zxid=5"));
}

static void test_final_trees_are_equal(void **state)
{
        (void)state;
        const char *a = "node path=/a data=w1" STAT(3, 3, 3, 0, 0, 0, 0) "\n";
        char text[2000];
        (void)snprintf(text, sizeof text, "%sfinal at=90 srv=1\n%sfinal at=91 srv=2\n%s", MADE, a, a);
        bench_expect("", text);
        (void)snprintf(text, sizeof text, "%sfinal at=90 srv=1\n%sfinal at=91 srv=2\n", MADE, a);
        bench_expect("D1 D4", text);
        (void)snprintf(text, sizeof text, "%sfinal at=90 srv=1\n%sfinal at=91 srv=2\nnode path=/x%s\n%s", OPEN, a,
                       STAT(3, 3, 3, 0, 0, 0, 0), a);
        bench_expect("D4", text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_acknowledged_node_is_there),
                cmocka_unit_test(test_acknowledged_change_is_seen),
                cmocka_unit_test(test_only_what_was_written_is_read),
                cmocka_unit_test(test_unknown_outcome_happens_once),
                cmocka_unit_test(test_doubts_explain_no_more_than_they_can),
                cmocka_unit_test(test_versions_count_changes),
                cmocka_unit_test(test_node_is_not_another),
                cmocka_unit_test(test_children_are_counted),
                cmocka_unit_test(test_sequence_numbers_never_repeat),
                cmocka_unit_test(test_ephemerals_live_as_long_as_their_session),
                cmocka_unit_test(test_ephemerals_are_listed),
                cmocka_unit_test(test_multi_is_all_or_nothing),
                cmocka_unit_test(test_final_trees_are_equal),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
