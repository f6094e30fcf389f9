/* Histories as text: what is read is written the same, and what can't be read is refused with its line. */
#include "tests/sim/history/history.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char whole[] =
        "open call=1000 at=1450 k=1 c=1 s=0x100000a0001 srv=1 timeout=4000\n"
        "op call=1500 ret=2100 k=1 s=0x100000a0001 x=1 op=create path=/a%20b data=w%251 acl=x%3dy flags=es err=0 "
        "zxid=0x100000002 name=/a%20b0000000000\n"
        "op call=2200 ret=2300 k=1 s=0x100000a0001 x=2 op=get path=/a watch=1 err=0 zxid=0x100000002 got= "
        "stat=c:0x1,m:0x2,p:0x3,v:4,cv:5,av:6,o:0x7,len:8,kids:9\n"
        "event at=2900 k=1 type=children path=/a\n"
        "op call=2400 ret=3000 k=1 s=0x100000a0001 x=3 op=multi err=-103 zxid=0x100000003\n"
        "sub op=set path=/a data=w2 version=7 err=-103\n"
        "sub op=delete path=/b err=-2\n"
        "op call=3100 ret=9000 k=1 s=0x100000a0001 x=4 op=children path=/ err=?\n"
        "op call=3100 ret=9000 k=1 s=0x100000a0001 x=5 op=children path=/ err=0 zxid=0x5 kids=a,b%2cc\n"
        "op call=3100 ret=9000 k=1 s=0x100000a0001 x=6 op=children path=/a err=0 zxid=0x5 kids=\n"
        "lost at=9000 k=1\n"
        "resume call=9100 at=9200 k=2 c=1 s=0x100000a0001 srv=2 seen=0x5 timeout=4000\n"
        "op call=9200 ret=9300 k=2 s=0x100000a0001 x=-8 op=setwatches rel=0x5 dw=/a,/b ew= cw=/c err=0 zxid=0x6\n"
        "op call=9300 ret=9310 k=2 s=0x100000a0001 x=7 op=setwatches rel=0x5 dw= ew= cw= pw=/a,/b rw=/ err=0 zxid=0x6\n"
        "op call=9300 ret=9310 k=2 s=0x100000a0001 x=8 op=addwatch path=/a mode=persistent err=0 zxid=0x6\n"
        "op call=9300 ret=9310 k=2 s=0x100000a0001 x=9 op=addwatch path=/ mode=recursive err=?\n"
        "event at=9320 k=2 c=1 type=changed path=/a zxid=0x7\n"
        "op call=9320 ret=9330 k=2 s=0x100000a0001 x=10 op=removewatches path=/a mode=any err=-121 zxid=0x7\n"
        "op call=9330 ret=9331 k=2 s=0x100000a0001 x=11 op=checkwatches path=/a mode=data err=0 zxid=0x7\n"
        "op call=9331 ret=9332 k=2 s=0x100000a0001 x=12 op=descendants path=/ err=0 zxid=0x7 count=12\n"
        "op call=9332 ret=9333 k=2 s=0x100000a0001 x=13 op=descendants path=/q err=-101 zxid=0x7\n"
        "op call=9333 ret=9334 k=2 s=0x100000a0001 x=14 op=ephemerals path=/e err=0 zxid=0x7 kids=/e0/a,/e1\n"
        "op call=9334 ret=9335 k=2 s=0x100000a0001 x=15 op=who who=digest:ann:h err=0 zxid=0x7 got=digest:ann\n"
        "refuse call=9400 at=9500 k=3 c=1 s=0x100000a0001 srv=3 wrong=1\n"
        "open call=9500 at=9600 k=4 c=1 s=0x300000a0001 srv=3 timeout=4000 ro=1\n"
        "final at=20000 srv=1 zxid=0x9\n"
        "node path=/a data=w2 stat=c:0x1,m:0x2,p:0x3,v:4,cv:5,av:6,o:0xffffffffffffffff,len:8,kids:9\n"
        "sess s=0x100000a0001 timeout=4000\n"
        "txn zxid=0x1 s=0x100000a0001 x=0 op=open timeout=4000\n"
        "txn zxid=0x2 s=0x100000a0001 x=1 op=create path=/a data=w1 flags=e pcv=1\n"
        "txn zxid=0x3 s=0x100000a0001 x=2 op=error err=-101\n";

static int read_text(struct history *h, const char *text, char *why, size_t size)
{
        FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
        assert_non_null(from);
        int r = history_read(h, from, why, size);
        (void)fclose(from);
        return r;
}

static void test_what_is_read_is_written_the_same(void **state)
{
        (void)state;
        char why[200] = "", *text = NULL;
        size_t size = 0;
        struct history *h = history_new();
        int r = read_text(h, whole, why, sizeof why);
        assert_string_equal(why, "");
        assert_int_equal(r, 0);
        FILE *to = open_memstream(&text, &size);
        assert_non_null(to);
        history_write(h, to);
        (void)fclose(to);
        assert_string_equal(text, whole);
        free(text);
        history_free(h);
}

static void test_strings_have_one_number_each(void **state)
{
        (void)state;
        struct history *h = history_new();
        text_id a = history_cstr(h, "/a"), b = history_cstr(h, "/b");
        assert_int_not_equal(a, b);
        assert_int_not_equal(a, TEXT_ABSENT);
        for (int i = 0; i < 5000; i++) {
                char text[32];
                (void)snprintf(text, sizeof text, "/n%d", i);
                (void)history_cstr(h, text);
        }
        assert_int_equal(history_cstr(h, "/a"), a);
        assert_string_equal(history_string(h, b), "/b");
        assert_null(history_string(h, TEXT_ABSENT));
        assert_string_equal(history_string(h, history_text(h, "", 0)), "");
        history_free(h);
}

static void test_long_data_is_shortened_and_stays_different(void **state)
{
        (void)state;
        static uint8_t data[100000];
        struct history *h = history_new();
        (void)snprintf((char *)data, sizeof data, "w17");
        text_id one = history_data(h, data, sizeof data), again = history_data(h, data, sizeof data);
        data[sizeof data - 1] = 1;
        text_id other = history_data(h, data, sizeof data), shorter = history_data(h, data, sizeof data - 1);
        assert_int_equal(one, again);
        assert_int_not_equal(one, other);
        assert_int_not_equal(one, shorter);
        assert_memory_equal(history_string(h, one), "w17~100000~", 11);
        history_free(h);
}

#define OPENED "open call=1 at=2 k=1 c=1 s=0x1 srv=1 timeout=1000\n"
#define ASKED  "op call=3 ret=4 k=1 s=0x1 x=1 op="

static const struct refusal {
        const char *text, *why;
} refusals[] = {
        /* words and fields */
        {"nothing k=1\n", "line 1: an unknown word"},
        {" lost at=1 k=1\n", "line 1: an unknown word"},
        {"\n# all is well\nlost at=1\n", "line 3: k: it is missing"},
        {"lost at=1 k=1 colour=red\n", "line 1: colour: an unknown key"},
        {"lost at=1 k\n", "line 1: a field without ="},
        {"lost at=1  k=1\n", "line 1: more than one space, or one at the end"},
        {"lost at=1 k=1 \n", "line 1: more than one space, or one at the end"},
        {"lost at=1 k=1 at=1\n", "line 1: at: said twice"},
        {"lost at=1 k=1 path=/\n", "line 1: path: it does not belong there"},
        {"lost at=1 ret=1 k=1\n", "line 1: ret: it does not belong there"},
        {"lost at=1 k=1", "line 1: the last line has no end: it may have been cut"},
        /* numbers */
        {"lost at=x k=1\n", "line 1: at: not a number"},
        {"lost at=01 k=1\n", "line 1: at: not a number"},
        {"lost at=0x01 k=1\n", "line 1: at: not a number"},
        {"lost at=0x0x1 k=1\n", "line 1: at: not a number"},
        {"lost at=\t1 k=1\n", "line 1: at: not a number"},
        {"lost at=+1 k=1\n", "line 1: at: not a number"},
        {"lost at=-1 k=1\n", "line 1: at: not a number"},
        {"lost at=1. k=1\n", "line 1: at: not a number"},
        {"lost at= k=1\n", "line 1: at: not a number"},
        {"lost at=0x k=1\n", "line 1: at: not a number"},
        {"lost at=18446744073709551616 k=1\n", "line 1: at: a number out of its range"},
        {"lost at=0x10000000000000000 k=1\n", "line 1: at: a number out of its range"},
        {"lost at=1 k=0\n", "line 1: k: a number out of its range"},
        {OPENED "op call=3 ret=4 k=1 s=0x1 x=99999999999 op=ping err=0\n", "line 2: x: a number out of its range"},
        {OPENED "op call=3 ret=4 k=1 s=0x1 x=-0 op=ping err=0\n", "line 2: x: a number out of its range"},
        {OPENED ASKED "ping err=1\n", "line 2: err: an error is negative"},
        {OPENED ASKED "get path=/ watch=2 err=-101\n", "line 2: watch: a number out of its range"},
        /* texts, lists, stats, flags */
        {OPENED ASKED "get path=%2 err=-101\n", "line 2: path: a path begins with /"},
        {OPENED ASKED "get path=/%2 err=-101\n", "line 2: path: % without two hexadecimal digits"},
        {OPENED ASKED "set path=/ data=a,b err=-101\n", "line 2: data: a byte that has to be written as %XX"},
        {OPENED ASKED "set path=/ data=a=b err=-101\n", "line 2: data: a byte that has to be written as %XX"},
        {OPENED ASKED "set path=/ data=a\x7f err=-101\n", "line 2: data: a byte that has to be written as %XX"},
        {OPENED ASKED "children path=/ err=0 kids=a,\n", "line 2: kids: an empty name"},
        {OPENED ASKED "children path=/ err=0 kids=,a\n", "line 2: kids: an empty name"},
        {OPENED ASKED "exists path=/ err=0 stat=c:1\n", "line 2: stat: a stat that is not whole"},
        {OPENED ASKED "exists path=/ err=0 stat=c:1,c:1\n", "line 2: stat: a stat that can't be read"},
        {OPENED ASKED "exists path=/ err=0 stat=c:1,m:2,p:3,v:4,cv:5,av:6,o:7,len:8,kids:9,\n",
         "line 2: stat: a stat that can't be read"},
        {OPENED ASKED "exists path=/ err=0 stat=c:1,m:2,p:3,v:9999999999,cv:5,av:6,o:7,len:8,kids:9\n",
         "line 2: stat: a number out of its range"},
        {OPENED ASKED "create path=/a flags=se err=-101 name=/a\n", "line 2: name: it does not belong there"},
        {OPENED ASKED "create path=/a flags=ee err=-101\n", "line 2: flags: a flag twice"},
        {OPENED ASKED "create path=/a flags= err=-101\n", "line 2: flags: no flag is left out"},
        {OPENED ASKED "create path=/a flags=x err=-101\n", "line 2: flags: an unknown flag"},
        /* operations */
        {OPENED ASKED "get err=-101\n", "line 2: path: it is missing"},
        {OPENED ASKED "ping\n", "line 2: err: it is missing"},
        {OPENED ASKED "ping err=0 path=/\n", "line 2: path: it does not belong there"},
        {OPENED ASKED "create path=/a data=w err=0\n", "line 2: name: it is missing"},
        {OPENED ASKED "get path=/a err=-101 got=w\n", "line 2: got: it does not belong there"},
        {OPENED ASKED "check path=/a err=0\n", "line 2: that operation can't stand here"},
        {OPENED ASKED "open timeout=1 err=0\n", "line 2: that operation can't stand here"},
        {OPENED "op call=2 ret=1 k=1 s=0x1 x=1 op=ping err=0\n", "line 2: an answer before the question"},
        {"open call=3 at=2 k=1 c=1 s=0x1 srv=1 timeout=1000\n", "line 1: an answer before the question"},
        {"txn zxid=1 s=1 x=1 op=fly path=/a\n", "line 1: op: an unknown operation"},
        {"txn zxid=1 s=1 x=1 op=none\n", "line 1: op: an unknown operation"},
        {"txn zxid=1 s=1 x=1 op=get path=/a\n", "line 1: that operation can't stand here"},
        {"txn zxid=1 s=1 x=1 op=set path=/a data=w\n", "line 1: version: it is missing"},
        {"txn s=1 x=1 op=close\n", "line 1: zxid: it is missing"},
        /* multis */
        {"sub op=delete path=/a\n", "line 1: a sub without its multi"},
        {OPENED ASKED "ping err=0\nsub op=delete path=/a err=0\n", "line 3: a sub without its multi"},
        {OPENED ASKED "multi err=0\nsub op=delete path=/a\n", "line 3: err: it is missing"},
        {OPENED ASKED "multi err=0\nsub op=delete path=/a err=-101\n",
         "line 3: a part that failed of a multi that was done"},
        {OPENED ASKED "multi err=?\nsub op=delete path=/a err=-101\n", "line 3: answered and not answered"},
        {OPENED ASKED "multi err=-101\nsub op=delete path=/a err=?\n", "line 3: answered and not answered"},
        {OPENED ASKED "multi err=0\nsub op=ping err=0\n", "line 3: that operation can't stand here"},
        /* what a line has to do with those above */
        {ASKED "ping err=0\n", "line 1: k: no such connection is open"},
        {OPENED "lost at=9 k=1\n" ASKED "ping err=0\n", "line 3: k: no such connection is open"},
        {OPENED "lost at=9 k=1\nlost at=9 k=1\n", "line 3: k: it was lost before"},
        {OPENED OPENED, "line 2: k: a connection of this number was there before"},
        {"refuse call=1 at=2 k=1 c=1 s=0x1 srv=1\n" OPENED, "line 2: k: a connection of this number was there before"},
        {OPENED "op call=3 ret=4 k=1 s=0x2 x=1 op=ping err=0\n",
         "line 2: k: that is not the session of the connection"},
        {"event at=1 k=7 type=created path=/a\n", "line 1: k: no such connection is open"},
        {"sess s=0x1 timeout=1\n", "line 1: it belongs to no final tree"},
};

static void test_what_can_not_be_read_is_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
                char why[200] = "";
                struct history *h = history_new();
                int r = read_text(h, refusals[i].text, why, sizeof why);
                if (r != -EINVAL || strcmp(why, refusals[i].why) != 0)
                        fail_msg("expected \"%s\", got %d \"%s\" of\n%s", refusals[i].why, r, why, refusals[i].text);
                history_free(h);
        }
}

/* A directory can be opened, and its first read fails: that is no empty history, in which nothing is wrong. */
static void test_failing_read_is_no_end(void **state)
{
        (void)state;
        char why[200] = "";
        struct history *h = history_new();
        FILE *from = fopen("/", "r");
        assert_non_null(from);
        assert_int_equal(history_read(h, from, why, sizeof why), -EIO);
        assert_string_equal(why, "behind line 0 it can't be read");
        (void)fclose(from);
        history_free(h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_read_is_written_the_same),
                cmocka_unit_test(test_strings_have_one_number_each),
                cmocka_unit_test(test_long_data_is_shortened_and_stays_different),
                cmocka_unit_test(test_what_can_not_be_read_is_refused),
                cmocka_unit_test(test_failing_read_is_no_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
