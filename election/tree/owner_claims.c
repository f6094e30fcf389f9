/* See owner_claims.h. The digest of a leader goes from one prepared transaction to the next, each adding what it
 * changes; so an error stays in it until it has applied all that it prepared, and what it prepares on a znode that it
 * has not applied yet is prepared on the wrong owner. What it had applied is not known here: both are tried. */
#include "election/tree/owner_claims.h"

#include "election/base/alloc.h"

#include <string.h>

/* No other owner. */
#define AS_IT_IS SIZE_MAX

/* A znode that the transaction made or changed, and what its digest may have more. */
struct tried {
        const struct znode *node;  /* NULL: gone */
        struct owner_claim *claim; /* NULL: made by this transaction */
        int64_t owners[2];
        uint64_t more[2];
        size_t count;
        size_t chosen; /* of them, or AS_IT_IS */
};

struct trying {
        struct tried of[OWNER_CLAIMS_TRIED_MAX];
        size_t count;
        bool full;
};

void owner_claims_clear(struct owner_claims *c)
{
        for (size_t i = 0; i < c->count; i++)
                mem_free(c->list[i].path);
        mem_free(c->list);
        *c = (struct owner_claims){.list = NULL};
}

/* What a digest has more where a node is claimed to have `owner`. */
static uint64_t more_with(const struct znode *n, int64_t owner)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        stat.ephemeral_owner = owner;
        return (uint64_t)tree_node_digest(znode_path(n), znode_data(n), &stat) - znode_digest(n);
}

static struct tried *add(struct trying *all, const struct znode *n)
{
        if (all->count == OWNER_CLAIMS_TRIED_MAX) {
                all->full = true;
                return NULL;
        }
        struct tried *one = &all->of[all->count++];
        *one = (struct tried){.node = n, .chosen = AS_IT_IS};
        return one;
}

static void add_owner(struct tried *one, int64_t owner)
{
        one->owners[one->count] = owner;
        one->more[one->count++] = more_with(one->node, owner);
}

/* Claims whose node is another one now, or gone. */
static void add_changed(struct trying *all, const struct owner_claims *c, const struct tree *t)
{
        for (size_t i = 0; i < c->count && !all->full; i++) {
                struct owner_claim *claim = &c->list[i];
                const struct znode *n = tree_find(t, jute_cstr(claim->path));
                const uint64_t more = n ? more_with(n, claim->owner) : 0;
                struct tried *one = more != claim->more ? add(all, n) : NULL;
                if (!one)
                        continue;
                one->claim = claim;
                one->owners[0] = claim->owner;
                one->more[0] = more - claim->more;
                one->count = 1;
        }
}

static void add_made(struct trying *all, const struct tree *t, const struct outcome_op *op, int64_t session)
{
        const bool container = op->type == OP_CREATE_CONTAINER;
        if (op->err || (!container && op->type != OP_CREATE && op->type != OP_CREATE2))
                return;
        const struct znode *n = tree_find(t, op->path);
        if (!n || (!container && znode_is_ephemeral(n)))
                return;
        struct tried *one = add(all, n);
        if (!one)
                return;
        if (container) {
                add_owner(one, 0);
                add_owner(one, session);
        } else {
                add_owner(one, ZNODE_OWNER_CONTAINER);
        }
}

/* Takes each as it is, then with other owners, until all from `at` on make up `apart`. */
static bool choose(struct trying *all, size_t at, uint64_t apart)
{
        if (at == all->count)
                return apart == 0;
        struct tried *one = &all->of[at];
        one->chosen = AS_IT_IS;
        if (choose(all, at + 1, apart))
                return true;
        for (one->chosen = 0; one->chosen < one->count; one->chosen++)
                if (choose(all, at + 1, apart - one->more[one->chosen]))
                        return true;
        return false;
}

static void forget(struct owner_claims *c, struct owner_claim *claim)
{
        const size_t behind = (size_t)(c->list + c->count - (claim + 1));
        mem_free(claim->path);
        memmove(claim, claim + 1, behind * sizeof *claim);
        c->count--;
}

static void remember(struct owner_claims *c, const struct tried *one)
{
        const struct jute_str path = znode_path(one->node);
        if (c->count == OWNER_CLAIMS_MAX)
                forget(c, c->list);
        c->list = mem_grow(c->list, &c->capacity, c->count + 1, sizeof *c->list);
        struct owner_claim *claim = &c->list[c->count++];
        *claim = (struct owner_claim){.path = mem_alloc((size_t)path.len + 1),
                                      .owner = one->owners[one->chosen],
                                      .more = one->more[one->chosen]};
        memcpy(claim->path, path.data, (size_t)path.len);
        claim->path[path.len] = '\0'; /* no path holds another one */
}

/* From the last one back: forgetting moves those behind. */
static void keep(struct owner_claims *c, const struct trying *all)
{
        for (size_t i = all->count; i-- > 0;) {
                const struct tried *one = &all->of[i];
                if (!one->claim)
                        continue;
                if (one->chosen == AS_IT_IS || !one->node)
                        forget(c, one->claim);
                else
                        one->claim->more += one->more[0];
        }
        for (size_t i = 0; i < all->count; i++)
                if (!all->of[i].claim && all->of[i].chosen != AS_IT_IS)
                        remember(c, &all->of[i]);
}

static bool explain(struct owner_claims *c, const struct tree *t, const struct outcome *o, uint64_t apart, bool anew)
{
        struct trying all = {.count = 0};
        if (!anew)
                add_changed(&all, c, t);
        for (size_t i = 0; i < o->op_count && !all.full; i++)
                add_made(&all, t, &o->ops[i], o->header.session_id);
        if (all.full || !choose(&all, 0, anew ? apart : apart - c->apart))
                return false;
        if (anew)
                owner_claims_clear(c);
        keep(c, &all);
        c->apart = apart;
        return true;
}

bool owner_claims_explain(struct owner_claims *c, const struct tree *t, const struct outcome *o, uint64_t claimed)
{
        const uint64_t apart = claimed - tree_digest(t);
        return explain(c, t, o, apart, false) || explain(c, t, o, apart, true);
}
