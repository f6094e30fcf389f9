/* What was measured, as JSON, and where it is read: /proc for the servers, getrusage() for the generator itself. */
#include "tests/bench/load.h"

#include "tests/bench/fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The generator itself is the limit when it used more than this part of one processor. */
#define OWN_PART_MAX 0.9
#define PROC_BYTES   4096

static void read_proc(int32_t pid, const char *name, char *text, size_t size)
{
        char path[64];
        (void)snprintf(path, sizeof path, "/proc/%" PRId32 "/%s", pid, name);
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(text, 1, size - 1, f) : 0;
        if (f)
                (void)fclose(f); /* was only read */
        if (n == 0)
                bench_fail("%s cannot be read: is the server gone?", path);
        text[n] = '\0';
}

/* utime and stime are the 14th and 15th field of stat; the 2nd, a name, may hold anything up to the last ')'. */
static double cpu_seconds(int32_t pid)
{
        char text[PROC_BYTES];
        read_proc(pid, "stat", text, sizeof text);
        char *at = strrchr(text, ')');
        for (int field = 2; at && field < 14; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                bench_fail("/proc/%" PRId32 "/stat has fewer fields than it should", pid);
        char *end = NULL;
        unsigned long long user = strtoull(at, &end, 10), kernel = strtoull(end, NULL, 10);
        return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t rss_bytes(int32_t pid)
{
        char text[PROC_BYTES];
        read_proc(pid, "status", text, sizeof text);
        const char *at = strstr(text, "\nVmRSS:");
        return at ? strtoull(at + strlen("\nVmRSS:"), NULL, 10) * 1024 : 0;
}

void load_mark(const struct load *l, struct load_mark *ret)
{
        struct rusage use;
        (void)getrusage(RUSAGE_SELF, &use); /* cannot fail for this one */
        *ret = (struct load_mark){.at_ns = now_ns()};
        ret->own_cpu_seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
        for (uint32_t i = 0; i < l->o->pids_count; i++) {
                ret->servers[i].cpu_seconds = cpu_seconds(l->o->pids[i]);
                ret->servers[i].rss_bytes = rss_bytes(l->o->pids[i]);
        }
}

json_t *report_histogram(const struct histogram *h)
{
        static const struct {
                const char *name;
                double part;
        } parts[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
        json_t *o = json_object();
        (void)json_object_set_new(o, "count", json_integer((json_int_t)h->count));
        (void)json_object_set_new(o, "min", json_real((double)h->min / 1e3));
        (void)json_object_set_new(o, "mean", json_real(histogram_mean(h) / 1e3));
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                (void)json_object_set_new(o, parts[i].name, json_real((double)histogram_at(h, parts[i].part) / 1e3));
        (void)json_object_set_new(o, "max", json_real((double)h->max / 1e3));
        return o;
}

static json_t *report_servers(const struct load *l)
{
        json_t *servers = json_array();
        for (uint32_t i = 0; i < l->o->pids_count; i++) {
                json_t *s = json_object();
                double used = l->to.servers[i].cpu_seconds - l->from.servers[i].cpu_seconds;
                (void)json_object_set_new(s, "pid", json_integer(l->o->pids[i]));
                (void)json_object_set_new(s, "cpu_seconds", json_real(used));
                (void)json_object_set_new(s, "rss_bytes", json_integer((json_int_t)l->to.servers[i].rss_bytes));
                (void)json_array_append_new(servers, s);
        }
        return servers;
}

static double servers_cpu_seconds(const struct load *l)
{
        double sum = 0;
        for (uint32_t i = 0; i < l->o->pids_count; i++)
                sum += l->to.servers[i].cpu_seconds - l->from.servers[i].cpu_seconds;
        return sum;
}

/* Its share of one processor, and whether that was the limit. */
static json_t *report_generator(const struct load *l, double wall)
{
        double own = l->to.own_cpu_seconds - l->from.own_cpu_seconds, part = wall > 0 ? own / wall : 0;
        json_t *g = json_object();
        (void)json_object_set_new(g, "cpu_seconds", json_real(own));
        (void)json_object_set_new(g, "part_of_a_processor", json_real(part));
        (void)json_object_set_new(g, "us_per_operation", json_real(l->measured ? own * 1e6 / (double)l->measured : 0));
        (void)json_object_set_new(g, "was_the_limit", json_boolean(part > OWN_PART_MAX));
        return g;
}

json_t *report_of(const struct load *l)
{
        const struct load_options *o = l->o;
        double wall = (double)(l->to.at_ns - l->from.at_ns) / 1e9;
        double seconds = l->measured_seconds > 0 ? l->measured_seconds : wall;
        json_t *r = json_object();
        (void)json_object_set_new(r, "workload", json_string(workload_name(o->workload)));
        (void)json_object_set_new(r, "servers_used", json_integer(o->servers_count));
        (void)json_object_set_new(r, "connections", json_integer(o->connections));
        (void)json_object_set_new(r, "outstanding", json_integer(o->outstanding));
        (void)json_object_set_new(r, "value_bytes", json_integer(o->value_bytes));
        (void)json_object_set_new(r, "write_percent", json_integer(o->write_percent));
        (void)json_object_set_new(r, "rate", json_real(o->rate));
        (void)json_object_set_new(r, "stalls", json_integer((json_int_t)l->stalls));
        (void)json_object_set_new(r, "seconds", json_real(seconds));
        (void)json_object_set_new(r, "operations", json_integer((json_int_t)l->measured));
        (void)json_object_set_new(r, "per_second", json_real(seconds > 0 ? (double)l->measured / seconds : 0));
        (void)json_object_set_new(r, "latency_us", report_histogram(&l->latency));
        (void)json_object_set_new(r, "servers", report_servers(l));
        double cpu = l->measured ? servers_cpu_seconds(l) * 1e6 / (double)l->measured : 0;
        (void)json_object_set_new(r, "servers_us_per_operation", json_real(cpu));
        (void)json_object_set_new(r, "generator", report_generator(l, wall));
        (void)json_object_set(r, "verified", l->verified);
        return r;
}
