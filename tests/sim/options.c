#include "tests/sim/options.h"

#include "tests/sim/hunt.h"
#include "tests/sim/plants.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_DEFAULT 100
/* The digests of so many lives are kept until all are over. */
#define SIM_DIGESTS_MAX 10000000

const char *sim_usage(void)
{
        return "baton-sim [OPTION…]: lives of simulated ensembles under faults, each from its seed\n"
               "  --seeds N        so many lives (100)\n"
               "  --from S         the first seed (1)\n"
               "  --jobs J         so many at once (one for each processor)\n"
               "  --minutes M      begins no life after so long\n"
               "  --seed S         this life alone\n"
               "  --trace          with all that happens in it, line by line\n"
               "  --without K,K    leaves out faults of these kinds\n"
               "  --faults N       no more than the first N faults of a life\n"
               "  --shrink S       leaves out what seed S does not need to break the same promise\n"
               "  --repeat         each life twice, with other bytes in fresh memory: the traces must be the same\n"
               "  --brief          without tables\n"
               "  --digests        prints the digest of each trace\n"
               "  --suite          a path that no life has taken is a failure\n"
               "  --plant NAME     with this bug planted, up to the first seed that finds it; all: each bug in turn;\n"
               "                   suite: those that every test run must find, each in 5000 seeds\n"
               "  --plants         what can be planted\n"
               "Ends with 0: nothing found, 1: a promise broken, 2: called wrongly, 3: a crash, a hang, output that\n"
               "can't be written or no more processes, 4: no progress, 5: a path never taken, 6: a planted bug not "
               "found, 7: a trace that\n"
               "differs.\n";
}

/* ---- values ---- */

static bool number(const char *text, uint64_t most, uint64_t *ret)
{
        char *end = NULL;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno || text[0] < '0' || text[0] > '9' || *end || value > most)
                return false;
        *ret = value;
        return true;
}

struct parsing {
        struct sim_options *o;
        char *why;
        size_t size;
};

static int wrong(const struct parsing *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(const struct parsing *p, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        (void)vsnprintf(p->why, p->size, format, args);
        va_end(args);
        return -EINVAL;
}

static int set_number(const struct parsing *p, const char *option, const char *value, uint64_t most, uint64_t *ret)
{
        return number(value, most, ret)
                       ? 0
                       : wrong(p, "%s wants a number up to %" PRIu64 ", not '%s'", option, most, value);
}

static int set_u32(const struct parsing *p, const char *option, const char *value, uint32_t most, uint32_t *ret)
{
        uint64_t n = 0;
        int r = set_number(p, option, value, most, &n);
        if (r == 0)
                *ret = (uint32_t)n;
        return r;
}

static int set_seeds(const struct parsing *p, const char *option, const char *value)
{
        int r = set_number(p, option, value, UINT64_MAX / 2, &p->o->seeds);
        return r == 0 && p->o->seeds == 0 ? wrong(p, "%s wants at least 1: no life finds nothing", option) : r;
}

static int set_from(const struct parsing *p, const char *option, const char *value)
{
        return set_number(p, option, value, UINT64_MAX, &p->o->from);
}

static int set_jobs(const struct parsing *p, const char *option, const char *value)
{
        int r = set_u32(p, option, value, SIM_JOBS_MAX, &p->o->jobs);
        return r == 0 && p->o->jobs == 0 ? wrong(p, "%s wants at least 1", option) : r;
}

static int set_minutes(const struct parsing *p, const char *option, const char *value)
{
        return set_u32(p, option, value, UINT32_MAX / 60, &p->o->minutes);
}

static int set_seed(const struct parsing *p, const char *option, const char *value)
{
        p->o->mode = SIM_ONE;
        return set_from(p, option, value);
}

static int set_shrink(const struct parsing *p, const char *option, const char *value)
{
        p->o->mode = SIM_SHRINK;
        return set_from(p, option, value);
}

static int set_faults(const struct parsing *p, const char *option, const char *value)
{
        return set_u32(p, option, value, UINT32_MAX, &p->o->faults);
}

static int set_plant(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        p->o->plant = value;
        return 0;
}

static int set_without(const struct parsing *p, const char *option, const char *value)
{
        for (const char *name = value; *name;) {
                size_t len = strcspn(name, ",");
                enum fault fault = fault_by_name(name, len);
                if (fault == FAULT_MAX)
                        return wrong(p, "%s: there is no such kind of fault in '%s'; a run lists them", option, value);
                p->o->without[fault] = true;
                name += len + (name[len] == ',');
        }
        return 0;
}

static int flag_trace(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->trace = true;
        return 0;
}

static int flag_repeat(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->repeat = true;
        return 0;
}

static int flag_digests(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->digests = true;
        return 0;
}

static int flag_suite(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->suite = true;
        return 0;
}

static int flag_brief(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->brief = true;
        return 0;
}

static int flag_plants(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->mode = SIM_PLANTS;
        return 0;
}

static int flag_help(const struct parsing *p, const char *option, const char *value)
{
        (void)option;
        (void)value;
        p->o->mode = SIM_HELP;
        return 0;
}

/* ---- the table ---- */

/* What is asked for, as far as options go with it or don't. */
enum task {
        TASK_MANY = 1,   /* many lives */
        TASK_HUNT = 2,   /* many lives with a bug planted */
        TASK_ONE = 4,    /* --seed */
        TASK_SHRINK = 8, /* --shrink */
        TASK_LIST = 16,  /* --plants */
        TASK_LIVES = TASK_MANY | TASK_HUNT,
        TASK_ANY_LIFE = TASK_LIVES | TASK_ONE | TASK_SHRINK,
};

static const struct option {
        const char *name;
        bool has_value;
        int (*set)(const struct parsing *p, const char *option, const char *value);
        unsigned goes_with; /* tasks */
} options[] = {
        {"--seeds", true, set_seeds, TASK_LIVES},
        {"--from", true, set_from, TASK_LIVES},
        {"--jobs", true, set_jobs, TASK_LIVES},
        {"--minutes", true, set_minutes, TASK_MANY},
        {"--seed", true, set_seed, TASK_ONE},
        {"--trace", false, flag_trace, TASK_ONE},
        {"--without", true, set_without, TASK_ANY_LIFE},
        {"--faults", true, set_faults, TASK_ANY_LIFE},
        {"--shrink", true, set_shrink, TASK_SHRINK},
        {"--repeat", false, flag_repeat, TASK_LIVES},
        {"--digests", false, flag_digests, TASK_MANY},
        {"--suite", false, flag_suite, TASK_MANY},
        {"--plant", true, set_plant, TASK_HUNT | TASK_ONE | TASK_SHRINK},
        {"--plants", false, flag_plants, TASK_LIST},
        {"--help", false, flag_help, 0}, /* whatever else is said */
        {"-h", false, flag_help, 0},
        {"--brief", false, flag_brief, TASK_MANY},
};
#define OPTION_COUNT (sizeof options / sizeof *options)

static const struct option *option_find(const char *name)
{
        for (size_t i = 0; i < OPTION_COUNT; i++)
                if (!strcmp(options[i].name, name))
                        return &options[i];
        return NULL;
}

static uint32_t processors(void)
{
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        return n < 1 ? 1 : n > SIM_JOBS_MAX ? SIM_JOBS_MAX : (uint32_t)n;
}

static enum task task_of(const struct sim_options *o)
{
        switch (o->mode) {
        case SIM_ONE:
                return TASK_ONE;
        case SIM_SHRINK:
                return TASK_SHRINK;
        case SIM_PLANTS:
                return TASK_LIST;
        default:
                return o->plant ? TASK_HUNT : TASK_MANY;
        }
}

static const char *task_name(enum task task)
{
        switch (task) {
        case TASK_ONE:
                return "--seed, which is one life (--from S --seeds 1 is one, too)";
        case TASK_SHRINK:
                return "--shrink";
        case TASK_LIST:
                return "--plants";
        case TASK_HUNT:
                return "many seeds and --plant";
        default:
                return "many seeds";
        }
}

/* Nothing that was asked for is passed over in silence. */
static int check_together(const struct parsing *p, const bool given[OPTION_COUNT])
{
        enum task task = task_of(p->o);
        for (size_t i = 0; i < OPTION_COUNT; i++)
                if (given[i] && !(options[i].goes_with & (unsigned)task))
                        return wrong(p, "%s does not go with %s", options[i].name, task_name(task));
        return 0;
}

static int check(const struct parsing *p, const bool given[OPTION_COUNT])
{
        const struct sim_options *o = p->o;
        int r = check_together(p, given);
        if (r < 0)
                return r;
        if (o->from > UINT64_MAX - (o->seeds - 1))
                return wrong(p, "there are not as many seeds from %" PRIu64 " on", o->from);
        if (o->digests && o->seeds > SIM_DIGESTS_MAX)
                return wrong(p, "--digests is for no more than %d seeds", SIM_DIGESTS_MAX);
        if (!o->plant)
                return 0;
        if (!plants_present())
                return wrong(p, "--plant is for baton-sim-planted, which ./dev sim calls for it");
        if (plant_by_name(o->plant) == PLANT_NONE && (o->mode != SIM_SEEDS || !hunt_is_many(o->plant)))
                return wrong(p, "there is no bug '%s' to plant; --plants lists them", o->plant);
        return 0;
}

int sim_options_parse(int argc, char **argv, struct sim_options *ret, char *why, size_t size)
{
        *ret = (struct sim_options){
                .from = 1, .seeds = SEEDS_DEFAULT, .jobs = processors(), .faults = UINT32_MAX, .mode = SIM_SEEDS};
        struct parsing p = {.o = ret, .why = why, .size = size};
        bool given[OPTION_COUNT] = {false};
        for (int i = 1; i < argc; i++) {
                const struct option *o = option_find(argv[i]);
                if (!o)
                        return wrong(&p, "there is no option '%s'; --help lists them", argv[i]);
                const char *value = o->has_value ? argv[i + 1] : NULL;
                if (o->has_value && !value)
                        return wrong(&p, "%s wants a value", o->name);
                int r = o->set(&p, o->name, value);
                if (r < 0 || ret->mode == SIM_HELP)
                        return r;
                given[o - options] = true;
                i += o->has_value;
        }
        if (ret->mode != SIM_SEEDS)
                ret->seeds = 1;
        return check(&p, given);
}

static void add(char *text, size_t size, const char *before, const char *word)
{
        size_t len = strlen(text);
        (void)snprintf(text + len, size - len, "%s%s", before, word);
}

void sim_options_narrowing(const struct sim_options *o, char *ret, size_t size)
{
        const char *before = " --without ";
        char count[16];
        ret[0] = 0;
        if (o->plant)
                add(ret, size, " --plant ", o->plant);
        for (int i = 0; i < FAULT_MAX; i++)
                if (o->without[i]) {
                        add(ret, size, before, fault_name((enum fault)i));
                        before = ",";
                }
        if (o->faults != UINT32_MAX) {
                (void)snprintf(count, sizeof count, "%" PRIu32, o->faults);
                add(ret, size, " --faults ", count);
        }
}
