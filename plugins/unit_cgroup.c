/* The kernel's word on which processes of a unit are alive, which systemd's states are no proof of: a unit may be
 * "failed" with processes left that nothing could kill. Also the way to kill when systemd can't be asked.
 *
 * Where to look: with cgroup v2 /sys/fs/cgroup itself; with v1, also the hybrid of both, systemd's own named hierarchy.
 */
#include "plugins/unit_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Levels of groups below a unit's own that are looked at; deeper ones make the answer an error. */
#define DEPTH_MAX 16
/* Times a group without cgroup.kill is gone through, so that what forks meanwhile is met too. */
#define KILL_PASSES 8

static void closep(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd);
}

static void fclosep(FILE **f)
{
        if (*f)
                (void)fclose(*f);
}

static void closedirp(DIR **d)
{
        if (*d)
                (void)closedir(*d);
}

#define CLEANUP(f) __attribute__((cleanup(f)))

int unit__cgroups_find(const char *mount, struct unit_cgroups *ret)
{
        static const struct {
                const char *below, *mark;
                bool unified;
        } places[] = {{"", "cgroup.controllers", true}, {"/systemd", "cgroup.procs", false}};
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                char mark[sizeof ret->root + 32];
                (void)snprintf(ret->root, sizeof ret->root, "%s%s", mount, places[i].below);
                (void)snprintf(mark, sizeof mark, "%s/%s", ret->root, places[i].mark);
                ret->unified = places[i].unified;
                if (access(mark, F_OK) == 0)
                        return 0;
        }
        ret->root[0] = '\0';
        return -ENOENT;
}

bool unit__cgroup_is_of(const char *path, const char *id)
{
        const char *last = strrchr(path, '/');
        if (path[0] != '/' || !last || strstr(path, "/../") || strlen(path) >= UNIT_CGROUP_MAX || !*id)
                return false;
        last += last[1] == '_'; /* how systemd escapes names that the kernel might mistake */
        return !strcmp(last + 1, id);
}

static int open_group(const struct unit_cgroups *c, const char *path)
{
        char full[sizeof c->root + UNIT_CGROUP_MAX];
        if (!c->root[0])
                return -EOPNOTSUPP;
        (void)snprintf(full, sizeof full, "%s%s", c->root, path);
        int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

/* A group that is removed while it is looked at is empty. */
static bool is_gone(int error)
{
        return error == -ENOENT || error == -ENODEV;
}

/* ---- v2 ---- */

static int read_events(int group)
{
        CLEANUP(closep) int fd = openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        char text[256];
        ssize_t n = read(fd, text, sizeof text - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        const char *at = strstr(text, "populated ");
        return at ? at[strlen("populated ")] != '0' : -EBADMSG;
}

static int write_kill(int group)
{
        CLEANUP(closep) int fd = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return write(fd, "1", 1) == 1 ? 0 : -errno;
}

/* ---- by process, group by group ---- */

/* 1 when there was a process; each is sent SIGKILL if `killing`. */
static int each_process(int group, bool killing)
{
        int fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        CLEANUP(fclosep) FILE *f = fdopen(fd, "r");
        if (!f) {
                (void)close(fd);
                return -ENOMEM;
        }
        char line[32];
        int met = 0, denied = 0;
        while (fgets(line, sizeof line, f)) {
                met = 1;
                long pid = strtol(line, NULL, 10);
                if (killing && pid > 1 && kill((pid_t)pid, SIGKILL) < 0 && errno != ESRCH)
                        denied = -errno;
        }
        if (ferror(f))
                return -EIO;
        return denied ? denied : met;
}

/* The same for the group and all below it. */
static int each_group(int group, bool killing, int depth) // NOLINT(misc-no-recursion): bounded by DEPTH_MAX
{
        int met = each_process(group, killing);
        if (met < 0)
                return is_gone(met) ? 0 : met;
        if (depth == DEPTH_MAX)
                return -ELOOP;
        int listed = openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (listed < 0)
                return is_gone(-errno) ? 0 : -errno;
        CLEANUP(closedirp) DIR *d = fdopendir(listed);
        if (!d) {
                (void)close(listed);
                return -ENOMEM;
        }
        struct dirent *e;
        while ((e = readdir(d))) { // NOLINT(concurrency-mt-unsafe): a stream of our own
                if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
                        continue;
                CLEANUP(closep) int below = openat(group, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                int r = below < 0 ? -errno : each_group(below, killing, depth + 1);
                if (r < 0 && !is_gone(r))
                        return r;
                if (r > 0)
                        met = 1;
        }
        return met;
}

int unit__cgroup_populated(const struct unit_cgroups *c, const char *path)
{
        CLEANUP(closep) int group = open_group(c, path);
        if (group < 0)
                return is_gone(group) ? 0 : group;
        int r = c->unified ? read_events(group) : each_group(group, false, 0);
        return is_gone(r) ? 0 : r;
}

int unit__cgroup_kill(const struct unit_cgroups *c, const char *path)
{
        CLEANUP(closep) int group = open_group(c, path);
        if (group < 0)
                return is_gone(group) ? 0 : group;
        if (c->unified && write_kill(group) == 0)
                return 0;
        int r = 1;
        for (int i = 0; r > 0 && i < KILL_PASSES; i++)
                r = each_group(group, true, 0);
        return r < 0 && !is_gone(r) ? r : 0;
}
