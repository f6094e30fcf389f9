#include "daemon/common/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int descriptors_open_standard(void)
{
        int fd;
        do { /* the lowest free one each time; not close-on-exec, as is usual for these */
                fd = open("/dev/null", O_RDWR);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);
        (void)close(fd); /* nothing was written */
        return 0;
}
