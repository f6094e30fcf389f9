/* The data directory on a real file system: election/txnlog/storage.h with system calls, the lock that
 * keeps a second server out, and ZooKeeper's `myid`.
 *
 *   data_dir/            created with its parents when missing
 *   data_dir/baton.lock  flock()ed for as long as the directory is open; holds our process id
 *   data_dir/myid        the server id, which a Java server needs in order to take over
 *   data_dir/baton.history  that this server had data, should version-2 be lost (STORE_MARK)
 *   data_dir/version-2/  log, snapshots, epochs
 *
 * Every call may block on the disk. The storage may be used by several threads on different files. */
#ifndef BATON_ENGINE_STORAGE_POSIX_H
#define BATON_ENGINE_STORAGE_POSIX_H

#include "election/txnlog/storage.h"

#include <stdint.h>

/* Longest explanation that storage_posix_open() writes. */
#define STORAGE_POSIX_WHY_MAX 512

struct storage_posix;

/* Opens, creates where needed (durably), locks, and compares or writes `myid`.
 * -EBUSY another server holds it, -EINVAL `myid` names another server or is no number, other -errno; each
 * with one sentence in `why`. */
int storage_posix_open(const char *data_dir, int64_t sid, struct storage_posix **ret, char why[STORAGE_POSIX_WHY_MAX]);
/* Releases the lock. Files opened through it must be closed before. Takes NULL. */
void storage_posix_close(struct storage_posix *p);
/* What is done slowly (remove_slowly) is done at once from now on, also what is under way: the end is near. Any thread.
 */
void storage_posix_hurry(struct storage_posix *p);
/* Lives as long as `p`. */
const struct storage *storage_posix_io(const struct storage_posix *p);
/* Bytes of all snapshots and of all log segments, as their lengths say (mntr). 0 or -errno. */
int storage_posix_sizes(const struct storage_posix *p, int64_t *ret_snapshots, int64_t *ret_logs);

#endif
