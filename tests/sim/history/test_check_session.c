/* Illegal histories of sessions, and legal ones that are nearly illegal (safety S1, S2, S4 to S9, Z7, Z9, Z10). */
#include "tests/sim/history/history_bench.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define A(zxid) "create path=/a data=w1 err=0 zxid=" #zxid " name=/a"

static void test_nothing_is_legal(void **state)
{
        (void)state;
        bench_expect("", "\n");
        bench_expect("", OPEN);
}

static void test_session_id_is_given_once(void **state)
{
        (void)state;
        bench_expect("S1", OPEN_1 "open call=50 at=60 k=3 c=3 s=0x1 srv=2 timeout=1000\n");
        bench_expect("", OPEN_1 "resume call=50 at=60 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=0\n");
}

static void test_closed_session_is_not_served(void **state)
{
        (void)state;
        bench_expect("S2",
                     OPEN_1 OP(10, 20, 1, 1,
                               "close err=0 zxid=5") "resume call=30 at=40 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=5\n");
        bench_expect("S2", OPEN_1 "resume call=3 at=4 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=0\n" OP(
                                   10, 20, 1, 2, "close err=0 zxid=5") "op call=9 ret=30 k=3 s=0x1 x=1 op=" A(6) "\n");
        /* Another connection of the session was opened before it knew. */
        bench_expect("", OPEN_1 "resume call=8 at=9 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=0\n" OP(
                                 10, 20, 1, 2, "close err=0 zxid=5"));
}

static void test_refused_session_is_not_served(void **state)
{
        (void)state;
        bench_expect("S2", OPEN_1 "refuse call=2000000 at=2000010 k=3 c=1 s=0x1 srv=1\n"
                                  "resume call=2000020 at=2000030 k=4 c=1 s=0x1 srv=2 timeout=1000 seen=0\n");
        bench_expect("", OPEN_1 "refuse call=20 at=30 k=3 c=1 s=0x1 srv=1 wrong=1\n"
                                "resume call=40 at=50 k=4 c=1 s=0x1 srv=2 timeout=1000 seen=0\n");
}

/* By an answer, as by a refused connection. */
static void test_session_that_was_called_expired_is_not_served(void **state)
{
        (void)state;
        bench_expect("S2", OPEN_1 OP(2000000, 2000010, 1, 1, "sync path=/ err=-112") OP(2000020, 2000030, 1, 2, A(5)));
        bench_expect("S2", OPEN_1 OP(2000000, 2000010, 1, 1, "sync path=/ err=-112") "final at=3000000 srv=1 zxid=5\n"
                                                                                     "sess s=0x1 timeout=1000\n");
        bench_expect("", OPEN_1 OP(2000000, 2000010, 1, 1, "sync path=/ err=-112"));
        /* and not for nothing */
        bench_expect("S4", OPEN_1 OP(400000, 410000, 1, 1, A(5)) OP(900000, 900010, 1, 2, "sync path=/ err=-112"));
}

static void test_session_is_called_moved_where_it_has_another_connection(void **state)
{
        (void)state;
        bench_expect("S6", OPEN OP(10, 20, 1, 1, "delete path=/a err=-118 zxid=5"));
        /* Another one that comes later is no reason; */
        bench_expect("S6",
                     OPEN_1 OP(10, 20, 1, 1, "delete path=/a err=-118 zxid=5") "resume call=21 at=22 k=3 c=1 s=0x1 "
                                                                               "srv=2 timeout=1000 seen=0\n");
        /* one that was asked for is, before its answer has come. */
        bench_expect("", OPEN_1 "resume call=15 at=22 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=0\n" OP(
                                 10, 20, 1, 1, "delete path=/a err=-118 zxid=5"));
}

static void test_session_does_not_expire_early(void **state)
{
        (void)state;
        bench_expect("S4", OPEN_1 OP(400000, 410000, 1, 1, A(5)) "refuse call=900000 at=900010 k=3 c=1 s=0x1 srv=1\n");
        bench_expect("", OPEN_1 OP(400000, 410000, 1, 1, A(5)) "refuse call=1390000 at=1400010 k=3 c=1 s=0x1 srv=1\n");
        /* It had asked for its end, whatever came of that. */
        bench_expect("", OPEN_1 OP(400000, 410000, 1, 1, A(5))
                                 OP(420000, 430000, 1, 2,
                                    "close err=?") "refuse call=500000 at=500010 k=3 c=1 s=0x1 srv=1\n");
}

static void test_wrong_password_resumes_nothing(void **state)
{
        (void)state;
        bench_expect("S6", OPEN_1 "resume call=40 at=50 k=4 c=1 s=0x1 srv=2 timeout=1000 seen=0 wrong=1\n");
}

static void test_answers_come_in_the_order_of_requests(void **state)
{
        (void)state;
        bench_expect("S5", OPEN_1 OP(10, 20, 1, 2, "ping err=0 zxid=3") OP(9, 21, 1, 1, "ping err=0 zxid=3"));
        bench_expect("S5", OPEN_1 OP(10, 20, 1, 1, "ping err=0 zxid=3") OP(10, 21, 1, 2, A(3)));
        bench_expect("", OPEN_1 OP(10, 20, 1, 1, "ping err=0 zxid=3") OP(10, 21, 1, 2, A(4)));
}

static void test_session_is_shown_no_older_state(void **state)
{
        (void)state;
        bench_expect("S7", OPEN_1 OP(10, 20, 1, 1, "exists path=/a err=-101 zxid=7")
                                   OP(10, 21, 1, 2, "exists path=/a err=-101 zxid=6"));
        /* Over connections too: the client says what it has seen. */
        bench_expect("S7",
                     OPEN_1 OP(10, 20, 1, 1,
                               "ping err=0 zxid=7") "resume call=30 at=40 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=7\n"
                                                    "op call=41 ret=50 k=3 s=0x1 x=2 op=ping err=0 zxid=6\n");
        bench_expect("S7", OPEN_1 OP(10, 20, 1, 1,
                                     "ping err=0 zxid=7") "resume call=30 at=40 k=3 c=1 s=0x1 srv=2 timeout=1000\n"
                                                          "op call=41 ret=50 k=3 s=0x1 x=2 op=ping err=0 zxid=6\n");
        /* Another session may be shown it, */
        bench_expect("", OPEN OP(10, 20, 1, 1, "ping err=0 zxid=7") OP(30, 40, 2, 1, "ping err=0 zxid=6"));
        /* and an answer on the connection that was left may come late. */
        bench_expect("",
                     OPEN_1 "resume call=3 at=4 k=3 c=1 s=0x1 srv=2 timeout=1000 seen=0\n"
                            "op call=5 ret=6 k=3 s=0x1 x=2 op=ping err=0 zxid=7\n" OP(2, 9, 1, 1, "ping err=0 zxid=6"));
}

static void test_session_reads_what_it_wrote(void **state)
{
        (void)state;
        bench_expect("S8", OPEN_1 OP(10, 20, 1, 1, A(7)) OP(21, 30, 1, 2, "ping err=0 zxid=6"));
}

static void test_sync_shows_what_was_acknowledged_before(void **state)
{
        (void)state;
        bench_expect("S9", OPEN OP(10, 20, 1, 1, A(7)) OP(30, 40, 2, 1, "sync path=/ err=0 zxid=6"));
        bench_expect("S9", OPEN OP(10, 20, 1, 1, A(7)) OP(30, 40, 2, 1, "sync path=/ err=0")
                                   OP(30, 41, 2, 2, "exists path=/b err=-101 zxid=6"));
        /* Not what was acknowledged while the sync was under way. */
        bench_expect("", OPEN OP(10, 31, 1, 1, A(7)) OP(30, 40, 2, 1, "sync path=/ err=0 zxid=6"));
        /* Without a sync a read may be old. */
        bench_expect("", OPEN OP(10, 20, 1, 1, A(7)) OP(30, 40, 2, 1, "exists path=/a err=-101 zxid=6"));
        /* A sync that failed promises nothing. */
        bench_expect("", OPEN OP(10, 20, 1, 1, A(7)) OP(30, 40, 2, 1, "sync path=/ err=-127")
                                 OP(30, 41, 2, 2, "exists path=/a err=-101 zxid=6"));
}

static void test_writes_follow_real_time(void **state)
{
        (void)state;
        bench_expect("Z7", OPEN OP(10, 20, 1, 1, A(7)) OP(30, 40, 2, 1, "create path=/b data=w2 err=0 zxid=6 name=/b"));
        bench_expect("Z9", OPEN OP(10, 20, 1, 1, A(0x200000001))
                                   OP(30, 40, 2, 1, "create path=/b data=w2 err=0 zxid=0x100000006 name=/b"));
        bench_expect("", OPEN OP(10, 30, 1, 1, A(7)) OP(30, 40, 2, 1, "create path=/b data=w2 err=0 zxid=6 name=/b"));
}

static void test_one_zxid_is_one_write(void **state)
{
        (void)state;
        bench_expect("Z10",
                     OPEN OP(10, 20, 1, 1, A(7)) OP(10, 20, 2, 1, "create path=/b data=w2 err=0 zxid=7 name=/b"));
}

/* The write was asked for after something later had been read: an unknown outcome that a read reveals counts too. */
static void test_revealed_write_follows_real_time(void **state)
{
        (void)state;
        bench_expect("Z7", OPEN OP(5, 6, 1, 1, "create path=/a data=w1 err=0 zxid=4 name=/a") OP(10, 20, 2, 1,
                                                                                                 "ping err=0 zxid=9")
                                   OP(30, 40, 1, 2, "set path=/a data=w2 err=?") "lost at=40 k=1\n" OP(
                                           50, 60, 2, 2, "get path=/a err=0 zxid=12 got=w2" STAT(4, 8, 4, 1, 0, 0, 0)));
}

/* Of what changes nothing: an error that its kind of request can't have. */
static void test_nothing_is_refused_for_a_reason_that_there_is_not(void **state)
{
        (void)state;
#define REFUSED(what, err) OPEN OP(10, 20, 1, 1, what " err=" #err)
        bench_expect("S5", REFUSED("who", -6));
        bench_expect("S5", REFUSED("ephemerals path=/", -101));
        bench_expect("S5", REFUSED("descendants path=/a", -103));
        bench_expect("S5", REFUSED("get path=/a", -8));
        bench_expect("S5", REFUSED("checkwatches path=/a mode=any", -101));
        bench_expect("S5", REFUSED("sync path=/", -101));
        bench_expect("", REFUSED("checkwatches path=/a mode=any", -121));
        bench_expect("", REFUSED("removewatches path=/a mode=any", -121));
        bench_expect("", REFUSED("ephemerals path=/", -127));
        bench_expect("", REFUSED("get path=/a", -102));
        bench_expect("", REFUSED("descendants path=/a", -101));
#undef REFUSED
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_legal),
                cmocka_unit_test(test_session_id_is_given_once),
                cmocka_unit_test(test_closed_session_is_not_served),
                cmocka_unit_test(test_refused_session_is_not_served),
                cmocka_unit_test(test_session_that_was_called_expired_is_not_served),
                cmocka_unit_test(test_nothing_is_refused_for_a_reason_that_there_is_not),
                cmocka_unit_test(test_session_is_called_moved_where_it_has_another_connection),
                cmocka_unit_test(test_session_does_not_expire_early),
                cmocka_unit_test(test_wrong_password_resumes_nothing),
                cmocka_unit_test(test_answers_come_in_the_order_of_requests),
                cmocka_unit_test(test_session_is_shown_no_older_state),
                cmocka_unit_test(test_session_reads_what_it_wrote),
                cmocka_unit_test(test_sync_shows_what_was_acknowledged_before),
                cmocka_unit_test(test_writes_follow_real_time),
                cmocka_unit_test(test_one_zxid_is_one_write),
                cmocka_unit_test(test_revealed_write_follows_real_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
