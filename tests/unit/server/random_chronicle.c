#include "tests/unit/server/random_chronicle.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void chronicle_init(struct chronicle *c)
{
        memset(c, 0, sizeof *c);
        for (int i = 0; i < RANDOM_HOT; i++)
                c->version_refused[i] = -1;
}

void chronicle_done(struct chronicle *c)
{
        mem_free(c->writes);
        mem_free(c->reads);
        mem_free(c->sessions);
}

void chronicle_fail(struct chronicle *c, const char *format, ...)
{
        if (c->failure[0])
                return;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(c->failure, sizeof c->failure, format, args);
        va_end(args);
}

/* ---- as it happens ---- */

static bool is_hot(const struct write *w)
{
        return w->kind == WRITE_SET || w->kind == WRITE_MULTI;
}

size_t chronicle_write(struct chronicle *c, enum write_kind kind, int64_t session, const char *path)
{
        c->writes = mem_grow(c->writes, &c->write_capacity, c->write_count + 1, sizeof *c->writes);
        struct write *w = &c->writes[c->write_count];
        *w = (struct write){.kind = kind, .session = session, .floor = c->shown, .target = RANDOM_NONE};
        (void)snprintf(w->path, sizeof w->path, "%s", path);
        return c->write_count++;
}

/* An answer can't be older than what was known before the question (real-time order). */
static void check_floor(struct chronicle *c, const struct write *w, int64_t zxid)
{
        if (zxid <= w->floor)
                chronicle_fail(c, "write of %s got zxid %" PRIx64 ", but %" PRIx64 " was shown before it was sent",
                               w->path, (uint64_t)zxid, (uint64_t)w->floor);
}

void chronicle_acked(struct chronicle *c, size_t write, int64_t zxid, const char *path, int32_t version)
{
        struct write *w = &c->writes[write];
        assert(w->state == WRITE_UNKNOWN);
        check_floor(c, w, zxid);
        if (w->zxid && w->zxid != zxid)
                chronicle_fail(c, "write of %s was read as of %" PRIx64 " and acknowledged as %" PRIx64, w->path,
                               (uint64_t)w->zxid, (uint64_t)zxid);
        if (w->kind == WRITE_BROKEN)
                chronicle_fail(c, "a multi that can't succeed did, on %s", w->path);
        w->state = WRITE_ACKED;
        w->zxid = zxid;
        w->version = version;
        if (path)
                (void)snprintf(w->path, sizeof w->path, "%s", path);
        if (zxid > c->shown)
                c->shown = zxid;
}

void chronicle_refused(struct chronicle *c, size_t write, int64_t zxid)
{
        struct write *w = &c->writes[write];
        if (zxid > 0)
                check_floor(c, w, zxid);
        if (w->zxid)
                chronicle_fail(c, "write of %s was read and then refused", w->path);
        w->state = WRITE_REFUSED;
}

static size_t write_of(const struct chronicle *c, const char *data)
{
        char *end;
        if (data[0] != 'w')
                return RANDOM_NONE;
        size_t n = strtoull(data + 1, &end, 10);
        return *end || n >= c->write_count ? RANDOM_NONE : n;
}

static void hot_path(int hot, char path[RANDOM_PATH_MAX])
{
        (void)snprintf(path, RANDOM_PATH_MAX, "/h%d", hot);
}

void chronicle_read(struct chronicle *c, int hot, int64_t zxid, int64_t mzxid, int32_t version, const char *data)
{
        char path[RANDOM_PATH_MAX];
        size_t n = write_of(c, data);
        hot_path(hot, path);
        struct write *w = n == RANDOM_NONE ? NULL : &c->writes[n];
        if (mzxid > zxid)
                chronicle_fail(c, "%s read at %" PRIx64 " shows a later change", path, (uint64_t)zxid);
        if (!w || !is_hot(w) || strcmp(w->path, path) != 0 || w->state == WRITE_REFUSED) {
                chronicle_fail(c, "%s holds \"%s\", which nobody wrote there", path, data);
                return;
        }
        if ((w->zxid && w->zxid != mzxid) || (w->state == WRITE_ACKED && w->version != version))
                chronicle_fail(c, "%s: %s is of %" PRIx64 " (version %d), read as of %" PRIx64 " (version %d)", path,
                               data, (uint64_t)w->zxid, w->version, (uint64_t)mzxid, version);
        w->zxid = mzxid;
        if (mzxid > c->shown)
                c->shown = mzxid;
        c->reads = mem_grow(c->reads, &c->read_capacity, c->read_count + 1, sizeof *c->reads);
        c->reads[c->read_count++] = (struct hot_read){.hot = hot, .zxid = zxid, .mzxid = mzxid};
}

void chronicle_version_refused(struct chronicle *c, int hot, int32_t version)
{
        if (version > c->version_refused[hot])
                c->version_refused[hot] = version;
}

void chronicle_session(struct chronicle *c, int64_t id)
{
        for (size_t i = 0; i < c->session_count; i++)
                if (c->sessions[i].id == id)
                        chronicle_fail(c, "session id %" PRIx64 " was handed out twice", (uint64_t)id);
        c->sessions = mem_grow(c->sessions, &c->session_capacity, c->session_count + 1, sizeof *c->sessions);
        c->sessions[c->session_count++] = (struct known_session){.id = id};
}

void chronicle_session_gone(struct chronicle *c, int64_t id)
{
        for (size_t i = 0; i < c->session_count; i++)
                if (c->sessions[i].id == id)
                        c->sessions[i].gone = true;
}

/* ---- at the end ---- */

struct check {
        struct chronicle *c;
        const struct final_node *nodes;
        size_t count;
        bool (*lives)(void *ctx, int64_t session);
        void *ctx;
        const struct write **order; /* acknowledged ones, by zxid */
        size_t order_count;
};

static int by_path(const void *a, const void *b)
{
        return strcmp(((const struct final_node *)a)->path, ((const struct final_node *)b)->path);
}

static int by_zxid(const void *a, const void *b)
{
        int64_t x = (*(const struct write *const *)a)->zxid, y = (*(const struct write *const *)b)->zxid;
        return x < y ? -1 : x > y;
}

static const struct final_node *node_at(const struct check *k, const char *path)
{
        struct final_node key = {0};
        (void)snprintf(key.path, sizeof key.path, "%s", path);
        return k->count ? bsearch(&key, k->nodes, k->count, sizeof *k->nodes, by_path) : NULL;
}

/* A node that was written once and never changed: as it was made, or gone where it may be. */
static void check_created(const struct check *k, size_t index)
{
        const struct write *w = &k->c->writes[index];
        if (w->state != WRITE_ACKED)
                return; /* whether what is there belongs there is seen from the tree's side */
        const struct final_node *n = node_at(k, w->path);
        bool ephemeral = w->kind == WRITE_EPHEMERAL, lives = !ephemeral || k->lives(k->ctx, w->session);
        if (!lives && n)
                chronicle_fail(k->c, "%s is there, its session %" PRIx64 " is not", w->path, (uint64_t)w->session);
        if (!lives || w->deleted)
                return;
        if (!n)
                chronicle_fail(k->c, "%s was acknowledged (zxid %" PRIx64 ") and is lost", w->path, (uint64_t)w->zxid);
        else if (n->czxid != w->zxid || n->mzxid != w->zxid || n->version)
                chronicle_fail(k->c, "%s was acknowledged as of %" PRIx64 " and is of %" PRIx64, w->path,
                               (uint64_t)w->zxid, (uint64_t)n->czxid);
        else if (n->owner != (ephemeral ? w->session : 0))
                chronicle_fail(k->c, "%s has owner %" PRIx64, w->path, (uint64_t)n->owner);
}

static void check_deleted(const struct check *k, const struct write *w)
{
        if (w->state == WRITE_ACKED && node_at(k, w->path))
                chronicle_fail(k->c, "%s was deleted (zxid %" PRIx64 ") and is there", w->path, (uint64_t)w->zxid);
        if (w->state == WRITE_REFUSED && k->c->writes[w->target].kind == WRITE_CREATE && !node_at(k, w->path))
                chronicle_fail(k->c, "deleting %s was refused and it is gone", w->path);
}

/* Both nodes of a multi, or none; both when it was acknowledged or its other half was read. */
static void check_multi(const struct check *k, size_t index)
{
        const struct write *w = &k->c->writes[index];
        char path[RANDOM_PATH_MAX];
        const struct final_node *half[2];
        for (int i = 0; i < 2; i++) {
                (void)snprintf(path, sizeof path, "/u%zu/m%zu%c", index % RANDOM_PARENTS, index, 'a' + i);
                half[i] = node_at(k, path);
        }
        if (!half[0] != !half[1] || (half[0] && half[0]->czxid != half[1]->czxid))
                chronicle_fail(k->c, "multi %zu has happened by half", index);
        else if (!half[0] && w->zxid)
                chronicle_fail(k->c, "multi %zu (zxid %" PRIx64 ") is lost", index, (uint64_t)w->zxid);
        else if (half[0] && w->zxid && half[0]->czxid != w->zxid)
                chronicle_fail(k->c, "multi %zu is of two zxids", index);
        else if (half[0] && (w->state == WRITE_REFUSED || w->kind == WRITE_BROKEN))
                chronicle_fail(k->c, "multi %zu was refused and has happened", index);
}

static void check_write(const struct check *k, size_t index)
{
        switch (k->c->writes[index].kind) {
        case WRITE_CREATE:
        case WRITE_SEQUENTIAL:
        case WRITE_EPHEMERAL:
                check_created(k, index);
                break;
        case WRITE_MULTI:
        case WRITE_BROKEN:
                check_multi(k, index);
                break;
        case WRITE_DELETE:
                check_deleted(k, &k->c->writes[index]);
                break;
        case WRITE_SET:
                break;
        }
}

/* From the tree's side: a node says which write made it, and no write made two. */
static void check_node(const struct check *k, const struct final_node *n, uint8_t *made)
{
        if (n->path[1] != 'u' && n->path[1] != 's' && n->path[1] != 'e')
                return;
        if (strlen(n->path) <= 3)
                return; /* a parent */
        size_t index = write_of(k->c, n->data);
        if (index == RANDOM_NONE) {
                chronicle_fail(k->c, "%s holds \"%s\", which nobody wrote", n->path, n->data);
                return;
        }
        const struct write *w = &k->c->writes[index];
        bool multi = w->kind == WRITE_MULTI;
        if (w->state == WRITE_REFUSED)
                chronicle_fail(k->c, "%s was refused and is there", n->path);
        if (!multi && strncmp(n->path, w->path, 3) != 0)
                chronicle_fail(k->c, "%s holds what was written to %s", n->path, w->path);
        if (++made[index] > (multi ? 2 : 1))
                chronicle_fail(k->c, "%s was made twice by one write", n->path);
        if (n->owner && !k->lives(k->ctx, n->owner))
                chronicle_fail(k->c, "%s is there, its session %" PRIx64 " is not", n->path, (uint64_t)n->owner);
}

static void order_acked(struct check *k)
{
        const struct chronicle *c = k->c;
        k->order = mem_zalloc((c->write_count + 1) * sizeof *k->order);
        for (size_t i = 0; i < c->write_count; i++)
                if (c->writes[i].zxid)
                        k->order[k->order_count++] = &c->writes[i];
        qsort(k->order, k->order_count, sizeof *k->order, by_zxid);
        for (size_t i = 1; i < k->order_count; i++)
                if (k->order[i]->zxid == k->order[i - 1]->zxid)
                        chronicle_fail(k->c, "zxid %" PRIx64 " is that of %s and of %s", (uint64_t)k->order[i]->zxid,
                                       k->order[i - 1]->path, k->order[i]->path);
}

/* Sequence numbers under one parent grow with the zxid. */
static void check_sequence(const struct check *k, int parent)
{
        long last = -1;
        char prefix[RANDOM_PATH_MAX];
        (void)snprintf(prefix, sizeof prefix, "/s%d/", parent);
        for (size_t i = 0; i < k->order_count; i++) {
                const struct write *w = k->order[i];
                if (w->kind != WRITE_SEQUENTIAL || w->state != WRITE_ACKED || strncmp(w->path, prefix, 4) != 0)
                        continue;
                long n = strtol(strrchr(w->path, '-') + 1, NULL, 10);
                if (n <= last)
                        chronicle_fail(k->c, "sequence number %ld after %ld under %s", n, last, prefix);
                last = n;
        }
}

/* Index of the last write to `path` in the order with a zxid of at most `zxid`; RANDOM_NONE if there is none. */
static const struct write *last_write(const struct check *k, const char *path, int64_t zxid)
{
        size_t low = 0, high = k->order_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (k->order[middle]->zxid <= zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low > 0; low--)
                if (is_hot(k->order[low - 1]) && !strcmp(k->order[low - 1]->path, path))
                        return k->order[low - 1];
        return NULL;
}

/* A read shows the last write up to its zxid (those never acknowledged and never read can't be later: their
 * zxid isn't known, and what was read is). */
static void check_reads(const struct check *k)
{
        char path[RANDOM_PATH_MAX];
        for (size_t i = 0; i < k->c->read_count; i++) {
                const struct hot_read *r = &k->c->reads[i];
                hot_path(r->hot, path);
                const struct write *w = last_write(k, path, r->zxid);
                if (!w || w->zxid != r->mzxid)
                        chronicle_fail(k->c, "%s read at %" PRIx64 " shows %" PRIx64 ", but %" PRIx64 " wrote it last",
                                       path, (uint64_t)r->zxid, (uint64_t)r->mzxid, (uint64_t)(w ? w->zxid : 0));
        }
}

static void check_hot(const struct check *k, int hot)
{
        struct chronicle *c = k->c;
        char path[RANDOM_PATH_MAX];
        int32_t version = -1, acked = 0, unknown = 0;
        hot_path(hot, path);
        const struct final_node *n = node_at(k, path);
        const struct write *last = last_write(k, path, INT64_MAX);
        if (!n || !last || n->mzxid < last->zxid) {
                chronicle_fail(c, "%s stands at %" PRIx64 ", but %" PRIx64 " was shown as written", path,
                               (uint64_t)(n ? n->mzxid : 0), (uint64_t)(last ? last->zxid : 0));
                return;
        }
        for (size_t i = 0; i < k->order_count; i++) {
                const struct write *w = k->order[i];
                if (!is_hot(w) || w->state != WRITE_ACKED || strcmp(w->path, path) != 0)
                        continue;
                if (w->version <= version)
                        chronicle_fail(c, "%s got version %d after %d", path, w->version, version);
                version = w->version;
                acked++;
        }
        for (size_t i = 0; i < c->write_count; i++)
                unknown += is_hot(&c->writes[i]) && c->writes[i].state == WRITE_UNKNOWN &&
                           !strcmp(c->writes[i].path, path);
        /* The first of them created it, as version 0. */
        if (n->version < acked - 1 || n->version > acked - 1 + unknown || n->version < version)
                chronicle_fail(c, "%s has version %d after %d acknowledged and %d unknown writes", path, n->version,
                               acked, unknown);
        if (n->version <= c->version_refused[hot])
                chronicle_fail(c, "version %d of %s was refused, but it is the present one", c->version_refused[hot],
                               path);
        chronicle_read(c, hot, INT64_MAX, n->mzxid, n->version, n->data);
}

void chronicle_check(struct chronicle *c, struct final_node *nodes, size_t count,
                     bool (*lives)(void *ctx, int64_t session), void *ctx)
{
        struct check k = {.c = c, .nodes = nodes, .count = count, .lives = lives, .ctx = ctx};
        uint8_t *made = mem_zalloc(c->write_count + 1);
        if (count)
                qsort(nodes, count, sizeof *nodes, by_path);
        for (size_t i = 0; i < count; i++)
                check_node(&k, &nodes[i], made);
        for (size_t i = 0; i < c->write_count; i++)
                check_write(&k, i);
        order_acked(&k);
        for (int i = 0; i < RANDOM_PARENTS; i++)
                check_sequence(&k, i);
        check_reads(&k);
        for (int i = 0; i < RANDOM_HOT; i++)
                check_hot(&k, i);
        for (size_t i = 0; i < c->session_count; i++)
                if (c->sessions[i].gone && lives(ctx, c->sessions[i].id))
                        chronicle_fail(c, "session %" PRIx64 " was closed or expired and is there",
                                       (uint64_t)c->sessions[i].id);
        mem_free(made);
        mem_free(k.order);
}
