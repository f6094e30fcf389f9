/* baton-bench-load: load on ZooKeeper servers of any make, and what they made of it, as JSON. */
#include "tests/bench/load.h"

#include "tests/bench/fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* A descriptor for each connection, as far as the system lets us. */
static void raise_descriptors(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files); /* if not, the connection that finds none says so */
        }
}

int main(int argc, char **argv)
{
        static struct load l;
        struct load_options o;
        char why[256];
        if (argc == 1 || strcmp(argv[1], "--help") == 0) {
                (void)fputs(load_usage(), argc == 1 ? stderr : stdout);
                return argc == 1 ? 2 : 0;
        }
        if (load_options_parse(argc, argv, &o, why, sizeof why) < 0) {
                (void)fprintf(stderr, "baton-bench-load: %s\n", why);
                return 2;
        }
        static void (*const run[WORKLOAD_MAX])(struct load *) = {
                [WORKLOAD_SET] = requests_run,  [WORKLOAD_CREATE] = requests_run, [WORKLOAD_SEQ] = requests_run,
                [WORKLOAD_READ] = requests_run, [WORKLOAD_MIXED] = requests_run,  [WORKLOAD_CHURN] = churn_run,
                [WORKLOAD_STORM] = storm_run,   [WORKLOAD_FANOUT] = fanout_run,   [WORKLOAD_SESSIONS] = hold_run,
                [WORKLOAD_WATCHES] = hold_run,  [WORKLOAD_EXPIRY] = expiry_run,
        };
        raise_descriptors();
        load_init(&l, &o);
        run[o.workload](&l);
        json_t *report = report_of(&l);
        int r = json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        if (r < 0 || fputc('\n', stdout) == EOF || fflush(stdout) != 0)
                bench_fail("standard output: %s", strerror(errno));
        json_decref(report);
        load_done(&l);
        return 0;
}
