/* The clock of leases: CLOCK_BOOTTIME, which counts while the machine sleeps and is never set (safety.md 2.3). All
 * deadlines that cross a process border are on it, since it is one clock for the whole machine.
 *
 * Read it, do not cache it: a deadline counts from the time read before a write was sent. */
#ifndef BATON_COMMON_CLOCK_H
#define BATON_COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since the boot. Any thread. */
uint64_t clock_boottime_ms(void);
/* The boot's id (/proc/sys/kernel/random/boot_id, 36 characters and NUL); "" where there is none.
 * `ret` has 37 bytes. */
void clock_boot_id(char *ret);

#endif
