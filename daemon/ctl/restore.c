/* See restore.h. */
#include "daemon/ctl/restore.h"

#include "daemon/ctl/ctl.h"
#include "daemon/engine/storage_posix.h"
#include "election/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is copied in pieces of this size. */
#define PIECE_BYTES (1u << 20)
/* Longest name in such a directory: "snapshot." + 16 digits + ".snappy". */
#define NAME_MAX_BYTES 40
/* A snapshot until all is durable; servers remove one that was left. */
#define TMP_SNAPSHOT "tmp.snapshot"
#define VERSION_DIR  "version-2"

struct source_file {
        char name[NAME_MAX_BYTES];
        int64_t zxid;
};

struct source {
        int dir_fd;
        bool whole; /* a directory was given: its logs and epochs come too */
        struct source_file snapshot;
        bool gzip;
        struct source_file logs[RESTORE_LOGS_MAX];
        size_t log_count;
};

struct target {
        struct storage_posix *posix;
        const struct storage *io;
        bool version_2, begun;
};

static int fail(const char *what, const char *why)
{
        (void)fprintf(stderr, "batonctl: %s: %s\n", what, why);
        return CTL_REFUSED;
}

/* ---- being told to end ---- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
#define ENDING (sizeof ending / sizeof *ending)

static volatile sig_atomic_t told; /* one of them, or 0 */

static void on_ending(int number)
{
        told = number;
}

/* What is half done is put away first. A second signal ends us as ever, for a disk may hang; and a read that waits is
 * cut short. One that is ignored (nohup) stays so. */
static void heed_endings(struct sigaction *before)
{
        struct sigaction heed = {.sa_handler = on_ending, .sa_flags = (int)SA_RESETHAND};
        (void)sigemptyset(&heed.sa_mask); /* neither fails for what there is */
        told = 0;
        for (size_t i = 0; i < ENDING; i++) {
                (void)sigaction(ending[i], NULL, &before[i]);
                if (before[i].sa_handler != SIG_IGN)
                        (void)sigaction(ending[i], &heed, NULL);
        }
}

static void forget_endings(const struct sigaction *before)
{
        for (size_t i = 0; i < ENDING; i++)
                (void)sigaction(ending[i], &before[i], NULL); /* as it was */
}

/* `status`, or what it becomes because somebody does not want to wait for the rest. */
static int unless_told(int status)
{
        if (status != CTL_DONE || !told)
                return status;
        (void)fprintf(stderr, "batonctl: interrupted\n");
        return CTL_REFUSED;
}

/* ---- what there is to restore ---- */

/* PREFIX and a zxid in hexadecimal, as servers write it, with one of the suffixes or none. */
static bool parse_name(const char *name, const char *prefix, const char *suffix, int64_t *ret)
{
        size_t len = strlen(prefix), digits;
        if (strncmp(name, prefix, len) != 0 || strlen(name) >= NAME_MAX_BYTES)
                return false;
        digits = strspn(name + len, "0123456789abcdef");
        if (digits == 0 || digits > 16 || strcmp(name + len + digits, suffix) != 0)
                return false;
        uint64_t v = 0;
        for (size_t i = 0; i < digits; i++) {
                char c = name[len + i];
                v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        *ret = (int64_t)v;
        return *ret >= 0;
}

static bool take_snapshot(struct source *s, const char *name)
{
        int64_t zxid;
        bool gzip = parse_name(name, "snapshot.", ".gz", &zxid);
        if (!gzip && !parse_name(name, "snapshot.", "", &zxid))
                return false;
        if (s->snapshot.name[0] && s->snapshot.zxid >= zxid)
                return true;
        s->snapshot.zxid = zxid;
        s->gzip = gzip;
        (void)snprintf(s->snapshot.name, sizeof s->snapshot.name, "%s", name);
        return true;
}

static int take_log(struct source *s, const char *name)
{
        int64_t zxid;
        if (!parse_name(name, "log.", "", &zxid))
                return CTL_DONE;
        if (s->log_count == RESTORE_LOGS_MAX)
                return fail(name, "more logs than any retention leaves");
        struct source_file *f = &s->logs[s->log_count++];
        f->zxid = zxid;
        (void)snprintf(f->name, sizeof f->name, "%s", name);
        return CTL_DONE;
}

static int by_zxid(const void *a, const void *b)
{
        const struct source_file *x = a, *y = b;
        return x->zxid < y->zxid ? -1 : x->zxid > y->zxid;
}

/* Those that hold what came after the snapshot: the newest that begins at or before it, and all behind. */
static void keep_needed_logs(struct source *s)
{
        size_t first = 0;
        qsort(s->logs, s->log_count, sizeof *s->logs, by_zxid);
        while (first + 1 < s->log_count && s->logs[first + 1].zxid <= s->snapshot.zxid)
                first++;
        memmove(s->logs, s->logs + first, (s->log_count - first) * sizeof *s->logs);
        s->log_count -= first;
}

static int open_directory(struct source *s, const char *path)
{
        int status = CTL_DONE;
        int below = openat(s->dir_fd, VERSION_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (below >= 0) { /* a data directory was named */
                (void)close(s->dir_fd);
                s->dir_fd = below;
        }
        int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return fail(path, strerror(errno));
        const struct dirent *entry;
        while (status == CTL_DONE && (entry = readdir(dir)))
                if (!take_snapshot(s, entry->d_name))
                        status = take_log(s, entry->d_name);
        (void)closedir(dir); /* only read */
        if (status == CTL_DONE && !s->snapshot.name[0])
                return fail(path, "holds no snapshot");
        keep_needed_logs(s);
        s->whole = true;
        return status;
}

static int open_file(struct source *s, const char *path)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        size_t len = slash ? (size_t)(slash - path) + 1 : 0;
        char *folder = mem_alloc(len + 2);
        memcpy(folder, len ? path : ".", len ? len : 1);
        folder[len ? len : 1] = '\0';
        s->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mem_free(folder);
        if (s->dir_fd < 0)
                return fail(path, strerror(errno));
        return take_snapshot(s, name) ? CTL_DONE
                                      : fail(path, "is not called snapshot.ZXID: the zxid is known from the name only");
}

static int source_open(struct source *s, const char *path)
{
        struct stat st;
        if (stat(path, &st) < 0)
                return fail(path, strerror(errno));
        if (!S_ISDIR(st.st_mode))
                return open_file(s, path);
        s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return s->dir_fd < 0 ? fail(path, strerror(errno)) : open_directory(s, path);
}

/* ---- where to ---- */

/* What may stand in a data directory that has had no data; myid.tmp where somebody was cut off who made it. */
static bool is_harmless(const char *name)
{
        static const char *const names[] = {".", "..", "lost+found", "myid", "myid.tmp", "baton.lock", VERSION_DIR};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}

/* `below`: in version-2, where nothing may be. */
static int check_empty(const char *path, bool below)
{
        int status = CTL_DONE;
        DIR *dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? CTL_DONE : fail(path, strerror(errno));
        const struct dirent *entry;
        while (status == CTL_DONE && (entry = readdir(dir))) {
                bool own = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
                if (own || (!below && is_harmless(entry->d_name)))
                        continue;
                (void)fprintf(
                        stderr, "batonctl: %s is not empty: there is %s. Move it away first%s\n", path, entry->d_name,
                        strcmp(entry->d_name, STORE_MARK) == 0 ? ", whatever this server had is given up then" : "");
                status = CTL_REFUSED;
        }
        (void)closedir(dir); /* only read */
        return status;
}

static int target_open(struct target *t, const struct restore *how)
{
        char why[STORAGE_POSIX_WHY_MAX];
        size_t size = strlen(how->data_dir) + sizeof "/" VERSION_DIR;
        char *below = mem_alloc(size);
        (void)snprintf(below, size, "%s/" VERSION_DIR, how->data_dir);
        int status = check_empty(how->data_dir, false);
        if (status == CTL_DONE)
                status = check_empty(below, true);
        if (status == CTL_DONE && storage_posix_open(how->data_dir, how->id, &t->posix, why) < 0)
                status = fail(how->data_dir, why);
        if (status == CTL_DONE) /* a server may have been as quick */
                status = check_empty(below, true);
        mem_free(below);
        if (status == CTL_DONE)
                t->io = storage_posix_io(t->posix);
        return status;
}

/* ---- copying ---- */

static int copy_bytes(int fd, struct storage_file *to, const struct storage *io)
{
        uint8_t *piece = mem_alloc(PIECE_BYTES);
        uint64_t at = 0;
        int r = 0;
        for (;;) {
                ssize_t n = told ? 0 : read(fd, piece, PIECE_BYTES); /* unless_told() says that it is not all */
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        r = n < 0 ? -errno : 0;
                        break;
                }
                r = io->write_at(to, at, piece, (size_t)n);
                if (r < 0)
                        break;
                at += (uint64_t)n;
        }
        mem_free(piece);
        return r < 0 ? r : io->sync(to);
}

static int copy_file(const struct source *s, struct target *t, const char *name, const char *as, bool optional)
{
        struct storage_file *to;
        int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == EINTR)
                return unless_told(CTL_DONE);
        if (fd < 0)
                return optional && errno == ENOENT ? CTL_DONE : fail(name, strerror(errno));
        t->begun = true;
        int r = t->io->create(t->io->ctx, as, &to);
        if (r >= 0) {
                r = copy_bytes(fd, to, t->io);
                t->io->close(to);
        }
        (void)close(fd); /* only read */
        return unless_told(r < 0 ? fail(name, strerror(-r)) : CTL_DONE);
}

static int write_epoch(struct target *t, const char *name, int64_t epoch)
{
        char text[24];
        struct storage_file *to;
        int len = snprintf(text, sizeof text, "%" PRId64, epoch);
        int r = t->io->create(t->io->ctx, name, &to);
        if (r >= 0) {
                r = t->io->write_at(to, 0, text, (size_t)len);
                if (r >= 0)
                        r = t->io->sync(to);
                t->io->close(to);
        }
        return r < 0 ? fail(name, strerror(-r)) : CTL_DONE;
}

/* A snapshot alone says by its zxid which epoch was reached; a directory says what was promised beyond. */
static int put_epochs(const struct source *s, struct target *t)
{
        static const char *const names[] = {"acceptedEpoch", "currentEpoch"};
        int status = CTL_DONE;
        for (size_t i = 0; i < 2 && status == CTL_DONE; i++)
                status = s->whole ? copy_file(s, t, names[i], names[i], true)
                                  : write_epoch(t, names[i], (int64_t)((uint64_t)s->snapshot.zxid >> 32));
        return status;
}

/* Which max_buffer the server will have is not known here, and a record longer than expected is taken for damage. */
static const struct store_config settings = {.item_max = 2 * CTL_MAX_BUFFER_MAX, .retain_snapshots = 3};

static int look_at_snapshot(const struct restore *how, const struct source *s, struct target *t, struct restored *ret)
{
        struct snapshot_report report;
        char why[STORE_WHY_MAX];
        if (snapshot_inspect(t->io, &settings, TMP_SNAPSHOT, s->snapshot.zxid, s->gzip, &report, why) < 0)
                return fail(s->snapshot.name,
                            strncmp(why, TMP_SNAPSHOT " ", sizeof TMP_SNAPSHOT) == 0 ? why + sizeof TMP_SNAPSHOT : why);
        ret->exact = report.exact;
        if (!report.fuzzy || s->log_count || how->fuzzy)
                return CTL_DONE;
        (void)fprintf(stderr,
                      "batonctl: %s was written while transactions went on: it holds parts of some up to 0x%" PRIx64
                      ", and without their log it is the state of no moment. Restore the directory it stands in, logs "
                      "included; --fuzzy takes it as it is\n",
                      s->snapshot.name, (uint64_t)report.reaches_zxid);
        return CTL_REFUSED;
}

static int copy_all(const struct restore *how, const struct source *s, struct target *t, struct restored *ret)
{
        int status = copy_file(s, t, s->snapshot.name, TMP_SNAPSHOT, false);
        if (status == CTL_DONE)
                status = look_at_snapshot(how, s, t, ret);
        if (status == CTL_DONE)
                status = put_epochs(s, t);
        for (size_t i = 0; i < s->log_count && status == CTL_DONE; i++)
                status = copy_file(s, t, s->logs[i].name, s->logs[i].name, false);
        if (status != CTL_DONE)
                return status;
        int r = t->io->sync_dir(t->io->ctx);
        if (r >= 0)
                r = t->io->rename(t->io->ctx, TMP_SNAPSHOT, s->snapshot.name);
        if (r >= 0)
                r = t->io->sync_dir(t->io->ctx);
        return r < 0 ? fail(s->snapshot.name, strerror(-r)) : CTL_DONE;
}

/* What a server does when it starts, on the very files. */
static int prove(const struct source *s, struct target *t, struct restored *ret)
{
        char why[STORE_WHY_MAX];
        struct recovered r = {.db = NULL};
        struct store *store = store_new(t->io, &settings);
        int error = store_recover(store, &r, why);
        int status = CTL_DONE;
        if (error < 0)
                status = fail("no server would start on it", why);
        else if (r.lost)
                status = fail("no server would count on it", *r.note ? r.note : "something of it is missing");
        if (status == CTL_DONE) {
                ret->zxid = r.last_zxid;
                ret->znodes = tree_count(database_tree(r.db));
                ret->sessions = session_table_count(database_sessions(r.db));
                ret->logs = s->log_count;
                ret->exact |= r.replayed > 0 && !r.digest_mismatches;
                if (*r.note)
                        (void)fprintf(stderr, "batonctl: note: %s\n", r.note);
        }
        recovered_done(&r);
        store_free(store);
        return status;
}

/* ---- owners, and what is left of a failure ---- */

struct removal {
        char **names;
        size_t count, capacity;
};

static void note_name(void *ctx, const char *name)
{
        struct removal *m = ctx;
        m->names = mem_grow(m->names, &m->capacity, m->count + 1, sizeof *m->names);
        m->names[m->count++] = mem_strdup(name);
}

/* All that is in version-2 is ours: it was empty. */
static void remove_all(const struct target *t, const char *data_dir)
{
        struct removal m = {.count = 0};
        bool gone = t->io->list(t->io->ctx, note_name, &m) >= 0;
        for (size_t i = 0; i < m.count; i++) {
                gone &= t->io->remove(t->io->ctx, m.names[i]) >= 0;
                mem_free(m.names[i]);
        }
        mem_free(m.names);
        size_t size = strlen(data_dir) + sizeof "/" STORE_MARK;
        char *mark = mem_alloc(size);
        (void)snprintf(mark, size, "%s/" STORE_MARK, data_dir);
        gone &= unlink(mark) == 0 || errno == ENOENT;
        mem_free(mark);
        (void)fprintf(stderr, "batonctl: %s\n",
                      gone ? "nothing was restored, and the directory is empty again"
                           : "nothing was restored, but files are left in the directory: empty it");
}

static int give_away(int dir_fd, const char *name, uid_t uid, gid_t gid)
{
        return fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The server will run as the owner of its directory, and must be able to write what root has made here. */
static int give_to_owner(const struct target *t, const char *data_dir)
{
        static const char *const above[] = {"baton.lock", "myid", STORE_MARK, VERSION_DIR};
        struct stat st = {.st_uid = 0};
        struct removal m = {.count = 0};
        int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0 && (geteuid() != 0 || st.st_uid == 0)) {
                (void)close(fd); /* only looked at */
                return CTL_DONE;
        }
        for (size_t i = 0; i < sizeof above / sizeof *above && r == 0; i++) {
                r = give_away(fd, above[i], st.st_uid, st.st_gid);
                r = r == -ENOENT ? 0 : r;
        }
        int below = r == 0 ? openat(fd, VERSION_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (r == 0 && (below < 0 || t->io->list(t->io->ctx, note_name, &m) < 0))
                r = -errno;
        for (size_t i = 0; i < m.count; i++) {
                if (r == 0)
                        r = give_away(below, m.names[i], st.st_uid, st.st_gid);
                mem_free(m.names[i]);
        }
        mem_free(m.names);
        if (below >= 0)
                (void)close(below); /* only looked at */
        if (fd >= 0)
                (void)close(fd);
        return r < 0 ? fail(data_dir, strerror(-r)) : CTL_DONE;
}

int restore_run(const struct restore *how, struct restored *ret)
{
        struct source *s = mem_zalloc(sizeof *s);
        struct target t = {.posix = NULL};
        struct sigaction before[ENDING];
        *ret = (struct restored){.zxid = 0};
        s->dir_fd = -1;
        heed_endings(before);
        int status = source_open(s, how->from);
        if (status == CTL_DONE)
                status = target_open(&t, how);
        if (status == CTL_DONE)
                status = copy_all(how, s, &t, ret);
        if (status == CTL_DONE)
                status = unless_told(prove(s, &t, ret));
        if (status == CTL_DONE)
                status = give_to_owner(&t, how->data_dir);
        if (status != CTL_DONE && t.begun)
                remove_all(&t, how->data_dir);
        forget_endings(before);
        storage_posix_close(t.posix);
        if (s->dir_fd >= 0)
                (void)close(s->dir_fd); /* only read */
        mem_free(s);
        return status;
}
