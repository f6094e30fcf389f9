/* What else happens to the small world: processes killed, links cut and reset, disks slow or failing. Each is told to
 * the witnesses. */
#include "tests/sim/world/world_state.h"

#include "election/server/server_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Longest line of a fault. */
#define FAULT_TEXT_BYTES 256

void world__fault(struct world *w, const char *format, ...)
{
        char text[FAULT_TEXT_BYTES];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        WORLD_TELL(w, fault, text);
}

/* ---- servers ---- */

void world_kill(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        assert(n->running);
        world__fault(w, "%d is killed", sid);
        world__drop_node(n, false);
        bool interrupted = world__disk_interrupt(n);
        world__node_free(n, WORLD_END_KILL);
        if (interrupted)
                memory_storage_revive(n->disk);
}

void world_stop_begin(struct world *w, int sid)
{
        world__fault(w, "%d is told to stop", sid);
        world__event(&w->nodes[sid], &(struct event){.type = EVENT_STOP});
}

void world_boot(struct world *w, int sid, bool power)
{
        struct world_node *n = &w->nodes[sid];
        assert(!n->running);
        if (n->off == power)
                world__fault(w, "the machine of %d is %s", sid, power ? "on" : "off");
        n->off = !power;
        world_pause(w, sid, WORLD_PAUSE_NONE);
}

void world_set_loud_crashes(struct world *w, bool loud)
{
        w->loud_crashes = loud;
}

/* ---- the net ---- */

void world_cut(struct world *w, int from, int to, bool cut)
{
        if (cut != w->links[from][to].cut)
                world__fault(w, "the way from %d to %d is %s", from, to, cut ? "cut" : "mended");
        w->links[from][to].cut = cut;
}

void world_blackhole(struct world *w, int from, int to, bool on)
{
        if (on != w->links[from][to].blackhole)
                world__fault(w, "dials from %d to %d get %s", from, to, on ? "no answer" : "through");
        w->links[from][to].blackhole = on;
}

void world_slow_dials(struct world *w, int from, int to, uint32_t ms)
{
        world__fault(w, "dials from %d to %d take up to %u ms", from, to, ms);
        w->links[from][to].dial_ms = ms;
}

static bool joins(const struct world_stream *s, int a, int b)
{
        return (s->end[0].sid == a && s->end[1].sid == b) || (s->end[0].sid == b && s->end[1].sid == a);
}

void world_reset(struct world *w, int a, int b)
{
        world__fault(w, "connections of %d and %d are reset", a, b);
        for (struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                if (joins(s, a, b))
                        world__reset_stream(w, s);
        }
}

static void age_no_more(struct world *w, int a, int b)
{
        bool any = false;
        for (struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                if (!joins(s, a, b))
                        continue;
                any |= s->late_ms != 0;
                s->late_ms = 0;
        }
        if (any)
                world__fault(w, "what %d and %d send each other is late no more", a, b);
}

void world_age(struct world *w, int a, int b, uint32_t ms)
{
        if (!ms) {
                age_no_more(w, a, b);
                return;
        }
        world__fault(w, "what %d and %d have sent each other is late by up to %u ms", a, b, ms);
        for (struct list *l = w->streams.next; l != &w->streams; l = l->next) {
                struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                if (!joins(s, a, b))
                        continue;
                s->late_ms = ms;
                s->end[0].held = s->end[1].held = false;
        }
}

void world_slow_net(struct world *w, uint32_t delay_ms, uint32_t bytes_per_ms)
{
        world__fault(w, "the net takes up to %u ms, %u bytes/ms", delay_ms, bytes_per_ms);
        w->net_delay_ms = delay_ms;
        w->net_bytes_per_ms = bytes_per_ms;
}

void world_slow_link(struct world *w, int from, int to, uint32_t delay_ms, uint32_t bytes_per_ms)
{
        world__fault(w, "the way from %d to %d takes up to %u ms, %u bytes/ms", from, to, delay_ms, bytes_per_ms);
        w->links[from][to].delay_ms = delay_ms;
        w->links[from][to].bytes_per_ms = bytes_per_ms;
}

void world_set_buffers(struct world *w, size_t socket_bytes, size_t peer_backlog_bytes, size_t client_backlog_bytes)
{
        world__fault(w, "buffers of %zu bytes, backlogs of %zu and %zu", socket_bytes, peer_backlog_bytes,
                     client_backlog_bytes);
        w->socket_bytes = socket_bytes;
        w->peer_backlog_bytes = peer_backlog_bytes;
        w->client_backlog_bytes = client_backlog_bytes;
}

/* ---- disks ---- */

void world_fill_disk(struct world *w, int sid, bool full)
{
        world__fault(w, "the disk of %d %s", sid, full ? "is full" : "has room");
        memory_storage_limit(w->nodes[sid].disk, full ? 0 : UINT64_MAX);
}

void world_slow_disk(struct world *w, int sid, uint32_t log_ms, uint32_t snapshot_ms)
{
        world__fault(w, "the disk of %d takes up to %u ms, %u for snapshots", sid, log_ms, snapshot_ms);
        w->nodes[sid].log_ms = log_ms;
        w->nodes[sid].snapshot_ms = snapshot_ms;
}

void world_hang_disk(struct world *w, int sid, bool hangs)
{
        world__fault(w, "the disk of %d %s", sid, hangs ? "hangs" : "works again");
        w->nodes[sid].disk_hangs = hangs;
}

void world_fail_snapshots(struct world *w, int sid, uint32_t count)
{
        world__fault(w, "%u snapshot effects of %d are to fail", count, sid);
        w->nodes[sid].snapshot_failures = count;
}

void world_fail_disk(struct world *w, int sid, enum memory_op op, uint64_t skip, uint64_t times, int error)
{
        world__fault(w, "operation %d of the disk of %d is to fail with %d", (int)op, sid, error);
        memory_storage_fail(w->nodes[sid].disk, op, skip, times, error);
}

void world_die(struct world *w, int sid, uint64_t skip, bool after, bool power)
{
        world__fault(w, "%d is to %s in a while", sid, power ? "lose its power" : "be killed");
        w->nodes[sid].dies_by_power = power;
        memory_storage_die(w->nodes[sid].disk, skip, after);
}

void world_die_in_step(struct world *w, int sid, uint64_t effects, bool power)
{
        struct world_node *n = &w->nodes[sid];
        world__fault(w, "%d is to %s in a step", sid, power ? "lose its power" : "be killed");
        n->dies_by_power = power;
        n->dies_in_step = true;
        n->effects_left = effects;
}

void world_live(struct world *w, int sid)
{
        w->nodes[sid].dies_in_step = false;
        world__fault(w, "the disk of %d is looked after", sid);
        memory_storage_revive(w->nodes[sid].disk);
}

void world__died(struct world_node *n)
{
        struct world *w = n->world;
        bool power = n->dies_by_power;
        n->disk_died = false;
        world__fault(w, "%d %s in the middle of a write", n->sid, power ? "loses its power" : "is killed");
        world__drop_node(n, power && !w->loud_crashes);
        world__node_free(n, power ? WORLD_END_CRASH : WORLD_END_KILL);
        world__disk_revive(n);
        if (power)
                world_boot(w, n->sid, w->loud_crashes);
}

void world_wipe(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        assert(!n->running);
        world__fault(w, "the files of %d are removed", sid);
        memory_storage_crash_as(n->disk, MEMORY_CRASH_ALL, 0);
        memory_storage_wipe(n->disk);
}

void world_remove_mark(struct world *w, int sid)
{
        assert(!w->nodes[sid].running);
        world__fault(w, "the mark of %d is removed", sid);
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
