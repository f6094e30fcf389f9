/* acceptedEpoch and currentEpoch: decimal text, written aside, synced, renamed (storage-format.md 1.2).
 *
 * What a missing or contradictory file means (safety: Z23, Z25): the epochs are promises, and a promise is
 * never guessed from what the log holds. Only where nothing but epoch 0 was ever seen (an empty directory,
 * or one that a standalone Java server filled) are missing files taken as 0. */
#include "election/txnlog/txnlog_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The number on the first line; blanks around it are accepted. */
static int parse(const char *text, int64_t *ret)
{
        const char *at = text + strspn(text, " \t");
        size_t digits = strspn(at, "0123456789");
        int64_t v = 0;
        if (digits == 0 || digits > 10)
                return -EBADMSG;
        for (size_t i = 0; i < digits; i++)
                v = v * 10 + (at[i] - '0');
        at += digits;
        at += strspn(at, " \t\r");
        if ((*at != '\0' && *at != '\n') || v > TXNLOG__EPOCH_MAX)
                return -EBADMSG;
        *ret = v;
        return 0;
}

static int read_epoch(const struct storage *io, const char *name, int64_t *ret)
{
        char text[TXNLOG__SMALL_MAX];
        *ret = TXNLOG__EPOCH_NONE;
        int r = txnlog__small_read(io, name, text);
        return r < 0 ? r : parse(text, ret);
}

static int read_known(const struct storage *io, const char *name, int64_t *ret, char why[STORE_WHY_MAX])
{
        int r = read_epoch(io, name, ret);
        if (r >= 0 || r == -ENOENT)
                return 0;
        if (r == -EBADMSG)
                return txnlog__fail(why, -EUCLEAN, "%s does not hold one decimal number; " TXNLOG__MEND, name);
        return txnlog__fail(why, r, "%s can't be read: %s", name, strerror(-r));
}

int txnlog__epochs_read(const struct storage *io, struct txnlog__epochs *ret, char why[STORE_WHY_MAX])
{
        memset(ret, 0, sizeof *ret);
        int r = read_known(io, TXNLOG__ACCEPTED, &ret->accepted, why);
        if (r >= 0)
                r = read_known(io, TXNLOG__CURRENT, &ret->current, why);
        if (r < 0)
                return r;
        r = read_epoch(io, TXNLOG__CURRENT_TMP, &ret->prepared);
        if (r < 0 && r != -ENOENT && r != -EBADMSG) /* a torn one says nothing */
                return txnlog__fail(why, r, "%s can't be read: %s", TXNLOG__CURRENT_TMP, strerror(-r));
        return 0;
}

/* A missing file is 0 where no later epoch was ever seen. */
static int settle_missing(struct txnlog__epochs *e, int64_t seen, char why[STORE_WHY_MAX])
{
        bool nothing = seen == 0 && e->accepted <= 0 && e->current <= 0;
        const char *name = e->accepted == TXNLOG__EPOCH_NONE ? TXNLOG__ACCEPTED : TXNLOG__CURRENT;
        if (!nothing)
                return txnlog__fail(why, -EUCLEAN,
                                    "%s is missing, but epoch %" PRId64 " was reached here: the promise it held can't "
                                    "be guessed; write the epoch into it by hand if it is known for certain, or, if "
                                    "a quorum of the other servers is healthy, move version-2 away so that this "
                                    "server is synchronised anew",
                                    name, e->accepted > seen ? e->accepted : seen);
        e->write_accepted = e->accepted == TXNLOG__EPOCH_NONE;
        e->write_current = e->current == TXNLOG__EPOCH_NONE;
        e->accepted = e->current = 0;
        return 0;
}

int txnlog__epochs_settle(struct txnlog__epochs *e, int64_t last_zxid, bool empty, char why[STORE_WHY_MAX])
{
        int64_t seen = txnlog__epoch(last_zxid);
        if (e->accepted == TXNLOG__EPOCH_NONE || e->current == TXNLOG__EPOCH_NONE) {
                int r = settle_missing(e, seen, why);
                if (r < 0)
                        return r;
        }
        if (e->accepted < e->current)
                return txnlog__fail(why, -EUCLEAN,
                                    "acceptedEpoch is %" PRId64 " and below currentEpoch %" PRId64 "; " TXNLOG__MEND,
                                    e->accepted, e->current);
        if (empty && e->current > 0)
                return txnlog__fail(why, -EUCLEAN,
                                    "currentEpoch is %" PRId64 ", but there is neither a snapshot nor a log: they "
                                    "were lost; remove the epoch files too only if a quorum of the other servers is "
                                    "healthy",
                                    e->current);
        if (seen <= e->current)
                return 0;
        if (seen > e->accepted)
                return txnlog__fail(why, -EUCLEAN,
                                    "the last zxid 0x%" PRIx64 " is of epoch %" PRId64 ", above currentEpoch %" PRId64
                                    " and acceptedEpoch %" PRId64 ", which no crash explains; " TXNLOG__MEND,
                                    (uint64_t)last_zxid, seen, e->current, e->accepted);
        /* A crash between the synced history and the epoch file (Z25): the prepared value holds, as for
         * Java, if a zxid of its epoch is there; otherwise this server votes with its old epoch. */
        if (e->prepared == seen) {
                e->promote = true;
                e->current = seen;
        }
        return 0;
}

int txnlog__epoch_write(const struct storage *io, enum epoch_kind kind, int64_t value, bool prepared,
                        char why[STORE_WHY_MAX])
{
        const char *tmp = kind == EPOCH_ACCEPTED ? TXNLOG__ACCEPTED_TMP : TXNLOG__CURRENT_TMP;
        const char *name = kind == EPOCH_ACCEPTED ? TXNLOG__ACCEPTED : TXNLOG__CURRENT;
        char text[TXNLOG__SMALL_MAX];
        int r;
        assert(value >= 0 && value <= TXNLOG__EPOCH_MAX);
        (void)snprintf(text, sizeof text, "%" PRId64, value); /* 10 digits at most */
        if (kind == EPOCH_CURRENT && prepared) {
                r = io->rename(io->ctx, tmp, name);
                if (r >= 0)
                        r = io->sync_dir(io->ctx);
        } else {
                r = txnlog__small_write(io, tmp, kind == EPOCH_CURRENT_PREPARE ? NULL : name, text);
        }
        if (r < 0)
                return txnlog__fail(why, r, "%s can't be written: %s", kind == EPOCH_CURRENT_PREPARE ? tmp : name,
                                    strerror(-r));
        return 0;
}

int txnlog__epochs_mend(const struct storage *io, const struct txnlog__epochs *e, char why[STORE_WHY_MAX])
{
        int r = 0;
        if (e->write_accepted)
                r = txnlog__epoch_write(io, EPOCH_ACCEPTED, e->accepted, false, why);
        if (r >= 0 && e->write_current)
                r = txnlog__epoch_write(io, EPOCH_CURRENT, e->current, false, why);
        if (r >= 0 && e->promote)
                r = txnlog__epoch_write(io, EPOCH_CURRENT, e->current, true, why);
        return r;
}
