/* baton-bench-disk: the limit that the disk sets. Appends records of a size in groups of a size, each group one write
 * and one fdatasync(), and says how many records a second that is.
 *
 *   baton-bench-disk DIRECTORY RECORD_BYTES GROUP SECONDS [PREALLOCATE_BYTES]
 *
 * With PREALLOCATE_BYTES the file is made that long in steps ahead of the writing, as servers do with their logs
 * (64 MiB at ZooKeeper), so that a sync has no new length to write. Ahead of small groups zeros are written, in
 * portions, so that their syncs have no new blocks to mark, and what was synced is not kept in memory: what is the
 * fastest here. The file is removed at the end. */
#include "tests/bench/fail.h"
#include "tests/bench/histogram.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One group; more is no log any more. */
#define DISK_GROUP_BYTES_MAX (256u << 20)
/* Groups that zeros are written ahead of, and how many. */
#define DISK_SMALL_BYTES (64u << 10)
#define DISK_ZEROS_BYTES (128u << 10)
/* What was synced is given back to the system in portions of this size. */
#define DISK_UNCACHE_BYTES (256u << 10)
/* The file begins anew at this length. */
#define DISK_FILE_BYTES_MAX (UINT64_C(1) << 30)

static uint64_t now_ns_of_disk(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t number(const char *text, uint64_t most)
{
        char *end = NULL;
        unsigned long long v = strtoull(text, &end, 10);
        if (end == text || *end || v > most)
                bench_fail("'%s' is no number up to %llu", text, (unsigned long long)most);
        return v;
}

static void put(int fd, const uint8_t *data, size_t size, uint64_t at)
{
        for (size_t done = 0; done < size;) {
                ssize_t n = pwrite(fd, data + done, size - done, (off_t)(at + done));
                if (n < 0 && errno != EINTR)
                        bench_fail("writing: %s", strerror(errno));
                done += n > 0 ? (size_t)n : 0;
        }
}

struct place {
        int fd;
        uint64_t at, length; /* of the next group, and of the file */
        uint64_t zeros_end, uncached;
};

static void append(struct place *p, const uint8_t *data, size_t size)
{
        static const uint8_t zeros[DISK_ZEROS_BYTES];
        put(p->fd, data, size, p->at);
        p->at += size;
        if (size <= DISK_SMALL_BYTES && p->at >= p->zeros_end && p->at + DISK_ZEROS_BYTES <= p->length) {
                put(p->fd, zeros, DISK_ZEROS_BYTES, p->at);
                p->zeros_end = p->at + DISK_ZEROS_BYTES;
        }
        if (fdatasync(p->fd) < 0)
                bench_fail("fdatasync: %s", strerror(errno));
        if (p->at - p->uncached < DISK_UNCACHE_BYTES)
                return;
        (void)posix_fadvise(p->fd, (off_t)p->uncached, (off_t)(p->at - p->uncached), POSIX_FADV_DONTNEED); /* a hint */
        p->uncached = p->at;
}

int main(int argc, char **argv)
{
        static struct histogram h;
        if (argc < 5 || argc > 6)
                bench_fail("DIRECTORY RECORD_BYTES GROUP SECONDS [PREALLOCATE_BYTES] are wanted");
        size_t record = number(argv[2], DISK_GROUP_BYTES_MAX), group = number(argv[3], DISK_GROUP_BYTES_MAX);
        uint64_t seconds = number(argv[4], 3600), ahead = argc == 6 ? number(argv[5], DISK_FILE_BYTES_MAX) : 0;
        if (record == 0 || group == 0 || record * group > DISK_GROUP_BYTES_MAX)
                bench_fail("a group has 1 to %u bytes", DISK_GROUP_BYTES_MAX);
        uint8_t *data = mem_alloc(record * group);
        for (size_t i = 0; i < record * group; i++)
                data[i] = (uint8_t)(i * 31 + 7);

        int fd = open(argv[1], O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
                bench_fail("no file in %s: %s", argv[1], strerror(errno));
        histogram_init(&h);
        struct place p = {.fd = fd};
        uint64_t began = now_ns_of_disk(), now = began;
        while (now - began < seconds * UINT64_C(1000000000)) {
                if (p.at + record * group > DISK_FILE_BYTES_MAX)
                        p.at = p.uncached = 0;
                if (ahead && p.at + record * group > p.length) {
                        p.length = p.at + record * group + ahead;
                        int r = posix_fallocate(fd, 0, (off_t)p.length);
                        if (r != 0)
                                bench_fail("posix_fallocate: %s", strerror(r));
                }
                append(&p, data, record * group);
                uint64_t after = now_ns_of_disk();
                histogram_add(&h, after - now);
                now = after;
        }
        double took = (double)(now - began) / 1e9;
        int printed =
                printf("{\"record_bytes\": %zu, \"group\": %zu, \"preallocate_bytes\": %" PRIu64
                       ", \"seconds\": %.6f, \"syncs\": %" PRIu64 ", \"records_per_second\": %.1f,"
                       " \"sync_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}}\n",
                       record, group, ahead, took, h.count, (double)(h.count * group) / took,
                       (double)histogram_at(&h, 0.5) / 1e3, (double)histogram_at(&h, 0.99) / 1e3, (double)h.max / 1e3);
        mem_free(data);
        (void)close(fd); /* nothing of it is wanted any more */
        return printed < 0;
}
