/* A snapshot loaded from bytes in any portions.
 *
 * The stream is a sequence of small items (a count, a session, an entry of an ACL, a node), each with at
 * most two strings. How many bytes an item takes can be told from its lengths alone: an item that is not
 * whole yet is kept, with how many bytes it takes as far as known, and looked at again only when those
 * are there. So each byte is copied at most once, and an item of a megabyte arriving byte by byte is
 * looked at some five times. Memory: one item, at most two strings of `item_max`, and one ACL list. */
#include "election/tree/database_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum phase {
        PHASE_SESSION_COUNT,
        PHASE_SESSION,
        PHASE_ACL_COUNT,
        PHASE_ACL_ROW, /* key and count */
        PHASE_ACL_ENTRY,
        PHASE_NODE,
        PHASE_END,
        PHASE_FAILED,
};

#define STAT_PERSISTED_SIZE 60
#define SESSION_SIZE        12
#define ACL_ROW_HEAD_SIZE   12
/* Nodes that are entered into the table of paths together: the table is large, each entry is a wait for memory, and so
 * many are waited for at once. */
#define UNNAMED_MAX 16

struct database_loader {
        struct database *db;
        int32_t item_max;
        enum phase phase;
        int32_t left;         /* sessions, or ACL rows, still to come */
        int32_t entries_left; /* of the present ACL row */
        int32_t entry_count;
        int64_t acl_key;
        struct jute_writer acl; /* the present ACL row's entries */
        uint8_t *item;          /* an item that is not whole yet */
        size_t item_len, item_capacity;
        struct znode *unnamed[UNNAMED_MAX]; /* in the tree, and not yet found by their paths */
        size_t unnamed_count;
        struct znode *parent; /* of the last node; the next one mostly has the same */
};

struct database_loader *database_loader_new(int32_t item_max)
{
        return database_loader_new_hashed(item_max, 0);
}

struct database_loader *database_loader_new_hashed(int32_t item_max, uint64_t hash_seed)
{
        struct database_loader *l = mem_zalloc(sizeof *l);
        l->db = database__new(hash_seed);
        l->item_max = item_max;
        jute_writer_init(&l->acl, (size_t)item_max);
        return l;
}

/* Makes all nodes to be found by their paths. False if one was there twice. */
static bool name_all(struct database_loader *l)
{
        const size_t count = l->unnamed_count;
        l->unnamed_count = 0;
        return tree__name(l->db->tree, l->unnamed, count);
}

void database_loader_free(struct database_loader *l)
{
        if (!l)
                return;
        if (l->db)
                (void)name_all(l); /* as the tree frees those that it finds */
        database_free(l->db);
        jute_writer_done(&l->acl);
        mem_free(l->item);
        mem_free(l);
}

/* ---- how long is the present item? ---- */

/* Adds a string that begins at `*size` of the item: its length where that is there to be read. False
 * when the string's end can't be told yet; `*size` then covers what is needed to tell more. */
static bool add_string(const uint8_t *p, size_t len, int32_t item_max, size_t *size)
{
        struct jute_reader r;
        const size_t start = *size;
        *size += 4;
        if (len < *size)
                return false;
        jute_reader_init(&r, p + start, 4, item_max);
        int32_t string_len = jute_get_int(&r);
        if (string_len > 0 && string_len <= item_max) /* any other length is judged by the decoder */
                *size += (size_t)string_len;
        return true;
}

static size_t node_size(const struct database_loader *l, const uint8_t *p, size_t len)
{
        size_t size = 0;
        if (!add_string(p, len, l->item_max, &size))
                return size;
        if (size == 5 && (len < size || p[4] == '/'))
                return size; /* the end marker, or not to be told yet */
        if (len < size || !add_string(p, len, l->item_max, &size))
                return size;
        return size + 8 + STAT_PERSISTED_SIZE;
}

/* Bytes that the item at `p` takes, as far as can be told from `len` of them; more than `len` if it is
 * not whole. */
static size_t item_size(const struct database_loader *l, const uint8_t *p, size_t len)
{
        size_t size = 4;
        switch (l->phase) {
        case PHASE_SESSION:
                return SESSION_SIZE;
        case PHASE_ACL_ROW:
                return ACL_ROW_HEAD_SIZE;
        case PHASE_ACL_ENTRY: /* perms, then two strings */
                if (add_string(p, len, l->item_max, &size) && len >= size)
                        (void)add_string(p, len, l->item_max, &size); /* size says it all */
                return size;
        case PHASE_NODE:
                return node_size(l, p, len);
        default:
                return 4;
        }
}

/* ---- items ---- */

static void begin_acls(struct database_loader *l, struct jute_reader *r)
{
        l->left = jute_get_int(r);
        l->phase = l->left > 0 ? PHASE_ACL_ROW : PHASE_NODE;
}

static void take_session(struct database_loader *l, struct jute_reader *r)
{
        int64_t id = jute_get_long(r);
        session_table_add(l->db->sessions, id, jute_get_int(r));
        if (--l->left == 0)
                l->phase = PHASE_ACL_COUNT;
}

static void finish_acl_row(struct database_loader *l, struct jute_reader *r)
{
        const struct jute_vec acl = {.data = l->acl.data, .size = l->acl.len, .count = l->entry_count};
        if (l->acl.error || !acl_table_load(&l->db->tree->acls, l->acl_key, acl))
                jute_fail(r);
        jute_writer_reset(&l->acl);
        l->phase = --l->left > 0 ? PHASE_ACL_ROW : PHASE_NODE;
}

static void take_acl_row(struct database_loader *l, struct jute_reader *r)
{
        l->acl_key = jute_get_long(r);
        int32_t count = jute_get_int(r);
        l->entry_count = count < -1 ? 0 : count;
        l->entries_left = l->entry_count;
        if (l->entries_left > 0)
                l->phase = PHASE_ACL_ENTRY;
        else
                finish_acl_row(l, r);
}

static void take_acl_entry(struct database_loader *l, struct jute_reader *r)
{
        struct jute_acl entry;
        jute_get_acl(r, &entry);
        if (r->error)
                return;
        jute_put_acl(&l->acl, &entry);
        if (l->acl.error)
                jute_fail(r); /* longer than any list a transaction can carry */
        else if (--l->entries_left == 0)
                finish_acl_row(l, r);
}

/* NULL if it is not there, or if it is there twice. */
static struct znode *find_parent(struct database_loader *l, struct jute_str path)
{
        const struct jute_str wanted = path_parent(path);
        if (l->parent && jute_str_equal(znode_path(l->parent), wanted))
                return l->parent;
        l->parent = tree__find(l->db->tree, wanted);
        if (!l->parent && name_all(l))
                l->parent = tree__find(l->db->tree, wanted);
        return l->parent;
}

/* The root comes first, every other node after its parent, none twice: name_all() sees to that. */
static bool node_fits(struct database_loader *l, struct jute_str path, struct znode **ret_parent)
{
        *ret_parent = NULL;
        if (path.len == 0)
                return !l->db->tree->root;
        if (!path__is_sound(path))
                return false;
        *ret_parent = find_parent(l, path);
        return *ret_parent != NULL;
}

static void take_node(struct database_loader *l, struct jute_reader *r)
{
        struct tree *t = l->db->tree;
        struct znode *parent;
        struct jute_stat_persisted stat;
        struct jute_str path = jute_get_str(r);
        if (jute_str_is(path, "/")) {
                l->phase = t->root && name_all(l) ? PHASE_END : PHASE_FAILED;
                return;
        }
        struct jute_str data = jute_get_str(r);
        int64_t acl_key = jute_get_long(r);
        jute_get_stat_persisted(r, &stat);
        if (r->error)
                return;
        /* A root that goes with a session would be a tree without one. */
        if (!node_fits(l, path, &parent) || (!parent && stat.ephemeral_owner)) {
                jute_fail(r);
                return;
        }
        acl_table_ref(&t->acls, acl_key);
        l->unnamed[l->unnamed_count++] = tree__place(t, parent, path, data, acl_key, &stat);
        if (l->unnamed_count == UNNAMED_MAX && !name_all(l))
                jute_fail(r);
}

static void take_item(struct database_loader *l, struct jute_reader *r)
{
        switch (l->phase) {
        case PHASE_SESSION_COUNT: /* counts below 0 are read as 0, as ZooKeeper does */
                l->left = jute_get_int(r);
                l->phase = l->left > 0 ? PHASE_SESSION : PHASE_ACL_COUNT;
                break;
        case PHASE_SESSION:
                take_session(l, r);
                break;
        case PHASE_ACL_COUNT:
                begin_acls(l, r);
                break;
        case PHASE_ACL_ROW:
                take_acl_row(l, r);
                break;
        case PHASE_ACL_ENTRY:
                take_acl_entry(l, r);
                break;
        case PHASE_NODE:
                take_node(l, r);
                break;
        default:
                jute_fail(r);
                break;
        }
}

static void parse_item(struct database_loader *l, const uint8_t *p, size_t size)
{
        struct jute_reader r;
        jute_reader_init(&r, p, size, l->item_max);
        take_item(l, &r);
        if (r.error)
                l->phase = PHASE_FAILED;
}

/* ---- portions ---- */

static void keep(struct database_loader *l, const uint8_t *p, size_t len)
{
        l->item = mem_grow(l->item, &l->item_capacity, l->item_len + len, 1);
        memcpy(l->item + l->item_len, p, len);
        l->item_len += len;
}

/* Takes one item, or what there is of it; returns how many bytes of `p` that used up. */
static size_t feed_item(struct database_loader *l, const uint8_t *p, size_t len)
{
        const uint8_t *at = l->item_len > 0 ? l->item : p;
        const size_t have = l->item_len > 0 ? l->item_len : len;
        const size_t size = item_size(l, at, have);
        if (have >= size) {
                parse_item(l, at, size);
                const size_t used = l->item_len > 0 ? 0 : size;
                l->item_len = 0;
                return used;
        }
        /* Up to what is known to be needed, never beyond this item. */
        const size_t more = l->item_len > 0 && size - l->item_len < len ? size - l->item_len : len;
        keep(l, p, more);
        return more;
}

static bool is_over(const struct database_loader *l)
{
        return l->phase == PHASE_END || l->phase == PHASE_FAILED;
}

int database_loader_feed(struct database_loader *l, const uint8_t *data, size_t len, size_t *ret_consumed)
{
        size_t at = 0;
        while (!is_over(l) && (at < len || (l->item_len > 0 && item_size(l, l->item, l->item_len) <= l->item_len)))
                at += feed_item(l, data + at, len - at);
        if (ret_consumed)
                *ret_consumed = at;
        if (l->phase == PHASE_FAILED)
                return -EPROTO;
        return l->phase == PHASE_END ? 1 : 0;
}

struct database *database_loader_take(struct database_loader *l, int64_t zxid)
{
        assert(l->phase == PHASE_END && l->db);
        struct database *db = l->db;
        l->db = NULL;
        quota__loaded(db->tree);
        acl_table_sweep(&db->tree->acls);
        database_set_zxid(db, zxid);
        return db;
}
