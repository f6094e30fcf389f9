#include "tests/sim/scenario/stage.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/fleet/fleet.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest line of a transcript. */
#define SAYING_BYTES 1024
/* What is under way when a world is concluded has so long to come to rest. */
#define CONCLUDE_MS 200

/* ---- what is seen ---- */

bool stage_fail(struct stage *st, const char *format, ...)
{
        char text[2048];
        va_list args;
        if (st->failure.len)
                return false;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        text_add(&st->failure, "%s:%d: ", st->path, st->line);
        for (size_t i = 0; i < st->variable_count; i++)
                text_add(&st->failure, "[%s=%lld] ", st->variables[i].name, (long long)st->variables[i].value);
        text_add(&st->failure, "%s", text);
        if (st->muted) { /* the transcript is all there is to understand it */
                text_add(&st->failure, "\n");
                stage_take(st, &st->failure);
        }
        return false;
}

void stage_say(struct stage *st, int rank, const char *format, ...)
{
        char text[SAYING_BYTES];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        st->sayings = mem_grow(st->sayings, &st->saying_capacity, st->saying_count + 1, sizeof *st->sayings);
        st->sayings[st->saying_count] =
                (struct stage_saying){.rank = rank, .order = st->saying_count, .text = mem_dup(text, strlen(text) + 1)};
        st->saying_count++;
}

void stage_forget(struct stage *st)
{
        for (size_t i = 0; i < st->saying_count; i++)
                mem_free(st->sayings[i].text);
        st->saying_count = 0;
}

static int by_rank(const void *a, const void *b)
{
        const struct stage_saying *x = a, *y = b;
        if (x->rank != y->rank)
                return x->rank < y->rank ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

void stage_take(struct stage *st, struct text *ret)
{
        if (st->saying_count)
                qsort(st->sayings, st->saying_count, sizeof *st->sayings, by_rank);
        for (size_t i = 0, next; i < st->saying_count; i = next) {
                for (next = i + 1; next < st->saying_count && strcmp(st->sayings[i].text, st->sayings[next].text) == 0;)
                        next++;
                text_add(ret, "%s", st->sayings[i].text);
                text_add(ret, next - i > 1 ? " (%zu times)\n" : "\n", next - i);
        }
        stage_forget(st);
}

/* ---- texts without what is not the same every time ---- */

/* Each takes what begins at *from, and moves it behind; 0 where it is something else. */
typedef size_t tidy_fn(struct stage *st, const char **from, char *to, size_t size);

static bool skip(const char **at, const char *text)
{
        size_t len = strlen(text);
        if (strncmp(*at, text, len) != 0)
                return false;
        *at += len;
        return true;
}

static size_t tidy_session(struct stage *st, const char **from, char *to, size_t size)
{
        const char *at = *from;
        char *end;
        if (!skip(&at, "session 0x"))
                return 0;
        int64_t id = (int64_t)strtoull(at, &end, 16);
        *from = end;
        return (size_t)snprintf(to, size, "session of %s", stage_actor_of_session(st, id));
}

static size_t tidy_zxid(struct stage *st, const char **from, char *to, size_t size)
{
        char *end, text[TEXT_ZXID_BYTES];
        (void)st;
        if (strncmp(*from, "0x", 2) != 0 || !isxdigit((unsigned char)(*from)[2]))
                return 0;
        int64_t zxid = (int64_t)strtoull(*from, &end, 16);
        *from = end;
        return (size_t)snprintf(to, size, "%s", text_of_zxid(zxid, text));
}

/* A token is the zxid of its grant. */
static size_t tidy_token(struct stage *st, const char **from, char *to, size_t size)
{
        const char *at = *from;
        char *end, text[TEXT_ZXID_BYTES];
        (void)st;
        if (!skip(&at, "token ") || !isdigit((unsigned char)at[0]) || at[1] == 'x')
                return 0;
        int64_t zxid = strtoll(at, &end, 10);
        *from = end;
        return (size_t)snprintf(to, size, "token %s", text_of_zxid(zxid, text));
}

static size_t tidy_wait(struct stage *st, const char **from, char *to, size_t size)
{
        const char *at = *from;
        (void)st;
        if (!skip(&at, " in ") || !isdigit((unsigned char)*at))
                return 0;
        at += strspn(at, "0123456789");
        if (!skip(&at, " ms"))
                return 0;
        *from = at;
        return (size_t)snprintf(to, size, " in a while");
}

/* Which round of votes, and how long it took. */
static size_t tidy_round(struct stage *st, const char **from, char *to, size_t size)
{
        const char *at = *from, *end;
        (void)st;
        if (!skip(&at, "server ") || !(end = strstr(at, " (round ")) || !strchr(end, ')'))
                return 0;
        *from = strchr(end, ')') + 1;
        return (size_t)snprintf(to, size, "server %.*s", (int)(end - at), at);
}

void stage_tidy(struct stage *st, const char *from, char *to, size_t size)
{
        static tidy_fn *const all[] = {tidy_session, tidy_zxid, tidy_token, tidy_wait, tidy_round};
        size_t len = 0;
        while (*from && len + 1 < size) {
                size_t took = 0;
                for (size_t i = 0; i < sizeof all / sizeof *all && !took; i++)
                        took = all[i](st, &from, to + len, size - len);
                if (took)
                        len = len + took < size ? len + took : size - 1;
                else
                        to[len++] = *from++;
        }
        to[len] = 0;
}

/* What is shown only when it was asked for: steps that say nothing a role or a synchronisation does not say too. */
static bool is_dull(const struct stage *st, const char *text)
{
        static const char *const beginnings[] = {"zab: ", "synchronising learner ", "quorum connection of "};
        for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
                if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
                        return true;
        /* Beside machines only who serves under whom matters. */
        return st->f && strncmp(text, "leading, ", 9) != 0 && strncmp(text, "left the ensemble", 17) != 0;
}

static void on_noted(void *ctx, struct world *w, int sid, const char *text)
{
        struct stage *st = ctx;
        char tidy[SAYING_BYTES];
        (void)w;
        stage_tidy(st, text, tidy, sizeof tidy);
        text_add(&st->logs[sid], "%s\n", tidy);
        if (st->shows_all || !is_dull(st, tidy))
                stage_say(st, sid, "%d: %s", sid, tidy);
}

static void on_ended(void *ctx, struct world *w, int sid, enum world_end how)
{
        static const char *const names[WORLD_END_MAX] = {"has halted", "is killed", "has lost its power"};
        struct stage *st = ctx;
        if (how == WORLD_END_HALT)
                stage_say(st, sid, "%d: %s, status %d", sid, names[how], world_halted(w, sid));
        else
                stage_say(st, sid, "%d: %s", sid, names[how]);
}

/* ---- life ---- */

void stage_init(struct stage *st, const char *path)
{
        *st = (struct stage){.path = path};
}

void stage_begin(struct stage *st, int voters, int observers, uint64_t seed)
{
        stage_clear(st);
        st->w = world_new(voters, observers, seed);
        world_add_witness(st->w, &(struct world_witness){.noted = on_noted, .ended = on_ended, .ctx = st});
        st->verdict = (struct verdict){.at_ms = 0};
        st->oracle = oracle_new(st->w, &st->verdict, NULL);
        st->lies = false;
        st->marked_ms = world_now(st->w);
}

static void look(struct stage *st)
{
        if (st->oracle && !st->lies && verdict_broken(&st->verdict))
                (void)stage_fail(st, "%s: %s", st->verdict.checker, st->verdict.text);
}

static bool all_serve(const struct stage *st)
{
        for (int sid = 1; sid <= st->w->count; sid++)
                if (world_running(st->w, sid) && (st->w->nodes[sid].frozen || !st->w->nodes[sid].server->serving))
                        return false;
        return world_leader(st->w) != 0;
}

bool stage_conclude(struct stage *st)
{
        if (!st->w || st->lies || !all_serve(st))
                return !st->failure.len;
        stage_run(st, CONCLUDE_MS);
        if (all_serve(st))
                oracle_finish(st->oracle);
        look(st);
        return !st->failure.len;
}

void stage_tampered(struct stage *st, int sid)
{
        oracle_disk_damaged(st->oracle, sid);
}

void stage_clear(struct stage *st)
{
        for (size_t i = 0; i < st->actor_count; i++)
                stage_actor_free(st->actors[i]);
        st->actor_count = 0;
        for (int sid = 0; sid <= WORLD_SERVERS_MAX; sid++) {
                stage_played_free(st, sid);
                memory_storage_free(st->kept[sid]);
                st->kept[sid] = NULL;
                text_clear(&st->logs[sid]);
        }
        stage_fleet_free(st);
        stage_scene_free(st);
        if (st->w)
                world_free(st->w);
        oracle_free(st->oracle);
        st->w = NULL;
        st->oracle = NULL;
        st->die_sid = 0;
        st->shows_all = false;
        stage_forget(st);
}

void stage_done(struct stage *st)
{
        stage_clear(st);
        for (int sid = 0; sid <= WORLD_SERVERS_MAX; sid++)
                text_done(&st->logs[sid]);
        mem_free(st->sayings);
        text_done(&st->story);
        text_done(&st->failure);
}

/* ---- time ---- */

void stage_step(struct stage *st)
{
        if (st->f) {
                fleet_run(st->f, 1);
                stage_fleet_turn(st);
        } else {
                world_run(st->w, 1);
        }
        stage_actors_turn(st);
        stage_peers_turn(st);
        look(st);
}

void stage_run(struct stage *st, uint64_t ms)
{
        for (uint64_t i = 0; i < ms; i++)
                stage_step(st);
}

/* ---- words ---- */

bool stage_server(struct stage *st, const char *word, int *ret)
{
        int64_t n;
        if (!st->w)
                return stage_fail(st, "there is no ensemble yet");
        if (!text_number(word, &n) || n < 1 || n > st->w->count)
                return stage_fail(st, "\"%s\" is no server", word);
        *ret = (int)n;
        return true;
}

bool stage_number(struct stage *st, const char *word, int64_t *ret)
{
        return text_number(word, ret) || stage_fail(st, "\"%s\" is no number", word);
}

bool stage_zxid(struct stage *st, const char *word, int64_t *ret)
{
        return text_zxid(word, ret) || stage_fail(st, "\"%s\" is no zxid such as (2,7)", word);
}

bool stage_duration(struct stage *st, const char *word, uint64_t *ret_ms)
{
        return text_duration(word, ret_ms) || stage_fail(st, "\"%s\" is no time such as 500ms or 2s", word);
}

const char *stage_option(char **words, size_t count, const char *key)
{
        size_t len = strlen(key);
        for (size_t i = 0; i < count; i++)
                if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
                        return words[i] + len + 1;
        return NULL;
}

bool stage_option_number(struct stage *st, char **words, size_t count, const char *key, int64_t *ret)
{
        const char *value = stage_option(words, count, key);
        return !value || stage_number(st, value, ret);
}

bool stage_has(char **words, size_t count, const char *word)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}
