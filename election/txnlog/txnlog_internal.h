/* What the files of this room share: names, log records, segments, snapshot files, replay, truncation.
 *
 * Layers, lowest first: files.c (names in the directory, small files), record.c, log_reader.c, tear.c and
 * segment.c (the log), snapfile.c and snapshot_reader.c (snapshots), epoch_file.c, mark.c, ends.c, replay.c,
 * recover.c, truncate.c, retention.c; on top store.c and snapstore.c.
 *
 * Errors: -errno with one sentence in `why`; -EUCLEAN is damage that a person must look at, and never
 * changes anything on disk. */
#ifndef BATON_TXNLOG_INTERNAL_H
#define BATON_TXNLOG_INTERNAL_H

#include "election/txnlog/snapfile.h"
#include "election/txnlog/store.h"

/* ---- zxids ---- */
static inline int64_t txnlog__epoch(int64_t zxid)
{
        return (int64_t)((uint64_t)zxid >> 32);
}

/* Whether `next` may follow `zxid` in a log: the next counter of the same epoch, or the first of a
 * higher one; (e,0) is never a record (safety: Z11). */
bool txnlog__follows(int64_t zxid, int64_t next);

/* Writes the sentence, cut to STORE_WHY_MAX, and returns `error`. */
int txnlog__fail(char why[STORE_WHY_MAX], int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Appends a sentence to a note, separated by "; ", cut to STORE_WHY_MAX. */
void txnlog__note(char note[STORE_WHY_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a person can do about a damaged directory, to end a sentence with. */
#define TXNLOG__MEND                                                                                                   \
        "if a quorum of the other servers is healthy, move version-2 away and start again, so that this "              \
        "server is synchronised anew; otherwise restore the file from a copy"

/* ---- files.c: the directory ---- */
/* Longest name: "snapshot." + 16 digits + ".snappy". */
#define TXNLOG__NAME_MAX 40
/* More log and snapshot files than this are refused (-E2BIG): no retention leaves so many. */
#define TXNLOG__FILES_MAX 65536

#define TXNLOG__TMP_LOG      "tmp.log"          /* a segment until its header is durable */
#define TXNLOG__TMP_SNAPSHOT "tmp.snapshot"     /* a snapshot until all of it is durable */
#define TXNLOG__INTENT       "truncate.pending" /* see truncate.c */
#define TXNLOG__TMP_INTENT   "truncate.pending.tmp"

enum txnlog__form {
        TXNLOG__PLAIN,
        TXNLOG__GZ,
        TXNLOG__SNAPPY,
};

struct txnlog__file {
        int64_t zxid; /* from the name */
        enum txnlog__form form;
        char name[TXNLOG__NAME_MAX];
};

struct txnlog__files {
        struct txnlog__file *list; /* ascending zxid, then form */
        size_t count, capacity;
};

struct txnlog__dir {
        struct txnlog__files logs, snapshots;
        bool intent;                                                                 /* a truncation was begun */
        bool tmp_log, tmp_snapshot, tmp_intent, tmp_accepted, tmp_current, tmp_ends; /* left over from a crash */
};

int txnlog__dir_scan(const struct storage *io, struct txnlog__dir *ret, char why[STORE_WHY_MAX]);
void txnlog__dir_done(struct txnlog__dir *d);
void txnlog__log_name(char name[TXNLOG__NAME_MAX], int64_t zxid);
void txnlog__snapshot_name(char name[TXNLOG__NAME_MAX], int64_t zxid);
/* Place of the newest file named <= zxid, or SIZE_MAX. */
size_t txnlog__files_upto(const struct txnlog__files *f, int64_t zxid);

/* Longest content of a small file (epochs, intent). */
#define TXNLOG__SMALL_MAX 64
/* Reads a small file whole as text, NUL-terminated: 0, -ENOENT, -EBADMSG (too long or NUL inside), -errno. */
int txnlog__small_read(const struct storage *io, const char *name, char text[TXNLOG__SMALL_MAX]);
/* The same with room for `size` bytes, the NUL among them. */
int txnlog__text_read(const struct storage *io, const char *name, char *text, size_t size);
/* Writes `text` under `tmp`, syncs it, renames it to `name` (NULL: stays). A crash before the directory is synced
 * leaves the old text or the new one. */
int txnlog__small_put(const struct storage *io, const char *tmp, const char *name, const char *text);
/* The same, and syncs the directory. */
int txnlog__small_write(const struct storage *io, const char *tmp, const char *name, const char *text);

/* ---- record.c: one log record (storage-format.md 2.1) ---- */
#define TXNLOG__HEADER_SIZE     16
#define TXNLOG__RECORD_HEAD     12
#define TXNLOG__RECORD_OVERHEAD 13
/* A transaction header is the least a payload holds. */
#define TXNLOG__RECORD_SIZE_MIN (TXNLOG__RECORD_OVERHEAD + JUTE_TXN_HEADER_SIZE)

struct txnlog__record {
        const uint8_t *payload; /* lives until the cursor moves */
        uint32_t len;
        int64_t zxid;
        uint64_t offset; /* of the record in its file */
};

void txnlog__header_put(struct jute_writer *w);
bool txnlog__header_ok(const uint8_t header[TXNLOG__HEADER_SIZE]);
void txnlog__record_put(struct jute_writer *w, const uint8_t *payload, uint32_t len);
/* The payload length that 12 bytes of record head announce, or -1 when no record begins so. */
int32_t txnlog__record_len(const uint8_t head[TXNLOG__RECORD_HEAD], int32_t item_max);
/* Judges a whole record of len + 13 bytes: checksum, end mark; fills all of `ret` but the offset. */
bool txnlog__record_get(const uint8_t *bytes, uint32_t len, struct txnlog__record *ret);
/* The last byte of a record. */
#define TXNLOG__RECORD_END 0x42 /* 'B' */
/* What a record's checksum must be. */
uint32_t txnlog__record_sum(const uint8_t *payload, uint32_t len);

/* ---- log_reader.c: reading one segment ---- */
/* Segments are read in blocks of this size (more only for a longer record). */
#define TXNLOG__BLOCK_BYTES (1u << 20)

enum txnlog__header {
        TXNLOG__HEADER_OK,
        TXNLOG__HEADER_EMPTY, /* shorter than a header, or nothing but zeros */
        TXNLOG__HEADER_BAD,
};

struct txnlog__cursor {
        const struct storage *io;
        struct storage_file *file;
        int32_t item_max;
        enum txnlog__header header;
        uint64_t size;   /* of the file when it was opened */
        uint64_t at;     /* offset of the next record; after the end: where it is */
        uint8_t *buffer; /* file bytes [base, base + fill) */
        size_t capacity, fill;
        uint64_t base;
};

int txnlog__cursor_open(struct txnlog__cursor *c, const struct storage *io, const char *name, int32_t item_max);
void txnlog__cursor_close(struct txnlog__cursor *c);
/* 1 a record; 0 the clean end (end of file, or zeros to the end of file); -EUCLEAN what stands at c->at is
 * no valid record; -errno. */
int txnlog__cursor_next(struct txnlog__cursor *c, struct txnlog__record *ret);
/* After -EUCLEAN: 1 when a valid record begins anywhere behind c->at (`ret_offset`), 0, -errno. */
int txnlog__cursor_valid_behind(struct txnlog__cursor *c, uint64_t *ret_offset);
/* 1 when the file ends with a zero, which no record does, or is empty; 0, -errno. */
int txnlog__cursor_padded(struct txnlog__cursor *c);
/* Points at file bytes from `offset` on, which live until the next call; returns how many there are in memory, or
 * -errno. They are fewer than `want` only at the end of the file, and may be more. */
int64_t txnlog__cursor_window(struct txnlog__cursor *c, uint64_t offset, size_t want, const uint8_t **ret);

/* ---- tear.c ---- */
/* After -EUCLEAN with nothing valid behind it: 1 when a write that a crash has cut short leaves such bytes at c->at,
 * 0 when it does not: they are damaged; -errno.
 *   before   zxid of the record in front of it in this segment, -1 for none
 *   first    zxid that the segment is named after */
int txnlog__cursor_torn(struct txnlog__cursor *c, int64_t before, int64_t first);

/* ---- segment.c: writing one segment ---- */
/* Appends gathered before they are written; one longer record makes it longer for a moment. */
#define TXNLOG__PENDING_BYTES (256u << 10)

struct txnlog__segment {
        const struct storage *io;
        struct storage_file *file; /* NULL: none is open */
        char name[TXNLOG__NAME_MAX];
        uint64_t end;       /* of what has been written */
        uint64_t allocated; /* known size of the file */
        uint64_t written;   /* what stands before it has been written to: records, then zeros */
        uint64_t uncached;  /* the system was told that it need not keep what stands before it */
        uint64_t preallocate;
        struct jute_writer pending; /* appended, not yet written */
        bool unsynced, unnamed;     /* data, directory entry not durable */
};

void txnlog__segment_init(struct txnlog__segment *s, const struct storage *io, const struct store_config *config);
/* Drops what is pending, closes. */
void txnlog__segment_done(struct txnlog__segment *s);
/* Creates log.<zxid>, its header durable before it gets that name. */
int txnlog__segment_open(struct txnlog__segment *s, int64_t zxid, char why[STORE_WHY_MAX]);
int txnlog__segment_append(struct txnlog__segment *s, const uint8_t *payload, uint32_t len, char why[STORE_WHY_MAX]);
/* Makes everything appended and the directory entry durable. */
int txnlog__segment_sync(struct txnlog__segment *s, char why[STORE_WHY_MAX]);
/* What is synced need not stay in memory; nothing to be done while there is little of it. */
void txnlog__segment_uncache(struct txnlog__segment *s);
/* Cuts the padding, syncs and closes; nothing happens when none is open. */
int txnlog__segment_leave(struct txnlog__segment *s, char why[STORE_WHY_MAX]);

/* ---- snapfile.c: checking a snapshot's seals ---- */
/* Marker, seal 1, digest section, last-zxid section: the longest end a snapshot can have. */
#define TXNLOG__SNAPSHOT_TAIL (5 + 13 + 33 + 21)

struct txnlog__snapshot_info {
        uint64_t body_end;   /* length of header and stream, up to seal 1 */
        bool has_digest;     /* digest section there */
        int64_t digest_zxid; /* last transaction the content may hold; 0: none since it was loaded */
        uint64_t digest;
};

/* Fed with every byte of an uncompressed snapshot file, in any portions. */
struct txnlog__seal_check {
        uint32_t adler; /* of the first `absorbed` bytes */
        uint64_t absorbed;
        uint8_t tail[TXNLOG__SNAPSHOT_TAIL]; /* the bytes after them */
        size_t tail_len;
};

void txnlog__seal_begin(struct txnlog__seal_check *c);
void txnlog__seal_feed(struct txnlog__seal_check *c, const uint8_t *data, size_t len);
/* At the end of the file: 0; -EBADMSG seals do not match; -ENODATA the file does not even end like a
 * snapshot (Java's cheap test, storage-format.md 4.4). */
int txnlog__seal_end(const struct txnlog__seal_check *c, struct txnlog__snapshot_info *ret);

/* ---- snapshot_reader.c ---- */
/* Reads a snapshot file whole: 0 valid; -EBADMSG or -ENODATA not (as seal_end); -ENOTSUP snappy; -errno. */
int txnlog__snapshot_check(const struct storage *io, const struct txnlog__file *f, struct txnlog__snapshot_info *ret,
                           char why[STORE_WHY_MAX]);
/* The same, and loads it: the database stands at the zxid of the name. Caller owns *ret_db. */
int txnlog__snapshot_load(const struct storage *io, const struct txnlog__file *f, const struct store_config *config,
                          struct database **ret_db, struct txnlog__snapshot_info *ret, char why[STORE_WHY_MAX]);

/* ---- epoch_file.c (storage-format.md 1.2) ---- */
#define TXNLOG__ACCEPTED     "acceptedEpoch"
#define TXNLOG__ACCEPTED_TMP "acceptedEpoch.tmp"
#define TXNLOG__CURRENT      "currentEpoch"
#define TXNLOG__CURRENT_TMP  "currentEpoch.tmp"
/* The highest epoch there can be: 32 bits of a zxid. */
#define TXNLOG__EPOCH_MAX 0xffffffffLL
/* A file that is not there. */
#define TXNLOG__EPOCH_NONE (-1)

struct txnlog__epochs {
        int64_t accepted, current;                   /* TXNLOG__EPOCH_NONE: no file */
        int64_t prepared;                            /* in currentEpoch.tmp; NONE also for one that can't be read */
        bool write_accepted, write_current, promote; /* what txnlog__epochs_mend() has to do */
};

int txnlog__epochs_read(const struct storage *io, struct txnlog__epochs *ret, char why[STORE_WHY_MAX]);
/* Judges them beside what snapshot and log hold (`empty`: neither holds anything) and decides which values
 * are in force. Pure. 0 or -EUCLEAN. */
int txnlog__epochs_settle(struct txnlog__epochs *e, int64_t last_zxid, bool empty, char why[STORE_WHY_MAX]);
/* Writes down what settle decided. */
int txnlog__epochs_mend(const struct storage *io, const struct txnlog__epochs *e, char why[STORE_WHY_MAX]);
int txnlog__epoch_write(const struct storage *io, enum epoch_kind kind, int64_t value, bool prepared,
                        char why[STORE_WHY_MAX]);

/* ---- mark.c ---- */
enum txnlog__mark {
        TXNLOG__MARK_NONE,  /* no past, or nobody has said so yet */
        TXNLOG__MARK_WHOLE, /* a past, and it is here */
        TXNLOG__MARK_LOST,  /* a past that is lost */
        TXNLOG__MARK_MAX,
};
int txnlog__mark_read(const struct storage *io, enum txnlog__mark *ret, char why[STORE_WHY_MAX]);
/* Durable on return. */
int txnlog__mark_write(const struct storage *io, enum txnlog__mark mark, char why[STORE_WHY_MAX]);

/* ---- ends.c ---- */
#define TXNLOG__ENDS     "baton.ends"
#define TXNLOG__TMP_ENDS "baton.ends.tmp"
/* Seams that are known, the newest ones: each costs a start of a server and an epoch, and segments that no kept
 * snapshot needs are gone long before. */
#define TXNLOG__SEAMS_MAX 64

/* The record `zxid`, whose payload has this checksum, was logged right behind `before`. */
struct txnlog__known_seam {
        int64_t zxid, before;
        uint32_t sum;
};

struct txnlog__ends {
        int64_t epoch, end; /* the history reached `end` when currentEpoch was to be `epoch`; 0: nothing is known */
        struct txnlog__known_seam seams[TXNLOG__SEAMS_MAX]; /* ascending zxid */
        size_t count;
};

/* What is not there, or is not as it was written, says nothing; the latter with a sentence in `note`. 0, -errno. */
int txnlog__ends_read(const struct storage *io, struct txnlog__ends *ret, char note[STORE_WHY_MAX],
                      char why[STORE_WHY_MAX]);
/* 1 when it was written, 0 when the file says so already, -errno. Durable once the directory is synced, which is left
 * to the caller: currentEpoch, a new segment's first sync and a truncation do so anyway, and a new leader's first write
 * waits for all of them. */
int txnlog__ends_reach(const struct storage *io, struct txnlog__ends *e, int64_t epoch, int64_t end,
                       char why[STORE_WHY_MAX]);
int txnlog__ends_seam(const struct storage *io, struct txnlog__ends *e, const struct txnlog__known_seam *seam,
                      char why[STORE_WHY_MAX]);
/* Forgets what is said of zxids above this one: the history will end there. */
int txnlog__ends_cut(const struct storage *io, struct txnlog__ends *e, int64_t zxid, char why[STORE_WHY_MAX]);
/* The seam before this very record, or NULL. */
const struct txnlog__known_seam *txnlog__ends_find(const struct txnlog__ends *e, const struct txnlog__record *rec);

/* ---- replay.c ---- */
/* Where a segment begins a later epoch, until a digest shows that nothing is missing before it. */
struct txnlog__seam {
        const char *name; /* of the segment; NULL: there is none */
        uint64_t offset;  /* of its first record */
        int64_t zxid, before;
};

struct txnlog__replay {
        const struct storage *io;
        const struct store_config *config;
        struct database *db;             /* owned until taken */
        const struct txnlog__ends *ends; /* NULL: nothing is known */
        int64_t from;                    /* the snapshot's zxid */
        int64_t until;                   /* last record wanted, INT64_MAX for all */
        int64_t last;                    /* reached so far */
        int64_t repeated;                /* the last one of a series that was there before; 0: none is open */
        size_t replayed;
        size_t digest_mismatches;
        struct txnlog__snapshot_info snapshot;
        bool compare; /* digests are being compared (storage-format.md 5.4) */
        bool proven;  /* a digest has shown that this is the tree of whoever wrote the log */
        struct txnlog__seam seam;
        struct outcome outcome;

        struct store_txn *history; /* [history_head, history_end) */
        size_t history_head, history_end, history_capacity, history_bytes;

        const char *doubt; /* a left segment whose end was invalid, until the next record clears it */
        uint64_t doubt_offset;
        bool doubt_damaged; /* and no crash leaves such an end */

        /* What recovery has to mend once all is judged. */
        const struct txnlog__file *tail; /* the last segment with a header, if it was read to its end */
        uint64_t tail_end, tail_size;    /* its good bytes, all bytes */
        bool tail_records;
        bool torn, damaged; /* what stands behind its good bytes */
        size_t first, live; /* segments [first, live) were read; [live, count) hold nothing and may go */
        /* One of them, NULL for none, has room for a header and is all zeros. Ours have their header on disk before
         * they have their name: what stood there is lost. */
        const struct txnlog__file *zeroed;
};

/* Takes `db`; `ends` is borrowed. */
void txnlog__replay_init(struct txnlog__replay *r, const struct storage *io, const struct store_config *config,
                         const struct txnlog__ends *ends, struct database *db, int64_t from,
                         const struct txnlog__snapshot_info *snapshot);
void txnlog__replay_done(struct txnlog__replay *r);
/* Applies the records of (from, until]. `dir` must outlive the replay. 0, -EUCLEAN, -errno. */
int txnlog__replay_run(struct txnlog__replay *r, const struct txnlog__dir *dir, char why[STORE_WHY_MAX]);
/* Moves database, history and figures out. */
void txnlog__replay_take(struct txnlog__replay *r, struct recovered *ret);

/* ---- recover.c ---- */
/* `ends` is filled with what is on disk afterwards. */
int txnlog__recover(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                    struct recovered *ret, char why[STORE_WHY_MAX]);

/* ---- truncate.c ---- */
/* 1 done (with `reload`, `ret` is filled); 0 `zxid` can't be reached, nothing changed; -errno. */
int txnlog__truncate(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                     int64_t zxid, bool reload, struct recovered *ret, char why[STORE_WHY_MAX]);
/* Says that a leader's snapshot is about to get its name (see truncate.c). Durable on return. */
int txnlog__announce(const struct storage *io, int64_t zxid, char why[STORE_WHY_MAX]);
/* Finishes a truncation that a crash interrupted. */
int txnlog__truncate_redo(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                          char why[STORE_WHY_MAX]);

/* ---- retention.c ---- */
/* Fewer than this are never kept. */
#define TXNLOG__RETAIN_MIN 3
/* Removes what the newest `retain` valid snapshots make superfluous. `verified` remembers, between calls,
 * which files were found valid. `slowly`: nobody waits for it, see storage.h. */
int txnlog__retain(const struct storage *io, size_t retain, struct txnlog__files *verified, bool slowly,
                   char why[STORE_WHY_MAX]);
/* Adds a file to a list, keeping the order; replaces one of the same name. */
void txnlog__files_add(struct txnlog__files *f, const struct txnlog__file *file);

#endif
