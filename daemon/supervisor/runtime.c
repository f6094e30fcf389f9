/* See runtime.h. */
#include "daemon/supervisor/runtime.h"

#include "daemon/common/clock.h"
#include "daemon/common/events.h"
#include "daemon/common/inifile.h"
#include "daemon/common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- directories ---- */

static int make_dir(const char *path, mode_t mode)
{
        struct stat st;
        if (mkdir(path, mode) == 0)
                return chmod(path, mode) < 0 ? -errno : 0; /* the umask */
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static void path_below(const char *dir, const char *below, char ret[RUNTIME_PATH_MAX])
{
        (void)snprintf(ret, RUNTIME_PATH_MAX, "%s/%s", dir, below);
}

int runtime_prepare(const char *dir)
{
        static const char *const parts[] = {"", "grants", "plugins", "workers"};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                char path[RUNTIME_PATH_MAX];
                path_below(dir, parts[i], path);
                int r = make_dir(path, strcmp(parts[i], "workers") == 0 ? 0700 : 0755);
                if (r < 0) {
                        log_error("%s: %s; make it, or name another place as runtime_dir in [node]", path,
                                  strerror(-r));
                        return r;
                }
        }
        return 0;
}

int runtime_make_private(const char *dir, const char *below, uid_t uid, gid_t gid)
{
        char path[RUNTIME_PATH_MAX];
        struct stat st;
        if (below)
                path_below(dir, below, path);
        else
                (void)snprintf(path, sizeof path, "%s", dir);
        int r = make_dir(path, 0750);
        if (r < 0)
                return r;
        /* lchown(): what a user may write in must not make us give it something else of ours. */
        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        return (st.st_uid != uid || st.st_gid != gid) && lchown(path, uid, gid) < 0 ? -errno : 0;
}

/* ---- locks ---- */

static int open_locked(const char *path, mode_t mode)
{
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return fd;
        int error = errno;
        (void)close(fd);
        return -error;
}

int runtime_lock(const char *dir)
{
        char path[RUNTIME_PATH_MAX];
        path_below(dir, "lock", path);
        return open_locked(path, 0600);
}

void runtime_boot_id(const char *dir, char *ret)
{
        char path[RUNTIME_PATH_MAX], text[37] = "";
        path_below(dir, "boot", path);
        FILE *f = fopen(path, "re");
        if (f && fread(text, 1, 36, f) == 36)
                memcpy(ret, text, sizeof text);
        else
                clock_boot_id(ret);
        if (f)
                (void)fclose(f);
}

int runtime_take_charge(const char *dir)
{
        char path[RUNTIME_PATH_MAX];
        path_below(dir, "charge", path);
        return open_locked(path, 0600);
}

bool runtime_is_in_charge(const char *dir)
{
        int fd = runtime_take_charge(dir);
        if (fd >= 0)
                (void)close(fd);
        return fd == -EWOULDBLOCK;
}

/* ---- grant records ---- */

static void record_path(const char *dir, const char *plugin, char ret[RUNTIME_PATH_MAX])
{
        (void)snprintf(ret, RUNTIME_PATH_MAX, "%s/grants/%s", dir, plugin);
}

int runtime_record_take(const char *dir, const char *plugin)
{
        char path[RUNTIME_PATH_MAX];
        record_path(dir, plugin, path);
        return open_locked(path, 0600);
}

int runtime_record_read(const char *dir, const char *plugin, struct grant_record *ret)
{
        char path[RUNTIME_PATH_MAX];
        record_path(dir, plugin, path);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        int r = grant_record_read(fd, ret);
        /* A write may have been under way; the next one is a third of a second off at least. */
        if (r == -EBADMSG)
                r = grant_record_read(fd, ret);
        (void)close(fd);
        return r;
}

size_t runtime_records(const char *dir, struct name *ret)
{
        char path[RUNTIME_PATH_MAX];
        size_t count = 0;
        path_below(dir, "grants", path);
        DIR *d = opendir(path);
        if (!d)
                return 0;
        for (const struct dirent *e; count < RUNTIME_RECORDS_MAX && (e = readdir(d));)
                if (name_is_valid(e->d_name))
                        (void)snprintf(ret[count++].text, sizeof ret->text, "%.*s", NAME_BYTES_MAX, e->d_name);
        (void)closedir(d);
        return count;
}

int runtime_record_stopped(int fd)
{
        struct grant_record r;
        int e = grant_record_read(fd, &r);
        if (e < 0)
                return e;
        r.state = WORKER_STOPPED;
        return grant_record_write(fd, &r);
}

/* ---- files ---- */

static int write_all(int fd, const char *text, size_t len)
{
        for (size_t done = 0; done < len;) {
                ssize_t n = write(fd, text + done, len - done);
                if (n < 0 && errno != EINTR)
                        return -errno;
                done += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

int runtime_write_file(const char *dir, const char *below, const char *text, size_t len, mode_t mode)
{
        char path[RUNTIME_PATH_MAX], aside[RUNTIME_PATH_MAX + 8];
        path_below(dir, below, path);
        (void)snprintf(aside, sizeof aside, "%s.new", path);
        int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        int r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text, len);
        (void)close(fd);
        if (r == 0 && rename(aside, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(aside);
        return r;
}

/* ---- workers ---- */

static void worker_config_path(const char *dir, const char *plugin, char ret[RUNTIME_PATH_MAX])
{
        (void)snprintf(ret, RUNTIME_PATH_MAX, "%s/workers/%s", dir, plugin);
}

int runtime_worker_save(const char *dir, const struct planned *p, const struct runtime_worker *w)
{
        char below[NAME_BYTES_MAX + 16], text[NODE_PATH_MAX + 2 * NODE_WORD_MAX + NODE_VALUE_MAX + 128];
        (void)snprintf(below, sizeof below, "workers/%s", p->name.text);
        int r = runtime_write_file(dir, below, p->config, strlen(p->config), 0600);
        if (r < 0)
                return r;
        int len = snprintf(text, sizeof text, "[worker]\nprogram = %s\nlast_resort = %s\n", w->program,
                           last_resort_name(w->last_resort));
        if (p->identity.user[0])
                len += snprintf(text + len, sizeof text - (size_t)len, "user = %s\n", p->identity.user);
        if (p->identity.group[0])
                len += snprintf(text + len, sizeof text - (size_t)len, "group = %s\n", p->identity.group);
        if (p->identity.capabilities[0])
                len += snprintf(text + len, sizeof text - (size_t)len, "capabilities = %s\n", p->identity.capabilities);
        (void)snprintf(below, sizeof below, "workers/%s.as", p->name.text);
        return runtime_write_file(dir, below, text, (size_t)len, 0600);
}

char *runtime_worker_config(const char *dir, const char *plugin)
{
        char path[RUNTIME_PATH_MAX], *text = NULL;
        size_t len = 0;
        worker_config_path(dir, plugin, path);
        FILE *in = fopen(path, "re");
        if (!in)
                return NULL;
        FILE *out = open_memstream(&text, &len);
        if (!out)
                abort();
        for (int c; (c = fgetc(in)) != EOF;)
                (void)fputc(c, out);
        (void)fclose(in);
        if (fclose(out) != 0)
                abort();
        return text;
}

bool runtime_worker_is_saved(const char *dir, const struct planned *p)
{
        char path[RUNTIME_PATH_MAX];
        size_t len = strlen(p->config), at = 0;
        worker_config_path(dir, p->name.text, path);
        FILE *f = fopen(path, "re");
        if (!f)
                return false;
        int c;
        while ((c = fgetc(f)) != EOF && at < len && c == (unsigned char)p->config[at])
                at++;
        (void)fclose(f);
        return c == EOF && at == len;
}

static void read_worker(void *ctx, const struct inifile_entry *e)
{
        struct runtime_worker *w = ctx;
        if (!e->key || strcmp(e->section, "worker") != 0)
                return;
        if (strcmp(e->key, "program") == 0)
                (void)snprintf(w->program, sizeof w->program, "%s", e->value);
        else if (strcmp(e->key, "user") == 0)
                (void)snprintf(w->identity.user, sizeof w->identity.user, "%s", e->value);
        else if (strcmp(e->key, "group") == 0)
                (void)snprintf(w->identity.group, sizeof w->identity.group, "%s", e->value);
        else if (strcmp(e->key, "capabilities") == 0)
                (void)snprintf(w->identity.capabilities, sizeof w->identity.capabilities, "%s", e->value);
        else if (strcmp(e->key, "last_resort") == 0)
                w->last_resort = last_resort_of(e->value);
}

int runtime_worker_load(const char *dir, const char *plugin, struct runtime_worker *ret)
{
        static struct problems problems; /* too large for a stack that should stay small */
        char path[RUNTIME_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/workers/%s.as", dir, plugin);
        problems_init(&problems, path);
        *ret = (struct runtime_worker){.last_resort = LAST_RESORT_LOG};
        int r = inifile_read(path, read_worker, ret, &problems);
        if (r < 0)
                return r;
        return problems.count == 0 && ret->program[0] == '/' && ret->last_resort < LAST_RESORT_MAX ? 0 : -EBADMSG;
}

void runtime_forget(const char *dir, const char *plugin)
{
        static const char *const parts[][2] = {{"grants", ""}, {"workers", ""}, {"workers", ".as"}};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                char path[RUNTIME_PATH_MAX];
                (void)snprintf(path, sizeof path, "%s/%s/%s%s", dir, parts[i][0], plugin, parts[i][1]);
                (void)unlink(path); /* what is not there need not go; what stays is found stopped */
        }
}

/* ---- the last resort ---- */

void last_resort_do(enum last_resort what, const char *plugin)
{
        char field[NAME_BYTES_MAX + 16];
        const char *const fields[] = {field, NULL};
        if (what == LAST_RESORT_NONE)
                return;
        (void)snprintf(field, sizeof field, "BATON_PLUGIN=%s", plugin);
        log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_RESOURCE_LEFT), fields,
                  "%s could not be stopped within its stop budget: another node may start it now%s", plugin,
                  what == LAST_RESORT_REBOOT ? "; this machine reboots at once"
                                             : ". Stop it by hand, or see last_resort in [supervisor]");
        /* Without a sync: a disk that hangs is a likely reason, and what counts is that nothing runs any more. */
        if (what == LAST_RESORT_REBOOT && reboot(RB_AUTOBOOT) < 0)
                log_error("and it cannot be rebooted: %s", strerror(errno));
}
