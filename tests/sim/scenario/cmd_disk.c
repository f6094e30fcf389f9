/* Commands about disks: what they do wrong, and what somebody did to them while the server was down. */
#include "tests/sim/scenario/stage.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* storage-format.md 2: a log begins with 16 bytes, a record with 12, and ends with one. */
#define LOG_HEADER_BYTES  16
#define RECORD_HEAD_BYTES 12
/* Longest name of a file. */
#define FILE_NAME_BYTES 64
/* Files of one disk. */
#define FILES_MAX 256

static struct memory_storage *disk_of(struct stage *st, int sid)
{
        return st->w->nodes[sid].disk;
}

/* ---- files by name: "last-log", "first-log", "newest-snapshot" stand for whatever it is called ---- */

struct names {
        char list[FILES_MAX][FILE_NAME_BYTES];
        size_t count;
};

static void add_name(void *ctx, const char *name)
{
        struct names *n = ctx;
        if (n->count < FILES_MAX)
                (void)snprintf(n->list[n->count++], FILE_NAME_BYTES, "%s", name);
}

static int by_name(const void *a, const void *b)
{
        const char *x = a, *y = b;
        const char *dot_x = strchr(x, '.'), *dot_y = strchr(y, '.');
        /* By zxid: the number may have any length. */
        if (dot_x && dot_y && dot_x - x == dot_y - y && strncmp(x, y, (size_t)(dot_x - x)) == 0) {
                uint64_t i = strtoull(dot_x + 1, NULL, 16), j = strtoull(dot_y + 1, NULL, 16);
                if (i != j)
                        return i < j ? -1 : 1;
        }
        return strcmp(x, y);
}

static void list_names(struct stage *st, int sid, struct names *ret)
{
        const struct storage *io = memory_storage_io(disk_of(st, sid));
        ret->count = 0;
        (void)io->list(io->ctx, add_name, ret);
        qsort(ret->list, ret->count, sizeof ret->list[0], by_name);
}

static bool find_file(struct stage *st, int sid, const char *word, char ret[FILE_NAME_BYTES])
{
        static const struct {
                const char *word, *prefix;
                bool last;
        } aliases[] = {{"first-log", "log.", false},
                       {"last-log", "log.", true},
                       {"oldest-snapshot", "snapshot.", false},
                       {"newest-snapshot", "snapshot.", true}};
        struct names n;
        list_names(st, sid, &n);
        (void)snprintf(ret, FILE_NAME_BYTES, "%s", word);
        for (size_t a = 0; a < sizeof aliases / sizeof *aliases; a++) {
                if (strcmp(word, aliases[a].word) != 0)
                        continue;
                ret[0] = 0;
                for (size_t i = 0; i < n.count; i++)
                        if (strncmp(n.list[i], aliases[a].prefix, strlen(aliases[a].prefix)) == 0 &&
                            (aliases[a].last || !ret[0]))
                                (void)snprintf(ret, FILE_NAME_BYTES, "%s", n.list[i]);
        }
        if (!ret[0] || !memory_storage_exists(disk_of(st, sid), ret))
                return stage_fail(st, "server %d has no file %s", sid, word);
        return true;
}

/* A file's bytes, to be changed and put back. */
struct tampered {
        struct memory_storage *disk;
        char name[FILE_NAME_BYTES];
        uint8_t *data;
        size_t len;
};

static bool take_file(struct stage *st, const char *server, const char *word, struct tampered *ret)
{
        int sid;
        if (!stage_server(st, server, &sid))
                return false;
        if (world_running(st->w, sid))
                return stage_fail(st, "server %d runs: its files are not to be touched", sid);
        *ret = (struct tampered){.disk = disk_of(st, sid)};
        stage_tampered(st, sid);
        if (!find_file(st, sid, word, ret->name))
                return false;
        const uint8_t *data = memory_storage_bytes(ret->disk, ret->name, &ret->len);
        ret->data = mem_alloc(ret->len + 1);
        memcpy(ret->data, data, ret->len);
        return true;
}

static void put_back(struct tampered *t)
{
        memory_storage_put(t->disk, t->name, t->data, t->len);
        mem_free(t->data);
        t->data = NULL;
}

/* The n-th record of a log, from 1, or from the end with -1. */
static bool find_record(struct stage *st, const struct tampered *t, int64_t number, size_t *ret_at, size_t *ret_len)
{
        size_t offsets[4096], count = 0, at = LOG_HEADER_BYTES;
        while (count < sizeof offsets / sizeof *offsets && at + RECORD_HEAD_BYTES < t->len) {
                const uint8_t *d = t->data + at;
                size_t len = (size_t)d[8] << 24 | (size_t)d[9] << 16 | (size_t)d[10] << 8 | d[11];
                if (!len || at + RECORD_HEAD_BYTES + len + 1 > t->len)
                        break;
                offsets[count++] = at;
                at += RECORD_HEAD_BYTES + len + 1;
        }
        int64_t index = number > 0 ? number - 1 : (int64_t)count + number;
        if (index < 0 || index >= (int64_t)count)
                return stage_fail(st, "%s has %zu records", t->name, count);
        *ret_at = offsets[index];
        *ret_len = ((size_t)index + 1 < count ? offsets[index + 1] : at) - offsets[index];
        return true;
}

/* What is meant by "record=N" or "at=BYTE"; a length of 0 for the latter. */
static bool find_place(struct stage *st, const struct tampered *t, char **words, size_t count, size_t *ret_at,
                       size_t *ret_len)
{
        int64_t record = 0, at = -1;
        if (!stage_option_number(st, words, count, "record", &record) ||
            !stage_option_number(st, words, count, "at", &at))
                return false;
        if (record)
                return find_record(st, t, record, ret_at, ret_len);
        *ret_at = (size_t)at;
        *ret_len = 0;
        return (at >= 0 && (size_t)at < t->len) ||
               stage_fail(st, "%s has %zu bytes: say record=N or at=N", t->name, t->len);
}

/* ---- what was done to it ---- */

/* flip SERVER FILE record=N|at=BYTE: one bit, in the middle of the record */
static bool flip(struct stage *st, char **words, size_t count)
{
        struct tampered t;
        size_t at, len;
        if (!take_file(st, words[1], words[2], &t))
                return false;
        bool ok = find_place(st, &t, words, count, &at, &len);
        if (ok)
                t.data[at + len / 2] ^= 0x10;
        put_back(&t);
        return ok;
}

/* zero SERVER FILE record=N|at=BYTE [bytes=N]: else the whole record */
static bool zero(struct stage *st, char **words, size_t count)
{
        struct tampered t;
        size_t at, len;
        int64_t bytes = 0;
        if (!take_file(st, words[1], words[2], &t))
                return false;
        bool ok = find_place(st, &t, words, count, &at, &len) && stage_option_number(st, words, count, "bytes", &bytes);
        len = bytes ? (size_t)bytes : len;
        if (ok)
                memset(t.data + at, 0, len < t.len - at ? len : t.len - at);
        put_back(&t);
        return ok;
}

/* tear SERVER FILE left=N [padding=no]: of the last record so many bytes are left, zeros behind them or nothing; a
 * negative N counts from its end */
static bool tear(struct stage *st, char **words, size_t count)
{
        struct tampered t;
        size_t at, len;
        int64_t left = -1;
        const char *padding = stage_option(words, count, "padding");
        if (!stage_option_number(st, words, count, "left", &left) || !take_file(st, words[1], words[2], &t))
                return false;
        bool ok = find_record(st, &t, -1, &at, &len);
        if (ok && left < 0)
                left += (int64_t)len;
        if (ok && (left < 0 || (size_t)left >= len))
                ok = stage_fail(st, "the last record of %s has %zu bytes", t.name, len);
        if (ok)
                memset(t.data + at + left, 0, t.len - at - (size_t)left);
        if (ok && padding && strcmp(padding, "no") == 0)
                t.len = at + (size_t)left;
        put_back(&t);
        return ok;
}

/* shorten SERVER FILE bytes=N */
static bool shorten(struct stage *st, char **words, size_t count)
{
        struct tampered t;
        int64_t bytes = 0;
        if (!stage_option_number(st, words, count, "bytes", &bytes) || !take_file(st, words[1], words[2], &t))
                return false;
        bool ok = bytes >= 0 && (size_t)bytes <= t.len;
        if (ok)
                t.len = (size_t)bytes;
        else
                (void)stage_fail(st, "%s has %zu bytes", t.name, t.len);
        put_back(&t);
        return ok;
}

/* put SERVER FILE "text": "" for an empty file */
static bool put(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        stage_tampered(st, sid);
        memory_storage_put(disk_of(st, sid), words[2], words[3], strlen(words[3]));
        return true;
}

static bool remove_file(struct stage *st, char **words, size_t count)
{
        struct tampered t;
        (void)count;
        if (!take_file(st, words[1], words[2], &t))
                return false;
        memory_storage_drop(t.disk, t.name);
        mem_free(t.data);
        return true;
}

/* files SERVER: their names */
static bool files(struct stage *st, char **words, size_t count)
{
        struct names n;
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        list_names(st, sid, &n);
        for (size_t i = 0; i < n.count; i++) {
                char zxid[TEXT_ZXID_BYTES];
                const char *dot = strchr(n.list[i], '.');
                bool numbered = strncmp(n.list[i], "log.", 4) == 0 || strncmp(n.list[i], "snapshot.", 9) == 0;
                stage_say(st, sid, "%d: %.*s%s", sid, numbered ? (int)(dot - n.list[i]) : (int)strlen(n.list[i]),
                          n.list[i], numbered ? text_of_zxid((int64_t)strtoull(dot + 1, NULL, 16), zxid) : "");
        }
        return true;
}

static bool wipe(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (world_running(st->w, sid))
                return stage_fail(st, "server %d runs", sid);
        world_wipe(st->w, sid);
        return true;
}

static bool remove_mark(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (world_running(st->w, sid))
                return stage_fail(st, "server %d runs", sid);
        stage_tampered(st, sid);
        world_remove_mark(st->w, sid);
        return true;
}

/* keep-disk SERVER: a copy of it, put back by restore-disk */
static bool keep_disk(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (world_running(st->w, sid))
                return stage_fail(st, "server %d runs", sid);
        memory_storage_free(st->kept[sid]);
        st->kept[sid] = memory_storage_clone(disk_of(st, sid));
        return true;
}

static bool restore_disk(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (world_running(st->w, sid) || !st->kept[sid])
                return stage_fail(st, "server %d runs, or no copy of its disk was kept", sid);
        struct world_node *n = &st->w->nodes[sid];
        stage_tampered(st, sid);
        memory_storage_free(n->disk);
        n->disk = memory_storage_clone(st->kept[sid]);
        n->storage = memory_storage_io(n->disk);
        return true;
}

/* ---- what it does wrong ---- */

static bool set_full(struct stage *st, char **words, size_t count, bool full)
{
        for (size_t i = 1; i < count; i++) {
                int sid;
                if (!stage_server(st, words[i], &sid))
                        return false;
                world_fill_disk(st->w, sid, full);
        }
        return true;
}

/* fill-disk SERVER…, free-disk SERVER… */
static bool fill(struct stage *st, char **words, size_t count)
{
        return set_full(st, words, count, true);
}

static bool unfill(struct stage *st, char **words, size_t count)
{
        return set_full(st, words, count, false);
}

/* slow-disk SERVER log=MS snapshots=MS: up to so long for a group of writes */
static bool slow_disk(struct stage *st, char **words, size_t count)
{
        int64_t log = 0, snapshots = 0;
        int sid;
        if (!stage_server(st, words[1], &sid) || !stage_option_number(st, words, count, "log", &log) ||
            !stage_option_number(st, words, count, "snapshots", &snapshots))
                return false;
        world_slow_disk(st->w, sid, (uint32_t)log, (uint32_t)snapshots);
        return true;
}

/* hang-disk SERVER: what is to be written to its log waits; mend-disk SERVER: it goes on */
static bool hang_disk(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        world_hang_disk(st->w, sid, true);
        return true;
}

static bool mend_disk(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        world_hang_disk(st->w, sid, false);
        return true;
}

/* fail-disk SERVER OPERATION ERROR [skip=N] [times=N] */
static bool fail_disk(struct stage *st, char **words, size_t count)
{
        static const char *const names[] = {"anything", "create", "write",  "allocate", "truncate",
                                            "sync",     "rename", "remove", "sync-dir", "read"};
        static_assert(sizeof names / sizeof *names == MEMORY_OP_MAX, "a name for each operation");
        static const struct {
                const char *name;
                int error;
        } errors[] = {{"EIO", -EIO}, {"ENOSPC", -ENOSPC}, {"EROFS", -EROFS}};
        int64_t skip = 0, times = 1;
        int sid, error = 0;
        enum memory_op op = MEMORY_OP_MAX;
        if (!stage_server(st, words[1], &sid) || !stage_option_number(st, words, count, "skip", &skip) ||
            !stage_option_number(st, words, count, "times", &times))
                return false;
        for (int i = 0; i < MEMORY_OP_MAX; i++)
                if (strcmp(names[i], words[2]) == 0)
                        op = (enum memory_op)i;
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
                if (strcmp(errors[i].name, words[3]) == 0)
                        error = errors[i].error;
        if (op == MEMORY_OP_MAX || !error)
                return stage_fail(st, "%s is no operation, or %s no error", words[2], words[3]);
        memory_storage_fail(disk_of(st, sid), op, (uint64_t)skip, (uint64_t)times, error);
        return true;
}

/* fail-snapshots SERVER N: the next so many operations on snapshot files find no space */
static bool fail_snapshots(struct stage *st, char **words, size_t count)
{
        int sid;
        int64_t n;
        (void)count;
        if (!stage_server(st, words[1], &sid) || !stage_number(st, words[2], &n))
                return false;
        world_fail_snapshots(st->w, sid, (uint32_t)n);
        return true;
}

/* die-here SERVER: in at-each-operation, so many operations of its disk from here on it dies */
static bool die_here(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        st->die_sid = sid;
        st->die_at = memory_storage_ops(disk_of(st, sid)) + st->die_skip;
        world_die(st->w, sid, st->die_skip, st->die_after, st->die_power);
        return true;
}

/* live-on SERVER: what was to come of die-here comes no more */
static bool live_on(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        world_live(st->w, sid);
        return true;
}

const struct stage_command stage_disk_commands[] = {
        {"flip", 4, flip},
        {"zero", 4, zero},
        {"tear", 3, tear},
        {"shorten", 4, shorten},
        {"put", 4, put},
        {"remove", 3, remove_file},
        {"files", 2, files},
        {"wipe", 2, wipe},
        {"remove-mark", 2, remove_mark},
        {"keep-disk", 2, keep_disk},
        {"restore-disk", 2, restore_disk},
        {"fill-disk", 2, fill},
        {"free-disk", 2, unfill},
        {"slow-disk", 3, slow_disk},
        {"hang-disk", 2, hang_disk},
        {"mend-disk", 2, mend_disk},
        {"fail-disk", 4, fail_disk},
        {"fail-snapshots", 3, fail_snapshots},
        {"die-here", 2, die_here},
        {"live-on", 2, live_on},
        {NULL, 0, NULL},
};
