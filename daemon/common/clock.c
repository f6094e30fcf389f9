#include "daemon/common/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN  36

uint64_t clock_boottime_ms(void)
{
        struct timespec t = {0};
        int r = clock_gettime(CLOCK_BOOTTIME, &t);
        assert(r == 0); /* every Linux that we run on has it */
        (void)r;
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void clock_boot_id(char *ret)
{
        ret[0] = 0;
        int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        char text[BOOT_ID_LEN];
        ssize_t n = read(fd, text, sizeof text);
        (void)close(fd);
        if (n != BOOT_ID_LEN)
                return;
        memcpy(ret, text, BOOT_ID_LEN);
        ret[BOOT_ID_LEN] = 0;
}
