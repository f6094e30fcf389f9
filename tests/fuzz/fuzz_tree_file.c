/* Trees of batonctl import (daemon/ctl/tree_file.h): each node of one that is taken comes once and after its parent,
 * and what is written of it is read as the same. */
#include "daemon/ctl/tree_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static char *write_tree(const struct tree *t, size_t *ret_size)
{
        char *text = NULL;
        FILE *out = open_memstream(&text, ret_size);
        assert(out);
        tree_write_begin(out, t->nodes[0].path);
        for (size_t i = 0; i < t->count; i++) {
                bool written = tree_write_node(out, &t->nodes[i], i == 0);
                assert(written); /* what came as JSON is text */
        }
        tree_write_end(out);
        int r = fclose(out);
        assert(r == 0);
        return text;
}

static void check_same(const struct tree_node *a, const struct tree_node *b)
{
        static const struct acl_list none = {.entries = NULL};
        assert(strcmp(a->path, b->path) == 0 && a->kind == b->kind && a->ttl_ms == b->ttl_ms);
        assert(a->size == b->size && !a->data == !b->data);
        assert(!a->data || memcmp(a->data, b->data, a->size) == 0);
        /* Open to all is not written. */
        assert(acl_equal(acl_is_open(&a->acl) ? &none : &a->acl, &b->acl));
}

static void check_order(const struct tree *t)
{
        size_t root = strlen(t->nodes[0].path);
        for (size_t i = 1; i < t->count; i++) {
                size_t parent = (size_t)(strrchr(t->nodes[i].path, '/') - t->nodes[i].path);
                bool found = false;
                for (size_t k = 0; k < i; k++) {
                        size_t len = strcmp(t->nodes[k].path, "/") == 0 ? 0 : strlen(t->nodes[k].path);
                        found |= len == parent && memcmp(t->nodes[k].path, t->nodes[i].path, len) == 0;
                        assert(strcmp(t->nodes[k].path, t->nodes[i].path) != 0);
                }
                assert(found && strncmp(t->nodes[0].path, t->nodes[i].path, root) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct tree t, again;
        char why[200] = "";
        json_t *value = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        if (!value)
                return 0;
        int r = tree_from_json(value, &t, why, sizeof why);
        json_decref(value);
        assert((r < 0) == (why[0] != '\0'));
        if (r == 0) {
                check_order(&t);
                size_t written = 0;
                char *text = write_tree(&t, &written);
                value = json_loadb(text, written, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
                assert(value);
                r = tree_from_json(value, &again, why, sizeof why);
                assert(r == 0 && again.count == t.count);
                for (size_t i = 0; i < t.count; i++)
                        check_same(&t.nodes[i], &again.nodes[i]);
                json_decref(value);
                tree_done(&again);
                free(text);
        }
        tree_done(&t);
        return 0;
}
