/* What servers in read-only mode may say (R1, R2, R3), and what they may. */
#include "tests/sim/history/history_bench.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* Session 1 of the ensemble has made /a at 3 and changed it at 4; session 3 is that of server 3 alone. */
#define LOG                                                                                                            \
        LOG_OPEN "txn zxid=3 s=0x1 x=1 op=create path=/a data=w1\n"                                                    \
                 "txn zxid=4 s=0x1 x=2 op=set path=/a data=w2 version=1\n"
#define ALONE "open call=20 at=21 k=3 c=3 s=0x3 srv=3 timeout=1000 ro=1\n"
#define BEGUN                                                                                                          \
        OPEN OP(10, 11, 1, 1, "create path=/a data=w1 err=0 zxid=3 name=/a")                                           \
                OP(12, 13, 1, 2, "set path=/a data=w2 err=0 zxid=4") ALONE
#define FIRST  STAT(3, 3, 3, 0, 0, 0, 0)
#define SECOND STAT(3, 4, 3, 1, 0, 0, 0)

/* With the log, and without it. */
#define EXPECT_BOTH(checkers, story)                                                                                   \
        do {                                                                                                           \
                bench_expect(checkers, BEGUN story);                                                                   \
                bench_expect(checkers, BEGUN story LOG);                                                               \
        } while (0)

static void test_what_is_shown_may_be_old(void **state)
{
        (void)state;
        EXPECT_BOTH("", OP(30, 31, 3, 1, "get path=/a err=0 zxid=3 got=w1" FIRST));
        EXPECT_BOTH("", OP(30, 31, 3, 1, "get path=/a err=-101 zxid=2"));
        /* Whatever it shows is no measure for the others. */
        EXPECT_BOTH("", OP(30, 31, 3, 1, "ping err=0 zxid=0x900000001")
                                OP(40, 41, 2, 1, "get path=/a err=0 zxid=4 got=w2" SECOND));
        /* Nor is it what nobody has committed, or has yet. */
        EXPECT_BOTH("", OP(30, 31, 3, 1, "get path=/a err=0 zxid=0x900000001 got=w7" STAT(3, 9, 3, 2, 0, 0, 0)));
        /* But a state that is committed is what it is. */
        bench_expect("D4", BEGUN OP(30, 31, 3, 1, "get path=/a err=0 zxid=4 got=w1" FIRST) LOG);
        bench_expect("D4", BEGUN OP(30, 31, 3, 1, "get path=/a err=-101 zxid=4") LOG);
}

static void test_what_is_shown_stands_still(void **state)
{
        (void)state;
        EXPECT_BOTH("", OP(30, 31, 3, 1, "ping err=0 zxid=3") OP(32, 33, 3, 2, "ping err=0 zxid=3"));
        EXPECT_BOTH("R3", OP(30, 31, 3, 1, "ping err=0 zxid=3") OP(32, 33, 3, 2, "ping err=0 zxid=4"));
        EXPECT_BOTH("R3",
                    OP(30, 31, 3, 1,
                       "exists path=/a watch=1 err=0 zxid=0x900000001" FIRST) "event at=32 k=3 type=changed path=/a\n");
        EXPECT_BOTH("", "lost at=22 k=3\nresume call=23 at=24 k=4 c=3 s=0x3 srv=3 timeout=1000 seen=3 ro=1\n"
                        "op call=25 ret=26 k=4 s=0x3 x=1 op=ping err=0 zxid=3\n");
        EXPECT_BOTH("R3 S7", "lost at=22 k=3\nresume call=23 at=24 k=4 c=3 s=0x3 srv=3 timeout=1000 seen=4 ro=1\n"
                             "op call=25 ret=26 k=4 s=0x3 x=1 op=ping err=0 zxid=3\n");
}

static void test_nothing_is_written(void **state)
{
        (void)state;
        EXPECT_BOTH("", OP(30, 31, 3, 1, "create path=/b data=w3 err=-119 zxid=4")
                                OP(32, 33, 3, 2, "multi err=-119 zxid=4") "sub op=delete path=/a err=0\n" OP(
                                        34, 35, 3, 3, "sync path=/ err=-119 zxid=4"));
        bench_expect("R2", BEGUN OP(30, 31, 3, 1, "create path=/b data=w3 err=0 zxid=5 name=/b"));
        EXPECT_BOTH("R2", OP(30, 31, 3, 1, "sync path=/ err=0 zxid=4"));
        EXPECT_BOTH("R2", OP(30, 31, 3, 1, "delete path=/b err=-101 zxid=4"));
        /* It has no answer, and was done. */
        bench_expect("R1", BEGUN OP(30, 31, 3, 1, "create path=/b data=w3 err=?") LOG
                     "txn zxid=5 s=0x3 x=1 op=create path=/b data=w3\n");
        /* Refused for that where there is a leader; and where there is none, what needs none. */
        EXPECT_BOTH("R2", OP(30, 31, 2, 1, "set path=/a data=w3 err=-119 zxid=4"));
        EXPECT_BOTH("R2", OP(30, 31, 3, 1, "ping err=-119 zxid=4"));
        /* One that was never answered explains nothing. */
        bench_expect("D1",
                     BEGUN OP(30, 31, 3, 1, "delete path=/a err=?") OP(40, 41, 2, 1, "exists path=/a err=-101 zxid=5"));
}

static void test_sessions_are_one_servers(void **state)
{
        (void)state;
        /* Another calls it expired, and it ends without the log. */
        EXPECT_BOTH("", "lost at=22 k=3\nrefuse call=30 at=31 k=4 c=3 s=0x3 srv=1\n");
        EXPECT_BOTH("", OP(30, 31, 3, 1, "close err=0 zxid=4"));
        EXPECT_BOTH("R1", "lost at=22 k=3\nresume call=30 at=31 k=4 c=3 s=0x3 srv=1 timeout=1000\n");
        EXPECT_BOTH("R1", "lost at=22 k=3\nresume call=30 at=31 k=4 c=3 s=0x3 srv=1 timeout=1000 ro=1\n");
        EXPECT_BOTH("R1", "lost at=22 k=2\nresume call=30 at=31 k=4 c=2 s=0x2 srv=3 timeout=1000 ro=1\n");
        EXPECT_BOTH("R1", "final at=90 srv=1\nnode path=/a data=w2" SECOND "\nsess s=0x3 timeout=1000\n");
        bench_expect("R1", BEGUN LOG "txn zxid=5 s=0x3 x=0 op=open timeout=1000\n");
        /* One of the ensemble lives, whoever does not know it. */
        bench_expect("S4", BEGUN "lost at=22 k=2\nrefuse call=30 at=31 k=4 c=2 s=0x2 srv=3\n" LOG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_shown_may_be_old),
                cmocka_unit_test(test_what_is_shown_stands_still),
                cmocka_unit_test(test_nothing_is_written),
                cmocka_unit_test(test_sessions_are_one_servers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
