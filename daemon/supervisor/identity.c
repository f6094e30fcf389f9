/* See identity.h. The capability calls are made without libcap: its functions are not async-signal-safe, and two
 * system calls are all there is to it. */
#include "daemon/supervisor/identity.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const capability_names[] = {
        [CAP_CHOWN] = "CAP_CHOWN",
        [CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
        [CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
        [CAP_FOWNER] = "CAP_FOWNER",
        [CAP_FSETID] = "CAP_FSETID",
        [CAP_KILL] = "CAP_KILL",
        [CAP_SETGID] = "CAP_SETGID",
        [CAP_SETUID] = "CAP_SETUID",
        [CAP_SETPCAP] = "CAP_SETPCAP",
        [CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
        [CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
        [CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
        [CAP_NET_ADMIN] = "CAP_NET_ADMIN",
        [CAP_NET_RAW] = "CAP_NET_RAW",
        [CAP_IPC_LOCK] = "CAP_IPC_LOCK",
        [CAP_IPC_OWNER] = "CAP_IPC_OWNER",
        [CAP_SYS_MODULE] = "CAP_SYS_MODULE",
        [CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
        [CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
        [CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
        [CAP_SYS_PACCT] = "CAP_SYS_PACCT",
        [CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
        [CAP_SYS_BOOT] = "CAP_SYS_BOOT",
        [CAP_SYS_NICE] = "CAP_SYS_NICE",
        [CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
        [CAP_SYS_TIME] = "CAP_SYS_TIME",
        [CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
        [CAP_MKNOD] = "CAP_MKNOD",
        [CAP_LEASE] = "CAP_LEASE",
        [CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
        [CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
        [CAP_SETFCAP] = "CAP_SETFCAP",
        [CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
        [CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
        [CAP_SYSLOG] = "CAP_SYSLOG",
        [CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
        [CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
        [CAP_AUDIT_READ] = "CAP_AUDIT_READ",
        [CAP_PERFMON] = "CAP_PERFMON",
        [CAP_BPF] = "CAP_BPF",
        [CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

int identity_capability(const char *name)
{
        for (size_t i = 0; i < sizeof capability_names / sizeof *capability_names; i++)
                if (capability_names[i] && strcasecmp(capability_names[i], name) == 0)
                        return (int)i;
        return -1;
}

static int read_capabilities(const char *text, uint64_t *ret, char why[IDENTITY_WHY_MAX])
{
        *ret = 0;
        for (const char *at = text; *(at += strspn(at, " \t,")); at += strcspn(at, " \t,")) {
                char word[32];
                size_t len = strcspn(at, " \t,");
                (void)snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word), at);
                int n = identity_capability(word);
                if (n < 0) {
                        (void)snprintf(why, IDENTITY_WHY_MAX,
                                       "there is no capability %s (they are called CAP_NET_ADMIN and so on)", word);
                        return -EINVAL;
                }
                *ret |= (uint64_t)1 << n;
        }
        return 0;
}

static int find_user(const char *name, struct identity_ids *ids, char why[IDENTITY_WHY_MAX])
{
        errno = 0;
        const struct passwd *user = getpwnam(name);
        if (!user) {
                (void)snprintf(why, IDENTITY_WHY_MAX, "there is no user \"%s\" on this machine%s%s", name,
                               errno ? ": " : "", errno ? strerror(errno) : "");
                return -EINVAL;
        }
        int count = IDENTITY_GROUPS_MAX;
        ids->uid = user->pw_uid;
        ids->gid = user->pw_gid;
        if (getgrouplist(name, user->pw_gid, ids->groups, &count) < 0) {
                (void)snprintf(why, IDENTITY_WHY_MAX, "user \"%s\" is in more than %d groups", name,
                               IDENTITY_GROUPS_MAX);
                return -EINVAL;
        }
        ids->group_count = (size_t)count;
        return 0;
}

static int find_group(const char *name, struct identity_ids *ids, char why[IDENTITY_WHY_MAX])
{
        errno = 0;
        const struct group *group = getgrnam(name);
        if (!group) {
                (void)snprintf(why, IDENTITY_WHY_MAX, "there is no group \"%s\" on this machine%s%s", name,
                               errno ? ": " : "", errno ? strerror(errno) : "");
                return -EINVAL;
        }
        ids->gid = group->gr_gid;
        return 0;
}

int identity_resolve(const struct identity *names, struct identity_ids *ret, char why[IDENTITY_WHY_MAX])
{
        struct identity_ids ids = {.uid = geteuid(), .gid = getegid()};
        int r = 0;
        if (names->user[0]) {
                ids.change = true;
                ids.limit_capabilities = true;
                r = find_user(names->user, &ids, why);
        }
        if (r == 0 && names->group[0]) {
                ids.change = true;
                r = find_group(names->group, &ids, why);
        }
        if (r == 0 && names->capabilities[0]) {
                ids.limit_capabilities = true;
                r = read_capabilities(names->capabilities, &ids.capabilities, why);
        }
        if (r < 0)
                return r;
        /* Who is not root can neither change nor needs to: it is the one user there is. */
        if (ids.change && geteuid() != 0) {
                if (ids.uid != geteuid() || ids.gid != getegid()) {
                        (void)snprintf(why, IDENTITY_WHY_MAX, "only root can start a child as user \"%s\"%s%s",
                                       names->user, names->group[0] ? " and group " : "", names->group);
                        return -EINVAL;
                }
                ids.change = false;
        }
        *ret = ids;
        return 0;
}

static bool same_names(const struct identity *a, const struct identity *b)
{
        return strcmp(a->user, b->user) == 0 && strcmp(a->group, b->group) == 0 &&
               strcmp(a->capabilities, b->capabilities) == 0;
}

int identity_find(struct identity_known *k, const struct identity *names, const struct identity_ids **ret,
                  char why[IDENTITY_WHY_MAX])
{
        if (!k->known || !same_names(&k->names, names)) {
                k->known = false;
                int r = identity_resolve(names, &k->ids, why);
                if (r < 0)
                        return r;
                k->names = *names;
                k->known = true;
        }
        *ret = &k->ids;
        return 0;
}

static int set_capabilities(uint64_t set)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        struct __user_cap_data_struct data[2] = {
                {.effective = (uint32_t)set, .permitted = (uint32_t)set, .inheritable = (uint32_t)set},
                {.effective = (uint32_t)(set >> 32),
                 .permitted = (uint32_t)(set >> 32),
                 .inheritable = (uint32_t)(set >> 32)},
        };
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* A process of user 0 gets all of its bounding set back with the exec: so that is what has to be limited. */
static int limit_bounding_set(uint64_t set)
{
        for (int n = 0; n < 64; n++) {
                int has = prctl(PR_CAPBSET_READ, n, 0, 0, 0);
                if (has < 0)
                        return 0; /* the kernel knows no more */
                if (has && !(set & (uint64_t)1 << n) && prctl(PR_CAPBSET_DROP, n, 0, 0, 0) < 0)
                        return -errno;
        }
        return 0;
}

static int take_capabilities(const struct identity_ids *ids)
{
        int r = set_capabilities(ids->capabilities);
        if (r < 0)
                return r;
        for (int n = 0; n < 64; n++)
                if ((ids->capabilities & (uint64_t)1 << n) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
                        return -errno;
        return 0;
}

int identity_take_on(const struct identity_ids *ids, const char **step)
{
        bool root = geteuid() == 0;
        *step = "dropping capabilities";
        if (ids->limit_capabilities && root) {
                int r = limit_bounding_set(ids->capabilities);
                if (r < 0)
                        return r;
        }
        *step = "changing user and group";
        if (ids->change) {
                if (ids->capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                        return -errno;
                if (setgroups(ids->group_count, ids->groups) < 0 || setresgid(ids->gid, ids->gid, ids->gid) < 0 ||
                    setresuid(ids->uid, ids->uid, ids->uid) < 0)
                        return -errno;
        }
        *step = "taking capabilities";
        if (ids->limit_capabilities && (root || ids->capabilities)) {
                int r = take_capabilities(ids);
                if (r < 0)
                        return r;
        }
        *step = "forbidding new privileges";
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
