#include "election/base/effect.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void effects_init(struct effects *fx)
{
        memset(fx, 0, sizeof *fx);
        fx->dialled = (conn_id)-1; /* so that the first is 1 */
}

static void effect_drop(struct effect *e)
{
        switch (e->type) {
        case EFFECT_DIAL:
                mem_free(e->peer.host);
                break;
        case EFFECT_SEND:
                blob_unref(e->send.blob);
                break;
        case EFFECT_LOG_APPEND:
                blob_unref(e->log.blob);
                break;
        case EFFECT_SNAPSHOT_CHUNK:
                blob_unref(e->snapshot.blob);
                break;
        case EFFECT_REPORT:
                mem_free(e->report.text);
                break;
        case EFFECT_AUDIT:
                mem_free(e->audit.text);
                break;
        case EFFECT_ROLE:
                mem_free(e->role.text);
                break;
        case EFFECT_HALT:
                mem_free(e->halt.text);
                break;
        default:
                break;
        }
}

void effects_reset(struct effects *fx)
{
        for (size_t i = 0; i < fx->count; i++)
                effect_drop(&fx->list[i]);
        fx->count = 0;
}

void effects_done(struct effects *fx)
{
        effects_reset(fx);
        mem_free(fx->list);
        fx->list = NULL;
        fx->capacity = 0;
}

static struct effect *effect_add(struct effects *fx, enum effect_type type)
{
        fx->list = mem_grow(fx->list, &fx->capacity, fx->count + 1, sizeof *fx->list);
        struct effect *e = &fx->list[fx->count++];
        memset(e, 0, sizeof *e);
        e->type = type;
        return e;
}

conn_id effect_dial(struct effects *fx, enum port kind, const char *host, uint16_t port)
{
        struct effect *e = effect_add(fx, EFFECT_DIAL);
        fx->dialled += 2;
        e->conn = fx->dialled;
        e->peer.host = mem_strdup(host);
        e->peer.port = port;
        e->peer.kind = kind;
        return e->conn;
}

void effect_send(struct effects *fx, conn_id conn, struct blob *b)
{
        assert(conn != 0);
        struct effect *e = effect_add(fx, EFFECT_SEND);
        e->conn = conn;
        e->send.blob = b;
}

void effect_close(struct effects *fx, conn_id conn, bool flush)
{
        assert(conn != 0);
        struct effect *e = effect_add(fx, EFFECT_CLOSE);
        e->conn = conn;
        e->close.flush = flush;
}

void effect_notify_sent(struct effects *fx, conn_id conn)
{
        effect_add(fx, EFFECT_NOTIFY_SENT)->conn = conn;
}

void effect_unlisten(struct effects *fx)
{
        (void)effect_add(fx, EFFECT_UNLISTEN);
}

void effect_read(struct effects *fx, conn_id conn, bool start)
{
        struct effect *e = effect_add(fx, start ? EFFECT_READ_START : EFFECT_READ_STOP);
        e->conn = conn;
}

static struct effect *log_effect_add(struct effects *fx, enum effect_type type)
{
        struct effect *e = effect_add(fx, type);
        e->ticket = ++fx->log_ticket;
        return e;
}

uint64_t effect_log_append(struct effects *fx, struct blob *b, uint32_t offset, uint32_t len, int64_t zxid)
{
        assert(len <= b->len && offset <= b->len - len);
        struct effect *e = log_effect_add(fx, EFFECT_LOG_APPEND);
        e->log.blob = blob_ref(b);
        e->log.offset = offset;
        e->log.len = len;
        e->log.zxid = zxid;
        return e->ticket;
}

uint64_t effect_log_roll(struct effects *fx)
{
        return log_effect_add(fx, EFFECT_LOG_ROLL)->ticket;
}

uint64_t effect_epoch_write(struct effects *fx, enum epoch_kind kind, int64_t value)
{
        struct effect *e = log_effect_add(fx, EFFECT_EPOCH_WRITE);
        e->epoch.kind = kind;
        e->epoch.value = value;
        return e->ticket;
}

uint64_t effect_truncate(struct effects *fx, int64_t zxid, bool reload)
{
        struct effect *e = log_effect_add(fx, EFFECT_TRUNCATE);
        e->truncate.zxid = zxid;
        e->truncate.reload = reload;
        return e->ticket;
}

static struct effect *snapshot_effect_add(struct effects *fx, enum effect_type type)
{
        struct effect *e = effect_add(fx, type);
        e->ticket = ++fx->snapshot_ticket;
        return e;
}

uint64_t effect_snapshot_begin(struct effects *fx, int64_t zxid)
{
        struct effect *e = snapshot_effect_add(fx, EFFECT_SNAPSHOT_BEGIN);
        e->snapshot.zxid = zxid;
        return e->ticket;
}

uint64_t effect_snapshot_chunk(struct effects *fx, struct blob *b)
{
        struct effect *e = snapshot_effect_add(fx, EFFECT_SNAPSHOT_CHUNK);
        e->snapshot.blob = b;
        return e->ticket;
}

uint64_t effect_snapshot_end(struct effects *fx, int64_t zxid, bool received)
{
        struct effect *e = snapshot_effect_add(fx, EFFECT_SNAPSHOT_END);
        e->snapshot.zxid = zxid;
        e->snapshot.received = received;
        return e->ticket;
}

uint64_t effect_snapshot_abort(struct effects *fx)
{
        return snapshot_effect_add(fx, EFFECT_SNAPSHOT_ABORT)->ticket;
}

static char *effect_text(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));
static char *effect_text(const char *format, va_list ap)
{
        char text[EFFECT_TEXT_MAX];
        (void)vsnprintf(text, sizeof text, format, ap); /* cut, as the header says */
        return mem_strdup(text);
}

void effect_report(struct effects *fx, enum report_level level, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        struct effect *e = effect_add(fx, EFFECT_REPORT);
        e->report.level = level;
        e->report.text = effect_text(format, ap);
        va_end(ap);
}

void effect_audit(struct effects *fx, bool failed, const char *text)
{
        struct effect *e = effect_add(fx, EFFECT_AUDIT);
        e->audit.failed = failed;
        e->audit.text = mem_strdup(text);
}

void effect_role(struct effects *fx, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        struct effect *e = effect_add(fx, EFFECT_ROLE);
        e->role.text = effect_text(format, ap);
        va_end(ap);
}

void effect_halt(struct effects *fx, int status, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        struct effect *e = effect_add(fx, EFFECT_HALT);
        e->halt.status = status;
        e->halt.text = effect_text(format, ap);
        va_end(ap);
}
