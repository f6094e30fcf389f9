/* Snapshot files: when a routine one is due, and handing one over to the writer portion by portion. The
 * loop never stops for it: each portion costs one read of SERVER_SNAPSHOT_CHUNK_BYTES out of the tree, and
 * the next one waits for the writer. */
#include "election/server/server_internal.h"

#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Members draw their own moment, so that they do not all write snapshots at once (storage-format.md 6). */
void server__snapshot_redraw(struct server *s)
{
        uint32_t half = s->config.snap_count / 2;
        s->snapshot_after = half + (uint32_t)(prng_next(&s->prng) % (half ? half : 1));
}

static void job_portion(struct server *s, struct effects *fx)
{
        struct snapshot_job *j = &s->job;
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        bool first = j->ticket == 0;
        if (first)
                snapfile_begin(&j->file, &w);
        size_t at = w.len;
        j->read_out = !database_snapshot_read(j->db, &w, SERVER_SNAPSHOT_CHUNK_BYTES);
        snapfile_note(&j->file, &w, at);
        if (j->read_out)
                snapfile_end(&j->file, &w, j->zxid, database_snapshot_digest(j->db));
        j->ticket = effect_snapshot_chunk(fx, jute_writer_blob(&w));
        jute_writer_done(&w);
        if (j->read_out) {
                database_snapshot_end(j->db);
                j->ticket = effect_snapshot_end(fx, j->zxid, j->kind == JOB_RECEIVED);
        }
}

/* Returns false while the database is being read out for somebody else. */
static bool job_begin(struct server *s, int kind, struct database *db, struct effects *fx)
{
        struct snapshot_job *j = &s->job;
        if (database_snapshot_begin(db) < 0)
                return false;
        bool ahead = PLANTED(M12_SNAPSHOT_NAMED_AHEAD) && kind == JOB_ROUTINE;
        *j = (struct snapshot_job){.db = db, .zxid = ahead ? zab_last_logged(s->zab) : database_snapshot_zxid(db)};
        j->since_ms = s->event->now.mono_ms;
        j->kind = kind == JOB_RECEIVED ? JOB_RECEIVED : JOB_ROUTINE;
        j->begin = effect_snapshot_begin(fx, j->zxid);
        job_portion(s, fx);
        return true;
}

/* A snapshot of the serving database; the log goes on in a new segment. */
static bool routine_begin(struct server *s, struct effects *fx)
{
        if (!job_begin(s, JOB_ROUTINE, s->db, fx))
                return false;
        s->snapshots_begun++;
        s->snapshot_zxid = s->job.zxid;
        (void)effect_log_roll(fx);
        s->txns_since_snapshot = 0;
        server__snapshot_redraw(s);
        return true;
}

static void routine_end(struct server *s, int status)
{
        if (s->snapshots_ended == s->snapshots_begun)
                return;
        s->snapshots_ended = s->snapshots_begun;
        s->snapshot_status = status;
}

void server_snapshots(const struct server *s, struct server_snapshots *ret)
{
        *ret = (struct server_snapshots){.begun = s->snapshots_begun,
                                         .ended = s->snapshots_ended,
                                         .zxid = s->snapshot_zxid,
                                         .status = s->snapshot_status,
                                         .busy = s->job.kind != JOB_NONE || database_snapshot_busy(s->db)};
}

void server__snapshot_wanted(struct server *s, struct effects *fx)
{
        if (s->serving && s->job.kind == JOB_NONE)
                (void)routine_begin(s, fx); /* false: a learner is being sent one */
}

void server__snapshot_counted(struct server *s, struct effects *fx)
{
        if (s->txns_since_snapshot < UINT32_MAX)
                s->txns_since_snapshot++;
        if (!s->serving || s->txns_since_snapshot <= s->snapshot_after || s->job.kind != JOB_NONE)
                return;
        (void)routine_begin(s, fx); /* false: it is tried again after the next transaction */
}

void server__snapshot_received(struct server *s, struct database *db, int64_t zxid, struct effects *fx)
{
        server__snapshot_yield(s, "keeping the leader's snapshot", fx);
        bool begun = job_begin(s, JOB_RECEIVED, db, fx);
        assert(begun && s->job.zxid == zxid);
        (void)begun;
        (void)zxid;
}

void server__snapshot_abort(struct server *s, struct effects *fx)
{
        struct snapshot_job *j = &s->job;
        if (j->kind == JOB_NONE || j->kind == JOB_ABORTING)
                return;
        if (!j->read_out)
                database_snapshot_end(j->db);
        if (j->kind == JOB_ROUTINE)
                routine_end(s, -ECANCELED);
        j->kind = JOB_ABORTING;
        j->db = NULL;
        j->ticket = effect_snapshot_abort(fx);
}

void server__snapshot_yield(struct server *s, const char *waits, struct effects *fx)
{
        if (s->job.kind == JOB_NONE)
                return;
        effect_report(fx, REPORT_INFO, "%s waits until the snapshot file 0x%" PRIx64 " is given up", waits,
                      (uint64_t)s->job.zxid);
        server__snapshot_abort(s, fx);
}

static void job_failed(struct server *s, const struct event *e, struct effects *fx)
{
        struct snapshot_job *j = &s->job;
        const char *why = e->disk.why ? e->disk.why : "unknown reason";
        s->figures.snapshot_errors++;
        if (j->kind == JOB_ROUTINE)
                routine_end(s, -EIO);
        if (j->kind == JOB_RECEIVED) {
                char text[EFFECT_TEXT_MAX];
                (void)snprintf(text, sizeof text,
                               "the leader's snapshot can't be written: %s; mend the disk and start again", why);
                server__fail(s, SERVER_STATUS_DISK, text);
                return;
        }
        effect_report(fx, REPORT_ERROR, "snapshot 0x%" PRIx64 " can't be written: %s; the older ones stay in use",
                      (uint64_t)j->zxid, why);
        server__snapshot_abort(s, fx);
}

void server__snapshot_done(struct server *s, const struct event *e, struct effects *fx)
{
        struct snapshot_job *j = &s->job;
        /* A failure comes at once, whichever portion it met. An older job's completions mean nothing. */
        if (j->kind == JOB_NONE || e->disk.ticket < j->begin)
                return;
        if (e->status < 0 && j->kind != JOB_ABORTING) {
                job_failed(s, e, fx);
                return;
        }
        if (e->disk.ticket < j->ticket)
                return;
        if (j->kind != JOB_ABORTING && !j->read_out) {
                job_portion(s, fx);
                return;
        }
        bool received = j->kind == JOB_RECEIVED;
        if (j->kind != JOB_ABORTING) {
                s->figures.snapshots++;
                if (j->kind == JOB_ROUTINE)
                        routine_end(s, 0);
                summary_add(&s->figures.snapshot, e->now.mono_ms - j->since_ms);
        }
        *j = (struct snapshot_job){.kind = JOB_NONE};
        if (received)
                zab_snapshot_saved(s->zab, e->now.mono_ms, fx);
        zab_snapshot_free(s->zab, e->now.mono_ms, fx);
}
