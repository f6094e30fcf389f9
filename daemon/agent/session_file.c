#include "daemon/agent/session_file.h"

#include "election/base/hash.h"
#include "election/jute/jute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "batS", and which form the rest has. */
#define FILE_MAGIC   0x62617453
#define FILE_VERSION 1
/* Bytes of a whole file; it is far shorter. */
#define FILE_BYTES_MAX 512
/* Any number: the sum is against torn and foreign files, not against people. */
#define SUM_SEED 0x5e55

uint64_t session_file_servers(const struct client_server *servers, size_t count)
{
        uint64_t sum = count;
        for (size_t i = 0; i < count; i++)
                sum += hash_bytes(servers[i].host, strlen(servers[i].host), servers[i].port);
        return sum;
}

/* ---- reading ---- */

static int decode(const struct session_file *f, const uint8_t *data, size_t len, struct client_session *ret)
{
        struct jute_reader r;
        jute_reader_init(&r, data, len, FILE_BYTES_MAX);
        bool ours = jute_get_int(&r) == FILE_MAGIC && jute_get_int(&r) == FILE_VERSION;
        struct jute_str boot_id = jute_get_str(&r);
        uint64_t servers = (uint64_t)jute_get_long(&r);
        struct client_session s = {.id = jute_get_long(&r)};
        const uint8_t *passwd = jute_get_raw(&r, SESSION_PASSWD_SIZE);
        s.last_zxid = jute_get_long(&r);
        size_t summed = len - jute_left(&r);
        uint64_t sum = (uint64_t)jute_get_long(&r);
        if (r.error || !ours || jute_left(&r) != 0 || sum != hash_bytes(data, summed, SUM_SEED) || s.id == 0)
                return -EBADMSG;
        if (!jute_str_is(boot_id, f->boot_id) || servers != f->servers)
                return -ESTALE;
        memcpy(s.passwd, passwd, SESSION_PASSWD_SIZE);
        *ret = s;
        return 0;
}

int session_file_read(const struct session_file *f, struct client_session *ret)
{
        uint8_t data[FILE_BYTES_MAX];
        int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        ssize_t len = read(fd, data, sizeof data); /* a regular file of this size comes whole */
        int r = len < 0 ? -errno : 0;
        (void)close(fd);
        return r < 0 ? r : decode(f, data, (size_t)len, ret);
}

/* ---- writing ---- */

static void encode(const struct session_file *f, const struct client_session *s, struct jute_writer *w)
{
        jute_writer_init(w, FILE_BYTES_MAX);
        jute_put_int(w, FILE_MAGIC);
        jute_put_int(w, FILE_VERSION);
        jute_put_cstr(w, f->boot_id);
        jute_put_long(w, (int64_t)f->servers);
        jute_put_long(w, s->id);
        jute_put_raw(w, s->passwd, SESSION_PASSWD_SIZE);
        jute_put_long(w, s->last_zxid);
        jute_put_long(w, (int64_t)hash_bytes(w->data, w->len, SUM_SEED));
}

static int make_folder(const char *path)
{
        char folder[SESSION_FILE_PATH_MAX];
        const char *end = strrchr(path, '/');
        (void)snprintf(folder, sizeof folder, "%.*s", end ? (int)(end - path) : 0, path);
        if (!*folder || mkdir(folder, 0700) == 0 || errno == EEXIST)
                return 0;
        return -errno;
}

static int write_aside(const char *path, const struct jute_writer *w)
{
        (void)unlink(path); /* left by one that was killed; if it can't be removed, open() says so */
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        ssize_t n = write(fd, w->data, w->len);
        int r = n < 0 ? -errno : 0;
        if (r == 0 && (size_t)n != w->len)
                r = -ENOSPC;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        return r;
}

int session_file_write(const struct session_file *f, const struct client_session *s)
{
        char aside[SESSION_FILE_PATH_MAX + 8];
        struct jute_writer w;
        int r = make_folder(f->path);
        if (r < 0)
                return r;
        (void)snprintf(aside, sizeof aside, "%s.new", f->path);
        encode(f, s, &w);
        r = w.error ? w.error : write_aside(aside, &w);
        jute_writer_done(&w);
        /* No fsync: it is of use in this boot only, and what a process has written outlives it. */
        if (r == 0 && rename(aside, f->path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(aside); /* nobody misses it */
        return r;
}

int session_file_remove(const struct session_file *f)
{
        return unlink(f->path) < 0 && errno != ENOENT ? -errno : 0;
}
