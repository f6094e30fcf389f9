/* What happens in the world, as lines for people and as a digest. */
#include "election/vote/notification.h"
#include "tests/sim/trace.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const port_name[] = {
        [PORT_ELECTION] = "election",
        [PORT_QUORUM] = "quorum",
        [PORT_CLIENT] = "client port",
};
static_assert(sizeof port_name / sizeof *port_name == PORT_MAX, "a name for each port");

static const char *const epoch_name[] = {
        [EPOCH_ACCEPTED] = "acceptedEpoch",
        [EPOCH_CURRENT_PREPARE] = "currentEpoch.tmp",
        [EPOCH_CURRENT] = "currentEpoch",
};

static const char *const end_name[] = {
        [WORLD_END_HALT] = "has halted",
        [WORLD_END_KILL] = "is dead: killed",
        [WORLD_END_CRASH] = "is dead: without power",
};
static_assert(sizeof end_name / sizeof *end_name == WORLD_END_MAX, "a name for each end");

/* The texts of the system differ between libraries. */
static const char *status_name(int status)
{
        switch (status) {
        case 0:
                return "closed";
        case -ECONNREFUSED:
                return "refused";
        case -ECONNRESET:
                return "reset";
        case -ETIMEDOUT:
                return "timed out";
        case -ENOBUFS:
                return "too much unread";
        default:
                return "failed";
        }
}

/* A line about the other end of a connection: "<sid> <what> <other> (<port>)<end>". */
static void line_conn(struct trace *t, struct world *w, int sid, conn_id conn, const char *what, const char *end)
{
        struct world_endpoint *other, *own = world__end_find(&w->nodes[sid], conn, &other);
        if (!own)
                return;
        const char *port = port_name[world__stream_of(own)->port];
        if (other->sid)
                trace_line(t, w->now, "%d %s %d (%s)%s", sid, what, other->sid, port, end);
        else
                trace_line(t, w->now, "%d %s a client%s", sid, what, end);
}

static void on_started(void *ctx, struct world *w, int sid, const struct recovered *r)
{
        trace_line(ctx, w->now, "%d starts: last 0x%" PRIx64 ", epochs %" PRId64 " accepted, %" PRId64 " current%s%s",
                   sid, (uint64_t)r->last_zxid, r->accepted_epoch, r->current_epoch, r->torn ? ", torn tail cut" : "",
                   r->lost ? ", its past is lost" : "");
}

static void on_event(struct trace *t, struct world *w, int sid, const struct event *e)
{
        char end[32] = ": ";
        trace_mix(t, (uint64_t)e->type << 8 | (uint64_t)sid);
        trace_mix(t, e->conn ^ e->now.mono_ns ^ hash_u64((uint64_t)e->now.wall_ms));
        switch (e->type) {
        case EVENT_CONN_ACCEPTED:
                line_conn(t, w, sid, e->conn, "is dialled by", "");
                break;
        case EVENT_CONN_DIALLED:
                (void)strncat(end, status_name(e->status), sizeof end - 3);
                line_conn(t, w, sid, e->conn, e->status ? "does not reach" : "reaches", e->status ? end : "");
                break;
        case EVENT_CONN_CLOSED:
                (void)strncat(end, status_name(e->status), sizeof end - 3);
                line_conn(t, w, sid, e->conn, "loses", end);
                break;
        case EVENT_CONN_BYTES:
                trace_mix(t, hash_bytes(e->bytes.data, e->bytes.len, e->bytes.len));
                break;
        case EVENT_DISK_FAILED:
                trace_line(t, w->now, "%d can't write its log: %s", sid, e->disk.why);
                break;
        case EVENT_SNAPSHOT_DONE:
                if (e->status)
                        trace_line(t, w->now, "%d can't write its snapshot: %s", sid, e->disk.why);
                break;
        case EVENT_STOP:
                trace_line(t, w->now, "%d is stopping", sid);
                break;
        default:
                break;
        }
}

/* A message of an election, its length before it; a handshake is none. */
static void line_vote(struct trace *t, struct world *w, int sid, const struct effect *e)
{
        static const char *const state_name[] = {"looks", "follows", "leads", "observes"};
        struct world_endpoint *other, *own = world__end_find(&w->nodes[sid], e->conn, &other);
        const size_t prefix = sizeof(int32_t);
        struct vote_notification n;
        if (!own || world__stream_of(own)->port != PORT_ELECTION ||
            e->send.blob->len < prefix + VOTE_NOTIFICATION_SIZE_FIXED ||
            vote__notification_decode(e->send.blob->data + prefix, e->send.blob->len - prefix, &n) < 0)
                return;
        trace_line(t, w->now,
                   "%d tells %d that it %s: %" PRId64 " with epoch %" PRId64 ", 0x%" PRIx64 ", round %" PRId64, sid,
                   other->sid, state_name[n.state], n.leader, n.epoch, (uint64_t)n.zxid, n.round);
}

static void on_effect(struct trace *t, struct world *w, int sid, const struct effect *e)
{
        trace_mix(t, (uint64_t)e->type << 8 | (uint64_t)sid);
        trace_mix(t, e->conn ^ e->ticket);
        switch (e->type) {
        case EFFECT_DIAL:
                trace_line(t, w->now, "%d dials %s (%s)", sid, e->peer.host + strlen("10.0.0."),
                           port_name[e->peer.kind]);
                break;
        case EFFECT_SEND:
                trace_mix(t, hash_bytes(e->send.blob->data, e->send.blob->len, e->send.blob->len));
                line_vote(t, w, sid, e);
                break;
        case EFFECT_CLOSE:
                line_conn(t, w, sid, e->conn, "leaves", "");
                break;
        case EFFECT_LOG_APPEND:
                trace_mix(t, hash_bytes(e->log.blob->data + e->log.offset, e->log.len, e->log.len));
                trace_line(t, w->now, "%d appends 0x%" PRIx64, sid, (uint64_t)e->log.zxid);
                break;
        case EFFECT_EPOCH_WRITE:
                trace_line(t, w->now, "%d writes %s %" PRId64, sid, epoch_name[e->epoch.kind], e->epoch.value);
                break;
        case EFFECT_TRUNCATE:
                trace_line(t, w->now, "%d cuts its log after 0x%" PRIx64 "%s", sid, (uint64_t)e->truncate.zxid,
                           e->truncate.reload ? " and reloads" : "");
                break;
        case EFFECT_SNAPSHOT_BEGIN:
                trace_line(t, w->now, "%d begins a snapshot of 0x%" PRIx64, sid, (uint64_t)e->snapshot.zxid);
                break;
        case EFFECT_SNAPSHOT_END:
                trace_line(t, w->now, "%d ends a snapshot of 0x%" PRIx64 "%s", sid, (uint64_t)e->snapshot.zxid,
                           e->snapshot.received ? ", received" : "");
                break;
        case EFFECT_SNAPSHOT_ABORT:
                trace_line(t, w->now, "%d drops its snapshot", sid);
                break;
        default: /* frequent, or told by on_noted() */
                break;
        }
}

static void on_stepped(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx)
{
        on_event(ctx, w, sid, e);
        for (size_t i = 0; i < fx->count; i++)
                on_effect(ctx, w, sid, &fx->list[i]);
}

static void on_ended(void *ctx, struct world *w, int sid, enum world_end how)
{
        trace_line(ctx, w->now, "%d %s", sid, end_name[how]);
}

static void on_durable(void *ctx, struct world *w, int sid, uint64_t ticket)
{
        const struct effects *queue = &w->nodes[sid].log_queue;
        const struct effect *last = NULL;
        for (size_t i = 0; i < queue->count && queue->list[i].ticket <= ticket; i++) {
                const struct effect *e = &queue->list[i];
                if (e->type == EFFECT_EPOCH_WRITE)
                        trace_line(ctx, w->now, "%d has %s %" PRId64 " on its disk", sid, epoch_name[e->epoch.kind],
                                   e->epoch.value);
                if (e->type == EFFECT_LOG_APPEND)
                        last = e;
        }
        if (last)
                trace_line(ctx, w->now, "%d has all up to 0x%" PRIx64 " on its disk", sid, (uint64_t)last->log.zxid);
}

static void on_noted(void *ctx, struct world *w, int sid, const char *text)
{
        trace_line(ctx, w->now, "%d says: %s", sid, text);
}

static void on_refused(void *ctx, struct world *w, int sid, const char *why)
{
        (void)why; /* noted */
        trace_line(ctx, w->now, "%d does not start", sid);
}

static void on_fault(void *ctx, struct world *w, const char *text)
{
        trace_line(ctx, w->now, "*** %s", text);
}

struct world_witness world_trace_witness(struct trace *t)
{
        return (struct world_witness){.started = on_started,
                                      .stepped = on_stepped,
                                      .ended = on_ended,
                                      .durable = on_durable,
                                      .noted = on_noted,
                                      .refused = on_refused,
                                      .fault = on_fault,
                                      .ctx = t};
}
