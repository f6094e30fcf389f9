/* Time, memory, and what outlives a worker. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t unit__now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void *unit__alloc(size_t size)
{
        void *p = calloc(1, size);
        if (!p)
                abort();
        return p;
}

char *unit__copy(const char *s)
{
        size_t size = strlen(s) + 1;
        return memcpy(unit__alloc(size), s, size);
}

struct unit_wait unit__wait_within(const struct unit_wait *w, uint64_t ms)
{
        uint64_t until = unit__now_ms() + ms;
        return (struct unit_wait){.until_ms = until < w->until_ms ? until : w->until_ms, .cancel_fd = w->cancel_fd};
}

int unit__nap(const struct unit_wait *w)
{
        struct pollfd fd = {.fd = w->cancel_fd, .events = POLLIN};
        for (;;) {
                uint64_t now = unit__now_ms(), left = now < w->until_ms ? w->until_ms - now : 0;
                int r = poll(&fd, 1, left > 60000 ? 60000 : (int)left);
                if (r > 0)
                        return -ECANCELED;
                if (left == 0)
                        return -ETIMEDOUT;
        }
}

/* ---- what outlives a worker: one line "NAME CONTROL_GROUP" for each unit ---- */

static bool memory_path(const struct unit_set *s, const char *name, char *ret, size_t size)
{
        return s->host->state_dir && (size_t)snprintf(ret, size, "%s/%s", s->host->state_dir, name) < size;
}

/* No fsync: the directory is on a file system that a reboot empties, as it does control groups. */
void unit__memory_save(const struct unit_set *s)
{
        char path[4096], fresh[4096];
        if (!memory_path(s, "cgroups", path, sizeof path) || !memory_path(s, "cgroups.new", fresh, sizeof fresh))
                return;
        FILE *f = fopen(fresh, "we");
        bool good = f != NULL;
        for (size_t i = 0; good && i < s->count; i++)
                if (s->units[i].cgroup[0])
                        good = fprintf(f, "%s %s\n", s->units[i].name, s->units[i].cgroup) > 0;
        if (f && fclose(f) != 0)
                good = false;
        if (!good || rename(fresh, path) < 0)
                unit__say(s, BATON_LOG_WARNING,
                          "%s can't be written: %s; if systemd is away after a restart, the units can't be killed",
                          path, strerror(errno));
}

static void remember(struct unit_set *s, char *line)
{
        char *group = strchr(line, ' ');
        if (!group)
                return;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        for (size_t i = 0; i < s->count; i++) {
                struct unit *u = &s->units[i];
                /* An alias has its group under another name; that is learnt again from systemd. */
                if (!strcmp(u->name, line) && unit__cgroup_is_of(group, line))
                        (void)snprintf(u->cgroup, sizeof u->cgroup, "%s", group);
        }
}

void unit__memory_load(struct unit_set *s)
{
        char path[4096], line[UNIT_NAME_MAX + UNIT_CGROUP_MAX + 3];
        if (!memory_path(s, "cgroups", path, sizeof path))
                return;
        FILE *f = fopen(path, "re");
        if (!f)
                return; /* the first process of the instance since the boot */
        while (fgets(line, sizeof line, f))
                remember(s, line);
        (void)fclose(f); /* it was only read */
}
