/* election/txnlog/storage.h in memory: a disk that forgets what was not synced, fails on demand, and can
 * be crashed at any operation. Deterministic; one thread.
 *
 * Model. A file has its durable bytes and a list of changes made since (writes, changes of length); the
 * program sees both. A sync makes the changes durable. The directory is the same: links, renames and
 * removals are pending until sync_dir. A crash keeps some of what is pending and loses the rest.
 *
 * A sync that fails behaves like Linux: the changes stay visible but are no longer pending, so that the
 * next sync "succeeds" without them and a crash loses them (safety: D6). */
#ifndef BATON_TESTS_SIM_WORLD_MEMORY_STORAGE_H
#define BATON_TESTS_SIM_WORLD_MEMORY_STORAGE_H

#include "election/txnlog/storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is torn, is torn in pieces of this size by MEMORY_CRASH_SCATTER, as on a disk, and at any byte by PREFIX, as by
 * a process that ended in a write. */
#define MEMORY_SECTOR_BYTES 512

struct memory_storage;

struct memory_storage *memory_storage_new(void);
/* Takes NULL. No file may be open. */
void memory_storage_free(struct memory_storage *d);
const struct storage *memory_storage_io(const struct memory_storage *d);
/* An independent copy, pending changes included; faults are not copied. Files that are open are closed in the copy. */
struct memory_storage *memory_storage_clone(const struct memory_storage *d);

/* ---- crashes. No file may be open: the program is gone. ---- */
enum memory_crash {
        MEMORY_CRASH_NOTHING, /* of what was pending, nothing survives */
        MEMORY_CRASH_ALL,     /* all of it does */
        MEMORY_CRASH_PREFIX,  /* a beginning, in the order it was done; the last write is torn */
        MEMORY_CRASH_SCATTER, /* any of it, writes sector by sector, lengths with zeros under them */
        MEMORY_CRASH_MAX,
};
/* Afterwards faults are off, the disk works again, and all that is left is durable. */
void memory_storage_crash_as(struct memory_storage *d, enum memory_crash how, uint64_t seed);
/* One of the first three, as the seed says: what a disk does that keeps the order of writes. */
void memory_storage_crash(struct memory_storage *d, uint64_t seed);

/* What is left after a crash of it now, as an independent disk; files may be open here. */
struct memory_storage *memory_storage_image(const struct memory_storage *d, enum memory_crash how, uint64_t seed);

/* ---- faults: each changing operation counts (all but list, open, open_write, read_at, size, close) ---- */
enum memory_op {
        MEMORY_OP_ANY,
        MEMORY_OP_CREATE,
        MEMORY_OP_WRITE,
        MEMORY_OP_ALLOCATE,
        MEMORY_OP_TRUNCATE,
        MEMORY_OP_SYNC,
        MEMORY_OP_RENAME,
        MEMORY_OP_REMOVE,
        MEMORY_OP_SYNC_DIR,
        MEMORY_OP_READ, /* counted for its own faults alone: it changes nothing */
        MEMORY_OP_MAX,
};
/* Operations so far, failed ones included. */
uint64_t memory_storage_ops(const struct memory_storage *d);
/* After `skip` more operations of this kind, the next `times` of them fail with `error` (negative).
 * A failing write has written half of its bytes. */
void memory_storage_fail(struct memory_storage *d, enum memory_op op, uint64_t skip, uint64_t times, int error);
/* After `skip` more operations the machine dies: before the next one, or right after it had its effect but
 * before it could be reported. From then on everything fails with -EIO and changes nothing. */
void memory_storage_die(struct memory_storage *d, uint64_t skip, bool after);
bool memory_storage_dead(const struct memory_storage *d);
/* The program died there and not the machine: faults are off, what was pending still is.
 * A death that has not come yet is called off. */
void memory_storage_revive(struct memory_storage *d);
/* Writes and allocations beyond so many bytes in all files together fail with -ENOSPC; UINT64_MAX: none do. */
void memory_storage_limit(struct memory_storage *d, uint64_t bytes);
/* Every read of this file fails with `error`; 0 heals it. */
void memory_storage_spoil(struct memory_storage *d, const char *name, int error);

/* ---- looking in, and tampering: durable at once ---- */
bool memory_storage_exists(const struct memory_storage *d, const char *name);
/* What the program would read; NULL when there is no such file. Lives until the next change. */
const uint8_t *memory_storage_bytes(const struct memory_storage *d, const char *name, size_t *ret_len);
void memory_storage_put(struct memory_storage *d, const char *name, const void *data, size_t len);
void memory_storage_flip(struct memory_storage *d, const char *name, size_t offset, uint8_t mask);
/* Durable bytes become others, by themselves; remembered until they are overwritten or gone. Returns false when nothing
 * has changed by it: there are no such bytes, they were like that, or too much of the file has rotted already. */
bool memory_storage_rot(struct memory_storage *d, const char *name, size_t offset, const void *data, size_t len);
/* Rotten places that are still there. */
size_t memory_storage_rotten(const struct memory_storage *d);
/* What a file that the program sees has of durable bytes; NULL when there is none. Lives until the next change. */
const uint8_t *memory_storage_durable(const struct memory_storage *d, const char *name, size_t *ret_len);
void memory_storage_drop(struct memory_storage *d, const char *name);
/* All files go, those in the directory above stay (their names begin with "../"). Nothing may be pending. */
void memory_storage_wipe(struct memory_storage *d);
/* Number of files whose names begin so. */
size_t memory_storage_count(const struct memory_storage *d, const char *prefix);
/* Name of the one at this place among them, in no particular order; false when there is none. */
bool memory_storage_name(const struct memory_storage *d, const char *prefix, size_t place, char *ret, size_t size);

#endif
