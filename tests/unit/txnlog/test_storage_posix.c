/* The real data directory: lock, myid, files; and a store on top of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "daemon/engine/storage_posix.h"
#include "tests/unit/txnlog/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
        char base[128], dir[160]; /* a temporary directory, and a data directory to be made in it */
        char why[STORAGE_POSIX_WHY_MAX];
        struct storage_posix *posix;
};

static int setup(void **state)
{
        struct place *p = test_calloc(1, sizeof *p);
        const char *tmp = getenv("TMPDIR");
        (void)snprintf(p->base, sizeof p->base, "%s/baton-storage-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(p->base))
                return -1;
        (void)snprintf(p->dir, sizeof p->dir, "%s/a/b", p->base);
        *state = p;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static int teardown(void **state)
{
        struct place *p = *state;
        storage_posix_close(p->posix);
        int r = nftw(p->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        test_free(p);
        return r;
}

static void must_open(struct place *p)
{
        if (storage_posix_open(p->dir, 3, &p->posix, p->why) < 0)
                fail_msg("%s", p->why);
}

static void path_of(const struct place *p, const char *name, char path[256])
{
        (void)snprintf(path, 256, "%s/%s", p->dir, name);
}

static void put_text(const struct place *p, const char *name, const char *text)
{
        char path[256];
        path_of(p, name, path);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void get_text(const struct place *p, const char *name, char text[64])
{
        char path[256];
        path_of(p, name, path);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        text[fread(text, 1, 63, f)] = '\0';
        assert_int_equal(fclose(f), 0);
}

static void test_missing_directories_and_myid_are_made(void **state)
{
        struct place *p = *state;
        char text[64], path[256];
        struct stat st;
        must_open(p);
        get_text(p, "myid", text);
        assert_string_equal(text, "3\n");
        path_of(p, "version-2", path);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0750);
        storage_posix_close(p->posix);
        must_open(p); /* and found again */
}

static void test_trailing_slash_and_dots_are_paths_too(void **state)
{
        struct place *p = *state;
        (void)snprintf(p->dir, sizeof p->dir, "%s/./x//y/", p->base);
        must_open(p);
        assert_int_equal(storage_posix_io(p->posix)->sync_dir(storage_posix_io(p->posix)->ctx), 0);
}

static void test_second_server_is_refused_and_told_who_is_there(void **state)
{
        struct place *p = *state;
        struct storage_posix *other = NULL;
        char pid[32];
        must_open(p);
        (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
        assert_int_equal(storage_posix_open(p->dir, 3, &other, p->why), -EBUSY);
        assert_non_null(strstr(p->why, pid));
        storage_posix_close(p->posix);
        p->posix = NULL;
        must_open(p); /* free again */
}

static void test_lock_does_not_outlive_its_process(void **state)
{
        struct place *p = *state;
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
                struct storage_posix *posix = NULL;
                _exit(storage_posix_open(p->dir, 3, &posix, p->why) < 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        must_open(p);
}

static void test_foreign_myid_is_refused(void **state)
{
        struct place *p = *state;
        static const char *const wrong[] = {"4\n", "", "three", "3x", "33"};
        static const char *const right[] = {"3", "3\n", " 3 \nrest\n", "3\r\n"};
        must_open(p);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                storage_posix_close(p->posix);
                p->posix = NULL;
                put_text(p, "myid", wrong[i]);
                assert_int_equal(storage_posix_open(p->dir, 3, &p->posix, p->why), -EINVAL);
                assert_non_null(strstr(p->why, "myid"));
        }
        for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
                put_text(p, "myid", right[i]);
                must_open(p);
                storage_posix_close(p->posix);
                p->posix = NULL;
        }
}

static void test_file_in_the_way_is_explained(void **state)
{
        struct place *p = *state;
        (void)snprintf(p->dir, sizeof p->dir, "%s", p->base);
        put_text(p, "a", "");
        (void)snprintf(p->dir, sizeof p->dir, "%s/a/b", p->base);
        assert_int_equal(storage_posix_open(p->dir, 3, &p->posix, p->why), -ENOTDIR);
        assert_non_null(strstr(p->why, p->dir));
}

static void collect(void *ctx, const char *name)
{
        char *names = ctx;
        size_t len = strlen(names);
        (void)snprintf(names + len, 256 - len, "%s;", name);
}

static void test_files_do_as_storage_says(void **state)
{
        struct place *p = *state;
        char names[256] = "", buffer[16] = "";
        struct storage_file *f = NULL;
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        assert_int_equal(io->open(io->ctx, "x", &f), -ENOENT);
        assert_int_equal(io->open_write(io->ctx, "x", &f), -ENOENT);
        assert_int_equal(io->remove(io->ctx, "x"), -ENOENT);
        assert_int_equal(io->create(io->ctx, "x", &f), 0);
        assert_int_equal(io->write_at(f, 4, "hello", 5), 0);
        assert_int_equal(io->size(f), 9);
        assert_int_equal(io->allocate(f, 100000), 0);
        assert_int_equal(io->size(f), 100000);
        assert_int_equal(io->allocate(f, 50), 0);
        assert_int_equal(io->size(f), 100000);
        assert_int_equal(io->read_at(f, 2, buffer, 8), 8);
        assert_memory_equal(buffer, "\0\0hello\0", 8);
        assert_int_equal(io->read_at(f, 100000, buffer, 8), 0);
        assert_int_equal(io->truncate(f, 6), 0);
        assert_int_equal(io->sync(f), 0);
        io->close(f);
        assert_int_equal(io->rename(io->ctx, "x", "y"), 0);
        assert_int_equal(io->sync_dir(io->ctx), 0);
        assert_int_equal(io->list(io->ctx, collect, names), 0);
        assert_string_equal(names, "y;");
        assert_int_equal(io->open(io->ctx, "y", &f), 0);
        assert_int_equal(io->read_at(f, 0, buffer, 16), 6);
        io->close(f);
        assert_int_equal(io->create(io->ctx, "y", &f), 0); /* empties it */
        assert_int_equal(io->size(f), 0);
        io->close(f);
        assert_int_equal(io->remove(io->ctx, "y"), 0);
}

static void test_small_texts_stand_above_the_files(void **state)
{
        struct place *p = *state;
        char text[8] = "", path[256], names[256] = "";
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        assert_int_equal(io->read_above(io->ctx, "mark", text, sizeof text), -ENOENT);
        assert_int_equal(io->write_above(io->ctx, "mark", "a longer text\n"), 0);
        assert_int_equal(io->write_above(io->ctx, "mark", "one\n"), 0);
        assert_int_equal(io->read_above(io->ctx, "mark", text, sizeof text), 4);
        assert_memory_equal(text, "one\n", 4);
        assert_int_equal(io->read_above(io->ctx, "mark", text, 2), 2);
        path_of(p, "mark", path);
        assert_int_equal(access(path, R_OK), 0);
        path_of(p, "mark.tmp", path);
        assert_int_equal(access(path, R_OK), -1);
        assert_int_equal(io->list(io->ctx, collect, names), 0);
        assert_string_equal(names, "");
}

/* The descriptor through which this process syncs version-2. */
static int find_version_dir(const struct place *p)
{
        char path[256], link[64];
        path_of(p, "version-2", path);
        char *wanted = realpath(path, NULL);
        assert_non_null(wanted);
        for (int fd = 3; fd < 256; fd++) {
                (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                ssize_t n = readlink(link, path, sizeof path - 1);
                path[n < 0 ? 0 : n] = '\0';
                if (strcmp(path, wanted) == 0) {
                        free(wanted);
                        return fd;
                }
        }
        free(wanted);
        fail_msg("version-2 is not open");
        return -1;
}

/* Two writers share the directory, and the kernel tells only one of them. */
static void test_a_directory_whose_sync_failed_is_never_synced_again(void **state)
{
        struct place *p = *state;
        int pipes[2];
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        assert_int_equal(io->sync_dir(io->ctx), 0);
        int fd = find_version_dir(p), kept = dup(fd);
        assert_true(kept >= 0);
        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(dup2(pipes[0], fd), fd); /* what can't be synced */
        int r = io->sync_dir(io->ctx);
        assert_true(r < 0);
        assert_int_equal(dup2(kept, fd), fd);
        assert_int_equal(io->sync_dir(io->ctx), r);
        (void)close(kept);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
}

/* Opened as a file, a pipe would be waited for without end. */
static void test_a_pipe_in_the_place_of_a_file_is_refused(void **state)
{
        struct place *p = *state;
        struct storage_file *f = NULL;
        char path[256];
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        path_of(p, "version-2/log.1", path);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(io->open(io->ctx, "log.1", &f), -EINVAL);
        storage_posix_close(p->posix);
        p->posix = NULL;
        path_of(p, "myid", path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_true(storage_posix_open(p->dir, 3, &p->posix, p->why) < 0);
        assert_non_null(strstr(p->why, "myid"));
}

/* More than any disk has: it shows at the allocation, not as a signal at some later write. */
static void test_no_room_shows_at_the_allocation(void **state)
{
        struct place *p = *state;
        struct storage_file *f = NULL;
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        assert_int_equal(io->create(io->ctx, "x", &f), 0);
        assert_true(io->allocate(f, (uint64_t)1 << 62) < 0);
        io->close(f);
}

static void test_sizes_are_those_of_logs_and_snapshots(void **state)
{
        struct place *p = *state;
        int64_t snapshots = -1, logs = -1;
        must_open(p);
        put_text(p, "version-2/log.1", "12345");
        put_text(p, "version-2/log.9", "123");
        put_text(p, "version-2/snapshot.0", "12");
        put_text(p, "version-2/acceptedEpoch", "1");
        assert_int_equal(storage_posix_sizes(p->posix, &snapshots, &logs), 0);
        assert_int_equal(snapshots, 2);
        assert_int_equal(logs, 8);
}

static void test_store_lives_in_a_real_directory(void **state)
{
        struct place *p = *state;
        struct fixture f;
        must_open(p);
        fixture_init(&f); /* for its configuration and payloads */
        for (int64_t round = 0; round < 3; round++) {
                struct recovered r;
                f.store = store_new(storage_posix_io(p->posix), &f.config);
                if (store_recover(f.store, &r, f.why) < 0)
                        fail_msg("%s", f.why);
                assert_int_equal(r.last_zxid, round ? ZXID(1, 10 * round) : 0);
                if (round == 0)
                        fixture_enter_epoch(&f, 1);
                fixture_write(&f, ZXID(1, 10 * round + 1), ZXID(1, 10 * round + 10));
                recovered_done(&r);
                store_free(f.store);
                f.store = NULL;
        }
        fixture_done(&f);
        char text[64];
        get_text(p, "version-2/currentEpoch", text);
        assert_string_equal(text, "1");
}

/* Writes over what stands at an offset of a real file. */
static void overwrite(const struct place *p, const char *name, long offset, const void *bytes, size_t len)
{
        char path[256];
        path_of(p, name, path);
        FILE *f = fopen(path, "r+");
        assert_non_null(f);
        assert_int_equal(fseek(f, offset, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, len, f), len);
        assert_int_equal(fclose(f), 0);
}

/* The last of three records of 70 bytes and more in a file with the usual padding (safety: D5). */
static void recover_last(struct place *p, long at, const void *bytes, size_t len, bool *ret_torn, bool *ret_lost)
{
        struct fixture f;
        struct recovered r;
        must_open(p);
        fixture_init(&f);
        f.config.preallocate_bytes = STORE_PREALLOCATE_DEFAULT;
        f.store = store_new(storage_posix_io(p->posix), &f.config);
        assert_int_equal(store_recover(f.store, &r, f.why), 0);
        recovered_done(&r);
        fixture_enter_epoch(&f, 1);
        fixture_write(&f, ZXID(1, 1), ZXID(1, 3));
        store_free(f.store);
        overwrite(p, "version-2/log.100000001", at, bytes, len);
        f.store = store_new(storage_posix_io(p->posix), &f.config);
        if (store_recover(f.store, &r, f.why) < 0)
                fail_msg("%s", f.why);
        assert_int_equal(r.last_zxid, ZXID(1, 2));
        *ret_torn = r.torn;
        *ret_lost = r.lost;
        recovered_done(&r);
        fixture_done(&f);
}

static void test_a_torn_record_in_a_real_file_is_cut(void **state)
{
        static const uint8_t zeros[500];
        struct blob *b = fixture_payload(ZXID(1, 1), FIXTURE_DATA_BYTES);
        bool torn, lost;
        recover_last(*state, 16 + 2 * (long)(b->len + 13) + 50, zeros, sizeof zeros, &torn, &lost);
        assert_true(torn && !lost);
        blob_unref(b);
}

static void test_a_damaged_record_in_a_real_file_is_a_loss(void **state)
{
        struct place *p = *state;
        struct blob *b = fixture_payload(ZXID(1, 1), FIXTURE_DATA_BYTES);
        char text[64];
        bool torn, lost;
        recover_last(p, 16 + 2 * (long)(b->len + 13) + 50, "\xff", 1, &torn, &lost);
        assert_true(!torn && lost);
        get_text(p, "baton.history", text);
        assert_string_equal(text, "lost\n");
        get_text(p, "version-2/baton.ends", text);
        assert_int_equal(strncmp(text, "baton.ends 1\nend 1 0\nseam 100000001 ", 36), 0);
        blob_unref(b);
}

/* ---- what is removed slowly ---- */

/* Makes a file of so many bytes in version-2 and opens it once more. */
static int large_file(struct place *p, size_t size)
{
        const struct storage *io = storage_posix_io(p->posix);
        struct storage_file *f = NULL;
        assert_int_equal(io->create(io->ctx, "snapshot.5", &f), 0);
        assert_int_equal(io->allocate(f, size), 0);
        io->close(f);
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/version-2/snapshot.5", p->dir);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void test_a_large_file_is_removed_bit_by_bit(void **state)
{
        struct place *p = *state;
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        int fd = large_file(p, (9u << 20) + 5);
        struct stat st;
        assert_int_equal(io->remove_slowly(io->ctx, "snapshot.5"), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 0);
        assert_true(st.st_size > 0 && st.st_size <= 2 << 20); /* the last bit goes with the descriptor */
        (void)close(fd);
        assert_int_equal(io->remove_slowly(io->ctx, "snapshot.5"), -ENOENT);

        /* At the end there is no time for that. */
        fd = large_file(p, 9u << 20);
        storage_posix_hurry(p->posix);
        assert_int_equal(io->remove_slowly(io->ctx, "snapshot.5"), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 0);
        assert_int_equal(st.st_size, 7 << 20);
        (void)close(fd);
}

/* Somebody else's name for it keeps all of it. */
static void test_a_file_with_another_name_is_not_cut(void **state)
{
        struct place *p = *state;
        must_open(p);
        const struct storage *io = storage_posix_io(p->posix);
        int fd = large_file(p, 9u << 20);
        char from[PATH_MAX], to[PATH_MAX];
        (void)snprintf(from, sizeof from, "%s/version-2/snapshot.5", p->dir);
        (void)snprintf(to, sizeof to, "%s/kept", p->dir);
        assert_int_equal(link(from, to), 0);
        assert_int_equal(io->remove_slowly(io->ctx, "snapshot.5"), 0);
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(st.st_size, 9 << 20);
        (void)close(fd);
}

/* ---- zeros ahead of small groups: what is written to a real file ---- */

static struct {
        const struct storage *io;
        size_t writes, zeros; /* of these, such as hold nothing else */
        uint64_t zeros_end;
        uint64_t synced_end, uncached_end; /* of what was written before the last sync, and of what was given back */
        uint64_t records_end;              /* of what was written and is no zeros */
} seen;

static int counting_write(struct storage_file *f, uint64_t offset, const void *data, size_t len)
{
        const uint8_t *bytes = data;
        bool zeros = bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
        seen.writes++;
        seen.zeros += zeros;
        if (zeros)
                seen.zeros_end = offset + len;
        else
                seen.records_end = offset + len;
        return seen.io->write_at(f, offset, data, len);
}

static int noting_sync(struct storage_file *f)
{
        seen.synced_end = seen.records_end;
        return seen.io->sync(f);
}

/* Never what was not synced, nor zeros that the next group finds; and without a gap. */
static void checking_uncache(struct storage_file *f, uint64_t offset, uint64_t len)
{
        assert_true(offset <= seen.uncached_end);
        seen.uncached_end = offset + len;
        assert_int_equal(seen.uncached_end, seen.synced_end);
        seen.io->uncache(f, offset, len);
}

static void write_group(struct fixture *f, int64_t first, int64_t last, size_t bytes)
{
        struct effects fx;
        seen.writes = seen.zeros = 0;
        effects_init(&fx);
        for (int64_t n = first; n <= last; n++) {
                struct blob *b = fixture_payload(ZXID(1, n), bytes);
                (void)effect_log_append(&fx, b, 0, (uint32_t)b->len, ZXID(1, n));
                blob_unref(b);
        }
        for (size_t i = 0; i < fx.count; i++)
                assert_int_equal(store_perform(f->store, &fx.list[i], NULL, f->why), 0);
        effects_done(&fx);
        assert_int_equal(fixture_sync(f), 0);
}

/* The page cache keeps no more of the log than a portion and the zeros ahead of it. */
static void test_a_log_that_was_synced_is_not_kept_in_memory(void **state)
{
        struct place *p = *state;
        struct fixture f;
        struct recovered r;
        must_open(p);
        seen.io = storage_posix_io(p->posix);
        seen.uncached_end = 0;
        struct storage counting = *seen.io;
        counting.write_at = counting_write;
        counting.sync = noting_sync;
        counting.uncache = checking_uncache;
        fixture_init(&f);
        f.store = store_new(&counting, &f.config);
        assert_int_equal(store_recover(f.store, &r, f.why), 0);
        recovered_done(&r);
        fixture_enter_epoch(&f, 1);
        for (int64_t n = 1; n <= 400; n++) {
                write_group(&f, n, n, 2000);
                store_uncache(f.store);
                assert_true(seen.records_end - seen.uncached_end <= 256u << 10);
        }
        assert_true(seen.uncached_end > 700000);
        store_free(f.store);
        f.store = store_new(seen.io, &f.config);
        assert_int_equal(store_recover(f.store, &r, f.why), 0);
        assert_int_equal(r.last_zxid, ZXID(1, 400));
        recovered_done(&r);
        fixture_done(&f);
}

/* The sync of a group into blocks that were written to before needs no commit of the file system's journal. */
static void test_small_groups_find_blocks_that_were_written_to(void **state)
{
        struct place *p = *state;
        struct fixture f;
        struct recovered r;
        must_open(p);
        seen.io = storage_posix_io(p->posix);
        struct storage counting = *seen.io;
        counting.write_at = counting_write;
        counting.in_place = true; /* whatever the test's disk is */
        fixture_init(&f);
        f.config.preallocate_bytes = 4u << 20;
        f.store = store_new(&counting, &f.config);
        assert_int_equal(store_recover(f.store, &r, f.why), 0);
        recovered_done(&r);
        fixture_enter_epoch(&f, 1);
        write_group(&f, 1, 1, 1000); /* the file is made with it */
        assert_int_equal(seen.zeros, 1);
        assert_true(seen.zeros_end > 64u << 10); /* more than the largest group that finds them */
        write_group(&f, 2, 20, 1000);
        assert_int_equal(seen.zeros, 0);
        write_group(&f, 21, 170, 10000); /* past them, and large */
        assert_int_equal(seen.zeros, 0);
        write_group(&f, 171, 171, 1000);
        assert_int_equal(seen.zeros, 1);
        write_group(&f, 172, 172, 1000);
        assert_int_equal(seen.zeros, 0);
        write_group(&f, 173, 300, 10000);
        write_group(&f, 301, 327, 10000); /* a whole portion and a little more: large all the same */
        assert_int_equal(seen.writes, 2);
        assert_int_equal(seen.zeros, 0);
        counting.in_place = false;
        write_group(&f, 328, 328, 1000);
        assert_int_equal(seen.zeros, 0);
        counting.in_place = true;
        for (int64_t n = 329; n < 420; n++) /* up to the end of what is reserved, and on */
                write_group(&f, n, n, 10000);
        store_free(f.store);
        f.store = store_new(seen.io, &f.config);
        assert_int_equal(store_recover(f.store, &r, f.why), 0);
        assert_int_equal(r.last_zxid, ZXID(1, 419));
        assert_false(r.torn || r.lost);
        recovered_done(&r);
        fixture_done(&f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_missing_directories_and_myid_are_made),
                TEST(test_trailing_slash_and_dots_are_paths_too),
                TEST(test_second_server_is_refused_and_told_who_is_there),
                TEST(test_lock_does_not_outlive_its_process),
                TEST(test_foreign_myid_is_refused),
                TEST(test_file_in_the_way_is_explained),
                TEST(test_files_do_as_storage_says),
                TEST(test_a_large_file_is_removed_bit_by_bit),
                TEST(test_a_file_with_another_name_is_not_cut),
                TEST(test_a_log_that_was_synced_is_not_kept_in_memory),
                TEST(test_small_groups_find_blocks_that_were_written_to),
                TEST(test_small_texts_stand_above_the_files),
                TEST(test_a_directory_whose_sync_failed_is_never_synced_again),
                TEST(test_a_pipe_in_the_place_of_a_file_is_refused),
                TEST(test_no_room_shows_at_the_allocation),
                TEST(test_sizes_are_those_of_logs_and_snapshots),
                TEST(test_store_lives_in_a_real_directory),
                TEST(test_a_torn_record_in_a_real_file_is_cut),
                TEST(test_a_damaged_record_in_a_real_file_is_a_loss),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
