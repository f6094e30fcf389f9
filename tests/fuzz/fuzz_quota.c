/* Quotas (election/tree/quota.h): texts of limits and stats nodes, and the paths that have a quota. The first byte
 * chooses.
 *
 * What was read of a text is what is read of it written anew, which is then not changed any more. The table of paths is
 * held against a list of them. */
#include "election/tree/quota_internal.h"
#include "tests/fuzz/fuzz.h"

/* Paths of one input. */
#define PATHS_MAX 16
#define PATH_MAX  24

static void check_text(const struct fuzz_bytes *b)
{
        struct quota_text t, again;
        struct jute_writer w, v;
        struct jute_str text = jute_str_of(b->data, b->len);
        jute_writer_init(&w, SIZE_MAX);
        jute_writer_init(&v, SIZE_MAX);
        const bool readable = quota_text_read(text, &t);
        bool written = quota_text__add(text, 0, 0, &w);
        assert(readable == written && (readable || w.len == 0));
        if (readable) {
                text = jute_str_of(w.data, w.len);
                assert(quota_text_read(text, &again));
                assert(t.count == again.count && t.bytes == again.bytes);
                assert(t.count_hard == again.count_hard && t.bytes_hard == again.bytes_hard);
                written = quota_text__add(text, 0, 0, &v);
                assert(written && v.len == w.len && !memcmp(v.data, w.data, w.len));
                jute_writer_reset(&v);
                written = quota_text__add(text, -1, 1, &v);
                assert(written && quota_text_read(jute_str_of(v.data, v.len), &again));
                assert((uint64_t)again.count == (uint64_t)t.count + 1 &&
                       (uint64_t)again.bytes == (uint64_t)t.bytes - 1);
        }
        jute_writer_done(&w);
        jute_writer_done(&v);
}

/* ---- paths ---- */

/* A path without its blank names: "/a/b", "" for none. */
struct plain {
        char text[2 * PATH_MAX];
        size_t len;
};

static struct plain plain_of(const uint8_t *path, size_t len)
{
        struct plain p = {.len = 0};
        for (size_t at = 0; at <= len;) {
                size_t end = at;
                bool blank = true;
                while (end < len && path[end] != '/')
                        blank &= path[end++] <= ' ';
                if (!blank) {
                        p.text[p.len++] = '/';
                        memcpy(p.text + p.len, path + at, end - at);
                        p.len += end - at;
                }
                at = end + 1;
        }
        return p;
}

struct list_of_paths {
        struct plain paths[PATHS_MAX];
        size_t count;
};

static size_t find(const struct list_of_paths *l, const struct plain *p)
{
        size_t i = 0;
        while (i < l->count && (l->paths[i].len != p->len || memcmp(l->paths[i].text, p->text, p->len) != 0))
                i++;
        return i;
}

static bool begins(const struct plain *path, const struct plain *with)
{
        return path->len >= with->len && !memcmp(path->text, with->text, with->len) &&
               (path->len == with->len || path->text[with->len] == '/');
}

static void check_innermost(const struct quotas *q, const struct list_of_paths *l, const uint8_t *path, size_t len)
{
        const struct plain p = plain_of(path, len);
        const struct plain *want = NULL;
        for (size_t i = 0; i < l->count; i++)
                if (begins(&p, &l->paths[i]) && (!want || l->paths[i].len > want->len))
                        want = &l->paths[i];
        const struct quota_path *found = quota_paths__innermost(q, jute_str_of(path, len));
        assert(!found == !want);
        if (!found)
                return;
        const struct jute_str subtree = quota_paths__subtree(found);
        assert((size_t)subtree.len == want->len && !memcmp(subtree.data, want->text, want->len));
}

static void change(struct quotas *q, struct list_of_paths *l, bool add, const uint8_t *path, size_t len)
{
        const struct plain p = plain_of(path, len);
        const size_t at = find(l, &p);
        if (add && (at < l->count || l->count < PATHS_MAX)) {
                quota_paths__add(q, jute_str_of(path, len));
                if (p.len > 0 && at == l->count)
                        l->paths[l->count++] = p;
        } else if (!add) {
                quota_paths__remove(q, jute_str_of(path, len));
                if (at < l->count)
                        l->paths[at] = l->paths[--l->count];
        }
        assert(q->registered == l->count);
        assert(l->count > 0 || q->paths.count == 0);
}

static void check_paths(struct fuzz_input *in)
{
        struct quotas q;
        struct list_of_paths l = {.count = 0};
        quota_paths__init(&q, 7);
        while (fuzz_left(in) > 0) {
                const uint8_t what = fuzz_byte(in);
                struct fuzz_bytes b = fuzz_take(in, fuzz_byte(in) % PATH_MAX);
                if (what % 3 < 2)
                        change(&q, &l, what % 3 == 0, b.data, b.len);
                check_innermost(&q, &l, b.data, b.len);
                mem_free(b.data);
        }
        quota_paths__done(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        if (fuzz_byte(&in) % 2) {
                check_paths(&in);
                return 0;
        }
        struct fuzz_bytes b = fuzz_take(&in, SIZE_MAX);
        check_text(&b);
        mem_free(b.data);
        return 0;
}
