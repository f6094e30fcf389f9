/* What can be expected, awaited, or be always so. */
#include "tests/sim/scenario/stage.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/fleet/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool condition_fn(struct stage *st, char **words, size_t count, bool *ret, struct text *instead);

static const struct world_node *node(struct stage *st, int sid)
{
        return &st->w->nodes[sid];
}

/* ---- servers ---- */

/* leader [SERVER]: a majority is served under it */
static bool is_leader(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int wanted = 0, leader = world_leader(st->w);
        if (count > 1 && !stage_server(st, words[1], &wanted))
                return false;
        *ret = wanted ? leader == wanted : leader != 0;
        text_add(instead, leader ? "%d leads" : "none leads", leader);
        return true;
}

static bool serves(const struct world_node *n)
{
        return n->running && !n->frozen && n->server->serving;
}

/* All of the servers that are named. */
static bool all(struct stage *st, char **words, size_t count, bool *ret, struct text *instead, const char * not,
                bool (*is)(const struct world_node *n))
{
        *ret = true;
        for (size_t i = 1; i < count; i++) {
                int sid;
                if (!stage_server(st, words[i], &sid))
                        return false;
                if (is(node(st, sid)))
                        continue;
                *ret = false;
                text_add(instead, "%d %s", sid, not );
                return true;
        }
        return true;
}

/* serving SERVER… */
static bool is_serving(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        return all(st, words, count, ret, instead, "does not serve", serves);
}

static bool runs(const struct world_node *n)
{
        return n->running;
}

/* running SERVER… */
static bool is_running(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        return all(st, words, count, ret, instead, "does not run", runs);
}

/* quiet: every server that runs serves, under one leader */
static bool is_quiet(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        (void)words;
        (void)count;
        *ret = world_leader(st->w) != 0;
        for (int sid = 1; sid <= st->w->count; sid++)
                if (node(st, sid)->running && !node(st, sid)->frozen && !serves(node(st, sid))) {
                        *ret = false;
                        text_add(instead, "%d does not serve", sid);
                        return true;
                }
        text_add(instead, "none leads");
        return true;
}

/* role SERVER looking|following|leading|observing|down [of=LEADER] */
static bool has_role(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int sid;
        if (count < 3)
                return stage_fail(st, "role SERVER ROLE");
        if (!stage_server(st, words[1], &sid))
                return false;
        const struct world_node *n = node(st, sid);
        const char *role = !n->running                          ? "down"
                           : n->server->state == SERVER_IN_ROLE ? zab_role_name(zab_role(n->server->zab))
                                                                : "looking";
        const char *of = stage_option(words, count, "of");
        int64_t leader = n->running ? zab_leader(n->server->zab) : -1, wanted = leader;
        if (of && !stage_number(st, of, &wanted))
                return false;
        *ret = strcmp(role, words[2]) == 0 && leader == wanted;
        text_add(instead, "%d is %s of %" PRId64, sid, role, leader);
        return true;
}

/* halted SERVER STATUS */
static bool is_halted(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int sid;
        int64_t status;
        if (count < 3)
                return stage_fail(st, "halted SERVER STATUS");
        if (!stage_server(st, words[1], &sid) || !stage_number(st, words[2], &status))
                return false;
        *ret = !world_running(st->w, sid) && world_halted(st->w, sid) == status;
        text_add(instead, world_running(st->w, sid) ? "%d runs" : "%d has halted with status %d", sid,
                 world_halted(st->w, sid));
        return true;
}

/* said SERVER "text" [times=N]: since its last start */
static bool has_said(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int sid;
        int64_t wanted = 0, times = 0;
        if (count < 3)
                return stage_fail(st, "said SERVER TEXT");
        if (!stage_server(st, words[1], &sid) || !stage_option_number(st, words, count, "times", &wanted))
                return false;
        for (const char *at = text_of(&st->logs[sid]); (at = strstr(at, words[2])); at++)
                times++;
        *ret = stage_option(words, count, "times") ? times == wanted : times > 0;
        text_add(instead, "%d has said it %" PRId64 " times", sid, times);
        return true;
}

/* ---- state ---- */

/* Two logs of the same text but for one line: that line. */
static void first_difference(const char *a, const char *b, struct text *ret)
{
        const char *line_a = a, *line_b = b;
        for (; *a && *a == *b; a++, b++)
                if (*a == '\n') {
                        line_a = a + 1;
                        line_b = b + 1;
                }
        text_add(ret, ": \"%.*s\" and \"%.*s\"", (int)strcspn(line_a, "\n"), line_a, (int)strcspn(line_b, "\n"),
                 line_b);
}

/* equal-trees [SERVER…]: of all that run, or of these */
static bool are_equal(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        char *first = NULL;
        int first_sid = 0;
        *ret = true;
        for (int sid = 1; sid <= st->w->count; sid++) {
                bool named = count == 1;
                for (size_t i = 1; i < count; i++) {
                        int n;
                        if (!stage_server(st, words[i], &n)) {
                                mem_free(first);
                                return false;
                        }
                        named |= n == sid;
                }
                if (!named || !world_running(st->w, sid) || !*ret)
                        continue;
                char *dump = world_dump(st->w, sid);
                if (first && strcmp(first, dump) != 0) {
                        *ret = false;
                        text_add(instead, "those of %d and %d differ", first_sid, sid);
                        first_difference(first, dump, instead);
                }
                if (first) {
                        mem_free(dump);
                } else {
                        first = dump;
                        first_sid = sid;
                }
        }
        mem_free(first);
        return true;
}

/* logged|committed SERVER ZXID */
static bool compare_zxid(struct stage *st, char **words, size_t count, bool *ret, struct text *instead,
                         int64_t (*get)(const struct zab *z))
{
        int sid;
        int64_t wanted;
        char text[TEXT_ZXID_BYTES];
        if (count < 3)
                return stage_fail(st, "%s SERVER ZXID", words[0]);
        if (!stage_server(st, words[1], &sid) || !stage_zxid(st, words[2], &wanted))
                return false;
        *ret = false;
        if (!world_running(st->w, sid)) {
                text_add(instead, "%d does not run", sid);
                return true;
        }
        int64_t is = get(node(st, sid)->server->zab);
        *ret = is == wanted;
        text_add(instead, "it is %s", text_of_zxid(is, text));
        return true;
}

static bool has_logged(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        return compare_zxid(st, words, count, ret, instead, zab_last_logged);
}

static bool has_committed(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        return compare_zxid(st, words, count, ret, instead, zab_last_committed);
}

/* epochs SERVER accepted=N current=N: as on its disk */
static bool has_epochs(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        static const char *const keys[2] = {"accepted", "current"}, *const names[2] = {"acceptedEpoch", "currentEpoch"};
        int sid;
        if (count < 3)
                return stage_fail(st, "epochs SERVER accepted=N current=N");
        if (!stage_server(st, words[1], &sid))
                return false;
        *ret = true;
        for (int i = 0; i < 2; i++) {
                size_t len;
                char text[32] = "missing";
                const uint8_t *data = memory_storage_bytes(node(st, sid)->disk, names[i], &len);
                if (data && len < sizeof text) {
                        memcpy(text, data, len);
                        text[len] = 0;
                }
                text[strcspn(text, "\n")] = 0;
                const char *wanted = stage_option(words, count, keys[i]);
                text_add(instead, "%s is %s ", names[i], text);
                *ret &= !wanted || strcmp(wanted, text) == 0;
        }
        return true;
}

/* file SERVER NAME */
static bool has_file(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int sid;
        if (count < 3)
                return stage_fail(st, "file SERVER NAME");
        if (!stage_server(st, words[1], &sid))
                return false;
        *ret = memory_storage_exists(node(st, sid)->disk, words[2]);
        text_add(instead, "there is none");
        return true;
}

/* node SERVER PATH ["data"]: as its tree has it */
static bool has_node(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int sid;
        if (count < 3)
                return stage_fail(st, "node SERVER PATH [DATA]");
        if (!stage_server(st, words[1], &sid))
                return false;
        *ret = false;
        if (!world_running(st->w, sid)) {
                text_add(instead, "%d does not run", sid);
                return true;
        }
        const struct znode *n = tree_find(database_tree(node(st, sid)->server->db), jute_cstr(words[2]));
        if (!n) {
                text_add(instead, "there is none");
                return true;
        }
        struct jute_str data = znode_data(n);
        *ret = count < 4 || jute_str_is(data, words[3]);
        text_add(instead, "its data is \"%.*s\"", data.len < 0 ? 0 : data.len, (const char *)data.data);
        return true;
}

/* nothing-lost [SERVER…]: what clients were told has been done is there, at all that serve or at these */
static bool is_nothing_lost(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        *ret = true;
        for (int sid = 1; sid <= st->w->count && *ret; sid++) {
                bool named = count == 1 && serves(node(st, sid));
                for (size_t i = 1; i < count; i++) {
                        int n;
                        if (!stage_server(st, words[i], &n))
                                return false;
                        named |= n == sid;
                }
                if (named)
                        *ret = stage_nothing_lost(st, sid, instead);
        }
        return true;
}

/* ---- the rest ---- */

/* held A->B: a packet waits there */
static bool is_held(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        int a, b;
        if (count < 2)
                return stage_fail(st, "held A->B");
        if (!stage_way(st, words[1], &a, &b))
                return false;
        *ret = world_held(st->w, a, b);
        text_add(instead, "nothing waits");
        return true;
}

/* elapsed TIME…TIME: since the last mark */
static bool has_elapsed(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        uint64_t from, to, is = world_now(st->w) - st->marked_ms;
        if (count < 3)
                return stage_fail(st, "elapsed FROM TO");
        if (!stage_duration(st, words[1], &from) || !stage_duration(st, words[2], &to))
                return false;
        *ret = is >= from && is <= to;
        text_add(instead, "it is %" PRIu64 "ms", is);
        return true;
}

/* connected CLIENT; answered CLIENT */
static bool of_client(struct stage *st, char **words, size_t count, bool *ret)
{
        struct actor *a = count < 2 ? NULL : stage_actor(st, words[1]);
        if (!a)
                return stage_fail(st, "%s wants a client", words[0]);
        *ret = strcmp(words[0], "connected") == 0 ? stage_actor_connected(a) : !stage_actor_pending(a);
        return true;
}

static bool is_connected(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        text_add(instead, "it is not");
        return of_client(st, words, count, ret);
}

/* ---- machines ---- */

/* The first machine but one of which it holds, 0 for none. */
static int first_of(struct stage *st, size_t group, int but, bool (*is)(struct stage *st, int number, size_t group))
{
        for (int i = 1; i <= st->f->o.nodes; i++)
                if (i != but && is(st, i, group))
                        return i;
        return 0;
}

static bool all_active(struct stage *st, int number, size_t group)
{
        for (size_t k = 0; k < st->f->o.workers; k++) {
                const struct fleet_worker *w = &fleet_node(st->f, number)->groups[group].workers[k];
                if (!w->core || w->state != WORKER_ACTIVE)
                        return false;
        }
        return true;
}

static bool any_occupied(struct stage *st, int number, size_t group)
{
        for (size_t k = 0; k < st->f->o.workers; k++)
                if (fleet_node(st->f, number)->groups[group].workers[k].resource.occupied)
                        return true;
        return false;
}

/* active [NODE|nowhere|other NODE] [group=NAME]: all workers of the group are; runs …: its resource may run there */
static bool on_machine(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        bool active = strcmp(words[0], "active") == 0, any = count < 2 || strchr(words[1], '=');
        bool (*is)(struct stage *, int, size_t) = active ? all_active : any_occupied;
        size_t group;
        int number = 0;
        if (!stage_group(st, words, count, &group))
                return false;
        bool nowhere = !any && strcmp(words[1], "nowhere") == 0;
        bool other = !any && count > 2 && strcmp(words[1], "other") == 0;
        if (!any && !nowhere && !stage_machine(st, words[other ? 2 : 1], &number))
                return false;
        int but = other ? number : 0;
        if (other)
                number = 0;
        int first = first_of(st, group, but, is);
        *ret = any || other ? first != 0 : nowhere ? first == 0 : is(st, number, group);
        text_add(instead, first ? "it %s on %d" : "it %s nowhere", active ? "is active" : "runs", first);
        return true;
}

/* told "text": by the machines */
static bool is_told(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        if (count < 2)
                return stage_fail(st, "told TEXT");
        *ret = strstr(text_of(&st->story), words[1]) != NULL;
        text_add(instead, "nobody has said so");
        return true;
}

/* token grown [group=NAME]: since note-token */
static bool has_grown(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        size_t group;
        char text[TEXT_ZXID_BYTES];
        if (!stage_group(st, words, count, &group))
                return false;
        *ret = st->f->truth[group].token_max > st->token;
        text_add(instead, "it is %s", text_of_zxid(st->f->truth[group].token_max, text));
        return true;
}

static const struct {
        const char *name;
        condition_fn *fn;
} conditions[] = {
        {"active", on_machine},     {"runs", on_machine},         {"told", is_told},
        {"token", has_grown},       {"leader", is_leader},        {"serving", is_serving},
        {"running", is_running},    {"quiet", is_quiet},          {"role", has_role},
        {"halted", is_halted},      {"said", has_said},           {"equal-trees", are_equal},
        {"logged", has_logged},     {"committed", has_committed}, {"epochs", has_epochs},
        {"file", has_file},         {"node", has_node},           {"nothing-lost", is_nothing_lost},
        {"held", is_held},          {"elapsed", has_elapsed},     {"connected", is_connected},
        {"answered", is_connected},
};

bool stage_condition(struct stage *st, char **words, size_t count, bool *ret, struct text *instead)
{
        bool not = count && strcmp(words[0], "not") == 0;
        words += not ;
        count -= not ;
        for (size_t i = 0; count && i < sizeof conditions / sizeof *conditions; i++) {
                if (strcmp(words[0], conditions[i].name) != 0)
                        continue;
                if (!conditions[i].fn(st, words, count, ret, instead))
                        return false;
                if (not )
                        *ret = !*ret;
                if (not &&!*ret) {
                        text_clear(instead);
                        text_add(instead, "it is so");
                }
                return true;
        }
        return stage_fail(st, "%s is nothing that can be expected", count ? words[0] : "nothing");
}
