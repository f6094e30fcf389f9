/* The little of a file system that log, snapshots and epoch files need, as an interface: the shell
 * implements it with system calls (daemon/engine/storage_posix.c), tests and the simulator with
 * memory that loses what was not synced.
 *
 * Names are plain file names inside one directory (ZooKeeper's version-2). All functions return 0 (or
 * the value documented) or -errno. Nothing is durable before sync/sync_dir says so (safety: D7). One
 * storage is used by two threads at once, on different files: implementations hold no state but the
 * directory, and whether a sync of it has failed: from then on each sync of it does. */
#ifndef BATON_TXNLOG_STORAGE_H
#define BATON_TXNLOG_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct storage_file; /* an open file, defined by the implementation */

struct storage {
        void *ctx;
        /* What has been written is written over where it stands: a reserved block that holds zeros is as safe from a
         * full disk as one that was never written to. Not so where a file system copies on write. */
        bool in_place;
        /* Calls `fn` for each name in the directory. */
        int (*list)(void *ctx, void (*fn)(void *fn_ctx, const char *name), void *fn_ctx);
        /* Opens for reading; -ENOENT. */
        int (*open)(void *ctx, const char *name, struct storage_file **ret);
        /* Creates or empties a file for writing. */
        int (*create)(void *ctx, const char *name, struct storage_file **ret);
        /* Opens an existing file for reading and cutting (truncate). */
        int (*open_write)(void *ctx, const char *name, struct storage_file **ret);
        /* Reads up to len bytes at offset; returns how many (0 at the end). */
        int64_t (*read_at)(struct storage_file *f, uint64_t offset, void *buffer, size_t len);
        /* Writes all of it at offset, or fails. */
        int (*write_at)(struct storage_file *f, uint64_t offset, const void *data, size_t len);
        int64_t (*size)(struct storage_file *f);
        /* Reserves zero-filled space up to `size_bytes` (preallocation; must make the size at least that). */
        int (*allocate)(struct storage_file *f, uint64_t size_bytes);
        int (*truncate)(struct storage_file *f, uint64_t size_bytes);
        /* Data and what is needed to read it back (fdatasync). */
        int (*sync)(struct storage_file *f);
        /* What was synced there will not be read soon: the system may use the memory for something else. A hint; NULL
         * where there is nothing to be told (posix_fadvise(2), POSIX_FADV_DONTNEED). */
        void (*uncache)(struct storage_file *f, uint64_t offset, uint64_t len);
        void (*close)(struct storage_file *f);
        int (*rename)(void *ctx, const char *from, const char *to);
        int (*remove)(void *ctx, const char *name);
        /* The same, for what may be large and nobody waits for: the name goes at once, the room bit by bit, so that
         * giving it back keeps no sync waiting. Takes a while. NULL where that makes no difference. */
        int (*remove_slowly)(void *ctx, const char *name);
        int (*sync_dir)(void *ctx);
        /* A small text in the directory above, which stays when this one is lost. Reading returns its length, at
         * most `size`; -ENOENT. Writing: aside, synced, renamed, that directory synced: durable on return. */
        int64_t (*read_above)(void *ctx, const char *name, char *text, size_t size);
        int (*write_above)(void *ctx, const char *name, const char *text);
};

#endif
