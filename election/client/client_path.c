/* Paths: what is refused before it is sent, and the chroot, which is resolved here: servers see full paths only
 * (client-protocol.md 4.2, 5.2). */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

/* "" for an empty component, "." and "..": no node can have such a name, so a watch there would wait for ever. */
static bool component_bad(const char *name, size_t len)
{
        return len == 0 || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

int client__path_check(const struct client *c, const char *path, bool open_end)
{
        if (!path || path[0] != '/')
                return -EINVAL;
        size_t len = strnlen(path, CLIENT_PATH_MAX + 1);
        if (len + c->chroot_len > CLIENT_PATH_MAX)
                return -EMSGSIZE;
        if (len == 1)
                return 0;
        for (const char *name = path + 1;;) {
                size_t name_len = strcspn(name, "/");
                bool last = !name[name_len];
                if (component_bad(name, name_len) && !(last && open_end && name_len == 0))
                        return -EINVAL;
                if (last)
                        return 0;
                name += name_len + 1;
        }
}

/* The length of what follows the chroot: "/" itself is the chroot's node. */
static size_t tail_len(const struct client *c, const char *path)
{
        size_t len = strlen(path);
        return c->chroot_len && len == 1 ? 0 : len;
}

void client__put_path(const struct client *c, struct jute_writer *w, const char *path)
{
        size_t len = tail_len(c, path);
        jute_put_int(w, (int32_t)(c->chroot_len + len));
        jute_put_raw(w, c->chroot, c->chroot_len);
        jute_put_raw(w, path, len);
}

char *client__path_full(const struct client *c, const char *path)
{
        size_t len = tail_len(c, path);
        char *full = mem_alloc(c->chroot_len + len + 1);
        memcpy(full, c->chroot, c->chroot_len);
        memcpy(full + c->chroot_len, path, len);
        full[c->chroot_len + len] = 0;
        return full;
}

struct jute_str client__path_strip(const struct client *c, struct jute_str path)
{
        size_t len = path.len < 0 ? 0 : (size_t)path.len;
        if (!c->chroot_len || len < c->chroot_len || memcmp(path.data, c->chroot, c->chroot_len) != 0)
                return path;
        if (len == c->chroot_len)
                return jute_cstr("/");
        if (path.data[c->chroot_len] != '/')
                return path;
        return jute_str_of(path.data + c->chroot_len, len - c->chroot_len);
}

void client__paths_strip(const struct client *c, struct jute_vec paths, struct jute_writer *w)
{
        struct jute_reader r = jute_vec_reader(&paths);
        for (int32_t i = 0; i < paths.count; i++)
                jute_put_str(w, client__path_strip(c, jute_get_str(&r)));
}
