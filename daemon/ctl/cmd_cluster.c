/* batonctl status, members, groups, plugins: who is there, who has what. */
#include "daemon/common/message.h"
#include "daemon/ctl/output.h"
#include "daemon/ctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int no_arguments(int argc, char **argv)
{
        if (argc == 1)
                return CTL_DONE;
        (void)fprintf(stderr, "batonctl %s takes no arguments; see batonctl --help\n", argv[0]);
        return CTL_USAGE;
}

/* Opens, reads, and hands the picture to `show`. */
static int with_view(const struct ctl_options *o, int argc, char **argv,
                     void (*show)(struct ctl *c, const struct ctl_options *o, const struct view *v))
{
        struct ctl *c;
        struct view v;
        int status = no_arguments(argc, argv);
        if (status != CTL_DONE || (status = ctl_open(o, &c)) != CTL_DONE)
                return status;
        status = view_read(c, &v);
        if (status == CTL_DONE)
                show(c, o, &v);
        view_done(&v);
        ctl_close(c);
        return status;
}

static void print_json(json_t *value)
{
        (void)json_dumpf(value, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(value);
}

/* Milliseconds since 1970 of a znode's Stat, as an age on this machine's clock. */
static const char *age_of(int64_t then_ms, char ret[32])
{
        return text_age((long long)time(NULL) - then_ms / 1000, ret);
}

/* ---- members ---- */

static void show_members(struct ctl *c, const struct ctl_options *o, const struct view *v)
{
        static const char *const heads[] = {"NODE", "ROLE", "SINCE", "VERSION", "ADDRESSES", NULL};
        (void)c;
        if (o->json) {
                json_t *all = json_array();
                for (size_t i = 0; i < v->member_count; i++) {
                        json_t *m = json_deep_copy(v->members[i].value);
                        (void)json_object_set_new(m, "node", json_string(v->members[i].name));
                        (void)json_object_set_new(m, "role", json_string(node_role_name(v->members[i].role)));
                        (void)json_object_set_new(m, "joined_ms", json_integer((json_int_t)v->members[i].stat.ctime));
                        (void)json_array_append_new(all, m);
                }
                print_json(all);
                return;
        }
        struct table *t = table_new(heads);
        for (size_t i = 0; i < v->member_count; i++) {
                const struct view_member *m = &v->members[i];
                char age[32], addresses[TABLE_CELL_MAX] = "";
                const json_t *list = json_object_get(m->value, "addresses");
                for (size_t a = 0; a < json_array_size(list); a++) {
                        const char *address = json_string_value(json_array_get(list, a));
                        size_t len = strlen(addresses);
                        (void)snprintf(addresses + len, sizeof addresses - len, "%s%s", len ? "," : "",
                                       address ? address : "");
                }
                table_row(t);
                table_cell(t, SHADE_PLAIN, "%s%s", m->name, m->here ? " (here)" : "");
                table_cell(t, m->role == ROLE_LEADING ? SHADE_GOOD : SHADE_PLAIN, "%s",
                           m->role == ROLE_NONE ? "" : node_role_name(m->role));
                table_cell(t, SHADE_PLAIN, "%s", age_of(m->stat.ctime, age));
                table_cell(t, SHADE_PLAIN, "%s", view_text(m->value, "version"));
                table_cell(t, SHADE_PLAIN, "%s", addresses);
        }
        table_print(t, o->colour, stdout);
        table_free(t);
}

int cmd_members(const struct ctl_options *o, int argc, char **argv)
{
        return with_view(o, argc, argv, show_members);
}

/* ---- groups ---- */

static const char *group_state(const struct view_group *g)
{
        if (g->has_active)
                return "active";
        if (!g->has_holder)
                return "never active";
        const char *state = view_text(g->holder, "state");
        return strcmp(state, "active") == 0 ? "lost" : *state ? state : "unknown";
}

/* Why it is not where it was: of the holder's last words, else of the candidates that are not healthy. */
static void group_reason(const struct view_group *g, char *ret, size_t size)
{
        const char *reason = view_text(g->holder, "reason");
        (void)snprintf(ret, size, "%s", reason);
        for (size_t i = 0; i < g->candidate_count; i++) {
                const struct view_candidate *n = &g->candidates[i];
                const char *why = view_text(n->value, "reason");
                size_t len = strlen(ret);
                if (!n->healthy && *why && !strstr(ret, why))
                        (void)snprintf(ret + len, size - len, "%s%s: %s", len ? "; " : "", n->name, why);
        }
}

/* The token is the transaction that made `active`; at rest, the last one that was. */
static int64_t group_token(const struct view_group *g)
{
        return g->has_active ? g->active_stat.czxid : view_number(g->holder, "token", 0);
}

static json_t *group_json(const struct view_group *g)
{
        char reason[1024];
        json_t *object = json_object(), *candidates = json_array();
        group_reason(g, reason, sizeof reason);
        (void)json_object_set_new(object, "group", json_string(g->name));
        (void)json_object_set_new(object, "state", json_string(group_state(g)));
        (void)json_object_set_new(object, "node", json_string(view_active_node(g)));
        (void)json_object_set_new(object, "token", json_integer((json_int_t)group_token(g)));
        (void)json_object_set_new(object, "reason", json_string(reason));
        if (g->has_active) {
                (void)json_object_set_new(object, "active_since_ms", json_integer((json_int_t)g->active_stat.ctime));
                (void)json_object_set_new(object, "renewed_ms", json_integer((json_int_t)g->active_stat.mtime));
        }
        (void)json_object_set(object, "holder", g->holder);
        for (size_t i = 0; i < g->candidate_count; i++) {
                json_t *n = json_deep_copy(g->candidates[i].value);
                (void)json_object_set_new(n, "node", json_string(g->candidates[i].name));
                (void)json_array_append_new(candidates, n);
        }
        (void)json_object_set_new(object, "candidates", candidates);
        return object;
}

static void show_groups(struct ctl *c, const struct ctl_options *o, const struct view *v)
{
        static const char *const heads[] = {"GROUP", "STATE", "NODE", "SINCE", "TOKEN", "CANDIDATES", "REASON", NULL};
        (void)c;
        if (o->json) {
                json_t *all = json_array();
                for (size_t i = 0; i < v->group_count; i++)
                        (void)json_array_append_new(all, group_json(&v->groups[i]));
                print_json(all);
                return;
        }
        struct table *t = table_new(heads);
        for (size_t i = 0; i < v->group_count; i++) {
                const struct view_group *g = &v->groups[i];
                char age[32], reason[TABLE_CELL_MAX], names[TABLE_CELL_MAX] = "";
                for (size_t n = 0; n < g->candidate_count; n++) {
                        size_t len = strlen(names);
                        (void)snprintf(names + len, sizeof names - len, "%s%s%s", len ? " " : "", g->candidates[n].name,
                                       g->candidates[n].healthy ? "" : "(failed)");
                }
                group_reason(g, reason, sizeof reason);
                table_row(t);
                table_cell(t, SHADE_PLAIN, "%s", g->name);
                table_cell(t, g->has_active ? SHADE_GOOD : SHADE_BAD, "%s", group_state(g));
                table_cell(t, SHADE_PLAIN, "%s", view_active_node(g));
                table_cell(t, SHADE_PLAIN, "%s", g->has_active ? age_of(g->active_stat.ctime, age) : "");
                table_cell(t, SHADE_PLAIN, "%" PRIx64, (uint64_t)group_token(g));
                table_cell(t, SHADE_PLAIN, "%s", names);
                table_cell(t, SHADE_WARNING, "%s", reason);
        }
        table_print(t, o->colour, stdout);
        table_free(t);
}

int cmd_groups(const struct ctl_options *o, int argc, char **argv)
{
        return with_view(o, argc, argv, show_groups);
}

/* ---- plugins ---- */

static enum shade health_shade(const char *health)
{
        if (strcmp(health, health_name(HEALTH_BAD)) == 0)
                return SHADE_BAD;
        if (strcmp(health, health_name(HEALTH_DEGRADED)) == 0)
                return SHADE_WARNING;
        return strcmp(health, health_name(HEALTH_GOOD)) == 0 ? SHADE_GOOD : SHADE_PLAIN;
}

static void show_plugins(struct ctl *c, const struct ctl_options *o, const struct view *v)
{
        static const char *const heads[] = {"NODE", "PLUGIN", "MODULE", "GROUP", "STATE", "HEALTH", "NOTE", NULL};
        json_t *all = json_array();
        struct table *t = table_new(heads);
        (void)c;
        for (size_t i = 0; i < v->member_count; i++) {
                const char *name;
                json_t *plugin, *plugins = json_object_get(v->members[i].value, "plugins");
                json_object_foreach(plugins, name, plugin)
                {
                        json_t *row = json_is_object(plugin) ? json_deep_copy(plugin) : json_object();
                        (void)json_object_set_new(row, "node", json_string(v->members[i].name));
                        (void)json_object_set_new(row, "plugin", json_string(name));
                        (void)json_array_append_new(all, row);
                        table_row(t);
                        table_cell(t, SHADE_PLAIN, "%s", v->members[i].name);
                        table_cell(t, SHADE_PLAIN, "%s", name);
                        table_cell(t, SHADE_PLAIN, "%s", view_text(plugin, "module"));
                        table_cell(t, SHADE_PLAIN, "%s", view_text(plugin, "group"));
                        table_cell(t, SHADE_PLAIN, "%s", view_text(plugin, "state"));
                        table_cell(t, health_shade(view_text(plugin, "health")), "%s", view_text(plugin, "health"));
                        table_cell(t, SHADE_PLAIN, "%s", view_text(plugin, "note"));
                }
        }
        if (o->json)
                print_json(json_incref(all));
        else
                table_print(t, o->colour, stdout);
        json_decref(all);
        table_free(t);
}

int cmd_plugins(const struct ctl_options *o, int argc, char **argv)
{
        if (argc == 2 && argv[1][0] != '-')
                return ctl_show_module(o, argv[1]);
        if (argc != 1) {
                (void)fprintf(stderr, "batonctl plugins takes one MODULE, or nothing; see batonctl --help\n");
                return CTL_USAGE;
        }
        return with_view(o, argc, argv, show_plugins);
}

/* ---- status ---- */

static void show_status(struct ctl *c, const struct ctl_options *o, const struct view *v)
{
        const struct view_member *leader = view_leader(v), *here = NULL;
        for (size_t i = 0; i < v->member_count; i++)
                if (v->members[i].here)
                        here = &v->members[i];
        if (o->json) {
                json_t *object = json_object(), *members = json_array(), *groups = json_array();
                for (size_t i = 0; i < v->member_count; i++)
                        (void)json_array_append_new(members, json_string(v->members[i].name));
                for (size_t i = 0; i < v->group_count; i++)
                        (void)json_array_append_new(groups, group_json(&v->groups[i]));
                (void)json_object_set_new(object, "members", members);
                (void)json_object_set_new(object, "leader", leader ? json_string(leader->name) : json_null());
                (void)json_object_set_new(object, "node", here ? json_string(here->name) : json_null());
                (void)json_object_set_new(object, "role", here ? json_string(node_role_name(here->role)) : json_null());
                (void)json_object_set_new(object, "server", json_string(ctl_server(c)));
                (void)json_object_set_new(object, "zxid", json_integer((json_int_t)v->zxid));
                (void)json_object_set_new(object, "groups", groups);
                print_json(object);
                return;
        }
        (void)printf("cluster    %zu member%s, %s%s; zxid 0x%" PRIx64 " at %s\n", v->member_count,
                     v->member_count == 1 ? "" : "s", leader ? "leader " : "no member leads the ensemble",
                     leader ? leader->name : "", (uint64_t)v->zxid, ctl_server(c));
        if (here)
                (void)printf("this node  %s%s%s\n", here->name, here->role == ROLE_NONE ? "" : ", ",
                             here->role == ROLE_NONE ? "" : node_role_name(here->role));
        else if (ctl_config(c))
                (void)printf("this node  %s is not a member now\n", ctl_config(c)->node.text);
        (void)printf("\n");
        show_members(c, o, v);
        if (v->group_count) {
                (void)printf("\n");
                show_groups(c, o, v);
        }
}

int cmd_status(const struct ctl_options *o, int argc, char **argv)
{
        if (argc >= 2 && argc <= 3 && strcmp(argv[1], "--engine") == 0)
                return ctl_engine_status(o, argc == 3 ? argv[2] : NULL);
        return with_view(o, argc, argv, show_status);
}
