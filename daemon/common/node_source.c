/* The files of a configuration, line by line: baton.conf, then conf.d/ *.conf beside it in name order. */
#include "daemon/common/node_config_internal.h"

#include "daemon/common/log.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* Directory entries looked at in conf.d. */
#define DIRECTORY_ENTRIES_MAX 4096

/* One piece of memory for the three strings, so that freeing the first frees all. */
static void keep(struct node_source *s, const struct inifile_entry *e)
{
        const char *key = e->key ? e->key : "";
        const char *value = e->value ? e->value : "";
        size_t section_size = strlen(e->section) + 1;
        size_t key_size = strlen(key) + 1;
        size_t value_size = strlen(value) + 1;
        char *text = mem_alloc(section_size + key_size + value_size);
        memcpy(text, e->section, section_size);
        memcpy(text + section_size, key, key_size);
        memcpy(text + section_size + key_size, value, value_size);
        s->entries = mem_grow(s->entries, &s->capacity, s->count + 1, sizeof *s->entries);
        s->entries[s->count++] = (struct inifile_entry){
                .at = {.file = s->files[s->file_count - 1], .line = e->at.line},
                .section = text,
                .key = e->key ? text + section_size : NULL,
                .value = e->key ? text + section_size + key_size : NULL,
        };
}

static void on_entry(void *ctx, const struct inifile_entry *e)
{
        struct node_source *s = ctx;
        if (s->count < NODE_ENTRIES_MAX)
                keep(s, e);
        else if (s->count == NODE_ENTRIES_MAX) /* told once a file */
                problems_add_at(s->problems, e->at, "more than %d lines in all files: this is no configuration",
                                NODE_ENTRIES_MAX);
}

/* Takes `path`. */
static int read_file(struct node_source *s, char *path)
{
        assert(s->file_count < NODE_CONFIG_FILES_MAX);
        s->files[s->file_count++] = path;
        return inifile_read(path, on_entry, s, s->problems);
}

/* The descriptor of a memfd has nothing beside it. */
static bool is_descriptor(const char *path)
{
        return strncmp(path, "/proc/self/fd/", 14) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

static char *beside(const char *path, const char *name)
{
        const char *slash = strrchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) + 1 : 0;
        char *joined = mem_alloc(len + strlen(name) + 1);
        memcpy(joined, path, len);
        memcpy(joined + len, name, strlen(name) + 1);
        return joined;
}

static int by_name(const void *a, const void *b)
{
        const char *const *x = a;
        const char *const *y = b;
        return strcmp(*x, *y);
}

/* The names of conf.d/ *.conf in order; to be freed, each and all. Returns their count or -errno. */
static long list_directory(const char *path, char ***ret)
{
        char **names = NULL;
        size_t count = 0, capacity = 0, seen = 0;
        DIR *dir = opendir(path);
        if (!dir)
                return -errno;
        for (;;) {
                errno = 0; /* tells an error from the end */
                struct dirent *d = readdir(dir);
                if (!d || ++seen > DIRECTORY_ENTRIES_MAX)
                        break;
                if (fnmatch("*.conf", d->d_name, FNM_PERIOD) != 0)
                        continue;
                names = mem_grow(names, &capacity, count + 1, sizeof *names);
                names[count++] = mem_strdup(d->d_name);
        }
        int failed = seen > DIRECTORY_ENTRIES_MAX ? EFBIG : errno;
        (void)closedir(dir); /* nothing was written */
        if (count > 1)
                qsort(names, count, sizeof *names, by_name);
        *ret = names;
        return failed ? -failed : (long)count;
}

static int read_directory(struct node_source *s, const char *main_path)
{
        char *path = beside(main_path, "conf.d");
        char **names = NULL;
        int status = 0;
        long count = list_directory(path, &names);
        struct origin at = {.file = path};
        if (count < 0 && count != -ENOENT && count != -ENOTDIR) {
                status = (int)count;
                problems_add_at(s->problems, at, "cannot be read: %s", strerror(-status));
        }
        for (long i = 0; i < count; i++) {
                if (s->file_count < NODE_CONFIG_FILES_MAX) {
                        char *name = mem_alloc(strlen("conf.d/") + strlen(names[i]) + 1);
                        memcpy(name, "conf.d/", strlen("conf.d/"));
                        memcpy(name + strlen("conf.d/"), names[i], strlen(names[i]) + 1);
                        int r = read_file(s, beside(main_path, name));
                        status = status ? status : r;
                        mem_free(name);
                } else if (status == 0) {
                        status = -E2BIG;
                        problems_add_at(s->problems, at, "more than %d files *.conf", NODE_CONFIG_FILES_MAX - 1);
                }
                mem_free(names[i]);
        }
        mem_free(names);
        mem_free(path);
        return status;
}

int node_source_read(const char *path, struct node_source **ret, struct problems *problems)
{
        struct node_source *s = mem_zalloc(sizeof *s);
        *ret = s;
        s->problems = problems;
        int status = read_file(s, mem_strdup(path));
        if (!is_descriptor(path)) {
                int r = read_directory(s, path);
                status = status ? status : r;
        }
        s->problems = NULL;
        return status;
}

void node_source_free(struct node_source *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < s->count; i++)
                mem_free((void *)(uintptr_t)s->entries[i].section); /* see keep() */
        mem_free(s->entries);
        for (size_t i = 0; i < s->file_count; i++)
                mem_free(s->files[i]);
        mem_free(s);
}
