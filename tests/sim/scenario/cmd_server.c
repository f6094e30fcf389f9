/* Commands about servers' lives, time, and what is expected. */
#include "tests/sim/scenario/stage.h"

#include "election/server/server_internal.h"

#include <stdio.h>
#include <string.h>

/* ensemble VOTERS [observers=N] [seed=N] [snap=N] [history=N]: a snapshot after about so many transactions; so many
 * kept in memory for a DIFF */
static bool ensemble(struct stage *st, char **words, size_t count)
{
        int64_t voters, observers = 0, seed = 1, snap = 0, history = 0;
        if (!stage_number(st, words[1], &voters) || !stage_option_number(st, words, count, "observers", &observers) ||
            !stage_option_number(st, words, count, "seed", &seed) ||
            !stage_option_number(st, words, count, "snap", &snap) ||
            !stage_option_number(st, words, count, "history", &history))
                return false;
        if (voters < 1 || observers < 0 || voters + observers > WORLD_SERVERS_MAX)
                return stage_fail(st, "an ensemble has 1 to %d servers", WORLD_SERVERS_MAX);
        if (!stage_conclude(st))
                return false;
        stage_begin(st, (int)voters, (int)observers, (uint64_t)seed);
        if (snap > 0)
                world_set_snap_count(st->w, (uint32_t)snap);
        if (history > 0)
                st->w->config.commit_log_count = (uint32_t)history;
        return true;
}

/* Each server that is named, one after the other. */
static bool each(struct stage *st, char **words, size_t count, bool (*fn)(struct stage *st, int sid))
{
        for (size_t i = 1; i < count; i++) {
                int sid;
                if (!stage_server(st, words[i], &sid) || !fn(st, sid))
                        return false;
        }
        return true;
}

static bool must_run(struct stage *st, int sid)
{
        return world_running(st->w, sid) || stage_fail(st, "server %d does not run", sid);
}

static bool must_not_run(struct stage *st, int sid)
{
        return !world_running(st->w, sid) || stage_fail(st, "server %d runs", sid);
}

static bool start_one(struct stage *st, int sid)
{
        if (!must_not_run(st, sid))
                return false;
        text_clear(&st->logs[sid]);
        world_start(st->w, sid);
        return true;
}

static bool start(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, start_one);
}

/* boot: starts all and waits until they serve; the transcript says only under whom */
static bool boot(struct stage *st, char **words, size_t count)
{
        (void)words;
        (void)count;
        for (int sid = 1; sid <= st->w->count; sid++)
                if (!st->played[sid] && !start_one(st, sid))
                        return false;
        bool all = false;
        for (int i = 0; i < STAGE_AWAIT_MS && !all; i++) {
                stage_step(st);
                all = world_leader(st->w) != 0;
                for (int sid = 1; sid <= st->w->count; sid++)
                        all &= !world_running(st->w, sid) || st->w->nodes[sid].server->serving;
        }
        if (!all)
                return stage_fail(st, "not all of them serve");
        stage_forget(st);
        stage_say(st, 0, "all serve, %d leads", world_leader(st->w));
        return true;
}

/* show everything: phases, too, and connections */
static bool show(struct stage *st, char **words, size_t count)
{
        (void)count;
        st->shows_all = strcmp(words[1], "everything") == 0;
        return true;
}

static bool start_if_down(struct stage *st, int sid)
{
        return world_running(st->w, sid) || start_one(st, sid);
}

/* revive SERVER…: starts those that do not run */
static bool revive(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, start_if_down);
}

static bool stop_one(struct stage *st, int sid)
{
        if (!must_run(st, sid))
                return false;
        world_stop_begin(st->w, sid);
        for (int i = 0; i < STAGE_AWAIT_MS && world_running(st->w, sid); i++)
                stage_step(st);
        return must_not_run(st, sid);
}

static bool stop(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, stop_one);
}

static bool kill_one(struct stage *st, int sid)
{
        if (!must_run(st, sid))
                return false;
        world_kill(st->w, sid);
        return true;
}

static bool kill_process(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, kill_one);
}

/* power-off SERVER… [unsynced=kept|lost|torn|scattered]: all at one instant; else it is drawn what survives */
static bool power_off(struct stage *st, char **words, size_t count)
{
        static const char *const ways[MEMORY_CRASH_MAX] = {"lost", "kept", "torn", "scattered"};
        const char *way = stage_option(words, count, "unsynced");
        int how = -1;
        for (int i = 0; way && i < MEMORY_CRASH_MAX; i++)
                if (strcmp(ways[i], way) == 0)
                        how = i;
        if (way && how < 0)
                return stage_fail(st, "unsynced is kept, lost, torn or scattered");
        for (size_t i = 1; i < count - (way != NULL); i++) {
                int sid;
                if (!stage_server(st, words[i], &sid) || !must_run(st, sid))
                        return false;
                if (how < 0) {
                        world_crash(st->w, sid);
                        continue;
                }
                world__drop_node(&st->w->nodes[sid], true);
                world__node_free(&st->w->nodes[sid], WORLD_END_CRASH);
                memory_storage_crash_as(st->w->nodes[sid].disk, (enum memory_crash)how, world_draw(st->w));
                world_boot(st->w, sid, false);
        }
        return true;
}

static bool pause_one(struct stage *st, int sid)
{
        world_freeze(st->w, sid, true);
        return true;
}

static bool resume_one(struct stage *st, int sid)
{
        world_freeze(st->w, sid, false);
        return true;
}

/* pause SERVER…: the process stands still */
static bool pause_process(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, pause_one);
}

static bool resume_process(struct stage *st, char **words, size_t count)
{
        return each(st, words, count, resume_one);
}

/* ---- time and expectations ---- */

static bool run(struct stage *st, char **words, size_t count)
{
        uint64_t ms;
        (void)count;
        if (!stage_duration(st, words[1], &ms))
                return false;
        stage_run(st, ms);
        return true;
}

/* mark: "elapsed" counts from here */
static bool mark(struct stage *st, char **words, size_t count)
{
        (void)words;
        (void)count;
        st->marked_ms = world_now(st->w);
        return true;
}

/* Cuts off "within 5s" or "for 5s" at the end. */
static bool cut_time(struct stage *st, char **words, size_t *count, const char *word, uint64_t *ret_ms)
{
        if (*count < 3 || strcmp(words[*count - 2], word) != 0)
                return true;
        if (!stage_duration(st, words[*count - 1], ret_ms))
                return false;
        *count -= 2;
        return true;
}

static void joined(char **words, size_t count, struct text *ret)
{
        for (size_t i = 0; i < count; i++)
                text_add(ret, i ? " %s" : "%s", words[i]);
}

/* Fails with what was wanted and what is instead. */
static bool fail_condition(struct stage *st, const char *verb, char **words, size_t count, const char *instead)
{
        struct text wanted = {.len = 0};
        joined(words, count, &wanted);
        (void)stage_fail(st, "%s %s: %s", verb, text_of(&wanted), *instead ? instead : "it does not hold");
        text_done(&wanted);
        return false;
}

static bool expect(struct stage *st, char **words, size_t count)
{
        struct text instead = {.len = 0};
        bool holds, ok = stage_condition(st, words + 1, count - 1, &holds, &instead);
        if (ok && !holds)
                ok = fail_condition(st, "expected", words + 1, count - 1, text_of(&instead));
        text_done(&instead);
        return ok;
}

/* await CONDITION [within TIME] */
static bool await(struct stage *st, char **words, size_t count)
{
        struct text instead = {.len = 0};
        uint64_t limit = STAGE_AWAIT_MS;
        bool holds = false, ok = cut_time(st, words, &count, "within", &limit);
        for (uint64_t t = 0; ok && t <= limit; t++) {
                text_clear(&instead);
                ok = stage_condition(st, words + 1, count - 1, &holds, &instead);
                if (!ok || holds)
                        break;
                stage_step(st);
        }
        if (ok && !holds)
                ok = fail_condition(st, "awaited", words + 1, count - 1, text_of(&instead));
        text_done(&instead);
        return ok;
}

/* always CONDITION for TIME */
static bool always(struct stage *st, char **words, size_t count)
{
        struct text instead = {.len = 0};
        uint64_t time = UINT64_MAX;
        bool holds = true, ok = cut_time(st, words, &count, "for", &time);
        if (ok && time == UINT64_MAX)
                ok = stage_fail(st, "always CONDITION for TIME");
        for (uint64_t t = 0; ok && holds && t < time; t++) {
                text_clear(&instead);
                stage_step(st);
                ok = stage_condition(st, words + 1, count - 1, &holds, &instead);
        }
        if (ok && !holds)
                ok = fail_condition(st, "always expected", words + 1, count - 1, text_of(&instead));
        text_done(&instead);
        return ok;
}

const struct stage_command stage_server_commands[] = {
        {"ensemble", 2, ensemble},
        {"boot", 1, boot},
        {"show", 2, show},
        {"start", 2, start},
        {"revive", 2, revive},
        {"stop", 2, stop},
        {"kill", 2, kill_process},
        {"power-off", 2, power_off},
        {"pause", 2, pause_process},
        {"resume", 2, resume_process},
        {"run", 2, run},
        {"mark", 1, mark},
        {"expect", 2, expect},
        {"await", 2, await},
        {"always", 4, always},
        {NULL, 0, NULL},
};
