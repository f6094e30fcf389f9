/* What else happens to the small world: processes killed, links cut and reset, disks slow or failing. */
#include "tests/sim/world/world_state.h"

#include "election/server/server_internal.h"

#include <assert.h>

void world_kill(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        assert(n->running);
        world__drop_node(n);
        bool interrupted = world__disk_interrupt(n);
        world__node_free(n, WORLD_END_KILL);
        if (interrupted)
                memory_storage_revive(n->disk);
}

void world_stop_begin(struct world *w, int sid)
{
        world__event(&w->nodes[sid], &(struct event){.type = EVENT_STOP});
}

void world_cut(struct world *w, int from, int to, bool cut)
{
        w->cut[from][to] = cut;
}

static bool joins(const struct world_stream *s, int a, int b)
{
        return (s->end[0].sid == a && s->end[1].sid == b) || (s->end[0].sid == b && s->end[1].sid == a);
}

void world_reset(struct world *w, int a, int b)
{
        for (struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                if (joins(s, a, b))
                        world__reset_stream(w, s);
        }
}

void world_slow_disk(struct world *w, int sid, uint32_t log_ms, uint32_t snapshot_ms)
{
        w->nodes[sid].log_ms = log_ms;
        w->nodes[sid].snapshot_ms = snapshot_ms;
}

void world_fail_snapshots(struct world *w, int sid, uint32_t count)
{
        w->nodes[sid].snapshot_failures = count;
}

void world_die(struct world *w, int sid, uint64_t skip, bool after, bool power)
{
        w->nodes[sid].dies_by_power = power;
        memory_storage_die(w->nodes[sid].disk, skip, after);
}

void world_wipe(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        assert(!n->running);
        memory_storage_crash_as(n->disk, MEMORY_CRASH_ALL, 0);
        memory_storage_wipe(n->disk);
}

void world_remove_mark(struct world *w, int sid)
{
        assert(!w->nodes[sid].running);
        memory_storage_drop(w->nodes[sid].disk, "../" STORE_MARK);
}

void world_spoil_tree(struct world *w, int sid)
{
        struct database *db = w->nodes[sid].server->db;
        struct jute_writer txn;
        jute_writer_init(&txn, 1024);
        jute_put_txn_header(&txn, &(struct jute_txn_header){.zxid = database_zxid(db), .type = OP_CREATE});
        jute_put_create_txn(&txn, &(struct jute_create_txn){.path = jute_cstr("/spoiled"),
                                                            .data = jute_cstr("x"),
                                                            .acl = {.count = -1},
                                                            .parent_cversion = -1});
        int r = database_apply(db, txn.data, txn.len, NULL);
        assert(r == 0);
        (void)r;
        jute_writer_done(&txn);
}

void world_live(struct world *w, int sid)
{
        memory_storage_revive(w->nodes[sid].disk);
}

void world__died(struct world_node *n)
{
        n->disk_died = false;
        world_kill(n->world, n->sid);
        world__disk_revive(n);
}

void world_slow_net(struct world *w, uint32_t delay_ms, uint32_t bytes_per_ms)
{
        w->net_delay_ms = delay_ms;
        w->net_bytes_per_ms = bytes_per_ms;
}
