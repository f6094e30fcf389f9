/* See facts.h. */
#include "daemon/engine/facts.h"

#include <dirent.h>
#include <stddef.h>
#include <sys/resource.h>

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

void facts_read(const struct storage_posix *storage, struct server_facts *ret)
{
        struct rlimit limit = {0};
        ret->data_dir_size = ret->log_dir_size = 0;
        if (storage)
                (void)storage_posix_sizes(storage, &ret->data_dir_size, &ret->log_dir_size); /* else 0 */
        ret->open_files = open_descriptors();
        ret->max_files = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : 0;
}
