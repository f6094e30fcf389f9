#include "election/tree/acl_table.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/tree/tree.h"

#include <assert.h>
#include <string.h>

/* Keys above this are honoured but do not move next_key, which so can never overflow. */
#define ACL_KEY_COUNTED_MAX (INT64_MAX / 2)

struct acl_row {
        struct index_link by_key;
        struct index_link by_content;
        int64_t key;
        uint64_t refs;
        size_t size;
        int32_t count;
        uint8_t data[];
};

/* vector<ACL> elements: perms 31, scheme "world", id "anyone". */
static const uint8_t open_acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                   'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};

void acl_table_init(struct acl_table *a, uint64_t hash_seed)
{
        index_init(&a->by_key);
        index_init(&a->by_content);
        a->dead = NULL;
        a->next_key = 1;
        a->hash_seed = hash_seed;
}

static void row_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct acl_row, by_key));
}

void acl_table_done(struct acl_table *a)
{
        acl_table_bury(a);
        index_each(&a->by_key, row_free, NULL);
        index_done(&a->by_key);
        index_done(&a->by_content);
}

static uint64_t content_hash(const struct acl_table *a, struct jute_vec acl)
{
        return hash_bytes(acl.data, acl.size, a->hash_seed ^ (uint64_t)(uint32_t)acl.count);
}

static struct acl_row *find_key(const struct acl_table *a, int64_t key)
{
        struct index_link *l = index_first(&a->by_key, hash_u64((uint64_t)key));
        for (; l; l = index_next(l)) {
                struct acl_row *row = INDEX_ENTRY(l, struct acl_row, by_key);
                if (row->key == key)
                        return row;
        }
        return NULL;
}

static struct acl_row *find_content(const struct acl_table *a, struct jute_vec acl, uint64_t hash)
{
        for (struct index_link *l = index_first(&a->by_content, hash); l; l = index_next(l)) {
                struct acl_row *row = INDEX_ENTRY(l, struct acl_row, by_content);
                if (row->count == acl.count && row->size == acl.size &&
                    (acl.size == 0 || memcmp(row->data, acl.data, acl.size) == 0))
                        return row;
        }
        return NULL;
}

static void reserve_key(struct acl_table *a, int64_t key)
{
        if (key >= a->next_key && key <= ACL_KEY_COUNTED_MAX)
                a->next_key = key + 1;
}

static struct acl_row *add(struct acl_table *a, int64_t key, struct jute_vec acl, uint64_t hash)
{
        struct acl_row *row = mem_alloc(sizeof *row + acl.size);
        row->key = key;
        row->refs = 0;
        row->size = acl.size;
        row->count = acl.count;
        if (acl.size > 0)
                memcpy(row->data, acl.data, acl.size);
        index_insert(&a->by_key, &row->by_key, hash_u64((uint64_t)key));
        index_insert(&a->by_content, &row->by_content, hash);
        reserve_key(a, key);
        return row;
}

/* The dead hang on each other by a link that they need no more. */
static void drop(struct acl_table *a, struct acl_row *row)
{
        index_remove(&a->by_key, &row->by_key);
        index_remove(&a->by_content, &row->by_content);
        row->by_key.next = a->dead ? &a->dead->by_key : NULL;
        a->dead = row;
}

void acl_table_bury(struct acl_table *a)
{
        for (struct acl_row *row = a->dead, *next; row; row = next) {
                next = row->by_key.next ? INDEX_ENTRY(row->by_key.next, struct acl_row, by_key) : NULL;
                mem_free(row);
        }
        a->dead = NULL;
}

int64_t acl_table_intern(struct acl_table *a, struct jute_vec acl)
{
        if (acl.count < 0)
                return ACL_KEY_OPEN;
        uint64_t hash = content_hash(a, acl);
        struct acl_row *row = find_content(a, acl, hash);
        if (!row)
                row = add(a, a->next_key, acl, hash);
        row->refs++;
        return row->key;
}

void acl_table_ref(struct acl_table *a, int64_t key)
{
        struct acl_row *row = find_key(a, key);
        if (row)
                row->refs++;
        else
                reserve_key(a, key);
}

void acl_table_unref(struct acl_table *a, int64_t key)
{
        struct acl_row *row = find_key(a, key);
        if (!row)
                return;
        assert(row->refs > 0);
        if (--row->refs == 0)
                drop(a, row);
}

bool acl_table_has(const struct acl_table *a, int64_t key)
{
        return key == ACL_KEY_OPEN || find_key(a, key) != NULL;
}

struct jute_vec acl_table_get(const struct acl_table *a, int64_t key)
{
        return acl_row_list(acl_table_row(a, key));
}

const struct acl_row *acl_table_row(const struct acl_table *a, int64_t key)
{
        static const struct acl_row missing = {.count = -1};
        if (key == ACL_KEY_OPEN)
                return NULL;
        const struct acl_row *row = find_key(a, key);
        return row ? row : &missing;
}

struct jute_vec acl_row_list(const struct acl_row *row)
{
        if (!row)
                return (struct jute_vec){.data = open_acl, .size = sizeof open_acl, .count = 1};
        if (row->count < 0)
                return (struct jute_vec){.data = NULL, .size = 0, .count = -1};
        return (struct jute_vec){.data = row->data, .size = row->size, .count = row->count};
}

bool acl_table_load(struct acl_table *a, int64_t key, struct jute_vec acl)
{
        if (key < 1 || find_key(a, key))
                return false;
        (void)add(a, key, acl, content_hash(a, acl));
        return true;
}

struct unused {
        struct acl_row **rows;
        size_t count, capacity;
};

static void collect_unused(void *ctx, struct index_link *l)
{
        struct unused *u = ctx;
        struct acl_row *row = INDEX_ENTRY(l, struct acl_row, by_key);
        if (row->refs > 0)
                return;
        u->rows = mem_grow(u->rows, &u->capacity, u->count + 1, sizeof *u->rows);
        u->rows[u->count++] = row;
}

void acl_table_sweep(struct acl_table *a)
{
        struct unused u = {.rows = NULL};
        index_each(&a->by_key, collect_unused, &u);
        for (size_t i = 0; i < u.count; i++)
                drop(a, u.rows[i]);
        mem_free(u.rows);
}

size_t acl_table_count(const struct acl_table *a)
{
        return a->by_key.count;
}

static void put_row(void *ctx, struct index_link *l)
{
        struct jute_writer *w = ctx;
        const struct acl_row *row = INDEX_ENTRY(l, struct acl_row, by_key);
        jute_put_long(w, row->key);
        jute_put_vec(w, (struct jute_vec){.data = row->data, .size = row->size, .count = row->count});
}

void acl_table_put(const struct acl_table *a, struct jute_writer *w)
{
        jute_put_int(w, (int32_t)acl_table_count(a));
        index_each(&a->by_key, put_row, w);
}
