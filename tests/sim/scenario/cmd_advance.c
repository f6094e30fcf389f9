/* "advance ZXID": all servers stand at a zxid far on in their epoch, as if so much had happened. Only so does a
 * scenario get to the end of the counter. */
#include "tests/sim/scenario/stage.h"

#include "election/server/server_internal.h"
#include "election/zab/zab_internal.h"

#include <assert.h>
#include <string.h>

/* The hole in its log begins below a snapshot, as it does behind one that a leader has sent. */
static int write_snapshot(struct world_node *n, int64_t zxid)
{
        struct database *db = n->server->db;
        struct effects fx;
        struct jute_writer w;
        struct snapfile_writer seals;
        char why[STORE_WHY_MAX];
        int r = database_snapshot_begin(db);
        if (r < 0)
                return r;
        effects_init(&fx);
        jute_writer_init(&w, SIZE_MAX);
        snapfile_begin(&seals, &w);
        size_t offset = w.len;
        while (database_snapshot_read(db, &w, SIZE_MAX) > 0)
                ;
        snapfile_note(&seals, &w, offset);
        snapfile_end(&seals, &w, zxid, database_snapshot_digest(db));
        database_snapshot_end(db);
        (void)effect_snapshot_begin(&fx, zxid);
        (void)effect_snapshot_chunk(&fx, jute_writer_blob(&w));
        (void)effect_snapshot_end(&fx, zxid, false);
        for (size_t i = 0; i < fx.count && r >= 0; i++)
                r = snapstore_perform(n->snapstore, &fx.list[i], why);
        jute_writer_done(&w);
        effects_done(&fx);
        return r;
}

/* Nothing is under way, and all have the same. */
static bool at_rest(struct stage *st)
{
        int64_t zxid = -1;
        for (int sid = 1; sid <= st->w->count; sid++) {
                const struct world_node *n = &st->w->nodes[sid];
                if (!n->running)
                        continue;
                const struct zab *z = n->server->zab;
                if (zxid < 0)
                        zxid = zab_last_logged(z);
                if (zab_last_logged(z) != zxid || zab_last_committed(z) != zxid || !zab_disk_dry(z) ||
                    n->snapshot_queue.count)
                        return false;
        }
        return world_leader(st->w) != 0;
}

static bool advance(struct stage *st, char **words, size_t count)
{
        int64_t zxid;
        (void)count;
        if (!stage_zxid(st, words[1], &zxid))
                return false;
        if (!at_rest(st))
                return stage_fail(st, "something is under way, or not all have the same");
        st->lies = true; /* the oracle sees a hole */
        for (int sid = 1; sid <= st->w->count; sid++) {
                struct world_node *n = &st->w->nodes[sid];
                if (!n->running)
                        continue;
                zab__jump(n->server->zab, zxid);
                database_set_zxid(n->server->db, zxid);
                if (write_snapshot(n, zxid) < 0)
                        return stage_fail(st, "no snapshot could be written at %d", sid);
        }
        return true;
}

const struct stage_command stage_advance_commands[] = {{"advance", 2, advance}, {NULL, 0, NULL}};
