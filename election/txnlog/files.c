/* Names in the directory, and small files written aside and renamed. */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool txnlog__follows(int64_t zxid, int64_t next)
{
        if (txnlog__epoch(next) == txnlog__epoch(zxid))
                return next == zxid + 1;
        return txnlog__epoch(next) > txnlog__epoch(zxid) && (uint32_t)next == 1;
}

int txnlog__fail(char why[STORE_WHY_MAX], int error, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(why, STORE_WHY_MAX, format, ap); /* cut, as the header says */
        va_end(ap);
        return error;
}

void txnlog__note(char note[STORE_WHY_MAX], const char *format, ...)
{
        size_t len = strlen(note);
        va_list ap;
        if (len > 0 && len < STORE_WHY_MAX - 3) {
                memcpy(note + len, "; ", 3);
                len += 2;
        }
        va_start(ap, format);
        (void)vsnprintf(note + len, STORE_WHY_MAX - len, format, ap); /* cut, as the header says */
        va_end(ap);
}

/* ---- names ---- */

/* Reads up to 16 hex digits that are a zxid >= 0; returns the first byte after them, NULL if there is none. */
static const char *hex_zxid(const char *text, int64_t *ret)
{
        uint64_t v = 0;
        const char *at = text;
        for (; *at; at++) {
                unsigned digit;
                if (*at >= '0' && *at <= '9')
                        digit = (unsigned)(*at - '0');
                else if (*at >= 'a' && *at <= 'f')
                        digit = (unsigned)(*at - 'a') + 10;
                else if (*at >= 'A' && *at <= 'F')
                        digit = (unsigned)(*at - 'A') + 10;
                else
                        break;
                if (at - text >= 16)
                        return NULL;
                v = v << 4 | digit;
        }
        if (at == text || v > INT64_MAX)
                return NULL;
        *ret = (int64_t)v;
        return at;
}

static bool parse_log(const char *name, struct txnlog__file *ret)
{
        static const char prefix[] = "log.";
        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
                return false;
        const char *end = hex_zxid(name + sizeof prefix - 1, &ret->zxid);
        if (!end || *end)
                return false;
        ret->form = TXNLOG__PLAIN;
        memcpy(ret->name, name, strlen(name) + 1);
        return true;
}

static bool parse_snapshot(const char *name, struct txnlog__file *ret)
{
        static const char prefix[] = "snapshot.";
        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
                return false;
        const char *end = hex_zxid(name + sizeof prefix - 1, &ret->zxid);
        if (!end)
                return false;
        if (*end == '\0')
                ret->form = TXNLOG__PLAIN;
        else if (strcmp(end, ".gz") == 0)
                ret->form = TXNLOG__GZ;
        else if (strcmp(end, ".snappy") == 0)
                ret->form = TXNLOG__SNAPPY;
        else
                return false;
        memcpy(ret->name, name, strlen(name) + 1);
        return true;
}

void txnlog__log_name(char name[TXNLOG__NAME_MAX], int64_t zxid)
{
        (void)snprintf(name, TXNLOG__NAME_MAX, "log.%" PRIx64, (uint64_t)zxid); /* 20 bytes at most */
}

void txnlog__snapshot_name(char name[TXNLOG__NAME_MAX], int64_t zxid)
{
        (void)snprintf(name, TXNLOG__NAME_MAX, "snapshot.%" PRIx64, (uint64_t)zxid); /* 25 bytes at most */
}

/* ---- lists ---- */

static int order(const void *a, const void *b)
{
        const struct txnlog__file *x = a, *y = b;
        if (x->zxid != y->zxid)
                return x->zxid < y->zxid ? -1 : 1;
        if (x->form != y->form)
                return x->form > y->form ? -1 : 1; /* newest first means plain first */
        return strcmp(x->name, y->name);
}

static void append(struct txnlog__files *f, const struct txnlog__file *file)
{
        f->list = mem_grow(f->list, &f->capacity, f->count + 1, sizeof *f->list);
        f->list[f->count++] = *file;
}

static void sort(struct txnlog__files *f)
{
        if (f->count > 1)
                qsort(f->list, f->count, sizeof *f->list, order);
}

void txnlog__files_add(struct txnlog__files *f, const struct txnlog__file *file)
{
        for (size_t i = 0; i < f->count; i++)
                if (strcmp(f->list[i].name, file->name) == 0)
                        return;
        append(f, file);
        sort(f);
}

size_t txnlog__files_upto(const struct txnlog__files *f, int64_t zxid)
{
        for (size_t i = f->count; i-- > 0;)
                if (f->list[i].zxid <= zxid)
                        return i;
        return SIZE_MAX;
}

/* ---- the directory ---- */

static void note_name(void *ctx, const char *name)
{
        struct txnlog__dir *d = ctx;
        struct txnlog__file f = {0};
        if (d->logs.count + d->snapshots.count > TXNLOG__FILES_MAX)
                return; /* judged after the listing */
        if (parse_log(name, &f))
                append(&d->logs, &f);
        else if (parse_snapshot(name, &f))
                append(&d->snapshots, &f);
        else if (strcmp(name, TXNLOG__INTENT) == 0)
                d->intent = true;
        else if (strcmp(name, TXNLOG__TMP_LOG) == 0)
                d->tmp_log = true;
        else if (strcmp(name, TXNLOG__TMP_SNAPSHOT) == 0)
                d->tmp_snapshot = true;
        else if (strcmp(name, TXNLOG__TMP_INTENT) == 0)
                d->tmp_intent = true;
        else if (strcmp(name, TXNLOG__ACCEPTED_TMP) == 0)
                d->tmp_accepted = true;
        else if (strcmp(name, TXNLOG__CURRENT_TMP) == 0)
                d->tmp_current = true;
        else if (strcmp(name, TXNLOG__TMP_ENDS) == 0)
                d->tmp_ends = true;
}

int txnlog__dir_scan(const struct storage *io, struct txnlog__dir *ret, char why[STORE_WHY_MAX])
{
        memset(ret, 0, sizeof *ret);
        int r = io->list(io->ctx, note_name, ret);
        if (r < 0)
                return txnlog__fail(why, r, "the data directory can't be listed: %s", strerror(-r));
        if (ret->logs.count + ret->snapshots.count > TXNLOG__FILES_MAX)
                return txnlog__fail(why, -E2BIG, "the data directory holds more than %d logs and snapshots",
                                    TXNLOG__FILES_MAX);
        sort(&ret->logs);
        sort(&ret->snapshots);
        return 0;
}

void txnlog__dir_done(struct txnlog__dir *d)
{
        mem_free(d->logs.list);
        mem_free(d->snapshots.list);
        memset(d, 0, sizeof *d);
}

/* ---- small files ---- */

int txnlog__text_read(const struct storage *io, const char *name, char *text, size_t size)
{
        struct storage_file *f = NULL;
        int r = io->open(io->ctx, name, &f);
        if (r < 0)
                return r;
        size_t fill = 0;
        int64_t n = 1;
        while (n > 0 && fill < size) {
                n = io->read_at(f, fill, text + fill, size - fill);
                if (n > 0)
                        fill += (size_t)n;
        }
        io->close(f);
        if (n < 0)
                return (int)n;
        if (fill == size || memchr(text, '\0', fill))
                return -EBADMSG;
        text[fill] = '\0';
        return 0;
}

int txnlog__small_read(const struct storage *io, const char *name, char text[TXNLOG__SMALL_MAX])
{
        return txnlog__text_read(io, name, text, TXNLOG__SMALL_MAX);
}

static int write_whole(const struct storage *io, const char *name, const char *text)
{
        struct storage_file *f = NULL;
        int r = io->create(io->ctx, name, &f);
        if (r < 0)
                return r;
        r = io->write_at(f, 0, text, strlen(text));
        if (r >= 0)
                r = io->sync(f);
        io->close(f);
        return r < 0 ? r : 0;
}

int txnlog__small_put(const struct storage *io, const char *tmp, const char *name, const char *text)
{
        int r = write_whole(io, tmp, text);
        if (r >= 0 && name)
                r = io->rename(io->ctx, tmp, name);
        return r < 0 ? r : 0;
}

int txnlog__small_write(const struct storage *io, const char *tmp, const char *name, const char *text)
{
        int r = txnlog__small_put(io, tmp, name, text);
        if (r >= 0)
                r = io->sync_dir(io->ctx);
        return r < 0 ? r : 0;
}
