/* Descriptors a program begins with. */
#ifndef BATON_DAEMON_DESCRIPTORS_H
#define BATON_DAEMON_DESCRIPTORS_H

/* Opens /dev/null wherever stdin, stdout or stderr was closed by whoever started the program. Without it the
 * first file opened takes their place, and the first message is written into it: a lock file, a log, a
 * snapshot. To be called before anything is opened. Returns 0 or -errno. */
int descriptors_open_standard(void);

#endif
