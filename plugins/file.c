/* The plugin `file`: one value of committed configuration as a file on every node.
 *
 * The user's view:
 *     [plugin motd]
 *     module = file
 *     config = nginx/motd              ; /baton/config/nginx/motd
 *     path = /etc/nginx/motd
 *     mode = 0644
 *     owner = root:root
 *     reload_unit = nginx.service      ; or command = …; both only when the content has changed
 *
 * The file is replaced whole: written aside, owner and mode set, synced, renamed, the directory synced. Nobody sees
 * half of it, and a crash leaves the old one or the new one. What equals the file's content already changes nothing and
 * reloads nothing. That a reload is due is remembered in the state directory before the file is replaced, so that a
 * crash in between does not lose it. A unit is reloaded (restarted, if it knows no reload) only where it is active.
 * What fails is told, and tried again every few seconds. */
#include "plugins/baton/plugin.h"
#include "plugins/child.h"
#include "plugins/words.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

/* What failed is tried again after so long. */
#define RETRY_MS 5000
/* A call to systemd is answered within this time. */
#define BUS_TIMEOUT_US (5 * 1000000ULL)
/* Bytes of paths put together here. */
#define PATH_BYTES_MAX 4096
/* Bytes of a passwd or group entry. */
#define ENTRY_BYTES_MAX 65536

struct file {
        const struct baton_host *host;
        const char *config, *path;
        mode_t mode;
        uid_t uid;
        gid_t gid;
        char **command;
        char due[PATH_BYTES_MAX]; /* a reload is due while this exists */
        bool synced;
        bool has_value, removed;
        void *value;
        size_t size;
        bool retrying;
};

static const struct baton_setting settings[] = {
        {.name = "config", .type = BATON_SETTING_TEXT, .required = true, .help = "path below /baton/config"},
        {.name = "path",
         .type = BATON_SETTING_TEXT,
         .required = true,
         .help = "the file, absolute; its directory exists"},
        {.name = "mode", .type = BATON_SETTING_TEXT, .fallback = "0644", .help = "permissions, octal"},
        {.name = "owner", .type = BATON_SETTING_TEXT, .help = "USER or USER:GROUP; default as the worker"},
        {.name = "remove",
         .type = BATON_SETTING_BOOL,
         .fallback = "no",
         .help = "whether the file goes when the value is removed"},
        {.name = "reload_unit",
         .type = BATON_SETTING_TEXT,
         .help = "unit to be reloaded after a change, if it is active"},
        {.name = "command", .type = BATON_SETTING_TEXT, .help = "command to be run after a change"},
        {.name = "timeout",
         .type = BATON_SETTING_NUMBER,
         .fallback = "10000",
         .min = 100,
         .max = 3600000,
         .help = "milliseconds the command may take"},
};

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* fails for clocks that do not exist */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- settings ---- */

static int read_mode(const char *text, mode_t *ret)
{
        char *end;
        unsigned long mode = strtoul(text, &end, 8);
        if (!*text || *end || mode > 07777)
                return -EINVAL;
        *ret = (mode_t)mode;
        return 0;
}

static int find_user(const char *name, uid_t *ret, gid_t *ret_gid)
{
        char *buffer = malloc(ENTRY_BYTES_MAX);
        struct passwd entry, *found = NULL;
        int r = buffer ? -getpwnam_r(name, &entry, buffer, ENTRY_BYTES_MAX, &found) : -ENOMEM;
        if (r == 0 && found) {
                *ret = found->pw_uid;
                *ret_gid = found->pw_gid;
        }
        free(buffer);
        return r < 0 ? r : found ? 0 : -ENOENT;
}

static int find_group(const char *name, gid_t *ret)
{
        char *buffer = malloc(ENTRY_BYTES_MAX);
        struct group entry, *found = NULL;
        int r = buffer ? -getgrnam_r(name, &entry, buffer, ENTRY_BYTES_MAX, &found) : -ENOMEM;
        if (r == 0 && found)
                *ret = found->gr_gid;
        free(buffer);
        return r < 0 ? r : found ? 0 : -ENOENT;
}

static int read_owner(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
        char user[256];
        *ret_uid = (uid_t)-1;
        *ret_gid = (gid_t)-1;
        if (!text)
                return 0;
        size_t len = strcspn(text, ":");
        if (len == 0 || len >= sizeof user)
                return -ENOENT;
        memcpy(user, text, len);
        user[len] = '\0';
        int r = find_user(user, ret_uid, ret_gid);
        return r == 0 && text[len] ? find_group(text + len + 1, ret_gid) : r;
}

/* Whether no part of the path is empty, "." or "..". */
static bool is_plain_path(const char *path)
{
        for (size_t len; len = strcspn(path, "/"), len > 0; path += len + 1) {
                if (strncmp(path, ".", len) == 0 || strncmp(path, "..", len) == 0)
                        return false;
                if (!path[len])
                        return true;
        }
        return false;
}

static void check_settings(const struct baton_host *h)
{
        const char *path = h->setting(h->context, "path"), *config = h->setting(h->context, "config"), *why = "";
        const char *command = h->setting(h->context, "command");
        char **words = NULL;
        mode_t mode;
        uid_t uid;
        gid_t gid;
        if (*path != '/' || path[strlen(path) - 1] == '/')
                h->problem(h->context, "path", "must be an absolute path of a file");
        if (!is_plain_path(config))
                h->problem(h->context, "config",
                           "is a path below /baton/config, such as nginx/motd: no slash at either end, no '.' or '..'");
        if (read_mode(h->setting(h->context, "mode"), &mode) < 0)
                h->problem(h->context, "mode", "must be octal, such as 0640");
        if (read_owner(h->setting(h->context, "owner"), &uid, &gid) < 0)
                h->problem(h->context, "owner", "names a user or group that is not known here");
        if (command && words_split(command, &words, &why) == -EINVAL)
                h->problem(h->context, "command", "%s", why);
        words_free(words);
        if (*h->group)
                h->problem(h->context, NULL, "the file is written on every node: no group");
}

static void file_close(void *instance)
{
        struct file *f = instance;
        words_free(f->command);
        free(f->value);
        free(f);
}

static int file_open(const struct baton_host *h, void **ret)
{
        struct file *f = calloc(1, sizeof *f);
        const char *why = "", *command = h->setting(h->context, "command");
        if (!f)
                return -ENOMEM;
        f->host = h;
        f->config = h->setting(h->context, "config");
        f->path = h->setting(h->context, "path");
        int r = read_mode(h->setting(h->context, "mode"), &f->mode);
        if (r == 0)
                r = read_owner(h->setting(h->context, "owner"), &f->uid, &f->gid);
        if (r == 0 && command)
                r = words_split(command, &f->command, &why);
        int len = snprintf(f->due, sizeof f->due, "%s/reload-due", h->state_dir);
        if (r == 0 && (len < 0 || (size_t)len >= sizeof f->due))
                r = -ENAMETOOLONG;
        if (r < 0) {
                file_close(f);
                return r;
        }
        *ret = f;
        return 0;
}

/* ---- the file ---- */

/* Whether the file is as it should be. */
static bool is_current(const struct file *f)
{
        struct stat st;
        bool same = false;
        int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return false;
        char *content = malloc(f->size + 1);
        if (content && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == f->size &&
            (st.st_mode & 07777) == f->mode && (f->uid == (uid_t)-1 || st.st_uid == f->uid) &&
            (f->gid == (gid_t)-1 || st.st_gid == f->gid)) {
                size_t got = 0;
                for (ssize_t n; got <= f->size && (n = read(fd, content + got, f->size + 1 - got)) > 0;)
                        got += (size_t)n;
                same = got == f->size && memcmp(content, f->value, f->size) == 0;
        }
        free(content);
        (void)close(fd);
        return same;
}

static int write_all(int fd, const char *data, size_t size)
{
        while (size) {
                ssize_t n = write(fd, data, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

static int sync_dir(const char *path)
{
        char copy[PATH_BYTES_MAX];
        (void)snprintf(copy, sizeof copy, "%s", path);
        int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = fsync(fd) < 0 ? -errno : 0;
        (void)close(fd);
        return r;
}

/* Beside the file, so that the rename stays within one file system. */
static int write_aside(const struct file *f, char *temporary, size_t size)
{
        char directory[PATH_BYTES_MAX], name[PATH_BYTES_MAX];
        (void)snprintf(directory, sizeof directory, "%s", f->path);
        (void)snprintf(name, sizeof name, "%s", f->path);
        int len = snprintf(temporary, size, "%s/.%s.XXXXXX", dirname(directory), basename(name));
        if (len < 0 || (size_t)len >= size)
                return -ENAMETOOLONG;
        int fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = write_all(fd, f->value, f->size);
        if (r == 0 && (f->uid != (uid_t)-1 || f->gid != (gid_t)-1) && fchown(fd, f->uid, f->gid) < 0)
                r = -errno;
        if (r == 0 && fchmod(fd, f->mode) < 0)
                r = -errno;
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

static bool wants_reload(const struct file *f)
{
        return f->command || f->host->setting(f->host->context, "reload_unit");
}

static int note_reload(const struct file *f)
{
        if (!wants_reload(f))
                return 0;
        int fd = open(f->due, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        (void)close(fd);
        return 0;
}

static int replace(const struct file *f)
{
        char temporary[PATH_BYTES_MAX];
        int r = write_aside(f, temporary, sizeof temporary);
        if (r < 0)
                return r;
        r = note_reload(f);
        if (r == 0 && rename(temporary, f->path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlink(temporary);
                return r;
        }
        return sync_dir(f->path);
}

static int remove_file(const struct file *f)
{
        if (access(f->path, F_OK) < 0)
                return 0;
        int r = note_reload(f);
        if (r == 0 && unlink(f->path) < 0 && errno != ENOENT)
                r = -errno;
        return r < 0 ? r : sync_dir(f->path);
}

/* ---- after a change ---- */

static int reload_unit(const struct file *f, const char *unit)
{
        sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, BUS_TIMEOUT_US);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "ReloadOrTryRestartUnit", &error, NULL, "ss",
                                       unit, "replace");
        if (r < 0)
                f->host->log(f->host->context, BATON_LOG_ERROR, "%s can't be reloaded: %s; again in %d s", unit,
                             error.message ? error.message : strerror(-r), RETRY_MS / 1000);
        else
                f->host->log(f->host->context, BATON_LOG_INFO, "%s has changed: %s reloaded where it is active",
                             f->path, unit);
        sd_bus_error_free(&error);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? r : 0;
}

static int run_command(const struct file *f)
{
        struct child *child = NULL;
        char path[PATH_BYTES_MAX + 16], how[64];
        int status = 0;
        (void)snprintf(path, sizeof path, "BATON_FILE=%s", f->path);
        char *env[] = {path, NULL};
        const struct child_spec spec = {.host = f->host, .argv = f->command, .env = env};
        int r = child_start(&spec, &child);
        if (r == 0)
                r = child_wait(child, (uint32_t)f->host->setting_number(f->host->context, "timeout"), &status);
        if (r < 0 || status != 0)
                f->host->log(f->host->context, BATON_LOG_ERROR, "%s: %s; again in %d s", f->command[0],
                             r < 0 ? strerror(-r) : child_status_text(status, how), RETRY_MS / 1000);
        child_free(child);
        return r < 0 ? r : status == 0 ? 0 : -EIO;
}

static int reload(const struct file *f)
{
        const char *unit = f->host->setting(f->host->context, "reload_unit");
        if (access(f->due, F_OK) < 0)
                return 0;
        int r = unit ? reload_unit(f, unit) : 0;
        if (r == 0 && f->command)
                r = run_command(f);
        if (r == 0)
                (void)unlink(f->due);
        return r;
}

static int apply(struct file *f)
{
        int r = 0;
        if (f->has_value && !is_current(f)) {
                r = replace(f);
                if (r == 0)
                        f->host->log(f->host->context, BATON_LOG_INFO, "%s written, %zu bytes", f->path, f->size);
        } else if (f->removed && f->host->setting_bool(f->host->context, "remove")) {
                r = remove_file(f);
        }
        if (r < 0) {
                f->host->log(f->host->context, BATON_LOG_ERROR, "%s can't be written: %s; again in %d s", f->path,
                             strerror(-r), RETRY_MS / 1000);
                return r;
        }
        return reload(f);
}

/* Does what is due; what fails is tried again. */
static void settle(struct file *f)
{
        char text[128];
        int r = apply(f);
        f->retrying = r < 0;
        f->host->wake_at(f->host->context, r < 0 ? now_ms() + RETRY_MS : UINT64_MAX);
        (void)snprintf(text, sizeof text,
                       r < 0          ? "failed: %s"
                       : f->has_value ? "current"
                                      : "no value",
                       r < 0 ? strerror(-r) : "");
        f->host->publish(f->host->context, text);
        f->host->report(f->host->context, r < 0 ? BATON_HEALTH_DEGRADED : BATON_HEALTH_GOOD, r < 0 ? text : "");
}

static void config_changed(void *instance, const struct baton_config *config)
{
        struct file *f = instance;
        if (strcmp(config->path, f->config) != 0)
                return;
        free(f->value);
        f->value = NULL;
        f->size = 0;
        f->has_value = config->data != NULL;
        f->removed = !f->has_value;
        if (f->has_value) {
                f->value = malloc(config->size + 1);
                if (!f->value)
                        abort(); /* as everywhere in baton: a restart is better than half a state */
                memcpy(f->value, config->data, config->size);
                f->size = config->size;
        }
        if (f->synced)
                settle(f);
}

/* Until here values may be told that are not the last ones. */
static void config_synced(void *instance)
{
        struct file *f = instance;
        f->synced = true;
        settle(f);
}

static void ready(void *instance, int fd)
{
        struct file *f = instance;
        (void)fd;
        if (f->retrying)
                settle(f);
}

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof(struct baton_plugin),
        .name = "file",
        .description = "writes a value of committed configuration to a file",
        .settings = settings,
        .setting_count = sizeof settings / sizeof *settings,
        .check_settings = check_settings,
        .open = file_open,
        .close = file_close,
        .config_changed = config_changed,
        .config_synced = config_synced,
        .ready = ready,
};
