/* A snapshot read out in pieces. Sessions and ACL map are captured at the beginning, as bytes that go
 * out first; the nodes follow by the walk of walk.c. */
#include "election/tree/database_internal.h"

#include <assert.h>
#include <errno.h>

static void put_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct jute_writer *w = ctx;
        jute_put_long(w, id);
        jute_put_int(w, timeout_ms);
}

int database_snapshot_begin(struct database *db)
{
        if (database_snapshot_busy(db))
                return -EBUSY;
        struct jute_writer *w = &db->tree->walk.aside;
        jute_put_int(w, (int32_t)session_table_count(db->sessions));
        session_table_each(db->sessions, put_session, w);
        acl_table_put(&db->tree->acls, w);
        tree__walk_begin(db->tree);
        db->snapshot_zxid = db->zxid;
        db->snapshot_digest = tree_digest(db->tree);
        return 0;
}

int database_snapshot_read(struct database *db, struct jute_writer *w, size_t max_bytes)
{
        assert(database_snapshot_busy(db));
        return tree__walk_read(db->tree, w, max_bytes);
}

void database_snapshot_end(struct database *db)
{
        tree__walk_end(db->tree);
}

int64_t database_snapshot_zxid(const struct database *db)
{
        return db->snapshot_zxid;
}

uint64_t database_snapshot_digest(const struct database *db)
{
        return db->snapshot_digest;
}

bool database_snapshot_busy(const struct database *db)
{
        return db->tree->walk.on;
}
