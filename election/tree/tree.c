/* Structure of the tree: nodes by path, children, creation order, ephemerals; and what reads it. */
#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/pool.h"
#include "election/tree/tree_internal.h"

#include <assert.h>
#include <string.h>

/* Without padding surprises: 100,000 nodes must stay cheap. */
static_assert(sizeof(struct znode) <= 160, "a znode has grown");

struct tree *tree__new(uint64_t hash_seed)
{
        struct tree *t = mem_zalloc(sizeof *t);
        t->hash_seed = hash_seed;
        index_init(&t->nodes);
        index_init(&t->owners);
        list_init(&t->ring);
        acl_table_init(&t->acls, hash_seed);
        quota_paths__init(&t->quotas, hash_seed);
        jute_writer_init(&t->walk.aside, SIZE_MAX);
        return t;
}

static void znode_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        struct znode *n = INDEX_ENTRY(l, struct znode, link);
        pool_free(n->family);
        mem_free(n->data);
        mem_free(n);
}

static void owner_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        struct owner *o = INDEX_ENTRY(l, struct owner, link);
        mem_free(o->nodes);
        mem_free(o);
}

void tree__free(struct tree *t)
{
        if (!t)
                return;
        index_each(&t->nodes, znode_free, NULL);
        index_each(&t->owners, owner_free, NULL);
        index_done(&t->nodes);
        index_done(&t->owners);
        acl_table_done(&t->acls);
        quota_paths__done(&t->quotas);
        jute_writer_done(&t->walk.aside);
        mem_free(t->specials);
        mem_free(t);
}

/* ---- looking up ---- */

static uint64_t path_hash(const struct tree *t, struct jute_str path)
{
        return hash_bytes(path.data, (size_t)path.len, t->hash_seed);
}

uint64_t tree_hash_seed(const struct tree *t)
{
        return t->hash_seed;
}

/* Of its hash, which is that of the path. */
static struct znode *find(const struct tree *t, struct jute_str path, uint64_t hash)
{
        for (struct index_link *l = index_first(&t->nodes, hash); l; l = index_next(l)) {
                struct znode *n = INDEX_ENTRY(l, struct znode, link);
                if (n->path_len == (uint32_t)path.len && memcmp(n->path, path.data, n->path_len) == 0)
                        return n;
        }
        return NULL;
}

struct znode *tree__find(const struct tree *t, struct jute_str path)
{
        if (path.len < 0)
                return NULL;
        if (path.len == 0 || (path.len == 1 && path.data[0] == '/'))
                return t->root;
        return find(t, path, path_hash(t, path));
}

const struct znode *tree_find(const struct tree *t, struct jute_str path)
{
        return tree__find(t, path);
}

const struct znode *tree_parent(const struct tree *t, const struct znode *n)
{
        (void)t;
        return n->parent;
}

struct znode *tree__next(const struct znode *top, const struct znode *n)
{
        if (n->family)
                return n->family->first_child;
        for (; n != top; n = n->parent)
                if (n->next)
                        return n->next;
        return NULL;
}

size_t tree_descendants(const struct tree *t, const struct znode *n)
{
        (void)t;
        return n->family ? n->family->descendants : 0;
}

void tree_put_children(const struct tree *t, const struct znode *n, struct jute_writer *w)
{
        (void)t;
        jute_put_int(w, (int32_t)znode__children(n));
        const size_t prefix = (size_t)n->path_len + 1;
        for (const struct znode *c = znode__first_child(n); c; c = c->next)
                jute_put_str(w, jute_str_of(c->path + prefix, c->path_len - prefix));
}

struct jute_vec tree_acl(const struct tree *t, const struct znode *n)
{
        return acl_table_get(&t->acls, n->acl_key);
}

uint64_t tree_digest(const struct tree *t)
{
        return t->digest;
}

size_t tree_count(const struct tree *t)
{
        return t->nodes.count + 1; /* ZooKeeper has the root under two names (client-protocol.md 6.3) */
}

size_t tree_ephemeral_count(const struct tree *t)
{
        return t->ephemerals;
}

uint64_t tree_data_size(const struct tree *t)
{
        return t->data_size + 1; /* the root's second name, "/" */
}

uint64_t tree_memory_bytes(const struct tree *t)
{
        return t->data_size + tree_count(t) * sizeof(struct znode);
}

/* ---- ephemerals ---- */

static struct owner *owner_find(const struct tree *t, int64_t session)
{
        struct index_link *l = index_first(&t->owners, hash_u64((uint64_t)session));
        for (; l; l = index_next(l)) {
                struct owner *o = INDEX_ENTRY(l, struct owner, link);
                if (o->session == session)
                        return o;
        }
        return NULL;
}

static void ephemeral_add(struct tree *t, struct znode *n)
{
        struct owner *o = owner_find(t, n->owner);
        if (!o) {
                o = mem_zalloc(sizeof *o);
                o->session = n->owner;
                index_insert(&t->owners, &o->link, hash_u64((uint64_t)n->owner));
        }
        o->nodes = mem_grow(o->nodes, &o->capacity, o->count + 1, sizeof *o->nodes);
        n->place = (uint32_t)o->count;
        o->nodes[o->count++] = n;
        t->ephemerals++;
}

static void ephemeral_remove(struct tree *t, struct znode *n)
{
        struct owner *o = owner_find(t, n->owner);
        assert(o && o->nodes[n->place] == n);
        struct znode *last = o->nodes[--o->count];
        o->nodes[n->place] = last;
        last->place = n->place;
        t->ephemerals--;
        if (o->count > 0)
                return;
        index_remove(&t->owners, &o->link);
        owner_free(NULL, &o->link);
}

struct znode *tree__ephemeral(const struct tree *t, int64_t session)
{
        const struct owner *o = owner_find(t, session);
        return o ? o->nodes[o->count - 1] : NULL;
}

size_t tree_ephemerals(const struct tree *t, int64_t session, void (*fn)(void *ctx, const struct znode *n), void *ctx)
{
        const struct owner *o = owner_find(t, session);
        if (!o)
                return 0;
        for (size_t i = 0; i < o->count && fn; i++)
                fn(ctx, o->nodes[i]);
        return o->count;
}

struct each_owner {
        void (*fn)(void *ctx, int64_t session, size_t ephemerals);
        void *ctx;
};

static void tell_owner(void *ctx, struct index_link *l)
{
        const struct each_owner *each = ctx;
        const struct owner *o = INDEX_ENTRY(l, struct owner, link);
        each->fn(each->ctx, o->session, o->count);
}

size_t tree_owners(const struct tree *t, void (*fn)(void *ctx, int64_t session, size_t ephemerals), void *ctx)
{
        struct each_owner each = {.fn = fn, .ctx = ctx};
        if (fn)
                index_each(&t->owners, tell_owner, &each);
        return t->owners.count;
}

/* ---- containers and nodes with a time to live ---- */

static void special_add(struct tree *t, struct znode *n)
{
        t->specials = mem_grow(t->specials, &t->special_capacity, t->special_count + 1, sizeof(struct znode *));
        n->place = (uint32_t)t->special_count;
        t->specials[t->special_count++] = n;
}

/* The last one takes its place. */
static void special_remove(struct tree *t, struct znode *n)
{
        assert(n->place < t->special_count && t->specials[n->place] == n);
        struct znode *last = t->specials[--t->special_count];
        t->specials[n->place] = last;
        last->place = n->place;
}

size_t tree_special_count(const struct tree *t)
{
        return t->special_count;
}

const struct znode *tree_special(const struct tree *t, size_t place)
{
        return place < t->special_count ? t->specials[place] : NULL;
}

/* ---- changing ---- */

/* Java counts UTF-16 units; legal paths have one per code point. */
static uint64_t path_chars(const struct znode *n)
{
        uint64_t chars = 0;
        for (uint32_t i = 0; i < n->path_len; i++)
                chars += ((uint8_t)n->path[i] & 0xC0) != 0x80;
        return chars;
}

static uint64_t data_bytes(const struct znode *n)
{
        return n->data_len > 0 ? (uint64_t)n->data_len : 0;
}

uint64_t tree__subtree_bytes(const struct znode *n)
{
        return (n->family ? n->family->data_below : 0) + data_bytes(n);
}

/* What comes is counted at all nodes above; what goes likewise, by numbers that wrap. A path of a megabyte may have
 * half a million ancestors, but then it costs as much to be hashed. */
static void count_below(struct znode *parent, uint32_t nodes, uint64_t bytes)
{
        for (struct znode *up = parent; up; up = up->parent) {
                up->family->descendants += nodes;
                up->family->data_below += bytes;
        }
}

static void child_link(struct znode *parent, struct znode *n)
{
        if (!parent->family)
                parent->family = pool_zalloc(sizeof *parent->family);
        n->parent = parent;
        n->next = parent->family->first_child;
        if (n->next)
                n->next->prev = n;
        parent->family->first_child = n;
        parent->family->children++;
        count_below(parent, 1, data_bytes(n));
}

static void child_unlink(struct znode *n)
{
        struct znode *parent = n->parent;
        struct family *f = parent->family;
        if (n->prev)
                n->prev->next = n->next;
        else
                f->first_child = n->next;
        if (n->next)
                n->next->prev = n->prev;
        count_below(parent, UINT32_MAX, 0 - data_bytes(n)); /* one less */
        if (--f->children > 0)
                return;
        parent->family = NULL;
        pool_free(f);
}

static void data_store(struct znode *n, struct jute_str data)
{
        if (n->data && n->data_len == data.len) {
                memcpy(n->data, data.data, (size_t)data.len); /* the usual length again: no memory is asked for */
        } else {
                mem_free(n->data);
                n->data = data.len > 0 ? mem_dup(data.data, (size_t)data.len) : NULL;
                n->data_len = data.len;
        }
        n->content_crc = tree_content_crc(znode_path(n), data);
}

static struct znode *znode_new(struct jute_str path, struct jute_str data, const struct jute_stat_persisted *stat)
{
        assert(path.len >= 0);
        struct znode *n = mem_zalloc(sizeof *n + (size_t)path.len);
        n->path_len = (uint32_t)path.len;
        if (path.len > 0)
                memcpy(n->path, path.data, n->path_len);
        data_store(n, data);
        n->czxid = stat->czxid;
        n->mzxid = stat->mzxid;
        n->pzxid = stat->pzxid;
        n->ctime = stat->ctime;
        n->mtime = stat->mtime;
        n->owner = stat->ephemeral_owner;
        n->version = stat->version;
        n->cversion = stat->cversion;
        n->aversion = stat->aversion;
        return n;
}

struct znode *tree__place(struct tree *t, struct znode *parent, struct jute_str path, struct jute_str data,
                          int64_t acl_key, const struct jute_stat_persisted *stat)
{
        assert(parent || (!t->root && path.len == 0));
        struct znode *n = znode_new(path, data, stat);
        n->acl_key = acl_key;
        n->generation = t->walk.generation;
        if (parent)
                child_link(parent, n);
        else
                t->root = n;
        n->link.hash = (uint32_t)path_hash(t, path);
        index_fetch(&t->nodes, n->link.hash);
        list_push(&t->ring, &n->ring);
        if (znode_is_ephemeral(n))
                ephemeral_add(t, n);
        else if (n->owner)
                special_add(t, n);
        t->digest += znode_digest(n);
        t->data_size += path_chars(n) + data_bytes(n);
        return n;
}

bool tree__name(struct tree *t, struct znode *const *nodes, size_t count)
{
        bool all_new = true;
        for (size_t i = 0; i < count; i++)
                index_fetch_link(&t->nodes, nodes[i]->link.hash);
        for (size_t i = 0; i < count; i++) {
                all_new = !find(t, znode_path(nodes[i]), nodes[i]->link.hash) && all_new;
                index_insert(&t->nodes, &nodes[i]->link, nodes[i]->link.hash);
        }
        return all_new;
}

struct znode *tree__insert(struct tree *t, struct znode *parent, struct jute_str path, struct jute_str data,
                           int64_t acl_key, const struct jute_stat_persisted *stat)
{
        struct znode *n = tree__place(t, parent, path, data, acl_key, stat);
        index_insert(&t->nodes, &n->link, n->link.hash);
        return n;
}

void tree__remove(struct tree *t, struct znode *n)
{
        assert(n->parent && !n->family);
        tree__walk_keep(t, n);
        t->digest -= znode_digest(n);
        t->data_size -= path_chars(n) + data_bytes(n);
        if (znode_is_ephemeral(n))
                ephemeral_remove(t, n);
        else if (n->owner)
                special_remove(t, n);
        if (t->walk.on && t->walk.cursor == &n->ring)
                t->walk.cursor = n->ring.next;
        list_remove(&n->ring);
        index_remove(&t->nodes, &n->link);
        child_unlink(n);
        acl_table_unref(&t->acls, n->acl_key);
        znode_free(NULL, &n->link);
}

void tree__change_begin(struct tree *t, struct znode *n)
{
        tree__walk_keep(t, n);
        t->digest -= znode_digest(n);
}

void tree__change_end(struct tree *t, struct znode *n)
{
        t->digest += znode_digest(n);
}

void tree__set_data(struct tree *t, struct znode *n, struct jute_str data)
{
        const uint64_t before = data_bytes(n);
        data_store(n, data);
        const uint64_t more = data_bytes(n) - before;
        t->data_size += more;
        if (more)
                count_below(n->parent, 0, more);
}

void tree__set_acl(struct tree *t, struct znode *n, int64_t acl_key)
{
        int64_t old = n->acl_key;
        n->acl_key = acl_key;
        acl_table_unref(&t->acls, old);
}

/* ---- invariants ---- */

static void check_node(const struct tree *t, const struct znode *n)
{
        uint32_t children = 0, descendants = 0;
        uint64_t bytes = 0;
        assert(!n->family || n->family->children > 0);
        for (const struct znode *c = znode__first_child(n); c; c = c->next) {
                assert(c->parent == n && (!c->next || c->next->prev == c));
                assert(c->path_len > n->path_len + 1 && memcmp(c->path, n->path, n->path_len) == 0);
                assert(memchr(c->path + n->path_len + 1, '/', c->path_len - n->path_len - 1) == NULL);
                children++;
                descendants += (uint32_t)tree_descendants(t, c) + 1;
                bytes += tree__subtree_bytes(c);
        }
        assert(children == znode__children(n) && descendants == tree_descendants(t, n));
        assert(bytes == tree__subtree_bytes(n) - data_bytes(n));
        assert(tree__find(t, znode_path(n)) == n);
        assert(tree_content_crc(znode_path(n), znode_data(n)) == n->content_crc);
        if (znode_is_ephemeral(n)) {
                const struct owner *o = owner_find(t, n->owner);
                assert(o && n->place < o->count && o->nodes[n->place] == n);
        } else if (n->owner) {
                assert(tree_special(t, n->place) == n);
        }
}

void tree__check(const struct tree *t)
{
        uint64_t digest = 0, data_size = 0;
        size_t count = 0, ephemerals = 0, specials = 0;
        for (const struct list *l = t->ring.next; l != &t->ring; l = l->next) {
                const struct znode *n = LIST_ENTRY(l, struct znode, ring);
                check_node(t, n);
                digest += znode_digest(n);
                data_size += path_chars(n) + data_bytes(n);
                ephemerals += znode_is_ephemeral(n);
                specials += n->owner && !znode_is_ephemeral(n);
                count++;
        }
        assert(digest == t->digest);
        assert(data_size == t->data_size);
        assert(count == t->nodes.count && count == tree_descendants(t, t->root) + 1);
        assert(ephemerals == t->ephemerals);
        assert(specials == t->special_count);
}
