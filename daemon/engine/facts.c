/* See facts.h. */
#include "daemon/engine/facts.h"

#include <dirent.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What a row of the table of users may take. */
#define FACTS_USER_BYTES_MAX 4096
/* The line of statm: seven numbers. */
#define FACTS_STATM_BYTES_MAX 160

/* Without ".", ".." and the descriptor of the walk itself. */
static int64_t open_descriptors(void)
{
        int64_t count = -3;
        DIR *d = opendir("/proc/self/fd");
        if (!d)
                return 0;
        while (readdir(d))
                count++;
        (void)closedir(d); /* nothing was written */
        return count;
}

static void user_facts(struct server_facts *ret)
{
        struct passwd row, *found = NULL;
        char text[FACTS_USER_BYTES_MAX];
        if (getpwuid_r(geteuid(), &row, text, sizeof text, &found) != 0 || !found)
                return;
        (void)snprintf(ret->user_name, sizeof ret->user_name, "%s", row.pw_name);
        (void)snprintf(ret->user_home, sizeof ret->user_home, "%s", row.pw_dir);
}

void facts_once(struct server_facts *ret)
{
        struct utsname name;
        if (uname(&name) == 0) {
                (void)snprintf(ret->host_name, sizeof ret->host_name, "%s", name.nodename);
                (void)snprintf(ret->os_name, sizeof ret->os_name, "%s", name.sysname);
                (void)snprintf(ret->os_arch, sizeof ret->os_arch, "%s", name.machine);
                (void)snprintf(ret->os_version, sizeof ret->os_version, "%s", name.release);
        }
        user_facts(ret);
        if (!getcwd(ret->work_dir, sizeof ret->work_dir))
                ret->work_dir[0] = '\0'; /* too long, or gone */
}

/* Resident memory: the second number of statm, in pages. */
static uint64_t resident_bytes(void)
{
        char text[FACTS_STATM_BYTES_MAX];
        FILE *f = fopen("/proc/self/statm", "re");
        if (!f)
                return 0;
        const bool read = fgets(text, sizeof text, f) != NULL;
        (void)fclose(f); /* nothing was written */
        const char *second = read ? strchr(text, ' ') : NULL;
        return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void memory_facts(struct server_facts *ret)
{
        struct sysinfo info = {0};
        (void)sysinfo(&info); /* else 0 */
        ret->memory_free = (uint64_t)info.freeram * info.mem_unit;
        ret->memory_max = (uint64_t)info.totalram * info.mem_unit;
        ret->memory_total = resident_bytes();
}

void facts_read(const struct storage_posix *storage, struct server_facts *ret)
{
        struct rlimit limit = {0};
        ret->data_dir_size = ret->log_dir_size = 0;
        if (storage)
                (void)storage_posix_sizes(storage, &ret->data_dir_size, &ret->log_dir_size); /* else 0 */
        ret->open_files = open_descriptors();
        memory_facts(ret);
        ret->max_files = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : 0;
}
