/* What the core asks of the world: the effects of one step, in the order they must be carried out.
 *
 * Ordering rules (the shell decides nothing; breaking one of these breaks a promise):
 *  - Effects are carried out in list order. Sends to one connection keep their order.
 *  - Log-queue effects (LOG_APPEND, LOG_ROLL, EPOCH_WRITE, TRUNCATE) form one FIFO, executed one
 *    after the other by the log writer. Each carries a ticket, growing by one. EVENT_DISK_DONE for
 *    ticket t says that every log-queue effect up to t is on stable storage (file data, and the
 *    directory entry where one was made). The writer may group: one fdatasync for many appends.
 *  - The core itself holds back whatever must not be seen before durability (an ACK, a vote for an
 *    epoch): a SEND in the list may always go out at once.
 *  - Snapshot effects (SNAPSHOT_*) form a second, independent FIFO. SNAPSHOT_END is durable when
 *    EVENT_SNAPSHOT_DONE reports it: temporary name, fsync, rename, fsync of the directory.
 *  - A failed log-queue effect is final: the shell reports EVENT_DISK_FAILED once and executes
 *    nothing further from the log queue (safety: D6, no retry after a failed fsync).
 *
 * Ownership: the list owns a reference on each blob it holds; effects_reset() drops them. A shell
 * that needs a blob for longer takes its own reference. */
#ifndef BATON_BASE_EFFECT_H
#define BATON_BASE_EFFECT_H

#include "election/base/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection's name. Accepted ones are numbered by the shell with even numbers from 2, dialled
 * ones by the core with odd numbers from 1. Never reused. 0 is no connection. */
typedef uint64_t conn_id;

enum port {
        PORT_ELECTION,
        PORT_QUORUM,
        PORT_CLIENT,
        PORT_MAX,
};

enum effect_type {
        EFFECT_DIAL,        /* connect `conn` to peer.host:peer.port; answer: EVENT_CONN_DIALLED */
        EFFECT_SEND,        /* queue `send.blob` whole on `conn` */
        EFFECT_CLOSE,       /* flush what is queued on `conn` (close.flush) or drop it, then close. No event follows. */
        EFFECT_NOTIFY_SENT, /* answer EVENT_CONN_SENT once all that is queued on `conn` by now is in the socket */
        EFFECT_READ_STOP,   /* stop / go on reading from `conn` (back-pressure) */
        EFFECT_READ_START,
        EFFECT_LOG_APPEND,  /* append one transaction payload: log.blob bytes [log.offset, +log.len), zxid log.zxid */
        EFFECT_LOG_ROLL,    /* the next append opens a new segment */
        EFFECT_EPOCH_WRITE, /* write an epoch file (epoch.kind, epoch.value) */
        EFFECT_TRUNCATE,    /* cut the log after truncate.zxid and drop snapshots that may hold more, durably. With
                               truncate.reload, EVENT_DISK_DONE for its ticket carries the state recovered from
                               what is left; where no snapshot and log on disk reach that zxid exactly, nothing
                               is changed and the event carries no state. The core never truncates while a
                               snapshot file is being written. */
        EFFECT_SNAPSHOT_BEGIN, /* start a snapshot file for snapshot.zxid */
        EFFECT_SNAPSHOT_CHUNK, /* append snapshot.blob to it (uncompressed body bytes, seals included) */
        EFFECT_SNAPSHOT_END,   /* make it durable under its final name, then purge old files (retention) */
        EFFECT_SNAPSHOT_ABORT, /* drop the unfinished file */
        EFFECT_UNLISTEN,       /* close all listening sockets: the server is stopping */
        EFFECT_REPORT,         /* say report.text once, with report.level */
        EFFECT_AUDIT,          /* write audit.text to the audit log: each of them, however often */
        EFFECT_ROLE,           /* role / serving state changed: for the log, READY and STATUS */
        EFFECT_HALT,           /* the server has ended: halt.status 0 after a clean stop, else why in halt.text */
        EFFECT_MAX,
};

enum epoch_kind {
        EPOCH_ACCEPTED,        /* acceptedEpoch: temporary file, fsync, rename, fsync directory */
        EPOCH_CURRENT_PREPARE, /* currentEpoch.tmp written and fsynced, not renamed (storage-format 8.5) */
        EPOCH_CURRENT,         /* currentEpoch: as ACCEPTED (an existing .tmp of that value is renamed) */
};

enum report_level { REPORT_DEBUG, REPORT_INFO, REPORT_WARNING, REPORT_ERROR };

/* Longer texts are cut. */
#define EFFECT_TEXT_MAX 512

struct effect {
        enum effect_type type;
        conn_id conn;    /* network effects */
        uint64_t ticket; /* log-queue effects and SNAPSHOT_* (own sequence) */
        union {
                struct {
                        char *host; /* owned */
                        uint16_t port;
                        enum port kind;
                } peer;
                struct {
                        struct blob *blob;
                } send;
                struct {
                        bool flush;
                } close;
                struct {
                        struct blob *blob;
                        uint32_t offset, len;
                        int64_t zxid;
                } log;
                struct {
                        enum epoch_kind kind;
                        int64_t value;
                } epoch;
                struct {
                        int64_t zxid;
                        bool reload;
                } truncate;
                struct {
                        struct blob *blob;
                        int64_t zxid;
                        bool received; /* END: it came from a leader and is to replace whatever the log says */
                } snapshot;
                struct {
                        enum report_level level;
                        char *text; /* owned */
                } report;
                struct {
                        bool failed;
                        char *text; /* owned; key=value, single spaces between (server/audit.h) */
                } audit;
                struct {
                        char *text; /* owned */
                } role;
                struct {
                        int status;
                        char *text; /* owned */
                } halt;
        };
};

struct effects {
        struct effect *list;
        size_t count, capacity;
        uint64_t log_ticket;      /* last given */
        uint64_t snapshot_ticket; /* last given */
        conn_id dialled;          /* last odd number given */
};

void effects_init(struct effects *fx);
void effects_done(struct effects *fx);
/* Empties the list, dropping references; counters stay. */
void effects_reset(struct effects *fx);

/* Chooses a connection name and asks for it to be dialled; host is borrowed. */
conn_id effect_dial(struct effects *fx, enum port kind, const char *host, uint16_t port);
/* Takes the caller's reference on `b`. */
void effect_send(struct effects *fx, conn_id conn, struct blob *b);
void effect_close(struct effects *fx, conn_id conn, bool flush);
void effect_notify_sent(struct effects *fx, conn_id conn);
void effect_read(struct effects *fx, conn_id conn, bool start);
void effect_unlisten(struct effects *fx);
/* Takes its own reference on `b`; returns the ticket. */
uint64_t effect_log_append(struct effects *fx, struct blob *b, uint32_t offset, uint32_t len, int64_t zxid);
uint64_t effect_log_roll(struct effects *fx);
uint64_t effect_epoch_write(struct effects *fx, enum epoch_kind kind, int64_t value);
uint64_t effect_truncate(struct effects *fx, int64_t zxid, bool reload);
/* Each returns the ticket. CHUNK takes the caller's reference on `b`. */
uint64_t effect_snapshot_begin(struct effects *fx, int64_t zxid);
uint64_t effect_snapshot_chunk(struct effects *fx, struct blob *b);
uint64_t effect_snapshot_end(struct effects *fx, int64_t zxid, bool received);
uint64_t effect_snapshot_abort(struct effects *fx);
void effect_report(struct effects *fx, enum report_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* `text` is copied, whole. */
void effect_audit(struct effects *fx, bool failed, const char *text);
void effect_role(struct effects *fx, const char *format, ...) __attribute__((format(printf, 2, 3)));
void effect_halt(struct effects *fx, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
