/* Reading the nodes of a moment out while the tree goes on changing.
 *
 * The walk follows the ring (creation order: parents first). Each node carries the generation of the
 * last snapshot it is done with: `generation != walk.generation` says that this snapshot wants it and
 * has not got it yet. Nodes made during the walk carry its generation from birth. A node that is about
 * to change or to go is written to `aside` at once in its old form, its missing ancestors before it;
 * what is aside goes out before the walk moves on, so that parents precede children in the stream.
 *
 * Memory: `aside` holds each node at most once, so never more than the whole snapshot; commonly the
 * nodes changed during one walk. */
#include "election/base/alloc.h"
#include "election/tree/tree_internal.h"

#include <assert.h>

/* Room kept for the next use once `aside` is empty; more is given back. */
#define WALK_ASIDE_KEEP_BYTES (64u << 10)

void tree__walk_begin(struct tree *t)
{
        struct walk *k = &t->walk;
        assert(!k->on);
        k->on = true;
        k->ended = false;
        k->generation++;
        k->cursor = t->ring.next;
        k->left = t->nodes.count;
        k->aside_at = 0;
}

void tree__walk_end(struct tree *t)
{
        t->walk.on = false;
        t->walk.aside_at = 0;
        jute_writer_done(&t->walk.aside);
}

static bool is_wanted(const struct walk *k, const struct znode *n)
{
        return k->on && n->generation != k->generation;
}

/* A node as a snapshot has it: path, data, ACL key, persisted Stat. */
static void emit(struct walk *k, struct znode *n, struct jute_writer *w)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        jute_put_str(w, znode_path(n));
        jute_put_str(w, znode_data(n));
        jute_put_long(w, n->acl_key);
        jute_put_stat_persisted(w, &stat);
        n->generation = k->generation;
        assert(k->left > 0);
        k->left--;
}

void tree__walk_keep(struct tree *t, struct znode *n)
{
        struct walk *k = &t->walk;
        if (!is_wanted(k, n))
                return;
        struct znode **chain = NULL;
        size_t count = 0, capacity = 0;
        for (struct znode *up = n; up && is_wanted(k, up); up = up->parent) {
                chain = mem_grow(chain, &capacity, count + 1, sizeof(struct znode *));
                chain[count++] = up;
        }
        while (count > 0)
                emit(k, chain[--count], &k->aside);
        mem_free(chain);
}

/* Moves up to `max_bytes` of what is aside to `w`. */
static void drain(struct walk *k, struct jute_writer *w, size_t max_bytes)
{
        size_t len = k->aside.len - k->aside_at;
        if (len > max_bytes)
                len = max_bytes;
        if (len > 0)
                jute_put_raw(w, k->aside.data + k->aside_at, len);
        k->aside_at += len;
        if (k->aside_at < k->aside.len)
                return;
        k->aside_at = 0;
        if (k->aside.capacity > WALK_ASIDE_KEEP_BYTES)
                jute_writer_done(&k->aside);
        else
                jute_writer_reset(&k->aside);
}

static void emit_next(struct walk *k, struct jute_writer *w)
{
        struct znode *n;
        do {
                n = LIST_ENTRY(k->cursor, struct znode, ring);
                k->cursor = k->cursor->next;
        } while (!is_wanted(k, n));
        emit(k, n, w);
}

int tree__walk_read(struct tree *t, struct jute_writer *w, size_t max_bytes)
{
        struct walk *k = &t->walk;
        assert(k->on);
        if (k->ended)
                return 0;
        const size_t start = w->len;
        drain(k, w, max_bytes > 0 ? max_bytes : 1);
        if (k->aside.len > 0)
                return 1;
        /* `left` ends the loop before the cursor could come to nodes made during the walk. */
        while (k->left > 0 && (w->len == start || w->len - start < max_bytes) && !w->error)
                emit_next(k, w);
        if (k->left > 0 || w->error)
                return 1;
        jute_put_cstr(w, "/");
        k->ended = true;
        return 0;
}
