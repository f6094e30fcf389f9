/* Limits of quotas enforced (client-protocol.md 6.4; ZooKeeper: PrepRequestProcessor, ZooKeeperServer.checkQuota()). */
#include "election/server/prep_internal.h"

#include <string.h>

void prep_enforce_quota(struct prep *p, bool on)
{
        p->enforce_quota = on;
}

bool prep_take_excess(struct prep *p, struct prep_excess *ret)
{
        if (p->excess.count == 0)
                return false;
        *ret = p->excess;
        p->excess.count = p->excess.refused = 0;
        return true;
}

static uint32_t cut(uint8_t to[PREP_EXCESS_TEXT_MAX], struct jute_str from)
{
        const size_t len = from.len < PREP_EXCESS_TEXT_MAX ? (size_t)from.len : PREP_EXCESS_TEXT_MAX;
        memcpy(to, from.data, len);
        return (uint32_t)len;
}

/* Between the first slash and the second. */
static struct jute_str first_name(struct jute_str path)
{
        const struct jute_str rest = jute_str_of(path.data + 1, (size_t)path.len - 1);
        const uint8_t *slash = memchr(rest.data, '/', (size_t)rest.len);
        return slash ? jute_str_of(rest.data, (size_t)(slash - rest.data)) : rest;
}

static void note(struct prep *p, struct jute_str path, bool hard, const struct quota_excess *e)
{
        struct prep_excess *x = &p->excess;
        x->count++;
        x->refused += hard;
        x->hard = hard;
        x->bytes = e->bytes;
        x->used = e->used;
        x->limit = e->limit;
        x->path_len = cut(x->path, e->path);
        x->name_len = cut(x->name, first_name(path));
}

static int judge(struct prep_txn *t, struct jute_str path, int64_t bytes, int64_t count)
{
        struct quota_excess e;
        if (!t->prep->enforce_quota)
                return ZK_OK;
        const enum quota_verdict v = quota_check(database_tree(t->prep->db), path, bytes, count, &e);
        if (v == QUOTA_UNREADABLE)
                return ZK_MARSHALLING_ERROR; /* one of ZooKeeper's unexpected exceptions */
        if (v == QUOTA_OK)
                return ZK_OK;
        note(t->prep, path, v == QUOTA_HARD, &e);
        return v == QUOTA_HARD ? ZK_QUOTA_EXCEEDED : ZK_OK;
}

static int64_t bytes_of(int32_t len)
{
        return len > 0 ? len : 0;
}

int prep__quota_create(struct prep_txn *t, struct jute_str path, struct jute_str data)
{
        return judge(t, path, bytes_of(data.len), 1);
}

int prep__quota_set_data(struct prep_txn *t, struct jute_str path, struct jute_str data, int32_t old_len)
{
        return judge(t, path, bytes_of(data.len) - bytes_of(old_len), 0);
}
