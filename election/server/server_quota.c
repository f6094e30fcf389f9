/* What quotas have to tell: a line in the log, and mntr's lines. */
#include "election/base/alloc.h"
#include "election/server/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* From one line about exceeded quotas to the next: a client may meet a limit with each request. */
#define QUOTA_LOG_INTERVAL_MS 10000
/* First names of paths with refusals of their own in mntr. Clients choose them, and a quota may go again: the
 * refusals of later names are not counted. */
#define QUOTA_REFUSALS_MAX 256

/* What follows the name in a key of mntr, with its end. */
#define QUOTA_KEY_BYTES 64

/* Refusals below one first name. */
struct quota_refusals {
        uint64_t count;
        uint32_t name_len;
        uint8_t name[PREP_EXCESS_TEXT_MAX];
};

void server__quota_done(struct server *s)
{
        mem_free(s->quota.refusals);
}

static struct quota_refusals *refusals_of(struct quota_log *q, const uint8_t *name, uint32_t len)
{
        for (size_t i = 0; i < q->refusal_count; i++)
                if (q->refusals[i].name_len == len && !memcmp(q->refusals[i].name, name, len))
                        return &q->refusals[i];
        if (q->refusal_count == QUOTA_REFUSALS_MAX)
                return NULL;
        q->refusals = mem_grow(q->refusals, &q->refusal_capacity, q->refusal_count + 1, sizeof *q->refusals);
        struct quota_refusals *r = &q->refusals[q->refusal_count++];
        *r = (struct quota_refusals){.name_len = len};
        memcpy(r->name, name, len);
        return r;
}

/* Control characters can't be in a path. What was cut in the middle of a character looks odd, no more. */
static void report(const struct prep_excess *x, uint64_t unsaid, struct effects *fx)
{
        char more[64] = "";
        if (unsaid > 1)
                (void)snprintf(more, sizeof more, "; %" PRIu64 " such requests since the last line", unsaid);
        effect_report(fx, REPORT_WARNING,
                      "quota of %.*s: %" PRId64 " %s would exceed the %s limit of %" PRId64 ", %s%s", (int)x->path_len,
                      (const char *)x->path, x->used, x->bytes ? "bytes" : "nodes", x->hard ? "hard" : "soft", x->limit,
                      x->hard ? "refused" : "done nevertheless", more);
}

void server__quota_excess(struct server *s, struct effects *fx)
{
        struct quota_log *q = &s->quota;
        const uint64_t now_ms = s->event->now.mono_ms;
        struct prep_excess x;
        if (!prep_take_excess(s->prep, &x))
                return;
        struct quota_refusals *r = x.refused > 0 ? refusals_of(q, x.name, x.name_len) : NULL;
        if (r)
                r->count += x.refused;
        q->unsaid += x.count;
        if (now_ms < q->next_ms)
                return;
        report(&x, q->unsaid, fx);
        q->unsaid = 0;
        q->next_ms = now_ms + QUOTA_LOG_INTERVAL_MS;
}

/* ---- mntr ---- */

static void tell(const struct status_visitor *v, const uint8_t *name, size_t name_len, const char *key, int64_t value)
{
        char *whole = mem_alloc(name_len + QUOTA_KEY_BYTES);
        memcpy(whole, name, name_len);
        (void)snprintf(whole + name_len, QUOTA_KEY_BYTES, "_%s_per_namespace", key);
        v->number(v->ctx, whole, value);
        mem_free(whole);
}

static void tell_namespace(void *ctx, const struct quota_namespace *n)
{
        const struct status_visitor *v = ctx;
        if (v->full(v->ctx))
                return;
        const size_t len = (size_t)n->name.len;
        if (n->has_limits) {
                tell(v, n->name.data, len, "quota_count_limit", n->count_limit);
                tell(v, n->name.data, len, "quota_bytes_limit", n->bytes_limit);
        }
        if (n->has_stats) {
                tell(v, n->name.data, len, "quota_count_usage", n->count_usage);
                tell(v, n->name.data, len, "quota_bytes_usage", n->bytes_usage);
        }
}

void server__quota_figures(const struct server *s, const struct status_visitor *v)
{
        struct status_visitor visitor = *v;
        quota_each_namespace(database_tree(s->db), tell_namespace, &visitor);
        for (size_t i = 0; i < s->quota.refusal_count; i++) {
                const struct quota_refusals *r = &s->quota.refusals[i];
                tell(v, r->name, r->name_len, "quota_exceeded_error", (int64_t)r->count);
        }
}
