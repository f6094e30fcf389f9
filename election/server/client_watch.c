/* Watches of a connection: the requests that set and remove them, and the events that they bring
 * (zookeeper/client-protocol.md 7). What is not checked here is not checked by ZooKeeper either: a watch may be
 * set anywhere, whatever the path looks like and whoever may read it; who may be told is asked with each event. */
#include "election/server/clients_internal.h"

#include "election/base/blob.h"
#include "election/base/plant.h"
#include "election/server/acl.h"

#include <assert.h>

/* ---- set again by a client that comes back: what changed while it was away fires at once, the rest is
 * registered. A null list, or a null path where a node is looked for, ends the request with an error after what
 * came before it has been done (observed on 3.9.5). ---- */

struct set_watches {
        struct client *k;
        const struct tree *tree;
        int64_t since;
        struct effects *fx;
};

/* What setWatches makes up is of no transaction, and its events have no zxid (7.1). */
static void tell_now(const struct set_watches *s, enum watch_event type, struct jute_str path)
{
        struct blob *event = clients__event(s->k->all, -1, type, path);
        client__tell(s->k, event, s->fx);
        blob_unref(event);
}

static void set_data_watch(const struct set_watches *s, struct jute_str path)
{
        const struct znode *n = tree_find(s->tree, path);
        struct jute_stat stat;
        if (n)
                znode_stat(n, &stat);
        if (!n)
                tell_now(s, EVENT_NODE_DELETED, path);
        else if (stat.mzxid > s->since && !PLANTED(M19_RESTORED_UNCOMPARED))
                tell_now(s, EVENT_NODE_DATA_CHANGED, path);
        else
                client__watch(s->k, WATCH_DATA, WATCH_ONE_SHOT, path);
}

/* The node was missing when the watch was set: being there is the news. */
static void set_exist_watch(const struct set_watches *s, struct jute_str path)
{
        if (tree_find(s->tree, path))
                tell_now(s, EVENT_NODE_CREATED, path);
        else
                client__watch(s->k, WATCH_DATA, WATCH_ONE_SHOT, path);
}

static void set_child_watch(const struct set_watches *s, struct jute_str path)
{
        const struct znode *n = tree_find(s->tree, path);
        struct jute_stat stat;
        if (n)
                znode_stat(n, &stat);
        if (!n)
                tell_now(s, EVENT_NODE_DELETED, path);
        else if (stat.pzxid > s->since)
                tell_now(s, EVENT_NODE_CHILDREN_CHANGED, path);
        else
                client__watch(s->k, WATCH_CHILD, WATCH_ONE_SHOT, path);
}

static void set_persistent_watch(const struct set_watches *s, struct jute_str path)
{
        client__watch(s->k, WATCH_CHILD, WATCH_PERSISTENT, path);
        client__watch(s->k, WATCH_DATA, WATCH_PERSISTENT, path);
}

static void set_recursive_watch(const struct set_watches *s, struct jute_str path)
{
        client__watch(s->k, WATCH_DATA, WATCH_RECURSIVE, path);
}

static bool each_path(const struct set_watches *s, const struct jute_vec *paths, bool null_allowed,
                      void (*fn)(const struct set_watches *s, struct jute_str path))
{
        struct jute_reader r = jute_vec_reader(paths);
        for (int32_t i = 0; i < paths->count; i++) {
                struct jute_str path = jute_get_str(&r);
                if (path.len < 0 && !null_allowed)
                        return false;
                fn(s, path);
        }
        return paths->count >= 0;
}

int32_t client__set_watches(struct client *k, const struct tree *tree, int32_t opcode, struct jute_reader *body,
                            struct effects *fx)
{
        struct jute_set_watches2 v = {.persistent = {.count = 0}, .recursive = {.count = 0}};
        if (opcode == OP_SET_WATCHES2) {
                jute_get_set_watches2(body, &v);
        } else {
                struct jute_set_watches old;
                jute_get_set_watches(body, &old);
                v.relative_zxid = old.relative_zxid;
                v.data = old.data;
                v.exist = old.exist;
                v.child = old.child;
        }
        if (body->error)
                return ZK_MARSHALLING_ERROR;
        const struct set_watches s = {.k = k, .tree = tree, .since = v.relative_zxid, .fx = fx};
        const bool done = each_path(&s, &v.data, false, set_data_watch) &&
                          each_path(&s, &v.exist, false, set_exist_watch) &&
                          each_path(&s, &v.child, false, set_child_watch) &&
                          each_path(&s, &v.persistent, true, set_persistent_watch) &&
                          each_path(&s, &v.recursive, true, set_recursive_watch);
        return done ? ZK_OK : ZK_MARSHALLING_ERROR;
}

/* ---- addWatch, checkWatches, removeWatches ---- */

int32_t client__add_watch(struct client *k, struct jute_reader *body)
{
        enum { MODE_PERSISTENT, MODE_RECURSIVE };
        struct jute_path_type v;
        jute_get_path_type(body, &v);
        if (body->error || (v.type != MODE_PERSISTENT && v.type != MODE_RECURSIVE))
                return ZK_MARSHALLING_ERROR;
        if (v.type == MODE_RECURSIVE) {
                client__watch(k, WATCH_DATA, WATCH_RECURSIVE, v.path);
                return ZK_OK;
        }
        client__watch(k, WATCH_DATA, WATCH_PERSISTENT, v.path);
        client__watch(k, WATCH_CHILD, WATCH_PERSISTENT, v.path);
        return ZK_OK;
}

/* What a client's type of watch (4.2) is in either table. */
struct watch_modes {
        unsigned data, child;
};

static bool watch_modes_of(int32_t type, struct watch_modes *ret)
{
        enum { TYPE_CHILDREN = 1, TYPE_DATA, TYPE_ANY, TYPE_PERSISTENT, TYPE_RECURSIVE };
        static const struct watch_modes modes[] = {
                [TYPE_CHILDREN] = {.child = WATCH_ONE_SHOT},
                [TYPE_DATA] = {.data = WATCH_ONE_SHOT},
                [TYPE_ANY] = {.data = WATCH_ANY, .child = WATCH_ANY},
                [TYPE_PERSISTENT] = {.data = WATCH_PERSISTENT, .child = WATCH_PERSISTENT},
                [TYPE_RECURSIVE] = {.data = WATCH_RECURSIVE},
        };
        if (type < TYPE_CHILDREN || type > TYPE_RECURSIVE)
                return false;
        *ret = modes[type];
        return true;
}

int32_t client__check_watches(const struct client *k, struct jute_reader *body)
{
        const struct watches *w = k->all->watches;
        struct jute_path_type v;
        struct watch_modes of;
        jute_get_path_type(body, &v);
        if (body->error || !watch_modes_of(v.type, &of))
                return ZK_MARSHALLING_ERROR;
        const bool found = watches_has(w, WATCH_DATA, of.data, v.path, k->conn) ||
                           watches_has(w, WATCH_CHILD, of.child, v.path, k->conn);
        return found ? ZK_OK : ZK_NO_WATCHER;
}

int32_t client__remove_watches(struct client *k, struct jute_reader *body)
{
        struct watches *w = k->all->watches;
        struct jute_path_type v;
        struct watch_modes of;
        jute_get_path_type(body, &v);
        if (body->error || !watch_modes_of(v.type, &of))
                return ZK_MARSHALLING_ERROR;
        const bool child = watches_remove(w, WATCH_CHILD, of.child, v.path, k->conn);
        const bool data = watches_remove(w, WATCH_DATA, of.data, v.path, k->conn);
        return child || data ? ZK_OK : ZK_NO_WATCHER;
}

/* ---- events ---- */

struct fire {
        struct clients *clients;
        const struct tree_event *event;
        int64_t zxid;
        struct blob *frames[EVENT_NODE_CHILDREN_CHANGED + 1]; /* made for the first who is told */
        struct effects *fx;
};

/* Within a transaction a list is looked at once for a connection where its events come one after the other: they may be
 * as many as the transaction has operations. The list's place tells it, for lists are kept that long. */
static bool may_read(struct client *k, struct jute_vec acl)
{
        struct clients *c = k->all;
        if (k->judged_outcome == c->outcomes && k->judged_list == acl.data)
                return k->judged_may;
        k->judged_outcome = c->outcomes;
        k->judged_list = acl.data;
        k->judged_may = acl_allows(&c->config->acl, acl, ACL_READ, client__ids(k->ids));
        client__charge(k, acl.size); /* a step's looks are bounded as what it may send is */
        return k->judged_may;
}

/* Nothing is said to whom may not read the node, or the parent whose children changed; a one-shot watch is used
 * up all the same (7.3). */
static void fire_one(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct fire *f = ctx;
        struct client *k = map_get(&f->clients->by_conn, conn);
        const struct jute_vec acl = tree_event_acl(f->event, type);
        assert(k); /* watches are dropped with their connection */
        if (k->doomed || acl.count < 0 || !may_read(k, acl))
                return;
        if (!f->frames[type])
                f->frames[type] = clients__event(f->clients, f->zxid, type, path);
        client__tell(k, f->frames[type], f->fx);
}

void clients__fire(struct clients *c, const struct tree_event *e, int64_t zxid, struct effects *fx)
{
        struct fire f = {.clients = c, .event = e, .zxid = zxid, .fx = fx};
        watches_fire(c->watches, e, fire_one, &f);
        for (size_t i = 0; i < sizeof f.frames / sizeof *f.frames; i++)
                blob_unref(f.frames[i]);
}
