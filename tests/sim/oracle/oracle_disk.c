/* What disks hold: after a real crash, as recovery finds it; and at chosen commits, as a crash of everything would
 * leave it. Nothing that was reported durable may be missing, nothing may be there that was not written (safety: D1,
 * D3, D4, Z23, Z25). */
#include "tests/sim/oracle/oracle_internal.h"

#include "tests/sim/world/world_state.h"

#include "election/server/server_internal.h"

#include <errno.h>
#include <string.h>

bool oracle__may_find(const struct oracle_server *s, int64_t last_zxid)
{
        if (last_zxid == oracle__durable_end(s) || last_zxid == s->saving || last_zxid == s->cut_asked)
                return true;
        for (size_t i = s->durable; i < s->count; i++)
                if (s->log[i].zxid == last_zxid)
                        return true;
        for (size_t i = 0; i < s->ask_count; i++)
                if ((s->asks[i].kind == ASK_CUT || s->asks[i].kind == ASK_REPLACE) && s->asks[i].value == last_zxid)
                        return true;
        return false;
}

static bool was_asked(const struct oracle_server *s, enum oracle_ask_kind kind, int64_t value)
{
        for (size_t i = 0; i < s->ask_count; i++)
                if (s->asks[i].kind == kind && s->asks[i].value == value)
                        return true;
        return false;
}

static void check_epochs(struct oracle *o, const struct oracle_server *s, const struct oracle_found *f, const char *how)
{
        if (f->accepted < s->accepted || f->current < s->current || f->current > f->accepted)
                ORACLE_BREAK(o, "Z23",
                             "server %d %s acceptedEpoch %" PRId64 " and currentEpoch %" PRId64
                             "; on disk were %" PRId64 " and %" PRId64,
                             s->sid, how, f->accepted, f->current, s->accepted, s->current);
        bool accepted = f->accepted == s->accepted || was_asked(s, ASK_ACCEPTED, f->accepted);
        bool current = f->current == s->current || was_asked(s, ASK_CURRENT, f->current) ||
                       was_asked(s, ASK_PREPARE, f->current) || f->current == s->prepared;
        if (!accepted || !current)
                ORACLE_BREAK(o, "D3",
                             "server %d %s acceptedEpoch %" PRId64 " and currentEpoch %" PRId64
                             ", which were never to be written",
                             s->sid, how, f->accepted, f->current);
}

/* An epoch whose write was under way has come to the disk: all that was logged before it must be there, too (Z24). With
 * a record of that epoch the log is as long as it says. */
static void check_vouched(struct oracle *o, const struct oracle_server *s, const struct oracle_found *f,
                          const char *how)
{
        for (size_t i = 0; i < s->ask_count; i++) {
                const struct oracle_ask *a = &s->asks[i];
                if (a->kind != ASK_CURRENT || a->value != f->current || oracle__epoch_of(f->last_zxid) == f->current)
                        continue;
                int64_t end = oracle__durable_end(s);
                for (size_t k = s->durable; k < s->count && s->log[k].ticket < a->ticket; k++)
                        end = s->log[k].zxid;
                if (f->last_zxid < end)
                        ORACLE_BREAK(o, "Z24",
                                     "server %d %s currentEpoch %" PRId64 " and a log up to " ZX
                                     "; what that epoch vouches for goes up to " ZX,
                                     s->sid, how, f->current, (uint64_t)f->last_zxid, (uint64_t)end);
        }
}

static void check_found(struct oracle *o, const struct oracle_server *s, const struct oracle_found *f, const char *how)
{
        uint64_t digest;
        if (oracle__excused(o, s))
                return;
        if (!oracle__may_find(s, f->last_zxid))
                ORACLE_BREAK(o, "D3",
                             "server %d %s a log up to " ZX "; " ZX " was durable, " ZX " the last record written",
                             s->sid, how, (uint64_t)f->last_zxid, (uint64_t)oracle__durable_end(s),
                             (uint64_t)oracle__log_end(s));
        check_epochs(o, s, f, how);
        check_vouched(o, s, f, how);
        if (oracle__digest(o, f->last_zxid, &digest) && digest != f->digest)
                ORACLE_BREAK(o, "D4", "server %d %s tree %" PRIx64 " at " ZX ", where the transactions make %" PRIx64,
                             s->sid, how, f->digest, (uint64_t)f->last_zxid, digest);
}

/* What it has found is what its disk holds from now on. */
static void take_over(struct oracle *o, struct oracle_server *s, const struct oracle_found *f)
{
        if (f->last_zxid == s->saving && f->last_zxid != oracle__log_end(s))
                oracle__replace(s, f->last_zxid);
        else
                oracle__cut(o, s, f->last_zxid);
        s->accepted = f->accepted;
        s->current = f->current;
        s->prepared = s->cut_asked = s->saving = -1;
        s->ask_count = 0;
}

void oracle__recovered(struct oracle *o, struct oracle_server *s, const struct oracle_found *f)
{
        if (f->lost && !oracle__excused(o, s))
                ORACLE_BREAK(o, "D3", "server %d says that its files were lost, which they were not", s->sid);
        if (f->lost)
                oracle__mark(o, MARK_DISK_LOST);
        s->lost = f->lost;
        check_found(o, s, f, "recovers");
        if (f->current < oracle__epoch_of(f->last_zxid))
                oracle__mark(o, MARK_RECOVERABLE_GAP);
        if (s->saving == f->last_zxid)
                oracle__mark(o, MARK_SNAP_SAVED_BY_CRASH);
        take_over(o, s, f);
}

/* ---- images ---- */

/* Sizes do not matter for what is found. */
static const struct store_config image_config = {
        .item_max = JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT,
        .preallocate_bytes = 4096,
        .history_max = 1,
        .history_bytes_max = 1u << 20,
        .retain_snapshots = 3,
};

/* Recovers from a copy, which is used up. Returns what store_recover() does. */
static int recover(struct memory_storage *copy, struct recovered *ret, char why[STORE_WHY_MAX])
{
        struct store *s = store_new(memory_storage_io(copy), &image_config);
        memset(ret, 0, sizeof *ret);
        int r = store_recover(s, ret, why);
        store_free(s);
        memory_storage_free(copy);
        return r;
}

/* Whether a crash of this disk at this instant leaves `committed`. */
static bool image_holds(struct oracle *o, int sid, enum memory_crash how, int64_t committed)
{
        struct oracle_server *s = &o->servers[sid];
        char why[STORE_WHY_MAX];
        struct recovered r;
        struct memory_storage *copy = memory_storage_image(o->world->nodes[sid].disk, how, prng_next(&o->prng));
        int error = recover(copy, &r, why);
        bool holds = false;
        if (error == -EUCLEAN && how == MEMORY_CRASH_SCATTER && s->durable < s->count) {
                /* Records that were not synced, their sectors written in any order, can't be told from damage: that
                 * is refused (safety: D5), and what was synced is there all the same. */
                recovered_done(&r);
                return image_holds(o, sid, MEMORY_CRASH_NOTHING, committed);
        }
        if (error < 0 && !oracle__excused(o, s))
                ORACLE_BREAK(o, "D3", "server %d would not recover from a crash at this instant: %s", sid, why);
        if (error >= 0) {
                struct oracle_found f = {.last_zxid = r.last_zxid,
                                         .accepted = r.accepted_epoch,
                                         .current = r.current_epoch,
                                         .lost = r.lost,
                                         .digest = tree_digest(database_tree(r.db))};
                if (r.lost && !oracle__excused(o, s))
                        ORACLE_BREAK(o, "D3", "server %d would take a crash at this instant for a loss: %s", sid,
                                     r.note);
                check_found(o, s, &f, "would recover from a crash at this instant");
                holds = oracle__holds(o, r.last_zxid, committed);
        }
        recovered_done(&r);
        return holds;
}

void oracle__test_images(struct oracle *o)
{
        static const enum memory_crash ways[] = {MEMORY_CRASH_NOTHING, MEMORY_CRASH_SCATTER};
        enum memory_crash how = ways[prng_next(&o->prng) % 2];
        int64_t committed = oracle__committed_end(o);
        uint64_t bits = 0;
        o->images++;
        for (int sid = 1; sid <= o->count; sid++) {
                bool holds = image_holds(o, sid, how, committed);
                if (o->servers[sid].voter && (holds || oracle__excused(o, &o->servers[sid])))
                        bits |= oracle__bit(sid);
        }
        if (!oracle__is_quorum(o, bits))
                ORACLE_BREAK(o, "D1",
                             "a crash of all servers now would leave " ZX
                             ", which is committed, only with those of the set %" PRIx64 " (bits by sid)",
                             (uint64_t)committed, bits);
}

/* ---- at the end ---- */

struct session_diff {
        const struct session_table *other;
        size_t missing;
};

static void check_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct session_diff *c = ctx;
        int32_t other_ms;
        c->missing += !session_table_find(c->other, id, &other_ms) || other_ms != timeout_ms;
}

static void compare_databases(struct oracle *o, int sid, const struct database *disk, const struct database *memory)
{
        struct session_diff c = {.other = database_sessions(memory)};
        session_table_each(database_sessions(disk), check_session, &c);
        size_t there = session_table_count(database_sessions(disk)), here = session_table_count(c.other);
        if (c.missing || there != here)
                ORACLE_BREAK(o, "D4", "server %d has %zu sessions on disk, %zu in memory; %zu are not alike", sid,
                             there, here, c.missing);
        if (tree_digest(database_tree(disk)) != tree_digest(database_tree(memory)))
                ORACLE_BREAK(o, "D4", "server %d has tree %" PRIx64 " on disk, %" PRIx64 " in memory", sid,
                             tree_digest(database_tree(disk)), tree_digest(database_tree(memory)));
}

void oracle__test_memory(struct oracle *o, int sid)
{
        const struct world_node *n = &o->world->nodes[sid];
        const struct zab *z = n->server->zab;
        char why[STORE_WHY_MAX];
        struct recovered r;
        if (oracle__excused(o, &o->servers[sid]) || !zab_disk_dry(z))
                return;
        if (recover(memory_storage_image(n->disk, MEMORY_CRASH_ALL, 0), &r, why) < 0) {
                ORACLE_BREAK(o, "D3", "server %d can't be recovered from its disk: %s", sid, why);
        } else {
                if (r.last_zxid != zab_last_logged(z) || r.accepted_epoch != zab_accepted_epoch(z) ||
                    r.current_epoch != zab_current_epoch(z))
                        ORACLE_BREAK(o, "D3",
                                     "server %d has " ZX ", epochs %" PRId64 " and %" PRId64 " on disk, " ZX
                                     ", %" PRId64 " and %" PRId64 " in memory",
                                     sid, (uint64_t)r.last_zxid, r.accepted_epoch, r.current_epoch,
                                     (uint64_t)zab_last_logged(z), zab_accepted_epoch(z), zab_current_epoch(z));
                if (zab_last_committed(z) == zab_last_logged(z))
                        compare_databases(o, sid, r.db, n->server->db);
        }
        recovered_done(&r);
}
