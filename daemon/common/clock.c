/* See clock.h. */
#include "daemon/common/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_BYTES 36

uint64_t clock_boottime_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail for this clock (Linux 2.6.39) */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void clock_boot_id(char *ret)
{
        memset(ret, 0, BOOT_ID_BYTES + 1);
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        if (read(fd, ret, BOOT_ID_BYTES) != BOOT_ID_BYTES)
                memset(ret, 0, BOOT_ID_BYTES + 1);
        (void)close(fd); /* nothing was written */
}
