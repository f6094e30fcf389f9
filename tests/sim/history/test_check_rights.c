/* Who may do what (A1): illegal histories, and legal ones that are nearly illegal. */
#include "tests/sim/history/history_bench.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* /p is for ann, /p/k and /q for all; ann asks first, with zxids from 10 on. */
#define LOG                                                                                                            \
        LOG_OPEN "txn zxid=3 x=0 op=create path=/p data=w1 acl=digest:ann:h1:31\n"                                     \
                 "txn zxid=4 x=0 op=create path=/p/k data=w2 acl=world:anyone:31\n"                                    \
                 "txn zxid=5 x=0 op=create path=/q data=w3 acl=world:anyone:1|digest:bob:h2:4\n"
#define ANN    " who=digest:bob:h2|digest:ann:h1"
#define BOB    " who=digest:bob:h2"
#define NOBODY " who="
#define P_STAT STAT(3, 3, 4, 0, 1, 0, 1)

static void test_reads(void **state)
{
        (void)state;
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "get path=/p err=0 zxid=5 got=w1" P_STAT NOBODY) LOG);
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "children path=/p err=0 zxid=5 kids=k" BOB) LOG);
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "exists path=/p err=-102 zxid=5" ANN) LOG);
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "get path=/p err=-102 zxid=5 who=super:") LOG);
        bench_expect("", OPEN OP(10, 20, 1, 1, "get path=/p err=0 zxid=5 got=w1" P_STAT ANN) LOG);
        bench_expect("", OPEN OP(10, 20, 1, 1, "get path=/p err=0 zxid=5 got=w1" P_STAT " who=super:") LOG);
        bench_expect("", OPEN OP(10, 20, 1, 1, "get path=/p err=-102 zxid=5" BOB) LOG);
        bench_expect("", OPEN OP(10, 20, 1, 1, "get path=/p err=0 zxid=5 got=w1" P_STAT) LOG); /* nobody knows who */
        bench_expect("", OPEN OP(10, 20, 1, 1, "exists path=/none err=-101 zxid=5" NOBODY) LOG);
}

/* What one who may not administer is shown of a list. */
static void test_lists(void **state)
{
        (void)state;
#define Q_STAT STAT(5, 5, 5, 0, 0, 0, 0)
        bench_expect("", OPEN OP(10, 20, 1, 1,
                                 "getacl path=/q err=0 zxid=5 acl=world:anyone:1|digest:bob:x:4" Q_STAT BOB) LOG);
        bench_expect("D4",
                     OPEN OP(10, 20, 1, 1,
                             "getacl path=/q err=0 zxid=5 acl=world:anyone:1|digest:bob:h2:4" Q_STAT " who=super:") LOG
                     "txn zxid=6 x=0 op=setacl path=/q acl=world:anyone:31 version=1\n" OP(
                             30, 40, 1, 2, "getacl path=/q err=0 zxid=6 acl=world:anyone:1" Q_STAT NOBODY));
        bench_expect("", OPEN OP(10, 20, 1, 1,
                                 "getacl path=/q err=0 zxid=5 acl=world:anyone:1|digest:bob:h2:4" Q_STAT " who=super:")
                                 LOG);
}

/* The list before the write decides; of the parent, where a node is made or removed. */
static void test_writes(void **state)
{
        (void)state;
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "delete path=/p/k err=0 zxid=6" NOBODY) LOG
                     "txn zxid=6 s=0x1 x=1 op=delete path=/p/k\n");
        bench_expect("", OPEN OP(10, 20, 1, 1, "delete path=/p/k err=0 zxid=6" ANN) LOG
                     "txn zxid=6 s=0x1 x=1 op=delete path=/p/k\n");
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "create path=/q/n data=w9 err=-102 zxid=6" BOB) LOG
                     "txn zxid=6 s=0x1 x=1 op=error err=-102\n");
        bench_expect("", OPEN OP(10, 20, 1, 1, "create path=/q/n data=w9 err=-102 zxid=6" NOBODY) LOG
                     "txn zxid=6 s=0x1 x=1 op=error err=-102\n");
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "setacl path=/q acl=world:anyone:31 err=0 zxid=6" BOB) LOG
                     "txn zxid=6 s=0x1 x=1 op=setacl path=/q acl=world:anyone:31 version=1\n");
        /* never answered, and done */
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "set path=/p data=w9 err=?" BOB) LOG
                     "txn zxid=6 s=0x1 x=1 op=set path=/p data=w9 version=1\n");
}

static void test_multis(void **state)
{
        (void)state;
        bench_expect(
                "A1",
                OPEN OP(10, 20, 1, 1,
                        "multi err=0 zxid=6" NOBODY) "sub op=check path=/p/k err=0\n"
                                                     "sub op=set path=/p data=w9 err=0\n" LOG
                                                     "txn zxid=6 s=0x1 x=1 op=multi\nsub op=check path=/p/k version=1\n"
                                                     "sub op=set path=/p data=w9 version=1\n");
        bench_expect("A1",
                     OPEN OP(10, 20, 1, 1,
                             "multi err=-102 zxid=6" ANN) "sub op=check path=/p err=-102\n" LOG
                                                          "txn zxid=6 s=0x1 x=1 op=multi\nsub op=error err=-102\n");
        /* a node that the multi itself has made */
        bench_expect("", OPEN OP(10, 20, 1, 1,
                                 "multi err=0 zxid=6" ANN) "sub op=create path=/p/m data=w8 acl=digest:eve:h:31 err=0 "
                                                           "name=/p/m\nsub op=delete path=/p/m err=0\n" LOG
                                                           "txn zxid=6 s=0x1 x=1 op=multi\nsub op=create path=/p/m "
                                                           "data=w8 acl=digest:eve:h:31\n"
                                                           "sub op=delete path=/p/m\n");
}

/* Those who had authenticated when it was asked, each once. */
static void test_identities(void **state)
{
        (void)state;
#define NAMED(got, who) OPEN OP(10, 20, 1, 1, "who" who " err=0 zxid=2 got=" got)
        bench_expect("", NAMED("digest:ann|digest:bob", ANN));
        bench_expect("", NAMED("", NOBODY));
        bench_expect("", NAMED("super:|digest:super", " who=digest:super:h3|super:"));
        bench_expect("", NAMED("digest:ann", "")); /* nobody knows who */
        bench_expect("A1", NAMED("digest:bob", ANN));
        bench_expect("A1", NAMED("digest:bob|digest:ann", BOB));
        bench_expect("A1", NAMED("digest:bob|digest:bob", BOB));
        bench_expect("A1", NAMED("digest:bob:h2", BOB));
        bench_expect("A1", NAMED("digest:bob", NOBODY));
#undef NAMED
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "descendants path=/p err=0 zxid=5 count=1" BOB) LOG);
        bench_expect("A1", OPEN OP(10, 20, 1, 1, "descendants path=/p err=-102 zxid=5" ANN) LOG);
        bench_expect("", OPEN OP(10, 20, 1, 1, "descendants path=/p err=0 zxid=5 count=1" ANN) LOG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads),  cmocka_unit_test(test_lists),      cmocka_unit_test(test_writes),
                cmocka_unit_test(test_multis), cmocka_unit_test(test_identities),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
