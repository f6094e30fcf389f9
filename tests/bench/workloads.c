/* The workloads that are requests on lasting connections: set, create, seq, read, mixed. */
#include "tests/bench/pump.h"

#include "tests/bench/fail.h"

#include <inttypes.h>

/* Of the znodes that were created so many are read back; all are counted. */
#define READ_BACK_MAX 10000

static void run_each(struct load *l, enum do_op op, uint64_t count)
{
        struct pump p = {.op = op, .keys = (uint32_t)count, .operations = count};
        pump_run(l, &p);
}

/* One on every connection. */
static void on_each(struct load *l, enum do_op op)
{
        struct pump p = {.op = op, .keys = 1, .operations = l->o->connections, .outstanding = 1};
        pump_run(l, &p);
}

/* Each server has applied what was acknowledged: what is read from any of them is the latest. */
static void sync_all(struct load *l)
{
        on_each(l, DO_SYNC_ROOT);
}

static bool has_keys(const struct load *l)
{
        enum workload w = l->o->workload;
        return w == WORKLOAD_SET || w == WORKLOAD_READ || w == WORKLOAD_MIXED;
}

static void prepare(struct load *l)
{
        const struct load_options *o = l->o;
        struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1};
        pump_run(l, &root);
        run_each(l, DO_MAKE_DIR, request_directories(l));
        if (has_keys(l))
                run_each(l, DO_MAKE_KEY, o->keys);
        sync_all(l);
}

static void load(struct load *l, enum do_op op)
{
        const struct load_options *o = l->o;
        bool makes = op == DO_CREATE_NODE || op == DO_CREATE_SEQ;
        struct pump p = {.op = op,
                         .keys = makes ? UINT32_MAX : o->keys,
                         .at_random = !makes,
                         .operations = o->operations,
                         .seconds = o->seconds,
                         .warmup_seconds = o->warmup_seconds,
                         .rate = o->rate,
                         .measured = true};
        if (o->workload == WORKLOAD_MIXED) {
                p.other = DO_SET_KEY;
                p.other_percent = o->write_percent;
        }
        pump_run(l, &p);
        l->made = makes ? p.issued : 0;
}

/* ---- reading back ---- */

static void verify_keys(struct load *l)
{
        run_each(l, DO_VERIFY_KEY, l->o->keys);
        (void)json_object_set_new(l->verified, "keys_read_back", json_integer(l->o->keys));
}

static void count_children(struct load *l, uint64_t wanted, const char *name)
{
        l->dir_children = l->dir_changes = 0;
        run_each(l, DO_STAT_DIR, request_directories(l));
        if (l->dir_children != (int64_t)wanted)
                bench_fail("%" PRId64 " znodes are there, %" PRIu64 " were made", l->dir_children, wanted);
        (void)json_object_set_new(l->verified, name, json_integer((json_int_t)wanted));
}

static void verify(struct load *l)
{
        if (has_keys(l)) {
                verify_keys(l);
                return;
        }
        count_children(l, l->made, "znodes_counted");
        if (l->o->workload == WORKLOAD_CREATE) {
                uint64_t count = l->made < READ_BACK_MAX ? l->made : READ_BACK_MAX;
                run_each(l, DO_READ_NODE, count);
                (void)json_object_set_new(l->verified, "znodes_read_back", json_integer((json_int_t)count));
        }
}

/* ---- cleaning: the next run finds what this one found ---- */

/* One by one: a session's end that took all its ephemerals along could be a transaction too long for some servers. */
static void clean_made(struct load *l, enum do_op op)
{
        run_each(l, op, l->made);
        sync_all(l);
        count_children(l, 0, "znodes_left");
}

static void clean(struct load *l)
{
        if (l->o->workload == WORKLOAD_SEQ)
                clean_made(l, DO_DELETE_SEQ);
        if (l->o->keep)
                return;
        if (l->o->workload == WORKLOAD_CREATE)
                clean_made(l, DO_DELETE_NODE);
        if (has_keys(l))
                run_each(l, DO_DELETE_KEY, l->o->keys);
        run_each(l, DO_DELETE_DIR, request_directories(l));
        run_each(l, DO_DELETE_ROOT, 1);
}

void requests_run(struct load *l)
{
        static const enum do_op ops[WORKLOAD_MAX] = {[WORKLOAD_SET] = DO_SET_KEY,
                                                     [WORKLOAD_CREATE] = DO_CREATE_NODE,
                                                     [WORKLOAD_SEQ] = DO_CREATE_SEQ,
                                                     [WORKLOAD_READ] = DO_READ_KEY,
                                                     [WORKLOAD_MIXED] = DO_READ_KEY};
        load_open_all(l, LOAD_OPENING);
        histogram_init(&l->latency);
        prepare(l);
        load(l, ops[l->o->workload]);
        sync_all(l);
        if (!l->o->canned) { /* an echo has nothing */
                verify(l);
                clean(l);
        }
        on_each(l, DO_CLOSE);
}
