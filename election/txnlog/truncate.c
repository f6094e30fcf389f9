/* Truncation: the durable state goes back to zxid z (TRUNC sync), or becomes the received snapshot z and
 * nothing else (SNAP sync).
 *
 * Many files change, so a crash half-way must not leave a third state. Therefore the intent is written down
 * first (truncate.pending: aside, synced, renamed, directory synced). Until that instant recovery finds the
 * old state. From then on recovery first carries the truncation out, which is idempotent, and finds the new
 * one. The intent goes when everything it asks for is durable. (safety: D8, catalogue 30, 65)
 *
 * What ends.c remembers of zxids above z is forgotten first, under the intent: their absence is no loss.
 *
 * TRUNC (`truncate z`): only when the newest valid snapshot whose content is surely <= z, and the log from
 * it on, reach z exactly. Snapshots that may hold more go first, then whole segments above z, newest first,
 * then the segment that holds z is cut behind it.
 *
 * SNAP (`receive z`, then `replace z`): snapshot z becomes the state, whatever the log says. Its arrival is
 * announced before it gets its name: a crash right after the rename must not leave it beside a log that
 * belongs to another history, for recovery would replay that log on top of it. If the announced snapshot
 * is not there at boot, it never arrived and the old state stands. Then, `replace z`: the log before z does not lead to
 * z; it may even hold transactions that were never committed (catalogue 35). Nothing of it may ever be replayed again
 * under an older snapshot, so all segments and all other snapshots go. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum intent { INTENT_TRUNCATE, INTENT_REPLACE, INTENT_RECEIVE, INTENT_MAX };
static const char *const intent_word[] = {
        [INTENT_TRUNCATE] = "truncate ",
        [INTENT_REPLACE] = "replace ",
        [INTENT_RECEIVE] = "receive ",
};
static_assert(sizeof intent_word / sizeof *intent_word == INTENT_MAX, "every intent has its word");

struct plan {
        const struct storage *io;
        const struct store_config *config;
        struct txnlog__ends *ends;
        bool replace;
        int64_t zxid;
};

/* ---- whether z can be reached ---- */

/* A snapshot without digest section does not tell how much its writer applied meanwhile; the one of an empty
 * server is exact. */
static bool surely_within(const struct txnlog__file *f, const struct txnlog__snapshot_info *info, int64_t zxid)
{
        if (f->zxid > zxid)
                return false;
        return info->has_digest ? info->digest_zxid <= zxid : f->zxid == 0;
}

/* 1 when snapshot `f` and the log reach plan->zxid; 0 not, with the reason; -errno. */
static int replay_to(const struct plan *p, const struct txnlog__dir *dir, const struct txnlog__file *f,
                     struct database *db, const struct txnlog__snapshot_info *info, struct recovered *ret,
                     char why[STORE_WHY_MAX])
{
        struct txnlog__replay replay;
        txnlog__replay_init(&replay, p->io, p->config, p->ends, db, f->zxid, info);
        replay.until = p->zxid;
        int r = txnlog__replay_run(&replay, dir, why);
        if (r == -EUCLEAN) {
                r = 0; /* the damage stays as it is; the leader can send a snapshot instead */
        } else if (r >= 0) {
                r = replay.last == p->zxid;
                if (r == 0)
                        txnlog__fail(why, 0, "the log reaches 0x%" PRIx64 ", not 0x%" PRIx64, (uint64_t)replay.last,
                                     (uint64_t)p->zxid);
        }
        if (r > 0)
                txnlog__replay_take(&replay, ret);
        txnlog__replay_done(&replay);
        return r;
}

/* An older snapshot than the newest usable one would need the same records and more, so one attempt decides. */
static int reach(const struct plan *p, const struct txnlog__dir *dir, struct recovered *ret, char why[STORE_WHY_MAX])
{
        (void)txnlog__fail(why, 0, "no valid snapshot at or before 0x%" PRIx64, (uint64_t)p->zxid);
        for (size_t i = dir->snapshots.count; i-- > 0;) {
                const struct txnlog__file *f = &dir->snapshots.list[i];
                struct txnlog__snapshot_info info;
                struct database *db = NULL;
                if (f->zxid > p->zxid)
                        continue;
                int r = txnlog__snapshot_load(p->io, f, p->config, &db, &info, why);
                if (r == -EBADMSG || r == -ENODATA || r == -ENOTSUP)
                        continue;
                if (r < 0)
                        return r;
                if (surely_within(f, &info, p->zxid))
                        return replay_to(p, dir, f, db, &info, ret, why);
                database_free(db);
        }
        return 0;
}

/* The received snapshot must be there and whole before anything else is given up. */
static int check_received(const struct plan *p, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        for (size_t i = dir->snapshots.count; i-- > 0;) {
                struct txnlog__snapshot_info info;
                if (dir->snapshots.list[i].zxid != p->zxid)
                        continue;
                int r = txnlog__snapshot_check(p->io, &dir->snapshots.list[i], &info, why);
                return r == -EBADMSG || r == -ENODATA ? -EUCLEAN : r;
        }
        return txnlog__fail(why, -EUCLEAN, "there is no snapshot.%" PRIx64 " to replace the log", (uint64_t)p->zxid);
}

/* ---- carrying it out: every step may be repeated ---- */

static int remove_file(const struct plan *p, const char *name, char why[STORE_WHY_MAX])
{
        int r = p->io->remove(p->io->ctx, name);
        if (r < 0 && r != -ENOENT)
                return txnlog__fail(why, r, "%s can't be removed: %s", name, strerror(-r));
        return 0;
}

static int sync_dir(const struct plan *p, char why[STORE_WHY_MAX])
{
        int r = p->io->sync_dir(p->io->ctx);
        return r < 0 ? txnlog__fail(why, r, "the data directory can't be synced: %s", strerror(-r)) : 0;
}

/* Whether a snapshot may stay. Damaged ones named <= z may: they are never loaded. */
static int keeps(const struct plan *p, const struct txnlog__file *f, char why[STORE_WHY_MAX])
{
        struct txnlog__snapshot_info info;
        if (p->replace || f->zxid > p->zxid)
                return f->zxid == p->zxid;
        int r = txnlog__snapshot_check(p->io, f, &info, why);
        if (r == -EBADMSG || r == -ENODATA || r == -ENOTSUP)
                return r != -ENOTSUP; /* content unknown */
        return r < 0 ? r : surely_within(f, &info, p->zxid);
}

static int remove_snapshots(const struct plan *p, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        for (size_t i = dir->snapshots.count; i-- > 0;) {
                const struct txnlog__file *f = &dir->snapshots.list[i];
                int r = keeps(p, f, why);
                if (r == 0)
                        r = remove_file(p, f->name, why);
                if (r < 0)
                        return r;
        }
        return sync_dir(p, why);
}

/* Where the records <= z end in a segment; equals the file's size when nothing stands behind. */
static int find_cut(const struct plan *p, const char *name, uint64_t *ret_end, uint64_t *ret_size,
                    char why[STORE_WHY_MAX])
{
        struct txnlog__cursor c;
        struct txnlog__record rec = {0};
        int r = txnlog__cursor_open(&c, p->io, name, p->config->item_max);
        if (r < 0)
                return txnlog__fail(why, r, "%s can't be read: %s", name, strerror(-r));
        *ret_size = *ret_end = c.size;
        if (c.header == TXNLOG__HEADER_OK) {
                *ret_end = c.at;
                do {
                        r = txnlog__cursor_next(&c, &rec);
                        if (r > 0 && rec.zxid <= p->zxid)
                                *ret_end = c.at;
                } while (r > 0 && rec.zxid < p->zxid);
        }
        txnlog__cursor_close(&c);
        /* What is invalid here stands above z, or is no part of what was replayed up to z. */
        if (r < 0 && r != -EUCLEAN)
                return txnlog__fail(why, r, "%s can't be read: %s", name, strerror(-r));
        return 0;
}

static int cut(const struct plan *p, const char *name, char why[STORE_WHY_MAX])
{
        uint64_t end = 0, size = 0;
        struct storage_file *f = NULL;
        int r = find_cut(p, name, &end, &size, why);
        if (r < 0)
                return r;
        r = p->io->open_write(p->io->ctx, name, &f);
        if (r >= 0) {
                if (end < size)
                        r = p->io->truncate(f, end);
                if (r >= 0 && !PLANTED(M11_TRUNC_NOT_SYNCED))
                        r = p->io->sync(f); /* also when an attempt before a crash has cut it already */
                p->io->close(f);
        }
        if (r < 0)
                return txnlog__fail(why, r, "%s can't be cut at offset %" PRIu64 ": %s", name, end, strerror(-r));
        return 0;
}

static int shorten_log(const struct plan *p, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        size_t i = dir->logs.count;
        int r = 0;
        while (i > 0 && (p->replace || dir->logs.list[i - 1].zxid > p->zxid)) {
                r = remove_file(p, dir->logs.list[--i].name, why);
                if (r < 0)
                        return r;
        }
        r = sync_dir(p, why);
        /* Segments before this one end below its first zxid. */
        return r < 0 || i == 0 ? r : cut(p, dir->logs.list[i - 1].name, why);
}

static int carry_out(const struct plan *p, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        int r = txnlog__ends_cut(p->io, p->ends, p->zxid, why); /* what goes now is not missing */
        if (r >= 0)
                r = remove_snapshots(p, dir, why);
        if (r >= 0)
                r = shorten_log(p, dir, why);
        if (r >= 0)
                r = remove_file(p, TXNLOG__INTENT, why);
        return r < 0 ? r : sync_dir(p, why);
}

/* ---- the intent ---- */

static int write_intent(const struct storage *io, enum intent intent, int64_t zxid, char why[STORE_WHY_MAX])
{
        char text[TXNLOG__SMALL_MAX];
        (void)snprintf(text, sizeof text, "%s%" PRIx64 "\n", intent_word[intent], (uint64_t)zxid);
        int r = txnlog__small_write(io, TXNLOG__TMP_INTENT, TXNLOG__INTENT, text);
        return r < 0 ? txnlog__fail(why, r, "%s can't be written: %s", TXNLOG__INTENT, strerror(-r)) : 0;
}

int txnlog__announce(const struct storage *io, int64_t zxid, char why[STORE_WHY_MAX])
{
        return write_intent(io, INTENT_RECEIVE, zxid, why);
}

static int parse_intent(const char *text, enum intent *ret_intent, int64_t *ret_zxid)
{
        for (int i = 0; i < INTENT_MAX; i++) {
                size_t len = strlen(intent_word[i]);
                if (strncmp(text, intent_word[i], len) != 0)
                        continue;
                uint64_t v = 0;
                size_t digits = strspn(text + len, "0123456789abcdef");
                if (digits == 0 || digits > 16 || strcmp(text + len + digits, "\n") != 0)
                        return -EBADMSG;
                for (const char *at = text + len; *at != '\n'; at++)
                        v = v << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
                *ret_intent = (enum intent)i;
                *ret_zxid = (int64_t)v;
                return *ret_zxid < 0 ? -EBADMSG : 0;
        }
        return -EBADMSG;
}

static bool has_snapshot(const struct txnlog__dir *dir, int64_t zxid)
{
        for (size_t i = 0; i < dir->snapshots.count; i++)
                if (dir->snapshots.list[i].zxid == zxid)
                        return true;
        return false;
}

/* What was announced has come or has not. */
static int settle_announced(struct plan *p, const struct txnlog__dir *dir, char why[STORE_WHY_MAX])
{
        if (!has_snapshot(dir, p->zxid)) {
                int r = remove_file(p, TXNLOG__INTENT, why);
                return r < 0 ? r : sync_dir(p, why);
        }
        p->replace = true;
        int r = check_received(p, dir, why);
        if (r >= 0)
                r = write_intent(p->io, INTENT_REPLACE, p->zxid, why);
        return r < 0 ? r : carry_out(p, dir, why);
}

int txnlog__truncate_redo(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                          char why[STORE_WHY_MAX])
{
        struct plan p = {.io = io, .config = config, .ends = ends};
        struct txnlog__dir dir;
        enum intent intent = INTENT_TRUNCATE;
        char text[TXNLOG__SMALL_MAX];
        int r = txnlog__small_read(io, TXNLOG__INTENT, text);
        if (r >= 0)
                r = parse_intent(text, &intent, &p.zxid);
        if (r < 0)
                return txnlog__fail(why, r == -EBADMSG ? -EUCLEAN : r, "%s can't be read (%s); " TXNLOG__MEND,
                                    TXNLOG__INTENT, strerror(-r));
        p.replace = intent == INTENT_REPLACE;
        /* A killed process may have left the intent's name in the page cache only; nothing goes before it is durable.
         */
        r = sync_dir(&p, why);
        if (r < 0)
                return r;
        r = txnlog__dir_scan(io, &dir, why);
        if (r >= 0 && intent == INTENT_RECEIVE) {
                r = settle_announced(&p, &dir, why);
        } else if (r >= 0) {
                if (p.replace)
                        r = check_received(&p, &dir, why);
                if (r >= 0)
                        r = carry_out(&p, &dir, why);
        }
        txnlog__dir_done(&dir);
        return r;
}

int txnlog__truncate(const struct storage *io, const struct store_config *config, struct txnlog__ends *ends,
                     int64_t zxid, bool reload, struct recovered *ret, char why[STORE_WHY_MAX])
{
        struct plan p = {.io = io, .config = config, .ends = ends, .replace = !reload, .zxid = zxid};
        struct txnlog__dir dir;
        int r = txnlog__dir_scan(io, &dir, why);
        if (r >= 0)
                r = reload ? reach(&p, &dir, ret, why) : check_received(&p, &dir, why);
        if (r >= 0 && (r > 0 || !reload)) {
                r = write_intent(io, p.replace ? INTENT_REPLACE : INTENT_TRUNCATE, zxid, why);
                if (r >= 0)
                        r = carry_out(&p, &dir, why);
                r = r < 0 ? r : 1;
        }
        txnlog__dir_done(&dir);
        return r;
}
