/* Quotas in the model, the simple way: a path has one while its limits node is there, and for each change the nodes
 * that could have one are looked for from the inside out. Limits nodes stand where they belong here, and nobody writes
 * a text of his own into a stats node. Source: client-protocol.md 6.4. */
#include "tests/sim/oracle/model_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT   "/zookeeper/quota"
#define LIMITS "/zookeeper_limits"
#define STATS  "/zookeeper_stats"
/* Longest path of a quota's node here. */
#define PATH_BYTES 512

static struct model_node *quota_node(const struct model *m, const char *path, size_t len, const char *name)
{
        char text[PATH_BYTES];
        int n = snprintf(text, sizeof text, "%s%.*s%s", ROOT, (int)len, path, name);
        return n < (int)sizeof text ? model__find(m, text, (size_t)n) : NULL;
}

static void write_stats(struct model *m, struct model_node *stats, int64_t count, int64_t bytes)
{
        char text[64];
        int len = snprintf(text, sizeof text, "count=%" PRId64 ",bytes=%" PRId64, count, bytes);
        model__set_data(stats, (struct model_bytes){.data = (const uint8_t *)text, .len = len});
        model__changed(m, stats);
}

static void add(struct model *m, struct model_node *stats, int64_t count, int64_t bytes)
{
        char text[64] = "";
        memcpy(text, stats->data, (size_t)stats->data_len < sizeof text ? (size_t)stats->data_len : sizeof text - 1);
        char *end;
        int64_t was_count = strtoll(text + strlen("count="), &end, 10);
        int64_t was_bytes = strtoll(end + strlen(",bytes="), NULL, 10);
        write_stats(m, stats, was_count + count, was_bytes + bytes);
}

void model__charge(struct model *m, const char *path, size_t len, int64_t count, int64_t bytes)
{
        while (len > 0) {
                if (quota_node(m, path, len, LIMITS)) {
                        struct model_node *stats = quota_node(m, path, len, STATS);
                        if (stats)
                                add(m, stats, count, bytes);
                        return;
                }
                while (len > 0 && path[--len] != '/')
                        ;
        }
}

static bool is_in(const struct model_node *n, const char *top, size_t len)
{
        return n->path_len >= len && memcmp(n->path, top, len) == 0 && (n->path_len == len || n->path[len] == '/');
}

void model__recount(struct model *m, struct model_node *made)
{
        const size_t root = strlen(ROOT), tail = strlen(STATS);
        if (made->path_len <= root + tail || strncmp(made->path, ROOT "/", root + 1) != 0 ||
            strcmp(made->path + made->path_len - tail, STATS) != 0)
                return;
        const char *top = made->path + root;
        const size_t len = made->path_len - root - tail;
        int64_t count = 0, bytes = 0;
        for (size_t i = 0; i < m->count; i++) {
                const struct model_node *n = m->nodes[i];
                if (!is_in(n, top, len))
                        continue;
                count++;
                bytes += n->data_len > 0 ? n->data_len : 0;
        }
        write_stats(m, made, count, bytes);
}
