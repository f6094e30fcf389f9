/* The candidates: this node's own znode, kept as it ought to be, and the others', watched.
 *
 * Nothing here is a matter of safety: whoever thinks himself first only asks first. */
#include "daemon/agent/group_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct contender *find(struct group *g, const char *node)
{
        for (size_t i = 0; i < g->field.count; i++)
                if (strcmp(g->field.contenders[i].name.text, node) == 0)
                        return &g->field.contenders[i];
        return NULL;
}

static struct group_candidate *value_of(struct group *g, const struct contender *c)
{
        return &g->field.values[c - g->field.contenders];
}

static void drop(struct group *g, size_t i)
{
        struct field *f = &g->field;
        f->count--;
        f->contenders[i] = f->contenders[f->count];
        f->values[i] = f->values[f->count];
}

/* After any change: what the status shows, in a stable order. */
static int by_name(const void *a, const void *b)
{
        const struct group_candidate *x = a, *y = b;
        return strcmp(x->who.name.text, y->who.name.text);
}

static void sum_up(struct group *g)
{
        struct field *f = &g->field;
        f->known_count = 0;
        for (size_t i = 0; i < f->count; i++) {
                if (!f->contenders[i].known)
                        continue;
                struct group_member m;
                struct group_candidate *c = &f->known[f->known_count++];
                *c = f->values[i];
                c->who.name = f->contenders[i].name;
                c->who.leads = g->host->member(g->ctx, c->who.name.text, &m) && m.role == ROLE_LEADING;
        }
        qsort(f->known, f->known_count, sizeof f->known[0], by_name);
}

void group__field_sum_up(struct group *g)
{
        sum_up(g);
        g->dirty = true;
}

void group__field_reset(struct group *g)
{
        struct field *f = &g->field;
        for (size_t i = 0; i < f->count; i++)
                f->contenders[i].reading = false;
        f->list_under_way = f->making = false;
        f->list_wanted = true;
}

/* ---- the others ---- */

static void on_contender_event(struct group *g, struct group_call *call, enum client_event event)
{
        struct contender *c = find(g, call->node.text);
        if (!c)
                return;
        c->watched = c->known = false;
        if (event != CLIENT_EVENT_DATA)
                g->field.list_wanted = true;
}

static void on_contender(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct contender *c = find(g, call->node.text);
        if (!c)
                return;
        c->reading = false;
        c->watched = c->watched || r->watching;
        if (r->outcome != CLIENT_ANSWERED)
                return;
        if (r->error == ZK_NO_NODE) {
                g->field.list_wanted = true;
                drop(g, (size_t)(c - g->field.contenders));
        } else if (r->error == ZK_OK) {
                c->known = true;
                c->version = r->stat.version;
                c->owner = r->stat.ephemeral_owner;
                (void)candidate_value_read(r->data, value_of(g, c)); /* a broken one is not healthy */
        } else {
                group__trouble(g, "reading a candidate", r->error);
        }
        group__field_sum_up(g);
}

static void on_list_event(struct group *g, struct group_call *call, enum client_event event)
{
        (void)call;
        (void)event;
        g->field.list_watched = false;
        g->field.list_wanted = true;
}

static void add(struct group *g, struct jute_str name)
{
        struct field *f = &g->field;
        struct name node;
        if (name.len <= 0 || name.len > NAME_BYTES_MAX)
                return; /* foreign: no node has such a name */
        (void)snprintf(node.text, sizeof node.text, "%.*s", name.len, (const char *)name.data);
        struct contender *c = find(g, node.text);
        if (!c && f->count == GROUP_CANDIDATES_MAX) {
                if (!f->crowd_told)
                        group__log(g, LOG_LEVEL_WARNING, GROUP_EVENT_ODD,
                                   "more than %d candidates; the rest is left out", GROUP_CANDIDATES_MAX);
                f->crowd_told = true;
                return;
        }
        if (!c) {
                c = &f->contenders[f->count];
                *c = (struct contender){.name = node};
                f->values[f->count++] = (struct group_candidate){.who = {.name = node}};
        }
        c->listed = true;
}

static void on_list(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct field *f = &g->field;
        (void)call;
        f->list_under_way = false;
        f->list_watched = f->list_watched || r->watching;
        if (r->outcome != CLIENT_ANSWERED)
                return;
        if (r->error == ZK_NO_NODE) {
                group__make_parents(g);
                f->list_wanted = true;
        } else if (r->error != ZK_OK) {
                group__trouble(g, "listing the candidates", r->error);
                f->list_wanted = true;
                return;
        }
        struct jute_reader names = jute_vec_reader(&r->children);
        for (size_t i = 0; i < f->count; i++)
                f->contenders[i].listed = false;
        for (int32_t i = 0; i < r->children.count; i++)
                add(g, jute_get_str(&names));
        for (size_t i = f->count; i > 0; i--)
                if (!f->contenders[i - 1].listed)
                        drop(g, i - 1);
        group__field_sum_up(g);
}

static void list_due(struct group *g)
{
        struct field *f = &g->field;
        struct client *c = g->host->client(g->ctx);
        if (f->list_wanted && !f->list_under_way) {
                struct client_call call = group__call(g, on_list, f->list_watched ? NULL : on_list_event, 0, "");
                f->list_under_way = group__asked(g, &call, client_children(c, g->candidates_path, &call)) == 0;
                f->list_wanted = !f->list_under_way;
        }
        for (size_t i = 0; i < f->count; i++) {
                struct contender *o = &f->contenders[i];
                char path[GROUP_PATH_MAX];
                if (o->known || o->reading)
                        continue;
                (void)snprintf(path, sizeof path, "%s/%s", g->candidates_path, o->name.text);
                struct client_call call =
                        group__call(g, on_contender, o->watched ? NULL : on_contender_event, 0, o->name.text);
                o->reading = group__asked(g, &call, client_get(c, path, &call)) == 0;
        }
}

/* ---- this node's own ---- */

/* Whether this node is to be a candidate, and what its znode is to say. */
static bool wanted(struct group *g, uint64_t now_ms, struct group_candidate *ret)
{
        struct group_member m;
        *ret = (struct group_candidate){.who = {.name = g->node, .priority = g->settings.priority, .healthy = true}};
        if (g->ending || !group__workers_ready(g))
                return false;
        bool allowed = g->settings.member_count == 0;
        for (size_t i = 0; i < g->settings.member_count; i++)
                allowed = allowed || strcmp(g->settings.members[i].text, g->node.text) == 0;
        /* Another node of the same name may be the member: then this one has no say. */
        if (!allowed || !g->host->member(g->ctx, g->node.text, &m) || strcmp(m.instance, g->instance) != 0 ||
            strcmp(m.boot_id, g->boot_id) != 0)
                return false;
        if (now_ms < g->rest_until_ms) {
                ret->who.healthy = false;
                (void)snprintf(ret->reason, sizeof ret->reason, "%s", g->failure);
        }
        return true;
}

static void on_own(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct contender *own = find(g, g->node.text);
        (void)call;
        g->field.making = false;
        g->field.list_wanted = true;
        if (own)
                own->known = false;
        if (r->outcome != CLIENT_ANSWERED || r->error == ZK_OK || r->error == ZK_NODE_EXISTS ||
            r->error == ZK_BAD_VERSION)
                return;
        if (r->error == ZK_NO_NODE) /* of the parent, or it was deleted by another hand */
                group__make_parents(g);
        else
                group__trouble(g, "writing this node's candidate", r->error);
}

static bool differs(const struct group_candidate *a, const struct group_candidate *b)
{
        return a->who.priority != b->who.priority || a->who.healthy != b->who.healthy ||
               strcmp(a->reason, b->reason) != 0;
}

static void own_due(struct group *g, uint64_t now_ms)
{
        struct field *f = &g->field;
        struct client *c = g->host->client(g->ctx);
        struct contender *own = find(g, g->node.text);
        struct group_candidate want;
        bool want_it = wanted(g, now_ms, &want);
        if (f->making || f->list_under_way || f->list_wanted || (own && !own->known))
                return;
        if (own && (!want_it || own->owner != g->session)) {
                struct client_call call = group__call(g, on_own, NULL, 0, "");
                f->making = group__asked(g, &call, client_delete(c, g->own_path, own->version, &call)) == 0;
        } else if (want_it && (!own || differs(value_of(g, own), &want))) {
                struct client_call call = group__call(g, on_own, NULL, 0, "");
                char *json = candidate_value_write(&want);
                int r = own ? client_set(c, g->own_path, jute_cstr(json), own->version, &call)
                            : client_create(c, g->own_path, jute_cstr(json), CLIENT_EPHEMERAL, NULL, &call);
                f->making = group__asked(g, &call, r) == 0;
                free(json);
        }
}

bool group__is_candidate(const struct group *g)
{
        for (size_t i = 0; i < g->field.count; i++) {
                const struct contender *c = &g->field.contenders[i];
                if (strcmp(c->name.text, g->node.text) == 0)
                        return c->known && c->owner == g->session;
        }
        return false;
}

bool group__field_gone(const struct group *g)
{
        const struct field *f = &g->field;
        bool listed = false;
        for (size_t i = 0; i < f->count; i++)
                listed = listed || strcmp(f->contenders[i].name.text, g->node.text) == 0;
        return !listed && !f->making && !f->list_wanted && !f->list_under_way;
}

void group__field_due(struct group *g, uint64_t now_ms)
{
        if (now_ms < g->rest_until_ms)
                group__wake(g, g->rest_until_ms);
        if (!group__can_ask(g, now_ms))
                return;
        list_due(g);
        own_due(g, now_ms);
}

/* ---- their order ---- */

int group__rank(struct group *g)
{
        struct policy_candidate list[GROUP_CANDIDATES_MAX];
        const struct holder_value *holder = &g->sight.holder;
        if (!group__is_candidate(g))
                return -ENOENT;
        sum_up(g);
        for (size_t i = 0; i < g->field.known_count; i++) {
                list[i] = g->field.known[i].who;
                /* Who had it, fell silent and has not released it is not waited for: its znodes may outlive it for
                 * another session timeout, when the leader was lost with it. */
                if (holder->state == HOLDER_ACTIVE && strcmp(list[i].name.text, holder->node.text) == 0 &&
                    strcmp(list[i].name.text, g->node.text) != 0)
                        list[i].healthy = false;
        }
        return policy_rank(g->settings.policy, holder->node.text, list, g->field.known_count, g->node.text);
}

const struct group_candidate *group__better(const struct group *g)
{
        for (size_t i = 0; i < g->field.known_count; i++) {
                const struct group_candidate *c = &g->field.known[i];
                if (c->who.healthy && c->who.priority > g->settings.priority &&
                    strcmp(c->who.name.text, g->node.text) != 0)
                        return c;
        }
        return NULL;
}
