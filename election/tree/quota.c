/* Counting into stats nodes, and judging by limits nodes. What ZooKeeper's DataTree does at each step is followed
 * to the letter, oddities included, since the stats are data that all members must agree about; where it would throw
 * an exception that ends the server, nothing happens here. */
#include "election/tree/quota_internal.h"

#include "election/base/plant.h"
#include "election/tree/tree_internal.h"

#include <string.h>

#define PROC      "/zookeeper"
#define PROC_LEN  (sizeof PROC - 1)
#define ROOT_LEN  (sizeof QUOTA_ROOT - 1)
#define LIMITS    "/" QUOTA_LIMITS_NAME
#define LIMIT_LEN (sizeof LIMITS - 1)
#define STATS     "/" QUOTA_STATS_NAME
#define STATS_LEN (sizeof STATS - 1)

static bool begins_with(struct jute_str s, const char *prefix, size_t len)
{
        return s.len >= (int32_t)len && memcmp(s.data, prefix, len) == 0;
}

static bool ends_with(struct jute_str s, const char *tail, size_t len)
{
        return s.len >= (int32_t)len && memcmp(s.data + (size_t)s.len - len, tail, len) == 0;
}

static struct jute_str cut_front(struct jute_str s, size_t len)
{
        return jute_str_of(s.data + len, (size_t)s.len - len);
}

static int64_t data_bytes(int32_t len)
{
        return len > 0 ? len : 0;
}

/* ---- counting ---- */

static void set_stats(struct tree *t, struct znode *n, const struct jute_writer *text)
{
        tree__change_begin(t, n);
        tree__set_data(t, n, jute_str_of(text->data, text->len));
        tree__change_end(t, n);
}

/* Also where nothing is added: the text is written anew, in its usual form. `without` is a stats node that is
 * going. */
static void charge(struct tree *t, struct jute_str path, int64_t bytes, int64_t count, const struct znode *without)
{
        const struct quota_path *p = quota_paths__innermost(&t->quotas, path);
        struct znode *stats = p ? tree__find(t, quota_paths__stats(p)) : NULL;
        struct jute_writer text;
        if (!stats || stats == without)
                return;
        jute_writer_init(&text, SIZE_MAX);
        if (quota_text__add(znode_data(stats), bytes, count, &text))
                set_stats(t, stats, &text);
        jute_writer_done(&text);
}

/* All of a subtree, into the stats node of `path`; a subtree that is not there has nothing. Nothing is walked
 * through: a transaction may make a stats node some ten thousand times over, of a tree of any size. */
static void recount(struct tree *t, struct jute_str path, struct znode *stats)
{
        const struct znode *top = tree__find(t, path);
        const int64_t bytes = top ? (int64_t)tree__subtree_bytes(top) : 0;
        const int64_t count = top ? (int64_t)tree_descendants(t, top) + 1 : 0;
        struct jute_writer text;
        jute_writer_init(&text, SIZE_MAX);
        quota_text__write(bytes, count, &text);
        set_stats(t, stats, &text);
        jute_writer_done(&text);
}

/* ---- what applying does ---- */

static void note_created(struct tree *t, struct znode *n)
{
        const struct jute_str path = znode_path(n), parent = path_parent(path), name = path_name(path);
        if (!begins_with(parent, QUOTA_ROOT, ROOT_LEN))
                return;
        const struct jute_str subtree = cut_front(parent, ROOT_LEN);
        if (jute_str_is(name, QUOTA_LIMITS_NAME))
                quota_paths__add(&t->quotas, subtree);
        else if (jute_str_is(name, QUOTA_STATS_NAME))
                recount(t, subtree, n);
}

void quota__created(struct tree *t, struct znode *n, int32_t data_len)
{
        const struct jute_str path = znode_path(n);
        if (begins_with(path, QUOTA_ROOT, ROOT_LEN))
                note_created(t, n);
        if (t->quotas.registered > 0)
                charge(t, path, data_bytes(data_len), 1, NULL);
}

void quota__changed(struct tree *t, const struct znode *n, int32_t old_len)
{
        if (t->quotas.registered > 0)
                charge(t, znode_path(n), data_bytes(n->data_len) - data_bytes(old_len), 0, NULL);
}

/* Java cuts as many of its characters off any parent below /zookeeper as "/zookeeper/quota" has. Null for one that
 * has not so many. */
static struct jute_str cut_as_java(struct jute_str parent)
{
        size_t chars = 0;
        int32_t at = 0;
        while (at < parent.len && chars < ROOT_LEN) {
                chars += parent.data[at] >= 0xF0 ? 2 : 1;
                for (at++; at < parent.len && (parent.data[at] & 0xC0) == 0x80;)
                        at++;
        }
        if (chars < ROOT_LEN)
                return (struct jute_str){.data = NULL, .len = -1};
        return cut_front(parent, (size_t)at);
}

static void note_removing(struct tree *t, struct jute_str path)
{
        const struct jute_str parent = path_parent(path);
        if (!begins_with(parent, PROC, PROC_LEN) || !jute_str_is(path_name(path), QUOTA_LIMITS_NAME))
                return;
        const struct jute_str subtree = cut_as_java(parent);
        if (subtree.data)
                quota_paths__remove(&t->quotas, subtree);
}

void quota__removing(struct tree *t, const struct znode *n)
{
        const struct jute_str path = znode_path(n);
        if (t->quotas.registered == 0)
                return;
        if (begins_with(path, PROC, PROC_LEN))
                note_removing(t, path);
        if (!PLANTED(DELETION_NOT_COUNTED))
                charge(t, path, -data_bytes(n->data_len), -1, n);
}

/* The path ends where a limits node's name begins for the first time, as Java's indexOf() finds it. */
static struct jute_str subtree_of_limits(struct jute_str path)
{
        const uint8_t *at = memmem(path.data, (size_t)path.len, LIMITS, LIMIT_LEN);
        return jute_str_of(path.data + ROOT_LEN, (size_t)(at - path.data) - ROOT_LEN);
}

static void load_limits(struct tree *t, const struct znode *limits)
{
        const struct jute_str subtree = subtree_of_limits(znode_path(limits));
        struct jute_writer path;
        if (subtree.len == 0)
                return;
        jute_writer_init(&path, SIZE_MAX);
        jute_put_raw(&path, QUOTA_ROOT, ROOT_LEN);
        jute_put_raw(&path, subtree.data, (size_t)subtree.len);
        jute_put_raw(&path, STATS, STATS_LEN);
        struct znode *stats = tree__find(t, jute_str_of(path.data, path.len));
        jute_writer_done(&path);
        if (stats)
                recount(t, subtree, stats);
        quota_paths__add(&t->quotas, subtree);
}

void quota__loaded(struct tree *t)
{
        const struct znode *top = tree__find(t, jute_cstr(QUOTA_ROOT));
        for (const struct znode *n = top; n; n = tree__next(top, n))
                if (!n->family && ends_with(znode_path(n), LIMITS, LIMIT_LEN))
                        load_limits(t, n);
}

/* ---- judging ---- */

/* Of the hard limit if there is one, else of the soft one. */
static enum quota_verdict judge(int64_t used, int64_t soft, int64_t hard, struct quota_excess *found)
{
        const int64_t limit = hard > -1 ? hard : soft;
        if (used <= limit)
                return QUOTA_OK;
        found->used = used;
        found->limit = limit;
        return hard > -1 ? QUOTA_HARD : QUOTA_SOFT;
}

static const struct znode *limits_of(const struct tree *t, const struct quota_path *p)
{
        struct jute_writer path;
        jute_writer_init(&path, SIZE_MAX);
        jute_put_raw(&path, p->path, p->path_len);
        jute_put_raw(&path, LIMITS, LIMIT_LEN);
        const struct znode *n = tree__find(t, jute_str_of(path.data, path.len));
        jute_writer_done(&path);
        return n;
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
        return (int64_t)((uint64_t)a + (uint64_t)b);
}

enum quota_verdict quota_check(const struct tree *t, struct jute_str path, int64_t bytes, int64_t count,
                               struct quota_excess *ret)
{
        const struct quota_path *p = quota_paths__innermost(&t->quotas, path);
        const struct znode *limits = p ? limits_of(t, p) : NULL;
        struct quota_text limit, used;
        if (!limits)
                return QUOTA_OK;
        if (znode_data(limits).len > QUOTA_LIMITS_TEXT_MAX || !quota_text_read(znode_data(limits), &limit))
                return QUOTA_UNREADABLE;
        const bool nodes_matter = count != 0 && (limit.count > -1 || limit.count_hard > -1);
        const bool bytes_matter = bytes != 0 && (limit.bytes > -1 || limit.bytes_hard > -1);
        const struct znode *stats = tree__find(t, quota_paths__stats(p));
        if ((!nodes_matter && !bytes_matter) || !stats)
                return QUOTA_OK;
        if (!quota_text_read(znode_data(stats), &used))
                return QUOTA_UNREADABLE;
        struct quota_excess found = {.path = quota_paths__subtree(p)};
        enum quota_verdict v = QUOTA_OK;
        if (nodes_matter)
                v = judge(wrapping_add(used.count, count), limit.count, limit.count_hard, &found);
        if (v != QUOTA_HARD && bytes_matter) {
                struct quota_excess other = {.path = found.path, .bytes = true};
                const enum quota_verdict w =
                        judge(wrapping_add(used.bytes, bytes), limit.bytes, limit.bytes_hard, &other);
                if (w != QUOTA_OK) {
                        v = w;
                        found = other;
                }
        }
        if (v != QUOTA_OK)
                *ret = found;
        return v;
}

/* ---- what would end a ZooKeeper server ---- */

/* At the next start the limits node's path ends where such a name begins for the first time. */
static bool begins_with_limits(struct jute_str path)
{
        return begins_with(path, QUOTA_ROOT LIMITS, ROOT_LEN + LIMIT_LEN);
}

bool quota_path_is_deadly(struct jute_str path)
{
        if (!begins_with(path, PROC, PROC_LEN) || !ends_with(path, LIMITS, LIMIT_LEN))
                return false;
        const struct jute_str parent = path_parent(path);
        if (!begins_with(parent, PROC, PROC_LEN))
                return false;
        const struct jute_str subtree = cut_as_java(parent);
        return !subtree.data || !quota_paths__has_name(subtree) || begins_with_limits(path);
}

bool quota_text_is_deadly(struct jute_str path, struct jute_str data)
{
        struct quota_text text;
        if (!begins_with(path, QUOTA_ROOT, ROOT_LEN) || !ends_with(path, STATS, STATS_LEN))
                return false;
        if (data.len > QUOTA_STATS_TEXT_MAX || !quota_text_read(data, &text))
                return true;
        for (int32_t i = 0; i < data.len; i++)
                if (data.data[i] >= 0x80)
                        return true;
        return false;
}

/* ---- for mntr ---- */

static bool add_leaf(struct quota_namespace *s, const struct znode *n)
{
        const struct jute_str path = znode_path(n);
        const bool limits = ends_with(path, LIMITS, LIMIT_LEN);
        struct quota_text text;
        if ((!limits && !ends_with(path, STATS, STATS_LEN)) || !quota_text_read(znode_data(n), &text))
                return false;
        if (limits) {
                s->has_limits = true;
                s->count_limit = wrapping_add(s->count_limit, text.count_hard > -1 ? text.count_hard : text.count);
                s->bytes_limit = wrapping_add(s->bytes_limit, text.bytes_hard > -1 ? text.bytes_hard : text.bytes);
        } else {
                s->has_stats = true;
                s->count_usage = wrapping_add(s->count_usage, text.count);
                s->bytes_usage = wrapping_add(s->bytes_usage, text.bytes);
        }
        return true;
}

void quota_each_namespace(const struct tree *t, void (*fn)(void *ctx, const struct quota_namespace *n), void *ctx)
{
        const struct znode *root = tree__find(t, jute_cstr(QUOTA_ROOT));
        for (const struct znode *top = root ? znode__first_child(root) : NULL; top; top = top->next) {
                struct quota_namespace s = {.name = path_name(znode_path(top))};
                bool any = false;
                for (const struct znode *n = top; n; n = tree__next(top, n))
                        if (!n->family && add_leaf(&s, n))
                                any = true;
                if (any)
                        fn(ctx, &s);
        }
}
