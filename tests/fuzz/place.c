#include "tests/fuzz/place.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The only thing that stays from one input to the next; what is in it is written anew each time. */
static char root[PLACE_PATH_MAX / 2];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path);
}

static void remove_all(void)
{
        (void)nftw(root, remove_one, 4, FTW_DEPTH | FTW_PHYS); /* what stays is in a temporary directory */
}

static void make_root(void)
{
        const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* in memory, where there is that */
        int n = snprintf(root, sizeof root, "%s/baton-fuzz.XXXXXX", tmp);
        assert(n > 0 && (size_t)n < sizeof root);
        if (!mkdtemp(root)) {
                perror(root);
                abort();
        }
        (void)atexit(remove_all);
}

void place_path(const char *name, char ret[PLACE_PATH_MAX])
{
        if (!*root)
                make_root();
        int n = snprintf(ret, PLACE_PATH_MAX, "%s/%s", root, name);
        assert(n > 0 && n < PLACE_PATH_MAX);
        for (char *slash = strchr(ret + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                int r = mkdir(ret, 0700);
                assert(r == 0 || errno == EEXIST);
                *slash = '/';
        }
}

void place_put(const char *name, const void *data, size_t len)
{
        char path[PLACE_PATH_MAX];
        place_path(name, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0);
        ssize_t n = len ? write(fd, data, len) : 0;
        assert(n == (ssize_t)len);
        (void)close(fd); /* what could fail has been written */
}
