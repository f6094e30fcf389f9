/* The files of a configuration, line by line: baton.conf, then conf.d/ *.conf beside it in name order. */
#include "daemon/common/node_config_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
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

/* "DIRECTORY OF path/conf.d", and a name in it. */
static char *in_directory(const char *path, const char *name)
{
        const char *slash = strrchr(path, '/');
        size_t len = slash ? (size_t)(slash - path) + 1 : 0;
        size_t size = len + sizeof "conf.d" + 1 + strlen(name);
        char *joined = mem_alloc(size);
        (void)snprintf(joined, size, "%.*sconf.d%s%s", (int)len, path, *name ? "/" : "", name);
        return joined;
}

static int by_name(const void *a, const void *b)
{
        const char *const *x = a;
        const char *const *y = b;
        return strcmp(*x, *y);
}

struct listing {
        char **names;
        size_t count, capacity;
};

/* The names of conf.d/ *.conf in order, as far as they could be read. Returns 0 or -errno. */
static int list_directory(const char *path, struct listing *ret)
{
        size_t seen = 0;
        DIR *dir = opendir(path);
        if (!dir)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        for (;;) {
                errno = 0; /* tells an error from the end */
                struct dirent *d = readdir(dir);
                if (!d || ++seen > DIRECTORY_ENTRIES_MAX)
                        break;
                if (fnmatch("*.conf", d->d_name, FNM_PERIOD) != 0)
                        continue;
                ret->names = mem_grow(ret->names, &ret->capacity, ret->count + 1, sizeof *ret->names);
                ret->names[ret->count++] = mem_strdup(d->d_name);
        }
        int status = seen > DIRECTORY_ENTRIES_MAX ? -EFBIG : -errno;
        (void)closedir(dir); /* nothing was written */
        if (ret->count > 1)
                qsort(ret->names, ret->count, sizeof *ret->names, by_name);
        return status;
}

static int read_directory(struct node_source *s, const char *main_path)
{
        char *path = in_directory(main_path, "");
        struct origin at = {.file = path};
        struct listing all = {.count = 0};
        int status = list_directory(path, &all);
        if (status < 0)
                problems_add_at(s->problems, at, "cannot be read: %s", strerror(-status));
        if (all.count > NODE_CONFIG_FILES_MAX - 1) {
                status = status ? status : -E2BIG;
                problems_add_at(s->problems, at, "more than %d files *.conf", NODE_CONFIG_FILES_MAX - 1);
        }
        for (size_t i = 0; i < all.count; i++) {
                int r = 0;
                if (i < NODE_CONFIG_FILES_MAX - 1)
                        r = read_file(s, in_directory(main_path, all.names[i]));
                status = status ? status : r;
                mem_free(all.names[i]);
        }
        mem_free(all.names);
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
