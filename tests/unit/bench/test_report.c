/* The JSON that the load generator prints: what the driver reads of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/load.h"

#include <stdlib.h>
#include <unistd.h>

static double real_at(const json_t *o, const char *name)
{
        const json_t *v = json_object_get(o, name);
        assert_true(json_is_number(v));
        return json_number_value(v);
}

/* Printed and read again, as the driver does. */
static json_t *printed(json_t *report)
{
        char *text = json_dumps(report, JSON_REAL_PRECISION(9));
        assert_non_null(text);
        json_error_t e;
        json_t *again = json_loads(text, 0, &e);
        free(text);
        json_decref(report);
        assert_non_null(again);
        return again;
}

static void test_rates_and_shares_follow_from_the_marks(void **state)
{
        (void)state;
        static struct load l;
        struct load_options o = {.workload = WORKLOAD_SET,
                                 .connections = 1,
                                 .outstanding = 1,
                                 .keys = 1,
                                 .value_bytes = 16,
                                 .servers_count = 1,
                                 .pids_count = 2,
                                 .pids = {11, 12}};
        load_init(&l, &o);
        l.from = (struct load_mark){.at_ns = 1000000000, .own_cpu_seconds = 1};
        l.to = (struct load_mark){.at_ns = 3000000000,
                                  .own_cpu_seconds = 2.9,
                                  .servers = {{.cpu_seconds = 1.5, .rss_bytes = 4096}, {.cpu_seconds = 0.5}}};
        l.measured = 10000;
        histogram_add(&l.latency, 100000);
        json_t *r = printed(report_of(&l));
        assert_string_equal(json_string_value(json_object_get(r, "workload")), "set");
        assert_true(real_at(r, "per_second") == 5000);
        assert_true(real_at(r, "servers_us_per_operation") == 200);
        const json_t *g = json_object_get(r, "generator");
        assert_float_equal(real_at(g, "part_of_a_processor"), 0.95, 1e-6);
        assert_true(json_is_true(json_object_get(g, "was_the_limit")));
        const json_t *server = json_array_get(json_object_get(r, "servers"), 0);
        assert_int_equal(json_integer_value(json_object_get(server, "pid")), 11);
        assert_int_equal(json_integer_value(json_object_get(server, "rss_bytes")), 4096);
        assert_true(real_at(json_object_get(r, "latency_us"), "p50") == 100);
        json_decref(r);
        load_done(&l);
}

static void test_nothing_measured_divides_by_nothing(void **state)
{
        (void)state;
        static struct load l;
        struct load_options o = {.workload = WORKLOAD_READ,
                                 .connections = 1,
                                 .outstanding = 1,
                                 .keys = 1,
                                 .value_bytes = 16,
                                 .servers_count = 1};
        load_init(&l, &o);
        json_t *r = printed(report_of(&l));
        assert_true(real_at(r, "per_second") == 0);
        assert_true(real_at(r, "servers_us_per_operation") == 0);
        assert_true(real_at(json_object_get(r, "latency_us"), "p99.9") == 0);
        json_decref(r);
        load_done(&l);
}

/* This process is the server: it has used some memory, and time does not go back. */
static void test_a_mark_reads_proc(void **state)
{
        (void)state;
        static struct load l;
        struct load_options o = {.workload = WORKLOAD_READ,
                                 .connections = 1,
                                 .outstanding = 1,
                                 .keys = 1,
                                 .value_bytes = 16,
                                 .servers_count = 1,
                                 .pids_count = 1,
                                 .pids = {(int32_t)getpid()}};
        load_init(&l, &o);
        load_mark(&l, &l.from);
        for (uint64_t began = now_ns(); now_ns() - began < 100000000;)
                continue;
        load_mark(&l, &l.to);
        assert_true(l.to.servers[0].rss_bytes > 100000);
        double used = l.to.servers[0].cpu_seconds - l.from.servers[0].cpu_seconds;
        double own = l.to.own_cpu_seconds - l.from.own_cpu_seconds;
        assert_true(own > 0 && used >= own - 0.05 && used <= own + 0.05);
        load_done(&l);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rates_and_shares_follow_from_the_marks),
                cmocka_unit_test(test_nothing_measured_divides_by_nothing),
                cmocka_unit_test(test_a_mark_reads_proc),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
