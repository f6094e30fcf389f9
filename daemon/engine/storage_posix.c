/* Files by system calls, relative to the descriptor of version-2. Every descriptor is close-on-exec. A
 * sync is fdatasync (length and extents included), a directory's is fsync. */
#include "daemon/engine/storage_posix.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#define DIR_MODE    0750
#define FILE_MODE   0640
#define VERSION_DIR "version-2"
#define LOCK_NAME   "baton.lock"
#define MYID_NAME   "myid"
/* Longest content of myid and baton.lock that is looked at. */
#define TEXT_MAX 64
/* A file that is removed slowly is cut in steps: of at least so many bytes, so many at most, with a rest after each.
 * Where blocks are discarded when they are freed, a hundred MiB at once keep all syncs of the disk waiting for 20 ms
 * and more. */
#define REMOVE_STEP_BYTES (2u << 20)
#define REMOVE_STEPS_MAX  256
#define REMOVE_REST_NS    10000000
/* Longest name of a small text in data_dir, ".tmp" included. */
#define SMALL_NAME_MAX 64

struct storage_file {
        int fd;
};

struct storage_posix {
        int data_fd; /* data_dir */
        int fd;      /* data_dir/version-2 */
        int lock_fd;
        pthread_mutex_t dir_mutex;
        int dir_error; /* of the first sync of version-2 that failed */
        pthread_mutex_t hurry_mutex;
        pthread_cond_t hurry_wake;
        bool hurry; /* under its mutex */
        struct storage io;
};

/* ---- struct storage ---- */

static int dir_of(const void *ctx)
{
        const struct storage_posix *p = ctx;
        return p->fd;
}

static int each_name(int dir_fd, void (*fn)(void *fn_ctx, const char *name), void *fn_ctx)
{
        /* A descriptor of its own: the position in a directory belongs to the open file. */
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        DIR *dir = fdopendir(fd);
        if (!dir) {
                int error = errno;
                (void)close(fd); /* only read */
                return -error;
        }
        const struct dirent *entry;
        for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        fn(fn_ctx, entry->d_name);
        int error = errno;
        (void)closedir(dir); /* only read */
        return -error;
}

static int posix_list(void *ctx, void (*fn)(void *fn_ctx, const char *name), void *fn_ctx)
{
        return each_name(dir_of(ctx), fn, fn_ctx);
}

/* Without O_NONBLOCK a pipe that stands where a file should would be waited for without end; for files it means
 * nothing. */
static int open_regular(int dir_fd, const char *name, int flags)
{
        struct stat st;
        int fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
        if (fd < 0)
                return -errno;
        int r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (r == 0)
                return fd;
        (void)close(fd); /* nothing was written */
        return r;
}

static int open_file(void *ctx, const char *name, int flags, struct storage_file **ret)
{
        int fd = open_regular(dir_of(ctx), name, flags);
        if (fd < 0)
                return fd;
        struct storage_file *f = mem_alloc(sizeof *f);
        f->fd = fd;
        *ret = f;
        return 0;
}

static int posix_open(void *ctx, const char *name, struct storage_file **ret)
{
        return open_file(ctx, name, O_RDONLY, ret);
}

static int posix_create(void *ctx, const char *name, struct storage_file **ret)
{
        return open_file(ctx, name, O_RDWR | O_CREAT | O_TRUNC, ret);
}

static int posix_open_write(void *ctx, const char *name, struct storage_file **ret)
{
        return open_file(ctx, name, O_RDWR, ret);
}

static int64_t posix_read_at(struct storage_file *f, uint64_t offset, void *buffer, size_t len)
{
        for (;;) {
                ssize_t n = pread(f->fd, buffer, len, (off_t)offset);
                if (n >= 0)
                        return n;
                if (errno != EINTR)
                        return -errno;
        }
}

static int posix_write_at(struct storage_file *f, uint64_t offset, const void *data, size_t len)
{
        const uint8_t *at = data;
        while (len > 0) {
                ssize_t n = pwrite(f->fd, at, len, (off_t)offset);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                at += n;
                len -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

static int64_t posix_size(struct storage_file *f)
{
        struct stat st;
        return fstat(f->fd, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static int posix_truncate(struct storage_file *f, uint64_t size_bytes)
{
        int r;
        do
                r = ftruncate(f->fd, (off_t)size_bytes);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

/* Real blocks, so that a full disk shows here and not at a later write. Where a file system can't reserve,
 * the length alone is set. */
static int posix_allocate(struct storage_file *f, uint64_t size_bytes)
{
        int r;
        do
                r = fallocate(f->fd, 0, 0, (off_t)size_bytes);
        while (r < 0 && errno == EINTR);
        if (r == 0)
                return 0;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
                return -errno;
        int64_t size = posix_size(f);
        if (size < 0 || (uint64_t)size >= size_bytes)
                return size < 0 ? (int)size : 0;
        return posix_truncate(f, size_bytes);
}

static int posix_sync(struct storage_file *f)
{
        return fdatasync(f->fd) < 0 ? -errno : 0; /* never tried again, not even after EINTR */
}

static void posix_uncache(struct storage_file *f, uint64_t offset, uint64_t len)
{
        (void)posix_fadvise(f->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED); /* a hint */
}

static void posix_close(struct storage_file *f)
{
        (void)close(f->fd); /* what had to be durable was synced */
        mem_free(f);
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
        return renameat(dir_of(ctx), from, dir_of(ctx), to) < 0 ? -errno : 0;
}

static int posix_remove(void *ctx, const char *name)
{
        return unlinkat(dir_of(ctx), name, 0) < 0 ? -errno : 0;
}

void storage_posix_hurry(struct storage_posix *p)
{
        pthread_mutex_lock(&p->hurry_mutex);
        p->hurry = true;
        pthread_cond_broadcast(&p->hurry_wake);
        pthread_mutex_unlock(&p->hurry_mutex);
}

/* Returns whether there is time for more rests. */
static bool rest(struct storage_posix *p)
{
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
        until.tv_nsec += REMOVE_REST_NS;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        pthread_mutex_lock(&p->hurry_mutex);
        while (!p->hurry && pthread_cond_timedwait(&p->hurry_wake, &p->hurry_mutex, &until) == 0)
                ;
        bool time = !p->hurry;
        pthread_mutex_unlock(&p->hurry_mutex);
        return time;
}

/* The descriptor keeps the file while it is cut; a crash ends it at once, without a trace. */
static int posix_remove_slowly(void *ctx, const char *name)
{
        struct storage_posix *p = ctx;
        int fd = openat(p->fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        int r = posix_remove(ctx, name);
        struct stat st;
        if (fd < 0)
                return r;
        if (r == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0) {
                off_t step = st.st_size / REMOVE_STEPS_MAX;
                if (step < (off_t)REMOVE_STEP_BYTES)
                        step = REMOVE_STEP_BYTES;
                for (off_t left = st.st_size - step; left > 0 && ftruncate(fd, left) == 0 && rest(p); left -= step)
                        ;
        }
        (void)close(fd); /* nothing of it is wanted any more */
        return r;
}

/* The kernel tells of a failure once for each descriptor, and this one is the log writer's and the snapshot
 * writer's: what one of them was told, the other must not take for a success (safety: D6). One at a time, so that
 * none comes between the failure and its being known. */
static int posix_sync_dir(void *ctx)
{
        struct storage_posix *p = ctx;
        pthread_mutex_lock(&p->dir_mutex);
        if (p->dir_error == 0 && fsync(p->fd) < 0)
                p->dir_error = -errno;
        int r = p->dir_error;
        pthread_mutex_unlock(&p->dir_mutex);
        return r;
}

/* ---- small texts in data_dir ---- */

/* Written aside, synced, renamed, directory synced. */
static int write_small(int data_fd, const char *name, const char *text)
{
        char tmp[SMALL_NAME_MAX];
        int len = snprintf(tmp, sizeof tmp, "%s.tmp", name);
        assert(len > 0 && (size_t)len < sizeof tmp);
        (void)len;
        int fd = openat(data_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (fd < 0)
                return -errno;
        struct storage_file f = {.fd = fd};
        int r = posix_write_at(&f, 0, text, strlen(text));
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r >= 0)
                r = -errno;
        if (r >= 0 && renameat(data_fd, tmp, data_fd, name) < 0)
                r = -errno;
        if (r >= 0 && fsync(data_fd) < 0)
                r = -errno;
        return r;
}

static int64_t posix_read_above(void *ctx, const char *name, char *text, size_t size)
{
        const struct storage_posix *p = ctx;
        int fd = open_regular(p->data_fd, name, O_RDONLY);
        if (fd < 0)
                return fd;
        struct storage_file f = {.fd = fd};
        int64_t n = posix_read_at(&f, 0, text, size);
        (void)close(fd); /* only read */
        return n;
}

static int posix_write_above(void *ctx, const char *name, const char *text)
{
        const struct storage_posix *p = ctx;
        return write_small(p->data_fd, name, text);
}

/* ---- the data directory ---- */

static int fail(char why[STORAGE_POSIX_WHY_MAX], int error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
static int fail(char why[STORAGE_POSIX_WHY_MAX], int error, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(why, STORAGE_POSIX_WHY_MAX, format, ap); /* cut, as the header says */
        va_end(ap);
        return error;
}

/* Opens a directory below `parent`, creating it durably when it is missing. Returns a descriptor. */
static int enter(int parent, const char *name)
{
        bool read_only = false;
        if (mkdirat(parent, name, DIR_MODE) == 0) {
                if (fsync(parent) < 0)
                        return -errno;
        } else {
                read_only = errno == EROFS; /* said also of what is there */
                if (errno != EEXIST && !read_only)
                        return -errno;
        }
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT && read_only ? -EROFS : -errno;
        return fd;
}

/* A usable descriptor of a directory known by an O_PATH one. */
static int open_place(int fd)
{
        int ready = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return ready < 0 ? -errno : ready;
}

static int enter_below(int place, const char *name)
{
        int parent = open_place(place);
        if (parent < 0)
                return parent;
        int fd = enter(parent, name);
        (void)close(parent); /* only read */
        return fd;
}

/* Goes down a path component by component; parents that are there already are only passed through. */
static int enter_path(const char *path)
{
        char *copy = mem_strdup(path), *rest = copy, *name;
        int fd = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = fd < 0 ? -errno : fd;
        while (fd >= 0 && (name = strsep(&rest, "/")) != NULL) {
                if (*name == '\0')
                        continue;
                int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (next < 0)
                        next = errno == ENOENT ? enter_below(fd, name) : -errno;
                (void)close(fd); /* a place only */
                fd = next;
        }
        mem_free(copy);
        if (fd < 0)
                return fd;
        int ready = open_place(fd);
        (void)close(fd); /* a place only */
        return ready;
}

static ssize_t read_text(int fd, char text[TEXT_MAX])
{
        ssize_t n = pread(fd, text, TEXT_MAX - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        return n < 0 ? -errno : n;
}

static int lock(struct storage_posix *p, const char *data_dir, char why[STORAGE_POSIX_WHY_MAX])
{
        char text[TEXT_MAX];
        p->lock_fd = openat(p->data_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
        if (p->lock_fd < 0)
                return fail(why, -errno, "%s/" LOCK_NAME " can't be opened: %s", data_dir, strerror(errno));
        if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return fail(why, -errno, "%s/" LOCK_NAME " can't be locked: %s", data_dir, strerror(errno));
                (void)read_text(p->lock_fd, text); /* only to say who */
                text[strcspn(text, "\n")] = '\0';
                return fail(why, -EBUSY, "%s is in use by another server (process %s)", data_dir,
                            text[strspn(text, "0123456789")] == '\0' && text[0] ? text : "unknown");
        }
        int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
        if (ftruncate(p->lock_fd, 0) < 0 || pwrite(p->lock_fd, text, (size_t)len, 0) != len)
                return fail(why, -errno, "%s/" LOCK_NAME " can't be written: %s", data_dir, strerror(errno));
        return 0;
}

static int write_myid(int data_fd, int64_t sid)
{
        char text[TEXT_MAX];
        (void)snprintf(text, sizeof text, "%" PRId64 "\n", sid); /* 21 bytes at most */
        return write_small(data_fd, MYID_NAME, text);
}

static int parse_sid(const char *text, int64_t *ret)
{
        char *end = NULL;
        errno = 0;
        long long v = strtoll(text, &end, 10);
        if (errno || end == text || end[strspn(end, " \t\r\n")] != '\0')
                return -EINVAL;
        *ret = v;
        return 0;
}

/* A link is followed: it is ours to read only. */
static int open_myid(int data_fd)
{
        int fd = openat(data_fd, MYID_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

static int check_myid(const struct storage_posix *p, const char *data_dir, int64_t sid, char why[STORAGE_POSIX_WHY_MAX])
{
        char text[TEXT_MAX];
        int64_t found = 0;
        int fd = open_myid(p->data_fd);
        if (fd == -ENOENT) {
                int r = write_myid(p->data_fd, sid);
                return r < 0 ? fail(why, r, "%s/" MYID_NAME " can't be written: %s", data_dir, strerror(-r)) : 0;
        }
        ssize_t n = fd < 0 ? fd : read_text(fd, text);
        if (fd >= 0)
                (void)close(fd); /* only read */
        if (n < 0)
                return fail(why, (int)n, "%s/" MYID_NAME " can't be read: %s", data_dir, strerror((int)-n));
        text[strcspn(text, "\n")] = '\0'; /* the first line, as Java */
        if (parse_sid(text, &found) < 0)
                return fail(why, -EINVAL, "%s/" MYID_NAME " does not hold a server id", data_dir);
        if (found != sid)
                return fail(why, -EINVAL,
                            "%s belongs to server %" PRId64 " (" MYID_NAME "), but this server's id is %" PRId64
                            ": correct the id or the data directory",
                            data_dir, found, sid);
        return 0;
}

static int open_all(struct storage_posix *p, const char *data_dir, int64_t sid, char why[STORAGE_POSIX_WHY_MAX])
{
        p->data_fd = enter_path(data_dir);
        if (p->data_fd < 0)
                return fail(why, p->data_fd, "%s can't be opened or created: %s", data_dir, strerror(-p->data_fd));
        int r = lock(p, data_dir, why);
        if (r >= 0)
                r = check_myid(p, data_dir, sid, why);
        if (r < 0)
                return r;
        p->fd = enter(p->data_fd, VERSION_DIR);
        if (p->fd < 0)
                return fail(why, p->fd, "%s/" VERSION_DIR " can't be opened or created: %s", data_dir,
                            strerror(-p->fd));
        return 0;
}

/* Others may do the same; of these it is known. */
static bool writes_in_place(int fd)
{
        struct statfs fs;
        return fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC);
}

int storage_posix_open(const char *data_dir, int64_t sid, struct storage_posix **ret, char why[STORAGE_POSIX_WHY_MAX])
{
        struct storage_posix *p = mem_zalloc(sizeof *p);
        why[0] = '\0';
        p->data_fd = p->fd = p->lock_fd = -1;
        (void)pthread_mutex_init(&p->dir_mutex, NULL); /* cannot fail without attributes */
        (void)pthread_mutex_init(&p->hurry_mutex, NULL);
        pthread_condattr_t monotonic;
        (void)pthread_condattr_init(&monotonic); /* nor do these */
        (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&p->hurry_wake, &monotonic);
        (void)pthread_condattr_destroy(&monotonic);
        p->io = (struct storage){
                .ctx = p,
                .list = posix_list,
                .open = posix_open,
                .create = posix_create,
                .open_write = posix_open_write,
                .read_at = posix_read_at,
                .write_at = posix_write_at,
                .size = posix_size,
                .allocate = posix_allocate,
                .truncate = posix_truncate,
                .sync = posix_sync,
                .uncache = posix_uncache,
                .close = posix_close,
                .rename = posix_rename,
                .remove = posix_remove,
                .remove_slowly = posix_remove_slowly,
                .sync_dir = posix_sync_dir,
                .read_above = posix_read_above,
                .write_above = posix_write_above,
        };
        int r = open_all(p, data_dir, sid, why);
        if (r < 0) {
                storage_posix_close(p);
                return r;
        }
        p->io.in_place = writes_in_place(p->fd);
        *ret = p;
        return 0;
}

static void close_fd(int fd)
{
        if (fd >= 0)
                (void)close(fd); /* directories and the lock: nothing to lose */
}

void storage_posix_close(struct storage_posix *p)
{
        if (!p)
                return;
        close_fd(p->fd);
        close_fd(p->lock_fd);
        close_fd(p->data_fd);
        (void)pthread_cond_destroy(&p->hurry_wake);
        (void)pthread_mutex_destroy(&p->hurry_mutex); /* nobody holds them */
        (void)pthread_mutex_destroy(&p->dir_mutex);
        mem_free(p);
}

const struct storage *storage_posix_io(const struct storage_posix *p)
{
        return &p->io;
}

/* ---- figures ---- */

struct sizes {
        int dir_fd;
        int64_t snapshots, logs;
};

static void add_size(void *ctx, const char *name)
{
        struct sizes *s = ctx;
        struct stat st;
        bool log = strncmp(name, "log.", 4) == 0;
        if (!log && strncmp(name, "snapshot.", 9) != 0)
                return;
        if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return; /* gone meanwhile */
        *(log ? &s->logs : &s->snapshots) += (int64_t)st.st_size;
}

int storage_posix_sizes(const struct storage_posix *p, int64_t *ret_snapshots, int64_t *ret_logs)
{
        struct sizes s = {.dir_fd = p->fd};
        int r = each_name(p->fd, add_size, &s);
        if (r < 0)
                return r;
        *ret_snapshots = s.snapshots;
        *ret_logs = s.logs;
        return 0;
}
