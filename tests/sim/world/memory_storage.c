#include "tests/sim/world/memory_storage.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/list.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 64
/* Names of files in the directory above begin so. */
#define ABOVE "../"

struct bytes {
        uint8_t *data;
        size_t len, capacity;
};

/* A pending change of a file: bytes at an offset, or (data NULL) a new length. */
struct change {
        uint64_t order;
        size_t offset, len;
        uint8_t *data;
};

/* Rotten places of one file that are remembered. */
#define ROTS_MAX 8

/* Its first byte stands for all of it. */
struct rot {
        size_t offset;
        uint8_t byte;
};

struct inode {
        struct list link; /* memory_storage.inodes */
        struct bytes visible, durable;
        struct change *changes;
        size_t count, capacity;
        size_t opened;
        int spoiled;
        struct rot rots[ROTS_MAX];
        size_t rot_count;
        bool marked; /* by the collector; also "index" while cloning */
        struct inode *copy;
};

struct entry {
        char name[NAME_MAX_BYTES];
        struct inode *inode;
};

struct directory {
        struct entry *list;
        size_t count, capacity;
};

/* A pending change of the directory: `to` gets the inode ("" for a removal), `from` loses it ("" for a link). */
struct move {
        uint64_t order;
        char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
        struct inode *inode;
};

struct fault {
        uint64_t skip, times;
        int error;
};

struct memory_storage {
        struct storage io;
        struct list inodes;
        struct directory visible, durable;
        struct move *moves;
        size_t count, capacity;
        uint64_t ops; /* also the order of changes */
        struct fault faults[MEMORY_OP_MAX];
        bool dying, die_after, dead;
        uint64_t die_skip;
        uint64_t limit;
};

struct storage_file {
        struct memory_storage *disk;
        struct inode *inode;
};

/* ---- bytes ---- */

static void resize(struct bytes *b, size_t len)
{
        if (len > b->len) {
                b->data = mem_grow(b->data, &b->capacity, len, 1);
                memset(b->data + b->len, 0, len - b->len);
        }
        b->len = len;
}

static void put(struct bytes *b, size_t offset, const uint8_t *data, size_t len)
{
        if (len == 0)
                return;
        if (b->len < offset + len)
                resize(b, offset + len);
        memcpy(b->data + offset, data, len);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
        resize(to, 0);
        put(to, 0, from->data, from->len);
}

static void apply_change(struct bytes *b, const struct change *c)
{
        if (c->data)
                put(b, c->offset, c->data, c->len);
        else
                resize(b, c->len);
}

static void drop_changes(struct inode *n)
{
        for (size_t i = 0; i < n->count; i++)
                mem_free(n->changes[i].data);
        n->count = 0;
}

static void inode_free(struct inode *n)
{
        list_remove(&n->link);
        drop_changes(n);
        mem_free(n->changes);
        mem_free(n->visible.data);
        mem_free(n->durable.data);
        mem_free(n);
}

static struct inode *inode_new(struct memory_storage *d)
{
        struct inode *n = mem_zalloc(sizeof *n);
        list_push(&d->inodes, &n->link);
        return n;
}

/* ---- directories ---- */

static struct inode *find(const struct directory *dir, const char *name)
{
        for (size_t i = 0; i < dir->count; i++)
                if (strcmp(dir->list[i].name, name) == 0)
                        return dir->list[i].inode;
        return NULL;
}

static void unlink_name(struct directory *dir, const char *name)
{
        for (size_t i = 0; i < dir->count; i++)
                if (strcmp(dir->list[i].name, name) == 0) {
                        dir->list[i] = dir->list[--dir->count];
                        return;
                }
}

static void set_name(char to[NAME_MAX_BYTES], const char *name)
{
        assert(strlen(name) < NAME_MAX_BYTES);
        memcpy(to, name, strlen(name) + 1);
}

static void link_name(struct directory *dir, const char *name, struct inode *n)
{
        unlink_name(dir, name);
        dir->list = mem_grow(dir->list, &dir->capacity, dir->count + 1, sizeof *dir->list);
        set_name(dir->list[dir->count].name, name);
        dir->list[dir->count++].inode = n;
}

static void apply_move(struct directory *dir, const struct move *m)
{
        if (m->from[0] && find(dir, m->from) == m->inode)
                unlink_name(dir, m->from);
        if (m->to[0])
                link_name(dir, m->to, m->inode);
}

static void add_move(struct memory_storage *d, const char *from, const char *to, struct inode *n)
{
        d->moves = mem_grow(d->moves, &d->capacity, d->count + 1, sizeof *d->moves);
        struct move *m = &d->moves[d->count++];
        m->order = d->ops;
        m->inode = n;
        set_name(m->from, from);
        set_name(m->to, to);
        apply_move(&d->visible, m);
}

/* Frees files that no name, no pending change and no open file leads to. */
static void collect(struct memory_storage *d)
{
        for (struct list *l = d->inodes.next; l != &d->inodes; l = l->next)
                LIST_ENTRY(l, struct inode, link)->marked = LIST_ENTRY(l, struct inode, link)->opened > 0;
        for (size_t i = 0; i < d->visible.count; i++)
                d->visible.list[i].inode->marked = true;
        for (size_t i = 0; i < d->durable.count; i++)
                d->durable.list[i].inode->marked = true;
        for (size_t i = 0; i < d->count; i++)
                d->moves[i].inode->marked = true;
        for (struct list *l = d->inodes.next, *next; l != &d->inodes; l = next) {
                next = l->next;
                if (!LIST_ENTRY(l, struct inode, link)->marked)
                        inode_free(LIST_ENTRY(l, struct inode, link));
        }
}

/* ---- faults ---- */

static bool fault_fires(struct fault *f)
{
        if (f->times == 0)
                return false;
        if (f->skip > 0) {
                f->skip--;
                return false;
        }
        if (f->times != UINT64_MAX)
                f->times--;
        return true;
}

/* Counts an operation. 0 to go on, or the error it must report; `die` says to take effect first, then die. */
static int enter(struct memory_storage *d, enum memory_op op, bool *die)
{
        *die = false;
        if (d->dead)
                return -EIO;
        d->ops++;
        if (d->dying && d->die_skip-- == 0) {
                d->dying = false;
                *die = d->die_after;
                d->dead = !d->die_after;
                if (d->dead)
                        return -EIO;
        }
        bool any = fault_fires(&d->faults[MEMORY_OP_ANY]);
        bool kind = fault_fires(&d->faults[op]);
        if (any || kind)
                return d->faults[any ? MEMORY_OP_ANY : op].error;
        return 0;
}

static int leave(struct memory_storage *d, bool die)
{
        if (!die)
                return 0;
        d->dead = true;
        return -EIO;
}

static bool over_limit(const struct memory_storage *d, const struct inode *n, uint64_t size)
{
        uint64_t sum = 0;
        if (d->limit == UINT64_MAX || size <= n->visible.len)
                return false;
        for (size_t i = 0; i < d->visible.count; i++)
                sum += d->visible.list[i].inode == n ? 0 : d->visible.list[i].inode->visible.len;
        return sum + size > d->limit;
}

/* ---- struct storage ---- */

static int memory_list(void *ctx, void (*fn)(void *fn_ctx, const char *name), void *fn_ctx)
{
        const struct memory_storage *d = ctx;
        if (d->dead)
                return -EIO;
        for (size_t i = 0; i < d->visible.count; i++)
                if (strncmp(d->visible.list[i].name, ABOVE, sizeof ABOVE - 1) != 0)
                        fn(fn_ctx, d->visible.list[i].name);
        return 0;
}

static int open_inode(struct memory_storage *d, struct inode *n, struct storage_file **ret)
{
        struct storage_file *f = mem_alloc(sizeof *f);
        f->disk = d;
        f->inode = n;
        n->opened++;
        *ret = f;
        return 0;
}

static int memory_open(void *ctx, const char *name, struct storage_file **ret)
{
        struct memory_storage *d = ctx;
        struct inode *n = find(&d->visible, name);
        if (d->dead)
                return -EIO;
        return n ? open_inode(d, n, ret) : -ENOENT;
}

static void add_change(struct inode *n, uint64_t order, size_t offset, size_t len, const uint8_t *data)
{
        n->changes = mem_grow(n->changes, &n->capacity, n->count + 1, sizeof *n->changes);
        n->changes[n->count] = (struct change){.order = order, .offset = offset, .len = len};
        if (data)
                n->changes[n->count].data = mem_dup(data, len);
        apply_change(&n->visible, &n->changes[n->count++]);
}

static int memory_create(void *ctx, const char *name, struct storage_file **ret)
{
        struct memory_storage *d = ctx;
        bool die;
        int r = enter(d, MEMORY_OP_CREATE, &die);
        if (r < 0)
                return r;
        struct inode *n = find(&d->visible, name);
        if (n) {
                add_change(n, d->ops, 0, 0, NULL);
        } else {
                n = inode_new(d);
                add_move(d, "", name, n);
        }
        r = leave(d, die);
        return r < 0 ? r : open_inode(d, n, ret);
}

static int64_t memory_read_at(struct storage_file *f, uint64_t offset, void *buffer, size_t len)
{
        const struct bytes *b = &f->inode->visible;
        if (f->disk->dead)
                return -EIO;
        if (f->inode->spoiled)
                return f->inode->spoiled;
        if (fault_fires(&f->disk->faults[MEMORY_OP_READ]))
                return f->disk->faults[MEMORY_OP_READ].error;
        if (offset >= b->len)
                return 0;
        if (len > b->len - offset)
                len = b->len - (size_t)offset;
        memcpy(buffer, b->data + offset, len);
        return (int64_t)len;
}

static int memory_write_at(struct storage_file *f, uint64_t offset, const void *data, size_t len)
{
        struct memory_storage *d = f->disk;
        bool die;
        int r = enter(d, MEMORY_OP_WRITE, &die);
        if (r == 0 && over_limit(d, f->inode, offset + len))
                r = -ENOSPC;
        if (r < 0 && d->dead)
                return r;
        size_t written = r < 0 ? len / 2 : len;
        if (written > 0)
                add_change(f->inode, d->ops, (size_t)offset, written, data);
        return r < 0 ? r : leave(d, die);
}

static int64_t memory_size(struct storage_file *f)
{
        return f->disk->dead ? -EIO : (int64_t)f->inode->visible.len;
}

static int memory_allocate(struct storage_file *f, uint64_t size_bytes)
{
        struct memory_storage *d = f->disk;
        bool die;
        int r = enter(d, MEMORY_OP_ALLOCATE, &die);
        if (r == 0 && over_limit(d, f->inode, size_bytes))
                r = -ENOSPC;
        if (r < 0)
                return r;
        if (f->inode->visible.len < size_bytes)
                add_change(f->inode, d->ops, 0, (size_t)size_bytes, NULL);
        return leave(d, die);
}

static int memory_truncate(struct storage_file *f, uint64_t size_bytes)
{
        bool die;
        int r = enter(f->disk, MEMORY_OP_TRUNCATE, &die);
        if (r < 0)
                return r;
        add_change(f->inode, f->disk->ops, 0, (size_t)size_bytes, NULL);
        return leave(f->disk, die);
}

static int memory_sync(struct storage_file *f)
{
        struct inode *n = f->inode;
        bool die;
        int r = enter(f->disk, MEMORY_OP_SYNC, &die);
        if (r < 0 && f->disk->dead)
                return r;
        for (size_t i = 0; i < n->count && r >= 0; i++)
                apply_change(&n->durable, &n->changes[i]);
        drop_changes(n); /* also after a failure: the pages count as clean from now on */
        return r < 0 ? r : leave(f->disk, die);
}

static void memory_close(struct storage_file *f)
{
        f->inode->opened--;
        mem_free(f);
}

static int memory_rename(void *ctx, const char *from, const char *to)
{
        struct memory_storage *d = ctx;
        struct inode *n = find(&d->visible, from);
        bool die;
        int r = enter(d, MEMORY_OP_RENAME, &die);
        if (r < 0 || !n)
                return r < 0 ? r : -ENOENT;
        add_move(d, from, to, n);
        return leave(d, die);
}

static int memory_remove(void *ctx, const char *name)
{
        struct memory_storage *d = ctx;
        struct inode *n = find(&d->visible, name);
        bool die;
        int r = enter(d, MEMORY_OP_REMOVE, &die);
        if (r < 0 || !n)
                return r < 0 ? r : -ENOENT;
        add_move(d, name, "", n);
        return leave(d, die);
}

static int memory_sync_dir(void *ctx)
{
        struct memory_storage *d = ctx;
        bool die;
        int r = enter(d, MEMORY_OP_SYNC_DIR, &die);
        if (r < 0 && d->dead)
                return r;
        for (size_t i = 0; i < d->count && r >= 0; i++)
                apply_move(&d->durable, &d->moves[i]);
        d->count = 0; /* as memory_sync() */
        collect(d);
        return r < 0 ? r : leave(d, die);
}

/* ---- the directory above: the same steps as for any small file ---- */

static int64_t memory_read_above(void *ctx, const char *name, char *text, size_t size)
{
        char path[NAME_MAX_BYTES];
        struct storage_file *f = NULL;
        (void)snprintf(path, sizeof path, ABOVE "%s", name);
        int r = memory_open(ctx, path, &f);
        if (r < 0)
                return r;
        int64_t n = memory_read_at(f, 0, text, size);
        memory_close(f);
        return n;
}

static int memory_write_above(void *ctx, const char *name, const char *text)
{
        char path[NAME_MAX_BYTES], tmp[NAME_MAX_BYTES];
        struct storage_file *f = NULL;
        (void)snprintf(path, sizeof path, ABOVE "%s", name);
        (void)snprintf(tmp, sizeof tmp, ABOVE "%s.tmp", name);
        int r = memory_create(ctx, tmp, &f);
        if (r < 0)
                return r;
        r = memory_write_at(f, 0, text, strlen(text));
        if (r >= 0)
                r = memory_sync(f);
        memory_close(f);
        if (r >= 0)
                r = memory_rename(ctx, tmp, path);
        if (r >= 0)
                r = memory_sync_dir(ctx);
        return r;
}

/* ---- life ---- */

struct memory_storage *memory_storage_new(void)
{
        struct memory_storage *d = mem_zalloc(sizeof *d);
        d->io = (struct storage){
                .ctx = d,
                .in_place = true,
                .list = memory_list,
                .open = memory_open,
                .create = memory_create,
                .open_write = memory_open,
                .read_at = memory_read_at,
                .write_at = memory_write_at,
                .size = memory_size,
                .allocate = memory_allocate,
                .truncate = memory_truncate,
                .sync = memory_sync,
                .close = memory_close,
                .rename = memory_rename,
                .remove = memory_remove,
                .sync_dir = memory_sync_dir,
                .read_above = memory_read_above,
                .write_above = memory_write_above,
        };
        d->limit = UINT64_MAX;
        list_init(&d->inodes);
        return d;
}

static void assert_closed(const struct memory_storage *d)
{
        for (const struct list *l = d->inodes.next; l != &d->inodes; l = l->next)
                assert(LIST_ENTRY(l, struct inode, link)->opened == 0);
}

void memory_storage_free(struct memory_storage *d)
{
        if (!d)
                return;
        assert_closed(d);
        while (!list_empty(&d->inodes))
                inode_free(LIST_ENTRY(d->inodes.next, struct inode, link));
        mem_free(d->visible.list);
        mem_free(d->durable.list);
        mem_free(d->moves);
        mem_free(d);
}

const struct storage *memory_storage_io(const struct memory_storage *d)
{
        return &d->io;
}

static void clone_inode(struct memory_storage *to, struct inode *from)
{
        struct inode *n = inode_new(to);
        copy_bytes(&n->visible, &from->visible);
        copy_bytes(&n->durable, &from->durable);
        for (size_t i = 0; i < from->count; i++) {
                n->changes = mem_grow(n->changes, &n->capacity, n->count + 1, sizeof *n->changes);
                n->changes[n->count] = from->changes[i];
                if (from->changes[i].data)
                        n->changes[n->count].data = mem_dup(from->changes[i].data, from->changes[i].len);
                n->count++;
        }
        n->spoiled = from->spoiled;
        memcpy(n->rots, from->rots, sizeof n->rots);
        n->rot_count = from->rot_count;
        from->copy = n;
}

struct memory_storage *memory_storage_clone(const struct memory_storage *d)
{
        struct memory_storage *to = memory_storage_new();
        for (struct list *l = d->inodes.next; l != &d->inodes; l = l->next)
                clone_inode(to, LIST_ENTRY(l, struct inode, link));
        for (size_t i = 0; i < d->visible.count; i++)
                link_name(&to->visible, d->visible.list[i].name, d->visible.list[i].inode->copy);
        for (size_t i = 0; i < d->durable.count; i++)
                link_name(&to->durable, d->durable.list[i].name, d->durable.list[i].inode->copy);
        for (size_t i = 0; i < d->count; i++) {
                to->moves = mem_grow(to->moves, &to->capacity, to->count + 1, sizeof *to->moves);
                to->moves[to->count] = d->moves[i];
                to->moves[to->count++].inode = d->moves[i].inode->copy;
        }
        to->ops = d->ops;
        return to;
}

struct memory_storage *memory_storage_image(const struct memory_storage *d, enum memory_crash how, uint64_t seed)
{
        struct memory_storage *to = memory_storage_clone(d);
        memory_storage_crash_as(to, how, seed);
        return to;
}

/* ---- crashes ---- */

static bool coin(struct prng *p)
{
        return prng_next(p) >> 63;
}

/* Sector by sector; a length may survive without the bytes under it. A sector in memory has all that was written to
 * it, so that what came later does not reach the disk without what came before: `stale` has a flag for each that did
 * not. */
static void scatter(struct bytes *b, const struct change *c, bool *stale, struct prng *p)
{
        if (!c->data) {
                if (coin(p))
                        resize(b, c->len);
                return;
        }
        for (size_t at = 0; at < c->len;) {
                size_t piece = MEMORY_SECTOR_BYTES - (c->offset + at) % MEMORY_SECTOR_BYTES;
                if (piece > c->len - at)
                        piece = c->len - at;
                bool *lost = &stale[(c->offset + at) / MEMORY_SECTOR_BYTES];
                *lost |= coin(p);
                if (!*lost)
                        put(b, c->offset + at, c->data + at, piece);
                at += piece;
        }
        if (coin(p) && b->len < c->offset + c->len)
                resize(b, c->offset + c->len);
}

static void crash_inode(struct inode *n, enum memory_crash how, uint64_t cut, struct prng *p)
{
        size_t end = 0;
        for (size_t i = 0; i < n->count; i++)
                if (n->changes[i].data && end < n->changes[i].offset + n->changes[i].len)
                        end = n->changes[i].offset + n->changes[i].len;
        bool *stale = how == MEMORY_CRASH_SCATTER ? mem_zalloc(end / MEMORY_SECTOR_BYTES + 1) : NULL;
        for (size_t i = 0; i < n->count; i++) {
                const struct change *c = &n->changes[i];
                if (how == MEMORY_CRASH_SCATTER)
                        scatter(&n->durable, c, stale, p);
                else if (c->order < cut)
                        apply_change(&n->durable, c);
                else if (c->order == cut && c->data)
                        put(&n->durable, c->offset, c->data, (size_t)(prng_next(p) % (c->len + 1)));
        }
        mem_free(stale);
        drop_changes(n);
        copy_bytes(&n->visible, &n->durable);
}

/* Where the surviving beginning ends: between the oldest and the newest pending change. */
static uint64_t choose_cut(const struct memory_storage *d, struct prng *p)
{
        uint64_t first = UINT64_MAX;
        for (size_t i = 0; i < d->count; i++)
                first = d->moves[i].order < first ? d->moves[i].order : first;
        for (const struct list *l = d->inodes.next; l != &d->inodes; l = l->next) {
                const struct inode *n = LIST_ENTRY(l, struct inode, link);
                if (n->count > 0 && n->changes[0].order < first)
                        first = n->changes[0].order;
        }
        return first == UINT64_MAX ? 0 : first + prng_next(p) % (d->ops - first + 2);
}

void memory_storage_crash_as(struct memory_storage *d, enum memory_crash how, uint64_t seed)
{
        struct prng p = {.state = seed};
        assert_closed(d);
        uint64_t cut = how == MEMORY_CRASH_ALL ? UINT64_MAX : how == MEMORY_CRASH_PREFIX ? choose_cut(d, &p) : 0;
        for (size_t i = 0; i < d->count; i++)
                if (how == MEMORY_CRASH_SCATTER ? coin(&p) : d->moves[i].order < cut)
                        apply_move(&d->durable, &d->moves[i]);
        d->count = 0;
        for (struct list *l = d->inodes.next; l != &d->inodes; l = l->next)
                crash_inode(LIST_ENTRY(l, struct inode, link), how, cut, &p);
        d->visible.count = 0;
        for (size_t i = 0; i < d->durable.count; i++)
                link_name(&d->visible, d->durable.list[i].name, d->durable.list[i].inode);
        collect(d);
        memset(d->faults, 0, sizeof d->faults);
        d->dying = d->dead = false;
}

void memory_storage_crash(struct memory_storage *d, uint64_t seed)
{
        struct prng p = {.state = seed};
        enum memory_crash how = (enum memory_crash)(prng_next(&p) % MEMORY_CRASH_SCATTER);
        memory_storage_crash_as(d, how, prng_next(&p));
}

/* ---- faults ---- */

uint64_t memory_storage_ops(const struct memory_storage *d)
{
        return d->ops;
}

void memory_storage_fail(struct memory_storage *d, enum memory_op op, uint64_t skip, uint64_t times, int error)
{
        assert(op < MEMORY_OP_MAX && error < 0);
        d->faults[op] = (struct fault){.skip = skip, .times = times, .error = error};
}

void memory_storage_die(struct memory_storage *d, uint64_t skip, bool after)
{
        d->dying = true;
        d->die_skip = skip;
        d->die_after = after;
}

bool memory_storage_dead(const struct memory_storage *d)
{
        return d->dead;
}

void memory_storage_revive(struct memory_storage *d)
{
        memset(d->faults, 0, sizeof d->faults);
        d->dying = d->dead = false;
}

void memory_storage_limit(struct memory_storage *d, uint64_t bytes)
{
        d->limit = bytes;
}

void memory_storage_spoil(struct memory_storage *d, const char *name, int error)
{
        struct inode *n = find(&d->visible, name);
        assert(n && error <= 0);
        n->spoiled = error;
}

/* ---- looking in, tampering ---- */

bool memory_storage_exists(const struct memory_storage *d, const char *name)
{
        return find(&d->visible, name) != NULL;
}

const uint8_t *memory_storage_bytes(const struct memory_storage *d, const char *name, size_t *ret_len)
{
        static const uint8_t empty[1];
        const struct inode *n = find(&d->visible, name);
        if (!n)
                return NULL;
        *ret_len = n->visible.len;
        return n->visible.len ? n->visible.data : empty;
}

void memory_storage_put(struct memory_storage *d, const char *name, const void *data, size_t len)
{
        memory_storage_drop(d, name);
        struct inode *n = inode_new(d);
        put(&n->visible, 0, data, len);
        put(&n->durable, 0, data, len);
        link_name(&d->visible, name, n);
        link_name(&d->durable, name, n);
}

void memory_storage_flip(struct memory_storage *d, const char *name, size_t offset, uint8_t mask)
{
        struct inode *n = find(&d->visible, name);
        assert(n && offset < n->visible.len);
        n->visible.data[offset] ^= mask;
        if (offset < n->durable.len)
                n->durable.data[offset] ^= mask;
}

bool memory_storage_rot(struct memory_storage *d, const char *name, size_t offset, const void *data, size_t len)
{
        struct inode *n = find(&d->visible, name);
        const uint8_t *to = data;
        size_t first = len;
        if (!n || offset + len > n->durable.len || n->rot_count == ROTS_MAX)
                return false;
        for (size_t i = len; i-- > 0;) {
                uint8_t *byte = &n->durable.data[offset + i];
                if (*byte == to[i])
                        continue;
                first = i;
                /* What is written and not synced yet is in memory still, and sound. */
                if (offset + i < n->visible.len && n->visible.data[offset + i] == *byte)
                        n->visible.data[offset + i] = to[i];
                *byte = to[i];
        }
        if (first == len)
                return false;
        n->rots[n->rot_count++] = (struct rot){.offset = offset + first, .byte = to[first]};
        return true;
}

/* What looks rotten still may be a new byte like it: that errs on the safe side. */
size_t memory_storage_rotten(const struct memory_storage *d)
{
        size_t count = 0;
        for (size_t i = 0; i < d->durable.count; i++) {
                const struct inode *n = d->durable.list[i].inode;
                for (size_t k = 0; k < n->rot_count; k++)
                        count += n->rots[k].offset < n->durable.len &&
                                 n->durable.data[n->rots[k].offset] == n->rots[k].byte;
        }
        return count;
}

const uint8_t *memory_storage_durable(const struct memory_storage *d, const char *name, size_t *ret_len)
{
        const struct inode *n = find(&d->visible, name);
        if (!n || !n->durable.len)
                return NULL;
        *ret_len = n->durable.len;
        return n->durable.data;
}

void memory_storage_drop(struct memory_storage *d, const char *name)
{
        unlink_name(&d->visible, name);
        unlink_name(&d->durable, name);
        collect(d);
}

void memory_storage_wipe(struct memory_storage *d)
{
        char name[NAME_MAX_BYTES];
        for (size_t i = 0; i < d->visible.count;) {
                memcpy(name, d->visible.list[i].name, sizeof name);
                if (strncmp(name, ABOVE, sizeof ABOVE - 1) == 0)
                        i++;
                else
                        memory_storage_drop(d, name);
        }
}

size_t memory_storage_count(const struct memory_storage *d, const char *prefix)
{
        size_t count = 0;
        for (size_t i = 0; i < d->visible.count; i++)
                count += strncmp(d->visible.list[i].name, prefix, strlen(prefix)) == 0;
        return count;
}

bool memory_storage_name(const struct memory_storage *d, const char *prefix, size_t place, char *ret, size_t size)
{
        for (size_t i = 0; i < d->visible.count; i++)
                if (strncmp(d->visible.list[i].name, prefix, strlen(prefix)) == 0 && place-- == 0)
                        return snprintf(ret, size, "%s", d->visible.list[i].name) < (int)size;
        return false;
}
