#include "tests/sim/runner.h"

#include "election/base/alloc.h"
#include "tests/sim/plants.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CPU time after which a life counts as hanging. */
#ifdef BATON_SANITIZED
#define LIFE_CPU_S 240
#else
#define LIFE_CPU_S 40
#endif
/* A leak is found when a process ends. Where they are looked for each has one life, so that it is known whose it was.
 */
#ifdef BATON_SANITIZED
#define LIVES_EACH 1
#else
#define LIVES_EACH UINT64_MAX
#endif
/* Of what a dying process said, so much is shown. */
#define LAST_WORDS_BYTES 3000

/* A process's own page: what it has done survives it. */
struct lane {
        pid_t pid;
        int words; /* its stderr */
        bool busy;
        uint64_t seed;
        struct totals totals;
};

struct board {
        atomic_ullong next, limit; /* seeds, counted from the first one on; the limit only falls */
        atomic_uint count;
        struct finding findings[FINDINGS_MAX];
        struct lane lanes[SIM_JOBS_MAX];
};

struct runner {
        const struct sim_options *o;
        bool first_only;
        struct board *board;
        uint64_t *digests;
        time_t ends; /* 0: no life begins after */
};

static void *shared(size_t size)
{
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
                perror("baton-sim: no memory to share");
                exit(3);
        }
        return p;
}

static time_t monotonic(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec;
}

static void lower_limit(struct board *b, unsigned long long to)
{
        unsigned long long limit = atomic_load(&b->limit);
        while (to < limit && !atomic_compare_exchange_weak(&b->limit, &limit, to))
                ;
}

static void found(struct runner *r, uint64_t seed, const struct verdict *v)
{
        unsigned at = atomic_fetch_add(&r->board->count, 1);
        if (at < FINDINGS_MAX)
                r->board->findings[at] = (struct finding){.seed = seed, .verdict = *v};
        /* Lower seeds are still lived to their end: the first one is the first in every run. */
        if (r->first_only)
                lower_limit(r->board, seed - r->o->from);
        else if (at + 1 >= FINDINGS_MAX)
                lower_limit(r->board, 0);
}

/* ---- one life ---- */

void life_plan_for(const struct sim_options *o, uint64_t seed, struct life_plan *ret)
{
        life_plan_draw(ret, seed);
        memcpy(ret->faults.without, o->without, sizeof ret->faults.without);
        ret->faults.most = o->faults;
}

static void fill_memory_with(int byte)
{
#ifndef BATON_SANITIZED
        (void)mallopt(M_PERTURB, byte);
#else
        (void)byte; /* the sanitizers' memory does not listen */
#endif
}

static void live_again(const struct life_plan *plan, struct life_result *ret)
{
        struct life_result again;
        fill_memory_with(0x5a);
        life_live(plan, NULL, &again);
        fill_memory_with(0);
        if (again.digest != ret->digest)
                verdict_break(&ret->verdict, ret->simulated_ms, "SAME",
                              "the second time the trace has the digest %016" PRIx64 ", not %016" PRIx64, again.digest,
                              ret->digest);
}

/* From now on: one that hangs ends by SIGPROF. */
static void limit_life(void)
{
        const struct itimerval limit = {.it_value = {.tv_sec = LIFE_CPU_S}};
        (void)setitimer(ITIMER_PROF, &limit, NULL);
}

static void live_one(struct runner *r, struct lane *lane, uint64_t seed)
{
        struct life_plan plan;
        struct life_result result;
        lane->seed = seed;
        lane->busy = true;
        if (ftruncate(lane->words, 0) < 0 || lseek(lane->words, 0, SEEK_SET) < 0)
                perror("baton-sim"); /* then it shows what earlier lives said, too */
        limit_life();
        life_plan_for(r->o, seed, &plan);
        if (!plant_may_show(&plan)) {
                lane->busy = false;
                return;
        }
        life_live(&plan, NULL, &result);
        if (r->o->repeat)
                live_again(&plan, &result);
        if (r->digests)
                r->digests[seed - r->o->from] = result.digest;
        if (verdict_broken(&result.verdict))
                found(r, seed, &result.verdict);
        totals_add(&lane->totals, &result);
        lane->busy = false;
}

/* ---- processes ---- */

static bool is_late(const struct runner *r)
{
        return r->ends && monotonic() >= r->ends;
}

static void work(struct runner *r, struct lane *lane)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(lane->words, STDERR_FILENO);
        for (uint64_t lives = 0; lives < LIVES_EACH && !is_late(r); lives++) {
                uint64_t at = atomic_fetch_add(&r->board->next, 1);
                if (at >= atomic_load(&r->board->limit))
                        break;
                live_one(r, lane, r->o->from + at);
        }
        exit(0); /* not _exit(): a leak is looked for now */
}

static void lane_start(struct runner *r, struct lane *lane)
{
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid < 0) {
                perror("baton-sim: can't fork");
                exit(3);
        }
        if (pid == 0)
                work(r, lane);
        lane->pid = pid;
}

static void show_last_words(const struct lane *lane)
{
        char text[LAST_WORDS_BYTES + 1];
        off_t end = lseek(lane->words, 0, SEEK_END), from = end > LAST_WORDS_BYTES ? end - LAST_WORDS_BYTES : 0;
        ssize_t len = pread(lane->words, text, LAST_WORDS_BYTES, from);
        if (len <= 0)
                return;
        text[len] = 0;
        printf("\nseed %" PRIu64 " said before it ended:\n%s\n", lane->seed, text);
}

static void say_death(int status, bool busy, struct verdict *v)
{
        int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (signal == SIGPROF)
                verdict_break(v, 0, "HANG", "not over after %d s of processor time", LIFE_CPU_S);
        else if (signal)
                verdict_break(v, 0, "CRASH", "ended by signal %d (%s)", signal, strsignal(signal));
        else
                verdict_break(v, 0, "CRASH", "ended with status %d%s", WEXITSTATUS(status),
                              busy ? "" : ", when it was over: a leak?");
}

/* A process has ended, and not as it should. */
static void lane_died(struct runner *r, struct lane *lane, int status)
{
        struct verdict v = {.at_ms = 0};
        say_death(status, lane->busy, &v);
        if (!r->first_only)
                show_last_words(lane);
        lane->totals.lives += lane->busy; /* else it was counted */
        found(r, lane->seed, &v);
        lane->busy = false;
}

static struct lane *lane_of(struct runner *r, pid_t pid)
{
        for (uint32_t i = 0; i < r->o->jobs; i++)
                if (r->board->lanes[i].pid == pid)
                        return &r->board->lanes[i];
        return NULL;
}

static void await_all(struct runner *r)
{
        for (uint32_t running = r->o->jobs; running;) {
                int status = 0;
                pid_t pid = waitpid(-1, &status, 0);
                if (pid < 0 && errno == EINTR)
                        continue;
                if (pid < 0) {
                        perror("baton-sim: no process left to wait for");
                        exit(3);
                }
                struct lane *lane = pid > 0 ? lane_of(r, pid) : NULL;
                if (!lane)
                        continue;
                if (status != 0)
                        lane_died(r, lane, status);
                if (!is_late(r) && atomic_load(&r->board->next) < atomic_load(&r->board->limit))
                        lane_start(r, lane);
                else
                        running--;
        }
}

/* All of them before the first process begins. */
static void lanes_open(struct runner *r)
{
        for (uint32_t i = 0; i < r->o->jobs; i++) {
                r->board->lanes[i].words = memfd_create("baton-sim", MFD_CLOEXEC);
                if (r->board->lanes[i].words >= 0)
                        continue;
                (void)fprintf(stderr,
                              "baton-sim: %" PRIu32 " lives at once need a descriptor each (%s): fewer --jobs, or "
                              "a higher limit (ulimit -n)\n",
                              r->o->jobs, strerror(errno));
                exit(3);
        }
}

static int by_seed(const void *a, const void *b)
{
        const struct finding *x = a, *y = b;
        return (x->seed > y->seed) - (x->seed < y->seed);
}

void run_lives(const struct sim_options *o, bool first_only, struct run_result *ret)
{
        struct runner r = {.o = o, .first_only = first_only, .board = shared(sizeof *r.board)};
        /* Whoever ignores these passes it on: how a life ends would be unknown, and none would hang. */
        (void)signal(SIGCHLD, SIG_DFL);
        (void)signal(SIGPROF, SIG_DFL);
        if (o->digests)
                r.digests = shared(o->seeds * sizeof *r.digests + 1);
        if (o->minutes)
                r.ends = monotonic() + (time_t)o->minutes * 60;
        atomic_store(&r.board->limit, o->seeds);
        lanes_open(&r);
        for (uint32_t i = 0; i < o->jobs; i++)
                lane_start(&r, &r.board->lanes[i]);
        await_all(&r);
        memset(ret, 0, sizeof *ret);
        for (uint32_t i = 0; i < o->jobs; i++) {
                totals_sum(&ret->totals, &r.board->lanes[i].totals);
                (void)close(r.board->lanes[i].words);
        }
        ret->count = atomic_load(&r.board->count);
        if (ret->count > FINDINGS_MAX)
                ret->count = FINDINGS_MAX;
        memcpy(ret->findings, r.board->findings, ret->count * sizeof *ret->findings);
        qsort(ret->findings, ret->count, sizeof *ret->findings, by_seed);
        if (o->digests) {
                ret->digests = mem_dup(r.digests, o->seeds * sizeof *r.digests);
                (void)munmap(r.digests, o->seeds * sizeof *r.digests + 1);
        }
        (void)munmap(r.board, sizeof *r.board);
}

int run_apart(int (*live)(const struct sim_options *o), const struct sim_options *o, struct verdict *ret_crash)
{
        struct answer {
                bool done;
                int value;
        } *answer = shared(sizeof *answer);
        int status = 0;
        (void)signal(SIGCHLD, SIG_DFL); /* as above */
        (void)signal(SIGPROF, SIG_DFL);
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid < 0) {
                perror("baton-sim: can't fork");
                exit(3);
        }
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                limit_life();
                answer->value = live(o);
                answer->done = true;
                exit(0); /* not _exit(): a leak is looked for now */
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (status != 0)
                say_death(status, !answer->done, ret_crash);
        int value = answer->done ? answer->value : 0;
        (void)munmap(answer, sizeof *answer);
        return value;
}
