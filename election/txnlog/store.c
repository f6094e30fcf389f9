/* The log writer's half: carries out the log queue's effects, one after the other. After the first failure
 * nothing more is tried: a sync that failed once may "succeed" later without having written anything
 * (safety: D6). */
#include "election/txnlog/store.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"
#include "election/txnlog/txnlog_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct store {
        const struct storage *io;
        struct store_config config;
        struct txnlog__segment segment;
        bool recovered, failed;
        int64_t last;              /* zxid that the next append must follow */
        int64_t accepted, current; /* as on disk */
        enum txnlog__mark mark;    /* the same */
        struct txnlog__ends ends;  /* the same */
        int64_t prepared;          /* in currentEpoch.tmp by our own hand, or TXNLOG__EPOCH_NONE */
};

struct store *store_new(const struct storage *io, const struct store_config *config)
{
        struct store *s = mem_zalloc(sizeof *s);
        assert(config->item_max > 0 && config->item_max <= INT32_MAX - TXNLOG__RECORD_OVERHEAD);
        s->io = io;
        s->config = *config;
        s->prepared = TXNLOG__EPOCH_NONE;
        txnlog__segment_init(&s->segment, io, &s->config);
        return s;
}

void store_free(struct store *s)
{
        if (!s)
                return;
        txnlog__segment_done(&s->segment); /* writes nothing: recovery cuts the padding */
        mem_free(s);
}

/* What recovery has left there. */
static enum txnlog__mark mark_found(const struct recovered *r)
{
        if (r->lost)
                return TXNLOG__MARK_LOST;
        bool past = r->last_zxid > 0 || r->accepted_epoch > 0 || r->current_epoch > 0;
        return past ? TXNLOG__MARK_WHOLE : TXNLOG__MARK_NONE;
}

int store_recover(struct store *s, struct recovered *ret, char why[STORE_WHY_MAX])
{
        assert(!s->recovered && !s->failed);
        why[0] = '\0';
        int r = txnlog__recover(s->io, &s->config, &s->ends, ret, why);
        if (r < 0) {
                s->failed = true;
                return r;
        }
        s->recovered = true;
        s->last = ret->last_zxid;
        s->accepted = ret->accepted_epoch;
        s->current = ret->current_epoch;
        s->mark = mark_found(ret);
        return 0;
}

/* ---- append ---- */

static bool snapshot_at(struct store *s, int64_t zxid)
{
        struct txnlog__dir dir;
        char unused[STORE_WHY_MAX];
        bool found = false;
        if (txnlog__dir_scan(s->io, &dir, unused) >= 0)
                for (size_t i = 0; i < dir.snapshots.count; i++)
                        found |= dir.snapshots.list[i].zxid == zxid;
        txnlog__dir_done(&dir);
        return found;
}

/* A hole would be found at the next start only, and then as damage. It is none where a snapshot stands at its
 * upper rim (what a SNAP sync leaves). */
static int check_follows(struct store *s, int64_t zxid, char why[STORE_WHY_MAX])
{
        if (txnlog__follows(s->last, zxid))
                return 0;
        if (zxid <= s->last)
                return txnlog__fail(why, -EINVAL, "0x%" PRIx64 " can't be appended after 0x%" PRIx64, (uint64_t)zxid,
                                    (uint64_t)s->last);
        if ((uint32_t)zxid == 0 || !snapshot_at(s, zxid - 1))
                return txnlog__fail(why, -EINVAL,
                                    "0x%" PRIx64 " can't be appended after 0x%" PRIx64 ": it would leave a hole",
                                    (uint64_t)zxid, (uint64_t)s->last);
        return txnlog__segment_leave(&s->segment, why);
}

/* Where a segment begins an epoch, no zxid tells whether something is missing before it: it is written down. */
static int open_segment(struct store *s, int64_t zxid, const uint8_t *payload, uint32_t len, char why[STORE_WHY_MAX])
{
        int r = 0;
        if (txnlog__epoch(zxid) != txnlog__epoch(s->last)) {
                struct txnlog__known_seam seam = {
                        .zxid = zxid, .before = s->last, .sum = txnlog__record_sum(payload, len)};
                r = txnlog__ends_seam(s->io, &s->ends, &seam, why);
        }
        return r < 0 ? r : txnlog__segment_open(&s->segment, zxid, why);
}

static int append(struct store *s, const struct effect *e, char why[STORE_WHY_MAX])
{
        if (e->log.len < JUTE_TXN_HEADER_SIZE || e->log.len > (uint32_t)s->config.item_max)
                return txnlog__fail(why, -EMSGSIZE, "0x%" PRIx64 " has %" PRIu32 " bytes, which no record may have",
                                    (uint64_t)e->log.zxid, e->log.len);
        const uint8_t *payload = e->log.blob->data + e->log.offset;
        int r = check_follows(s, e->log.zxid, why);
        if (r >= 0 && !s->segment.file)
                r = open_segment(s, e->log.zxid, payload, e->log.len, why);
        if (r >= 0)
                r = txnlog__segment_append(&s->segment, payload, e->log.len, why);
        if (r >= 0)
                s->last = e->log.zxid;
        return r;
}

/* ---- epochs ---- */

static int check_epoch(const struct store *s, enum epoch_kind kind, int64_t value, char why[STORE_WHY_MAX])
{
        int64_t floor = kind == EPOCH_ACCEPTED ? s->accepted : s->current;
        int64_t ceiling = kind == EPOCH_ACCEPTED ? TXNLOG__EPOCH_MAX : s->accepted;
        if (value < floor || value > ceiling)
                return txnlog__fail(why, -EINVAL,
                                    "epoch %" PRId64 " refused: acceptedEpoch is %" PRId64 ", currentEpoch %" PRId64,
                                    value, s->accepted, s->current);
        return 0;
}

/* After the epoch file, so that no crash leaves the mark beside files without a past; before anybody hears of that
 * epoch. What makes a lost server whole is the end of a synchronisation, and that only. */
static int mark_epoch(struct store *s, enum epoch_kind kind, char why[STORE_WHY_MAX])
{
        bool due = kind == EPOCH_CURRENT ? s->mark != TXNLOG__MARK_WHOLE : s->mark == TXNLOG__MARK_NONE;
        if (!due || kind == EPOCH_CURRENT_PREPARE)
                return 0;
        int r = txnlog__mark_write(s->io, TXNLOG__MARK_WHOLE, why);
        if (r >= 0)
                s->mark = TXNLOG__MARK_WHOLE;
        return r;
}

static int epoch_write(struct store *s, enum epoch_kind kind, int64_t value, char why[STORE_WHY_MAX])
{
        int r = check_epoch(s, kind, value, why);
        if (r >= 0 && !PLANTED(M3_EPOCH_BEFORE_LOG))
                r = txnlog__segment_sync(&s->segment, why); /* the history first (safety: Z24) */
        if (r >= 0 && kind == EPOCH_CURRENT)
                r = txnlog__ends_reach(s->io, &s->ends, value, s->last, why);
        if (r >= 0)
                r = txnlog__epoch_write(s->io, kind, value, s->prepared == value, why);
        if (r >= 0)
                r = mark_epoch(s, kind, why);
        if (r < 0)
                return r;
        if (kind == EPOCH_ACCEPTED)
                s->accepted = value;
        else if (kind == EPOCH_CURRENT)
                s->current = value;
        if (kind != EPOCH_ACCEPTED)
                s->prepared = kind == EPOCH_CURRENT_PREPARE ? value : TXNLOG__EPOCH_NONE;
        return 0;
}

/* ---- truncate ---- */

static int cut_back(struct store *s, int64_t zxid, bool reload, struct recovered *ret, char why[STORE_WHY_MAX])
{
        assert(ret || !reload);
        int r = txnlog__segment_leave(&s->segment, why);
        if (r >= 0)
                r = txnlog__truncate(s->io, &s->config, &s->ends, zxid, reload, ret, why);
        if (r <= 0)
                return r;
        s->last = zxid;
        if (!reload)
                return 0;
        ret->accepted_epoch = s->accepted;
        ret->current_epoch = s->current;
        return 1;
}

/* ---- the door ---- */

static int perform(struct store *s, const struct effect *e, struct recovered *reloaded, char why[STORE_WHY_MAX])
{
        switch (e->type) {
        case EFFECT_LOG_APPEND:
                return append(s, e, why);
        case EFFECT_LOG_ROLL:
                return txnlog__segment_leave(&s->segment, why);
        case EFFECT_EPOCH_WRITE:
                return epoch_write(s, e->epoch.kind, e->epoch.value, why);
        case EFFECT_TRUNCATE:
                return cut_back(s, e->truncate.zxid, e->truncate.reload, reloaded, why);
        default:
                return txnlog__fail(why, -EINVAL, "effect %d does not belong to the log queue", (int)e->type);
        }
}

/* Judges a result: the first failure is final. */
static int settle(struct store *s, int r, struct recovered *reloaded)
{
        if (r >= 0)
                return r;
        s->failed = true;
        if (reloaded)
                recovered_done(reloaded);
        return r;
}

static int refuse(char why[STORE_WHY_MAX])
{
        return txnlog__fail(why, -EIO, "the log has failed before");
}

int store_perform(struct store *s, const struct effect *e, struct recovered *reloaded, char why[STORE_WHY_MAX])
{
        assert(s->recovered || s->failed);
        why[0] = '\0';
        if (reloaded)
                memset(reloaded, 0, sizeof *reloaded);
        if (s->failed)
                return refuse(why);
        return settle(s, perform(s, e, reloaded, why), reloaded);
}

void store_uncache(struct store *s)
{
        if (!s->failed)
                txnlog__segment_uncache(&s->segment);
}

int store_sync(struct store *s, char why[STORE_WHY_MAX])
{
        assert(s->recovered || s->failed);
        why[0] = '\0';
        if (s->failed)
                return refuse(why);
        return settle(s, txnlog__segment_sync(&s->segment, why), NULL);
}
