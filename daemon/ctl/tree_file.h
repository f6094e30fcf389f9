/* A subtree as JSON: what `export` writes and `import` reads.
 *
 *     {"format": "baton-tree", "version": 1, "root": "/a", "nodes": [
 *     {"path": "/a", "data": "text"},
 *     {"path": "/a/b", "data_base64": "…", "acl": [{"scheme": …, "id": …, "perms": "cdrwa"}], "kind": "container"},
 *     {"path": "/a/c", "data": null, "kind": "ttl", "ttl_ms": 60000}
 *     ]}
 *
 * Each node comes after its parent, the root first. Data is text where it is UTF-8, else base64, null where the znode
 * has none. Without "acl" it is open to all; without "kind" it is persistent. A kind is "ephemeral", "container" or
 * "ttl"; servers do not tell clients which znodes are containers or have a TTL, so that only what was exported from a
 * snapshot knows it. Other keys of the whole and of a node are for people, and are not looked at. */
#ifndef BATON_CTL_TREE_FILE_H
#define BATON_CTL_TREE_FILE_H

#include "daemon/ctl/acl_text.h"

#include <stdbool.h>
#include <stdio.h>

/* Bytes of a file that is read: it is in memory as a whole. */
#define TREE_FILE_BYTES_MAX (256u << 20)
/* Nodes of one file. */
#define TREE_NODES_MAX 2000000

enum tree_kind { TREE_PERSISTENT, TREE_EPHEMERAL, TREE_CONTAINER, TREE_TTL, TREE_KIND_MAX };

struct tree_node {
        char *path;
        char *data; /* NULL: none */
        size_t size;
        struct acl_list acl; /* empty: open to all */
        enum tree_kind kind;
        int64_t ttl_ms; /* of TREE_TTL */
};

struct tree {
        struct tree_node *nodes; /* the root first, each after its parent */
        size_t count, capacity;
};

void tree_done(struct tree *t);
/* Takes what the node holds. */
void tree_add(struct tree *t, const struct tree_node *node);
void tree_node_done(struct tree_node *node);

/* -EINVAL with what is wrong in `why`. `ret` is to be ended by tree_done() in any case. Pure. */
int tree_from_json(const json_t *value, struct tree *ret, char *why, size_t why_size);

/* The same form written piece by piece, so that no tree is too large: begin, nodes in order, end. What lacks its end is
 * not read by anybody. */
void tree_write_begin(FILE *out, const char *root);
/* False: an id in the ACL is no text; nothing was written. */
bool tree_write_node(FILE *out, const struct tree_node *node, bool first);
void tree_write_end(FILE *out);

#endif
