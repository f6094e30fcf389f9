/* See tree_apply.h. */
#include "daemon/ctl/tree_apply.h"

#include "daemon/ctl/pipeline.h"
#include "daemon/ctl/show.h"
#include "election/base/alloc.h"

#include <stdio.h>
#include <string.h>

enum fate {
        FATE_SKIP, /* ephemeral */
        FATE_MAKE,
        FATE_SAME,
        FATE_CHANGE, /* data, ACL or both */
};

struct present {
        enum fate fate;
        bool other_data, other_acl;
        int32_t version, aversion;
};

struct applying {
        struct ctl *c;
        const struct tree *tree;
        const struct tree_apply *how;
        struct present *present; /* one for each node */
        struct tree_applied *applied;
        size_t acls; /* of ctl_set_acl()s, done */
        int status;
};

/* ---- another root ---- */

void tree_move(struct tree *t, const char *root)
{
        size_t old_len = strcmp(t->nodes[0].path, "/") == 0 ? 0 : strlen(t->nodes[0].path);
        size_t new_len = strcmp(root, "/") == 0 ? 0 : strlen(root);
        for (size_t i = 0; i < t->count; i++) {
                const char *tail = t->nodes[i].path + old_len;
                size_t size = new_len + strlen(tail) + 2;
                char *path = mem_alloc(size);
                if (i == 0)
                        (void)snprintf(path, size, "%s", new_len ? root : "/");
                else
                        (void)snprintf(path, size, "%.*s%s", (int)new_len, root, tail);
                mem_free(t->nodes[i].path);
                t->nodes[i].path = path;
        }
}

/* ---- what is there ---- */

static int ask(void *ctx, struct client *session, size_t index, const struct client_call *how)
{
        const struct applying *a = ctx;
        const struct tree_node *node = &a->tree->nodes[index / 2];
        if (node->kind == TREE_EPHEMERAL || a->status != CTL_DONE)
                return 1;
        return index % 2 ? client_get_acl(session, node->path, how) : client_get(session, node->path, how);
}

static bool same_data(const struct tree_node *node, struct jute_str data)
{
        if (data.len < 0 || !node->data)
                return data.len < 0 && !node->data;
        return (size_t)data.len == node->size && memcmp(data.data, node->data, node->size) == 0;
}

static bool same_acl(const struct tree_node *node, const struct client_result *r)
{
        struct ctl_reply reply = {.data = NULL};
        ctl_reply_copy(r, &reply);
        bool same = node->acl.count ? acl_equal(&node->acl, &reply.acl) : acl_is_open(&reply.acl);
        ctl_reply_done(&reply);
        return same;
}

static void take(void *ctx, size_t index, const struct client_result *r)
{
        struct applying *a = ctx;
        const struct tree_node *node = &a->tree->nodes[index / 2];
        struct present *p = &a->present[index / 2];
        if (r->error == ZK_NO_NODE) {
                p->fate = FATE_MAKE;
        } else if (r->error != ZK_OK) {
                if (a->status == CTL_DONE)
                        a->status = ctl_refused(node->path, r->error);
        } else if (index % 2 == 0) {
                p->fate = FATE_SAME;
                p->other_data = !same_data(node, r->data);
                p->version = r->stat.version;
        } else if (p->fate == FATE_SAME) {
                p->other_acl = !same_acl(node, r);
                p->aversion = r->stat.aversion;
                if (p->other_data || p->other_acl)
                        p->fate = FATE_CHANGE;
        }
}

static const char *difference(const struct present *p)
{
        return p->other_data && p->other_acl ? "value and ACL" : p->other_data ? "value" : "ACL";
}

/* Differences in the way. */
static int judge(const struct applying *a)
{
        size_t differ = 0;
        for (size_t i = 0; i < a->tree->count; i++) {
                if (a->present[i].fate != FATE_CHANGE)
                        continue;
                if (!a->how->replace && differ++ < TREE_SHOWN_MAX)
                        (void)fprintf(stderr, "batonctl: %s: is there with another %s\n", a->tree->nodes[i].path,
                                      difference(&a->present[i]));
        }
        if (!differ)
                return CTL_DONE;
        if (differ > TREE_SHOWN_MAX)
                (void)fprintf(stderr, "batonctl: … and %zu more\n", differ - TREE_SHOWN_MAX);
        (void)fprintf(stderr, "batonctl: nothing was changed; --replace overwrites what differs\n");
        return CTL_REFUSED;
}

static int look_above(struct applying *a)
{
        const char *root = a->tree->nodes[0].path;
        struct ctl_reply r;
        size_t len = (size_t)(strrchr(root, '/') - root);
        if (a->present[0].fate != FATE_MAKE || len == 0)
                return CTL_DONE;
        if (a->how->parents && !a->how->dry)
                return ctl_make_parents(a->c, root);
        char *parent = mem_strdup(root);
        parent[len] = '\0';
        int status = ctl_exists(a->c, parent, &r);
        if (status == CTL_DONE && r.error == ZK_NO_NODE && !a->how->parents) {
                (void)fprintf(stderr, "batonctl: %s: its parent is not there (-p makes it)\n", root);
                status = CTL_REFUSED;
        }
        ctl_reply_done(&r);
        mem_free(parent);
        return status;
}

/* ---- batches ---- */

/* Operations of one multi, and the nodes they are of. */
struct batch {
        struct client_op ops[TREE_BATCH_OPS_MAX];
        struct jute_writer acls[TREE_BATCH_OPS_MAX];
        struct jute_vec vecs[TREE_BATCH_OPS_MAX];
        size_t count, bytes, makes;
};

static void batch_clear(struct batch *b)
{
        for (size_t i = 0; i < b->count; i++)
                jute_writer_done(&b->acls[i]);
        b->count = b->bytes = b->makes = 0;
}

static void batch_add(struct batch *b, const struct tree_node *node, const struct present *p)
{
        static const enum opcode creates[] = {[TREE_PERSISTENT] = OP_CREATE,
                                              [TREE_EPHEMERAL] = OP_CREATE, /* left out before */
                                              [TREE_CONTAINER] = OP_CREATE_CONTAINER,
                                              [TREE_TTL] = OP_CREATE_TTL};
        size_t at = b->count++;
        struct client_op *op = &b->ops[at];
        *op = (struct client_op){.type = p->fate == FATE_MAKE ? creates[node->kind] : OP_SET_DATA,
                                 .path = node->path,
                                 .version = p->version,
                                 .ttl_ms = node->ttl_ms};
        op->data = node->data ? jute_str_of(node->data, node->size) : (struct jute_str){.data = NULL, .len = -1};
        jute_writer_init(&b->acls[at], SIZE_MAX);
        if (p->fate == FATE_MAKE && node->acl.count) {
                b->vecs[at] = acl_encode(&node->acl, &b->acls[at]);
                op->acl = &b->vecs[at];
        }
        b->makes += p->fate == FATE_MAKE;
        b->bytes += node->size + strlen(node->path) + b->acls[at].len;
}

static int batch_send(struct applying *a, struct batch *b)
{
        struct ctl_reply r;
        if (!b->count)
                return CTL_DONE;
        int status = ctl_multi(a->c, b->ops, b->count, &r);
        if (status == CTL_USAGE) /* what the client itself refuses it names no znode of */
                (void)fprintf(stderr, "batonctl: that is of %s%s\n", b->ops[0].path,
                              b->count > 1 ? ", or of one that comes with it" : "");
        size_t at = 0;
        while (at < r.op_count && (r.ops[at].error == ZK_OK || r.ops[at].error == ZK_RUNTIME_INCONSISTENCY))
                at++;
        if (status == CTL_DONE && r.error != ZK_OK)
                status = ctl_refused(b->ops[at < r.op_count ? at : 0].path, r.error);
        if (status == CTL_DONE) {
                a->applied->made += b->makes;
                a->applied->changed += b->count - b->makes;
        }
        ctl_reply_done(&r);
        batch_clear(b);
        return status;
}

static int send_all(struct applying *a)
{
        struct batch *b = mem_zalloc(sizeof *b);
        int status = CTL_DONE;
        for (size_t i = 0; i < a->tree->count && status == CTL_DONE; i++) {
                const struct tree_node *node = &a->tree->nodes[i];
                const struct present *p = &a->present[i];
                if (p->fate != FATE_MAKE && !(p->fate == FATE_CHANGE && p->other_data))
                        continue;
                if (b->count == TREE_BATCH_OPS_MAX ||
                    (b->count && b->bytes + node->size + strlen(node->path) > TREE_BATCH_BYTES_MAX))
                        status = batch_send(a, b);
                if (status == CTL_DONE)
                        batch_add(b, node, p);
        }
        if (status == CTL_DONE)
                status = batch_send(a, b);
        batch_clear(b);
        mem_free(b);
        return status;
}

/* No multi holds a setACL. From below upwards, see cmd_acl.c. */
static int set_acls(struct applying *a)
{
        int status = CTL_DONE;
        for (size_t i = a->tree->count; i-- > 0 && status == CTL_DONE;) {
                const struct tree_node *node = &a->tree->nodes[i];
                const struct present *p = &a->present[i];
                struct acl_list open = {.entries = NULL};
                struct ctl_reply r;
                if (p->fate != FATE_CHANGE || !p->other_acl)
                        continue;
                acl_add(&open, 31, jute_cstr("world"), jute_cstr("anyone"));
                status = ctl_set_acl(a->c, node->path, node->acl.count ? &node->acl : &open, p->aversion, &r);
                if (status == CTL_DONE && r.error != ZK_OK)
                        status = ctl_refused(node->path, r.error);
                a->applied->changed += status == CTL_DONE && !p->other_data; /* counted with its data else */
                a->acls += status == CTL_DONE;
                ctl_reply_done(&r);
                acl_done(&open);
        }
        return status;
}

/* ---- the whole ---- */

static void show_plan(const struct applying *a)
{
        for (size_t i = 0; i < a->tree->count && !ctl_options(a->c)->json; i++) {
                const struct present *p = &a->present[i];
                if (p->fate == FATE_MAKE)
                        (void)printf("would make %s\n", a->tree->nodes[i].path);
                else if (p->fate == FATE_CHANGE)
                        (void)printf("would change the %s of %s\n", difference(p), a->tree->nodes[i].path);
        }
}

static void count(struct applying *a)
{
        for (size_t i = 0; i < a->tree->count; i++) {
                enum fate fate = a->present[i].fate;
                a->applied->same += fate == FATE_SAME;
                a->applied->ephemerals += fate == FATE_SKIP;
                a->applied->made += a->how->dry && fate == FATE_MAKE;
                a->applied->changed += a->how->dry && fate == FATE_CHANGE;
        }
}

static int change(struct applying *a)
{
        size_t due = 0;
        ctl_heed_signals(a->c);
        int status = send_all(a);
        if (status == CTL_DONE)
                status = set_acls(a);
        for (size_t i = 0; i < a->tree->count; i++)
                due += a->present[i].fate == FATE_MAKE || a->present[i].fate == FATE_CHANGE;
        if (status != CTL_DONE)
                (void)fprintf(
                        stderr,
                        "batonctl: only a part is done: of %zu znodes to be made or changed, %zu were made and %zu "
                        "changed%s. Run again, it goes on from there\n",
                        due, a->applied->made, a->applied->changed, a->acls ? ", some of them in their ACL" : "");
        return status;
}

int tree_apply(struct ctl *c, const struct tree *t, const struct tree_apply *how, struct tree_applied *ret)
{
        struct applying a = {.c = c, .tree = t, .how = how, .applied = ret};
        size_t requests = 2 * t->count;
        *ret = (struct tree_applied){.made = 0};
        a.present = mem_zalloc(t->count * sizeof *a.present);
        int status = pipeline_run(c, ask, take, &a, &requests);
        if (status == CTL_DONE)
                status = a.status;
        if (status == CTL_DONE)
                status = judge(&a);
        if (status == CTL_DONE)
                status = look_above(&a);
        if (status == CTL_DONE) {
                count(&a);
                if (how->dry)
                        show_plan(&a);
                else
                        status = change(&a);
        }
        mem_free(a.present);
        return status;
}

void tree_show_applied(const struct ctl_options *o, const char *root, bool dry, const struct tree_applied *a)
{
        if (o->json) {
                show_json(json_pack("{s:s,s:b,s:I,s:I,s:I,s:I}", "root", root, "dry_run", (int)dry, "made",
                                    (json_int_t)a->made, "changed", (json_int_t)a->changed, "same", (json_int_t)a->same,
                                    "ephemerals_left_out", (json_int_t)a->ephemerals));
                return;
        }
        (void)printf("%s: %zu %s, %zu changed, %zu as they were", root, a->made, dry ? "to be made" : "made",
                     a->changed, a->same);
        if (a->ephemerals)
                (void)printf(", %zu ephemeral and left out", a->ephemerals);
        (void)printf("\n");
}
