/* The runtime directory: what survives the supervisor and not the boot.
 *
 *   lock               held by the one supervisor of this directory
 *   charge             held by it while it watches the deadlines: then no guard needs to
 *   boot               the boot's id as the supervisor sees it: in a container, another mount of /proc shows another
 *   status.json        who runs and since when (status_file.h)
 *   units.allowed      USER UNIT lines: what an unprivileged worker may manage (the polkit rule reads it)
 *   agent/             the agent's own: its session
 *   engine.sock        the engine's status call, made for it (daemon/common/status_socket.h)
 *   grants/<plugin>    grant records. Locked by the worker that is alive, or by who stops its resource instead
 *   plugins/<plugin>/  the plugin's own (host->state_dir)
 *   workers/<plugin>   the configuration its last worker got, and
 *   workers/<plugin>.as  who it ran as: with both, the guard can stop its resource whatever has become of /etc
 *
 * Locks are flock(2) on a descriptor that only its holder has: they go when it dies, however that was. */
#ifndef BATON_SUPERVISOR_RUNTIME_H
#define BATON_SUPERVISOR_RUNTIME_H

#include "daemon/common/grant_record.h"
#include "daemon/common/node_config.h"
#include "daemon/supervisor/plan.h"

#include <sys/types.h>

/* Bytes of a path below the runtime directory. */
#define RUNTIME_PATH_MAX 512
/* Grant records looked at: one for each plugin, and some that an earlier configuration has left. */
#define RUNTIME_RECORDS_MAX 256

/* How a worker is run: what outlives its supervisor in workers/<plugin>.as. */
struct runtime_worker {
        char program[NODE_PATH_MAX + 1];
        struct identity identity;
        enum last_resort last_resort;
};

/* Makes the directory and its parts. 0; -errno with what was wrong in the log. */
int runtime_prepare(const char *dir);
/* The id by which the supervisor of this directory has judged records: `ret` has 37 bytes. */
void runtime_boot_id(const char *dir, char *ret);
/* Takes the lock: a descriptor to keep, -EWOULDBLOCK when another supervisor has it, -errno. */
int runtime_lock(const char *dir);
/* Takes over the watch of the grants' deadlines, once the children are there: the same answers. */
int runtime_take_charge(const char *dir);
/* Whether a supervisor watches them. One that still judges its configuration does not. */
bool runtime_is_in_charge(const char *dir);
/* Makes `dir`/`below` for this user and nobody else to write in. 0 or -errno. */
int runtime_make_private(const char *dir, const char *below, uid_t uid, gid_t gid);
/* Opens and locks the record of this plugin: a descriptor for one process, -EWOULDBLOCK: in use, -errno. */
int runtime_record_take(const char *dir, const char *plugin);
/* 0, or what grant_record_read() says; -ENOENT for no file. */
int runtime_record_read(const char *dir, const char *plugin, struct grant_record *ret);
/* Names of all records there are; returns how many. `ret` has RUNTIME_RECORDS_MAX. */
size_t runtime_records(const char *dir, struct name *ret);
/* Notes that what the record behind `fd` tells of has stopped. */
int runtime_record_stopped(int fd);

/* Whether the last worker of this plugin was run with the same configuration: it was judged then. */
bool runtime_worker_is_saved(const char *dir, const struct planned *p);
int runtime_worker_save(const char *dir, const struct planned *p, const struct runtime_worker *w);
/* 0, or -errno: there was never such a worker, or the file is not ours. */
int runtime_worker_load(const char *dir, const char *plugin, struct runtime_worker *ret);
/* Forgets a plugin: record and saved configuration. Only for one that has stopped. */
void runtime_forget(const char *dir, const char *plugin);
/* The text that the last worker of this plugin got, to be freed with free(); NULL: there was none. */
char *runtime_worker_config(const char *dir, const char *plugin);

/* Writes a file aside, then in place: a reader sees the old one or the new one. 0 or -errno. */
int runtime_write_file(const char *dir, const char *below, const char *text, size_t len, mode_t mode);

/* Does it. Returns, unless it reboots. */
void last_resort_do(enum last_resort what, const char *plugin);

#endif
