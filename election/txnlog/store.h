/* The durable half of a server: transaction log, snapshots, epoch files; recovery from them.
 * Formats are ZooKeeper's (zookeeper/storage-format.md); rules for what may be cut, and when a
 * directory is refused, are in that page's sections 1.2, 2.2, 2.5, 4.4, 6 and 8, and in safety.md D1-D9.
 *
 * Two halves that share only the directory: `store` (log + epochs, used by the log writer's thread)
 * and `snapstore` (snapshot files and retention, used by the snapshot writer's thread). Both carry out
 * the effects of base/effect.h. Neither has threads of its own. */
#ifndef BATON_TXNLOG_STORE_H
#define BATON_TXNLOG_STORE_H

#include "election/base/effect.h"
#include "election/tree/database.h"
#include "election/txnlog/storage.h"

/* Longest explanation, a full sentence with file and offset. */
#define STORE_WHY_MAX 512
/* Beside the directory: "whole" once this server has a past of its own, "lost" from when its files were found to be
 * gone until a leader has synchronised it anew (mark.c). */
#define STORE_MARK "baton.history"
/* A log segment grows in these steps, so that an append's sync seldom touches metadata. */
#define STORE_PREALLOCATE_DEFAULT (64u << 20)

struct store_config {
        int32_t item_max;           /* jute.maxbuffer + extra: longest record payload */
        uint64_t preallocate_bytes; /* 0: do not */
        size_t history_max;         /* transactions kept in `recovered.history`, newest ones */
        size_t history_bytes_max;   /* and their bytes */
        size_t retain_snapshots;    /* at least 3 */
        bool alone;                 /* no other voter could synchronise this server */
        uint64_t hash_seed;         /* of the database's tables (database_new_hashed()) */
};

/* One transaction in memory: payload bytes [offset, offset+len) of blob. */
struct store_txn {
        int64_t zxid;
        struct blob *blob;
        uint32_t offset, len;
};

/* What a directory holds. */
struct recovered {
        struct database *db;
        int64_t last_zxid; /* highest zxid in log or snapshot; the log's uncommitted tail counts */
        int64_t accepted_epoch, current_epoch;
        struct store_txn *history; /* contiguous, ending at last_zxid; may be empty */
        size_t history_count;
        int64_t snapshot_zxid; /* the snapshot recovery began from */
        size_t replayed;       /* transactions read from the log */
        bool torn;             /* a torn tail was cut; `note` says where */
        size_t digest_mismatches;
        bool lost; /* what this server had acknowledged and promised is gone: it must not count (mark.c) */
        char note[STORE_WHY_MAX]; /* warnings worth saying, or "" */
};
/* Frees what is still owned (takes a half-filled one). */
void recovered_done(struct recovered *r);

struct store;
/* Prepares, reads nothing. `io` is borrowed. */
struct store *store_new(const struct storage *io, const struct store_config *config);
/* Writes nothing more: what was appended and not synced may or may not be there afterwards. */
void store_free(struct store *s);

/* Loads the newest valid snapshot and replays the log. A truncation that a crash interrupted is finished
 * first. An invalid suffix of the last segment with nothing valid behind it is cut, durably: a torn write
 * (`torn`), or damage, which makes this server one that has lost something (`lost`; tear.c tells them apart);
 * segments without a record, temporary files and the last segment's padding go too. An empty directory is
 * a fresh database: both epoch files (0) and snapshot.0 are written. A standalone Java server's directory
 * (all zxids of epoch 0, no epoch files) gets epoch files of 0. An epoch of the last zxid above currentEpoch
 * is accepted where acceptedEpoch explains it (safety: Z25); currentEpoch.tmp of that epoch is then in force.
 *
 * Where the mark says that this server had a past and the files hold none, or the log ends before where it is known
 * to have ended (ends.c), or where the mark said so before and no leader has synchronised the server since, `lost` is
 * set as well. When it is alone, each of these is -EUCLEAN. Files with a past get the mark, damaged ones too: it is
 * then safe to move them away.
 *
 * Refuses with -EUCLEAN, no file changed, and with file, offset and what to do in `why`: corruption anywhere
 * else; a gap in zxids inside the replayed range, or where the first record of a segment is known to follow
 * another (ends.c); a snapshot missing where logs exist; no valid snapshot, or an older one from which the log
 * does not reach what a damaged newer one held; acceptedEpoch < currentEpoch; an epoch file missing where an epoch
 * above 0 was seen; currentEpoch above 0 without any history; an epoch of the last zxid above acceptedEpoch. -ENOTSUP
 * for a snapshot compressed with snappy. Other failures: -errno. An earlier segment whose end is invalid (Java goes on
 * in a new file after a torn write) is accepted when the next record shows that nothing is missing: the next zxid of
 * the same epoch, or the digest of the very tree. Must be called once before store_perform(); after a failure only
 * store_free() is left. */
int store_recover(struct store *s, struct recovered *ret, char why[STORE_WHY_MAX]);

/* Carries out one log-queue effect. Appends are gathered and written in groups: durable after store_sync().
 * LOG_ROLL, EPOCH_WRITE and TRUNCATE are durable on return, with all that came before them. The first epoch
 * brings the mark along; currentEpoch, which closes a synchronisation, makes a lost server whole again, and where
 * the history ends is written down before it (ends.c).
 * A new segment is created under its final name with the header durable, and the directory is synced before
 * store_sync() returns. Appending a zxid that does not follow the last one is -EINVAL: not above it, or leaving
 * a hole in an epoch (allowed where a snapshot stands at the hole's upper rim).
 * `reloaded` is filled for TRUNCATE with reload (see effect.h) and 1 is returned, or 0 when that zxid
 * can't be reached from what is on disk: nothing was changed then, and `why` says the reason.
 * TRUNCATE without reload follows a received snapshot that has become durable as snapshot.<zxid>: it is checked
 * (-EUCLEAN if it is missing or damaged), then the whole log and all other snapshots go. Nothing of the old line
 * may ever be replayed again, and below that snapshot there is no state worth falling back to.
 * A crash during either leaves the old state or the new one (truncate.c).
 * On failure -errno, and the store refuses everything from then on (-EIO). */
int store_perform(struct store *s, const struct effect *e, struct recovered *reloaded, char why[STORE_WHY_MAX]);
/* Makes all appends so far durable: one fdatasync, and a sync of the directory after a new segment. */
int store_sync(struct store *s, char why[STORE_WHY_MAX]);
/* After a sync, best when nobody waits for its result any more: lets the system forget what it keeps in memory of the
 * log's file. */
void store_uncache(struct store *s);

/* What one snapshot file holds, looked at from outside. */
struct snapshot_report {
        /* Its content is what was committed at its zxid, by its own digest. A snapshot that ZooKeeper wrote while
         * transactions went on is not: it holds parts of later ones, and means something with their log only. Without a
         * digest (before 3.6) this can't be told: then both are false. */
        bool exact, fuzzy;
        int64_t reaches_zxid; /* of the last transaction of which it may hold a part */
        size_t znodes, sessions;
};
/* Reads the file `name` as the snapshot at `zxid`, all of it; changes nothing. -EBADMSG damaged, -ENODATA cut short,
 * other -errno, the reason in `why`. */
int snapshot_inspect(const struct storage *io, const struct store_config *config, const char *name, int64_t zxid,
                     bool gzip, struct snapshot_report *ret, char why[STORE_WHY_MAX]);

struct snapstore;
struct snapstore *snapstore_new(const struct storage *io, const struct store_config *config);
void snapstore_free(struct snapstore *s);
/* Carries out one SNAPSHOT_* effect. Chunks are the stream of database.h; header and what of the seals
 * lies outside the chunks is the core's business too: see snapfile.h. END: sync, rename to
 * snapshot.<zxid>, sync the directory, then retention: keeps the newest `retain_snapshots` valid ones
 * and the logs from the newest one named <= the oldest kept snapshot's zxid.
 * A file whose seals do not match its bytes never gets that name (-EBADMSG).
 * A failure leaves all older files as they were; the unfinished file is removed, and further effects of that
 * snapshot fail alike until the next BEGIN; ABORT always succeeds. When END succeeds but old files can't be
 * removed, 0 is returned with the reason in `why`, which is "" otherwise. */
int snapstore_perform(struct snapstore *s, const struct effect *e, char why[STORE_WHY_MAX]);

#endif
