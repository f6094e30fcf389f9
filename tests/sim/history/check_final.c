/* The trees at the end: the same on every server, and what the committed log makes of them; no session that has ended,
 * nothing of its (safety D1, D4, S2, S3). What clients' answers demand of them without the log: check_facts.c. */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <string.h>

struct finals {
        struct check *c;
        uint32_t *first_node; /* by text: the node of the first tree, index + 1 */
        uint32_t *stamp;      /* by text: the tree it was last seen in, index + 1 */
        uint32_t first_tree;  /* ENTRY_NONE until there is one */
        size_t first_count;
};

static bool same_node(const struct history_entry *a, const struct history_entry *b)
{
        const struct history_stat *x = &a->stat, *y = &b->stat;
        return a->data == b->data && (!a->acl || !b->acl || a->acl == b->acl) && x->czxid == y->czxid &&
               x->mzxid == y->mzxid && x->pzxid == y->pzxid && x->owner == y->owner && x->version == y->version &&
               x->cversion == y->cversion && x->aversion == y->aversion && x->children == y->children;
}

static void against_first(struct finals *f, uint32_t i, size_t *count)
{
        struct check *c = f->c;
        const struct history_entry *e = &c->entries[i];
        if (!check__is_comparable(c, e->path))
                return;
        (*count)++;
        uint32_t first = f->first_node[e->path];
        if (!first)
                check__find(c, "D4", f->first_tree, i, "one server does not have this node");
        else if (!same_node(&c->entries[first - 1], e))
                check__find(c, "D4", first - 1, i, "two servers have it differently");
}

static void against_log(const struct finals *f, uint32_t i)
{
        struct check *c = f->c;
        const struct history_entry *e = &c->entries[i];
        const struct timeline *t = check__timeline(c, e->path);
        const struct version *v = t ? check__at(t, INT64_MAX) : NULL;
        const struct session *s = e->stat.owner ? check__session(c, e->stat.owner) : NULL;
        if (!check__is_comparable(c, e->path))
                return;
        if (!v || !v->exists)
                check__find(c, s && s->gone_zxid ? "S3" : "D4", v ? v->by : ENTRY_NONE, i,
                            "it stands there at the end, and should not");
        else if (!check__same_stat(v, &e->stat) || v->data != e->data || (v->acl && e->acl && v->acl != e->acl))
                check__find(c, "D4", v->by, i,
                            "at the end it should be \"%.60s\", c:0x%" PRIx64 ",m:0x%" PRIx64 ",p:0x%" PRIx64
                            ",v:%d,cv:%d,av:%d,kids:%d",
                            v->data ? history_string(c->h, v->data) : "", (uint64_t)v->stat.czxid,
                            (uint64_t)v->stat.mzxid, (uint64_t)v->stat.pzxid, v->stat.version, v->stat.cversion,
                            v->stat.aversion, v->stat.children);
}

static void missing(const struct finals *f, uint32_t tree)
{
        struct check *c = f->c;
        for (size_t i = 0; i < c->timeline_count; i++) {
                const struct timeline *t = &c->timelines[i];
                const struct version *v = check__at(t, INT64_MAX);
                bool own = !strncmp(history_string(c->h, t->path), "/zookeeper", 10);
                if (v && v->exists && t->parent && !own && check__is_comparable(c, t->path) &&
                    f->stamp[t->path] != tree + 1)
                        check__find(c, v->stat.owner && !v->container ? "S3" : "D1", v->by, tree,
                                    "%s is missing at the end", history_string(c->h, t->path));
        }
}

static void check_session_line(struct check *c, uint32_t i)
{
        const struct session *s = check__session(c, c->entries[i].session);
        uint32_t end = s->closed != ENTRY_NONE ? s->closed : s->refused;
        if (end != ENTRY_NONE || s->gone_zxid)
                check__find(c, "S2", end, i, "session 0x%" PRIx64 " had ended, and is open at the end",
                            (uint64_t)s->id);
        if (s->read_only)
                check__find(c, "R1", s->opened, i, "session 0x%" PRIx64 " of read-only mode is known to the ensemble",
                            (uint64_t)s->id);
}

/* Returns the entry behind the tree. */
static uint32_t check_tree(struct finals *f, uint32_t tree)
{
        struct check *c = f->c;
        bool first = f->first_tree == ENTRY_NONE;
        size_t count = 0;
        uint32_t i = tree + 1;
        if (first)
                f->first_tree = tree;
        for (; i < c->count && (c->entries[i].kind == HISTORY_NODE || c->entries[i].kind == HISTORY_SESSION); i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind == HISTORY_SESSION) {
                        check_session_line(c, i);
                        continue;
                }
                f->stamp[e->path] = tree + 1;
                if (first) {
                        f->first_node[e->path] = i + 1;
                        f->first_count += check__is_comparable(c, e->path);
                } else {
                        against_first(f, i, &count);
                }
                if (c->log_known)
                        against_log(f, i);
        }
        if (!first && count < f->first_count)
                check__find(c, "D4", f->first_tree, tree, "one server lacks %zu nodes of another",
                            f->first_count - count);
        if (c->log_known)
                missing(f, tree);
        return i;
}

void check__finals(struct check *c)
{
        struct finals f = {.c = c, .first_tree = ENTRY_NONE};
        f.first_node = mem_zalloc(((size_t)history_text_end(c->h) + 1) * sizeof *f.first_node);
        f.stamp = mem_zalloc(((size_t)history_text_end(c->h) + 1) * sizeof *f.stamp);
        for (uint32_t i = 0; i < c->count;)
                if (c->entries[i].kind == HISTORY_FINAL)
                        i = check_tree(&f, i);
                else
                        i++;
        mem_free(f.first_node);
        mem_free(f.stamp);
}
