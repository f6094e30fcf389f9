/* Refusals by a quota (client-protocol.md 6.4). A leader compares with what it has applied, not with what is under way:
 * so the limit must have been met in one of the states between what anybody had been shown before the request was made,
 * which every leader has applied, and the one right before the refusal.
 *
 * Only hard limits on the count of nodes can be judged, and only where the quota is that of the new node's parent,
 * whose children have none; any other refusal is believed. */
#include "tests/sim/history/check_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512

/* The text of the node with this name in the quota of `path` at a zxid, NULL if there is none. */
static const char *quota_text(const struct check *c, text_id path, const char *name, int64_t zxid)
{
        char text[PATH_BYTES];
        int len = snprintf(text, sizeof text, "/zookeeper/quota%s/%s", history_string(c->h, path), name);
        if (len >= (int)sizeof text)
                return NULL;
        const struct timeline *t = check__timeline(c, history_cstr(c->h, text));
        const struct version *v = t ? check__at(t, zxid) : NULL;
        return v && v->exists && v->data ? history_string(c->h, v->data) : NULL;
}

/* -1: none. */
static long hard_limit(const char *limits)
{
        static const char key[] = "countHardLimit=";
        const char *at = strstr(limits, key);
        return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static bool is_full(const struct version *parent, long limit)
{
        return parent && parent->exists && 1 + parent->stat.children + 1 > limit;
}

bool check__quota_may_refuse(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const int64_t before = e->zxid - 1;
        const char *limits = NULL;
        text_id at = e->path;
        while (at && !(limits = quota_text(c, at, "zookeeper_limits", before)))
                at = check__parent(c, at);
        const struct timeline *p = limits ? check__timeline(c, at) : NULL;
        if (!limits)
                return false;
        const long limit = hard_limit(limits);
        if (e->verb != VERB_CREATE || at != check__parent(c, e->path) || !p || strstr(limits, "byteHardLimit="))
                return true;
        if (limit < 0 || !quota_text(c, at, "zookeeper_stats", before))
                return false;
        if (is_full(check__at(p, c->shown[i]), limit))
                return true;
        for (size_t k = 0; k < p->count; k++)
                if (p->versions[k].zxid > c->shown[i] && p->versions[k].zxid < e->zxid &&
                    is_full(&p->versions[k], limit))
                        return true;
        return false;
}
