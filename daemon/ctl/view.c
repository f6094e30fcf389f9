/* See view.h. */
#include "daemon/ctl/view.h"

#include "daemon/common/message.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

/* Bytes of a path below /baton that is put together here. */
#define PATH_BYTES_MAX 256

const char *view_text(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));
        return text ? text : "";
}

int64_t view_number(const json_t *object, const char *key, int64_t otherwise)
{
        const json_t *number = json_object_get(object, key);
        return json_is_integer(number) ? (int64_t)json_integer_value(number) : otherwise;
}

/* An object in any case. */
static json_t *parse(const struct ctl_reply *r)
{
        json_t *value = r->data ? json_loadb(r->data, r->size, JSON_REJECT_DUPLICATES, NULL) : NULL;
        if (json_is_object(value))
                return value;
        json_decref(value);
        return json_object();
}

static enum node_role role_of(const char *name)
{
        for (enum node_role role = ROLE_NONE; role < ROLE_COUNT; role++)
                if (strcmp(node_role_name(role), name) == 0)
                        return role;
        return ROLE_NONE;
}

static void copy_name(char *ret, const char *name)
{
        (void)snprintf(ret, NAME_BYTES_MAX + 1, "%s", name);
}

/* Children of a path; none when it is not there. */
static int children_of(struct ctl *c, struct view *v, const char *path, struct ctl_reply *ret)
{
        int status = ctl_children(c, path, ret);
        if (status != CTL_DONE)
                return status;
        v->zxid = ret->zxid;
        return ret->error == ZK_OK || ret->error == ZK_NO_NODE ? CTL_DONE : ctl_refused(path, ret->error);
}

static int read_members(struct ctl *c, struct view *v)
{
        struct ctl_reply names;
        int status = children_of(c, v, "/baton/members", &names);
        v->members = mem_zalloc((names.child_count + 1) * sizeof *v->members);
        for (size_t i = 0; status == CTL_DONE && i < names.child_count; i++) {
                char path[PATH_BYTES_MAX];
                struct ctl_reply r;
                struct view_member *m = &v->members[v->member_count];
                if (!name_is_valid(names.children[i]))
                        continue;
                (void)snprintf(path, sizeof path, "/baton/members/%s", names.children[i]);
                status = ctl_get(c, path, &r);
                if (status == CTL_DONE && r.error == ZK_OK) {
                        copy_name(m->name, names.children[i]);
                        m->value = parse(&r);
                        m->stat = r.stat;
                        m->role = role_of(view_text(m->value, "role"));
                        m->here = ctl_config(c) && strcmp(ctl_config(c)->node.text, m->name) == 0;
                        v->member_count++;
                }
                ctl_reply_done(&r);
        }
        ctl_reply_done(&names);
        return status;
}

static int read_candidates(struct ctl *c, struct view *v, struct view_group *g)
{
        char path[PATH_BYTES_MAX];
        struct ctl_reply names;
        (void)snprintf(path, sizeof path, "/baton/groups/%s/candidates", g->name);
        int status = children_of(c, v, path, &names);
        g->candidates = mem_zalloc((names.child_count + 1) * sizeof *g->candidates);
        for (size_t i = 0; status == CTL_DONE && i < names.child_count; i++) {
                struct ctl_reply r;
                struct view_candidate *n = &g->candidates[g->candidate_count];
                if (!name_is_valid(names.children[i]))
                        continue;
                (void)snprintf(path, sizeof path, "/baton/groups/%s/candidates/%s", g->name, names.children[i]);
                status = ctl_get(c, path, &r);
                if (status == CTL_DONE && r.error == ZK_OK) {
                        copy_name(n->name, names.children[i]);
                        n->value = parse(&r);
                        n->healthy = json_is_true(json_object_get(n->value, "healthy"));
                        g->candidate_count++;
                }
                ctl_reply_done(&r);
        }
        ctl_reply_done(&names);
        return status;
}

static int read_value(struct ctl *c, const struct view_group *g, const char *name, bool *ret_has, json_t **ret,
                      struct jute_stat *ret_stat)
{
        char path[PATH_BYTES_MAX];
        struct ctl_reply r;
        (void)snprintf(path, sizeof path, "/baton/groups/%s/%s", g->name, name);
        int status = ctl_get(c, path, &r);
        *ret_has = status == CTL_DONE && r.error == ZK_OK;
        *ret = parse(&r);
        *ret_stat = r.stat;
        ctl_reply_done(&r);
        return status;
}

static int read_groups(struct ctl *c, struct view *v)
{
        struct ctl_reply names;
        int status = children_of(c, v, "/baton/groups", &names);
        v->groups = mem_zalloc((names.child_count + 1) * sizeof *v->groups);
        for (size_t i = 0; status == CTL_DONE && i < names.child_count; i++) {
                if (!name_is_valid(names.children[i]))
                        continue;
                struct view_group *g = &v->groups[v->group_count++];
                copy_name(g->name, names.children[i]);
                status = read_value(c, g, "active", &g->has_active, &g->active, &g->active_stat);
                if (status == CTL_DONE)
                        status = read_value(c, g, "holder", &g->has_holder, &g->holder, &g->holder_stat);
                if (status == CTL_DONE)
                        status = read_candidates(c, v, g);
        }
        ctl_reply_done(&names);
        return status;
}

int view_read(struct ctl *c, struct view *ret)
{
        *ret = (struct view){.members = NULL};
        int status = read_members(c, ret);
        return status == CTL_DONE ? read_groups(c, ret) : status;
}

void view_done(struct view *v)
{
        for (size_t i = 0; i < v->member_count; i++)
                json_decref(v->members[i].value);
        for (size_t i = 0; i < v->group_count; i++) {
                struct view_group *g = &v->groups[i];
                json_decref(g->active);
                json_decref(g->holder);
                for (size_t n = 0; n < g->candidate_count; n++)
                        json_decref(g->candidates[n].value);
                mem_free(g->candidates);
        }
        mem_free(v->members);
        mem_free(v->groups);
        *v = (struct view){.members = NULL};
}

const struct view_member *view_leader(const struct view *v)
{
        for (size_t i = 0; i < v->member_count; i++)
                if (v->members[i].role == ROLE_LEADING)
                        return &v->members[i];
        return NULL;
}

const char *view_active_node(const struct view_group *g)
{
        return g->has_active ? view_text(g->has_holder ? g->holder : g->active, "node") : "";
}
