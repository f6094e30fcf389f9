/* Commands: which there are, loops, and what came of each. */
#include "tests/sim/scenario/stage.h"

#include <stdio.h>
#include <string.h>

/* Rounds of one loop. */
#define ROUNDS_MAX 2000

static const struct stage_command *const tables[] = {stage_server_commands, stage_advance_commands, stage_net_commands,
                                                     stage_disk_commands,   stage_client_commands,  stage_peer_commands,
                                                     stage_fleet_commands};

static const struct stage_command *find(const char *name)
{
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
                for (const struct stage_command *c = tables[i]; c->name; c++)
                        if (strcmp(c->name, name) == 0)
                                return c;
        return NULL;
}

/* ---- variables: "$n" anywhere in a word ---- */

/* The longest name that stands there; NULL for none. */
static const struct stage_variable *variable(const struct stage *st, const char *at)
{
        const struct stage_variable *found = NULL;
        for (size_t i = 0; i < st->variable_count; i++) {
                const struct stage_variable *v = &st->variables[i];
                if (strncmp(at, v->name, strlen(v->name)) == 0 && (!found || strlen(v->name) > strlen(found->name)))
                        found = v;
        }
        return found;
}

static bool expand(struct stage *st, const char *word, struct text *ret)
{
        text_clear(ret);
        while (*word) {
                size_t len = strcspn(word, "$");
                text_put(ret, word, len);
                word += len;
                if (!*word)
                        break;
                const struct stage_variable *v = variable(st, word + 1);
                if (!v)
                        return stage_fail(st, "there is no variable %s", word);
                text_add(ret, "%lld", (long long)v->value);
                word += 1 + strlen(v->name);
        }
        return true;
}

static bool carry_out(struct stage *st, char **words, size_t count)
{
        const struct stage_command *c = find(words[0]);
        struct actor *a = stage_actor(st, words[0]);
        int64_t sid;
        if (c && count < c->words_min)
                return stage_fail(st, "%s wants more words", c->name);
        if (!st->w && (!c || (strcmp(c->name, "ensemble") != 0 && strcmp(c->name, "fleet") != 0)))
                return stage_fail(st,
                                  c ? "a scenario begins with \"ensemble\" or \"fleet\", not with %s"
                                    : "there is no command %s",
                                  words[0]);
        if (c)
                return c->fn(st, words, count);
        if (a)
                return stage_actor_command(st, a, words, count);
        if (text_number(words[0], &sid) && sid >= 1 && sid <= st->w->count)
                return stage_peer_command(st, (int)sid, words, count);
        return stage_fail(st, "there is no command and no client %s", words[0]);
}

static bool expand_and_carry_out(struct stage *st, char **words, size_t count)
{
        struct text texts[SCRIPT_WORDS_MAX] = {{0}};
        char *expanded[SCRIPT_WORDS_MAX + 1] = {NULL};
        bool ok = true;
        for (size_t i = 0; i < count && ok; i++) {
                ok = expand(st, words[i], &texts[i]);
                text_put(&texts[i], "", 0);
                expanded[i] = texts[i].data;
        }
        ok = ok && carry_out(st, expanded, count);
        for (size_t i = 0; i < count; i++)
                text_done(&texts[i]);
        return ok;
}

/* ---- loops ---- */

static bool push_variable(struct stage *st, const char *name)
{
        if (st->variable_count == STAGE_VARIABLES_MAX || strlen(name) >= STAGE_NAME_BYTES)
                return stage_fail(st, "too many variables, or too long a name");
        struct stage_variable *v = &st->variables[st->variable_count++];
        (void)snprintf(v->name, sizeof v->name, "%s", name);
        v->value = 0;
        return true;
}

/* for n in 1 2 3 {   for n in 1..9 { */
static bool loop_for(struct stage *st, struct script *s, size_t at)
{
        const struct script_line *l = &s->lines[at];
        long long rounds = 0;
        if (l->count < 5 || strcmp(l->words[2], "in") != 0)
                return stage_fail(st, "for NAME in N… {");
        if (!push_variable(st, l->words[1]))
                return false;
        struct stage_variable *v = &st->variables[st->variable_count - 1];
        for (size_t i = 3; i + 1 < l->count; i++) {
                int64_t from, to;
                char word[64];
                (void)snprintf(word, sizeof word, "%s", l->words[i]);
                char *dots = strstr(word, "..");
                if (dots)
                        *dots = 0;
                if (!stage_number(st, word, &from) || !stage_number(st, dots ? dots + 2 : word, &to))
                        return false;
                if (to - from >= ROUNDS_MAX)
                        return stage_fail(st, "more than %d rounds", ROUNDS_MAX);
                for (v->value = from; v->value <= to; v->value++, rounds++)
                        if (!stage_play(st, s, at + 1, l->end))
                                return false;
        }
        st->variable_count--;
        stage_forget(st);
        stage_say(st, 0, "%lld rounds", rounds);
        return true;
}

/* One round in which the process or the machine dies at operation `op`. */
static bool round_at(struct stage *st, struct script *s, size_t at, int64_t op, bool after, bool power, bool *ret_died)
{
        const struct script_line *l = &s->lines[at];
        st->die_skip = (uint64_t)op;
        st->die_after = after;
        st->die_power = power;
        st->die_sid = 0;
        if (!stage_play(st, s, at + 1, l->end))
                return false;
        st->line = l->number;
        if (!stage_conclude(st))
                return false;
        if (!st->die_sid)
                return stage_fail(st, "nothing in this block says die-here");
        *ret_died = memory_storage_ops(st->w->nodes[st->die_sid].disk) > st->die_at;
        return true;
}

/* at-each-operation [step=N] [only=power|process] { … die-here SERVER … }: once for each operation of that server's
 * disk from there on, until one is not reached any more; before and after it, by a kill and by a power loss. */
static bool loop_operations(struct stage *st, struct script *s, size_t at)
{
        const struct script_line *l = &s->lines[at];
        const char *only = stage_option((char **)l->words, l->count, "only");
        int64_t step = 1, deaths = 0, most = 0;
        if (!stage_option_number(st, (char **)l->words, l->count, "step", &step) || step < 1)
                return false;
        if (!push_variable(st, "op"))
                return false;
        struct stage_variable *op = &st->variables[st->variable_count - 1];
        for (int mode = 0; mode < 4; mode++) {
                bool power = mode & 1, died = true;
                if (only && strcmp(only, power ? "power" : "process") != 0)
                        continue;
                for (op->value = 0; died; op->value += step) {
                        if (op->value > ROUNDS_MAX)
                                return stage_fail(st, "more than %d operations", ROUNDS_MAX);
                        if (!round_at(st, s, at, op->value, mode & 2, power, &died))
                                return false;
                        deaths += died;
                        most = died && op->value + 1 > most ? op->value + 1 : most;
                }
        }
        st->variable_count--;
        if (most < 2)
                return stage_fail(st, "no operation was reached");
        stage_clear(st);
        stage_say(st, 0, "%lld deaths at up to %lld operations", (long long)deaths, (long long)most);
        return true;
}

static bool play_block(struct stage *st, struct script *s, size_t at)
{
        const struct script_line *l = &s->lines[at];
        bool ok;
        st->muted++;
        if (strcmp(l->words[0], "for") == 0)
                ok = loop_for(st, s, at);
        else if (strcmp(l->words[0], "at-each-operation") == 0)
                ok = loop_operations(st, s, at);
        else
                ok = stage_fail(st, "there is no block %s", l->words[0]);
        st->muted--;
        return ok;
}

bool stage_play(struct stage *st, struct script *s, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++) {
                struct script_line *l = &s->lines[i];
                if (!l->count)
                        continue;
                st->line = l->number;
                bool ok = l->opens ? play_block(st, s, i) : expand_and_carry_out(st, l->words, l->count);
                if (!st->muted)
                        stage_take(st, &s->lines[l->opens ? l->end : i].said);
                if (!ok)
                        return false;
                if (l->opens)
                        i = l->end;
        }
        return true;
}
