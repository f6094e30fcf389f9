/* Answers copied out of the client's callbacks, and errors as sentences. See ctl.h. */
#include "daemon/ctl/ctl.h"

#include "election/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_text(struct jute_str s)
{
        char *copy = mem_alloc((size_t)s.len + 1);
        if (s.len > 0)
                memcpy(copy, s.data, (size_t)s.len);
        copy[s.len] = '\0';
        return copy;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void copy_children(struct jute_vec v, struct ctl_reply *ret)
{
        if (v.count <= 0)
                return;
        struct jute_reader r = jute_vec_reader(&v);
        size_t count = (size_t)v.count < CTL_CHILDREN_MAX ? (size_t)v.count : CTL_CHILDREN_MAX;
        ret->children = mem_alloc(count * sizeof *ret->children);
        for (size_t i = 0; i < count; i++) {
                struct jute_str name = jute_get_str(&r);
                if (name.len >= 0)
                        ret->children[ret->child_count++] = copy_text(name);
        }
        qsort(ret->children, ret->child_count, sizeof *ret->children, by_name);
}

/* Entries of an ACL, or, without permissions, of whoAmI. */
static void copy_acl(struct jute_vec v, bool perms, struct acl_list *ret)
{
        struct jute_reader r = jute_vec_reader(&v);
        for (int32_t i = 0; i < v.count; i++) {
                struct jute_acl one = {.perms = 0};
                if (perms)
                        jute_get_acl(&r, &one);
                else
                        jute_get_id(&r, &one.id);
                acl_add(ret, one.perms, one.id.scheme, one.id.id);
        }
}

void ctl_reply_copy(const struct client_result *r, struct ctl_reply *ret)
{
        ret->error = r->error;
        ret->zxid = r->zxid;
        ret->stat = r->stat;
        ret->has_stat = r->has_stat;
        if (r->data.len >= 0) {
                ret->data = copy_text(r->data);
                ret->size = (size_t)r->data.len;
        }
        if (r->path.len >= 0)
                ret->path = copy_text(r->path);
        copy_children(r->children, ret);
        copy_acl(r->acl, true, &ret->acl);
        copy_acl(r->who, false, &ret->acl);
        ret->number = r->number;
        if (r->op_count)
                ret->ops = mem_zalloc(r->op_count * sizeof *ret->ops);
        for (; ret->op_count < r->op_count; ret->op_count++) {
                const struct client_op_result *from = &r->ops[ret->op_count];
                struct ctl_op_reply *to = &ret->ops[ret->op_count];
                to->error = from->error;
                to->path = from->path.len >= 0 ? copy_text(from->path) : NULL;
        }
}

void ctl_reply_done(struct ctl_reply *r)
{
        mem_free(r->data);
        mem_free(r->path);
        for (size_t i = 0; i < r->child_count; i++)
                mem_free(r->children[i]);
        mem_free(r->children);
        for (size_t i = 0; i < r->op_count; i++)
                mem_free(r->ops[i].path);
        mem_free(r->ops);
        acl_done(&r->acl);
        *r = (struct ctl_reply){.data = NULL};
}

const char *ctl_error_text(int32_t error)
{
        switch (error) {
        case ZK_RUNTIME_INCONSISTENCY:
                return "not tried";
        case ZK_MARSHALLING_ERROR:
                return "the server does not understand it so";
        case ZK_NO_NODE:
                return "no such znode";
        case ZK_NODE_EXISTS:
                return "exists already";
        case ZK_BAD_VERSION:
                return "has another version";
        case ZK_NOT_EMPTY:
                return "has children (delete -R removes them too)";
        case ZK_NO_AUTH:
                return "not allowed";
        case ZK_INVALID_ACL:
                return "the server does not accept that ACL";
        case ZK_NO_WATCHER:
                return "no such watch";
        case ZK_AUTH_FAILED:
                return "the authentication was refused";
        case ZK_NOT_READ_ONLY:
                return "the server is read-only now";
        case ZK_NO_CHILDREN_FOR_EPHEMERALS:
                return "an ephemeral znode has no children";
        case ZK_BAD_ARGUMENTS:
                return "the server takes it for a bad argument";
        case ZK_UNIMPLEMENTED:
                return "this server does not know that request";
        case ZK_SESSION_EXPIRED:
                return "the session has expired";
        case ZK_QUOTA_EXCEEDED:
                return "the quota is used up";
        case ZK_THROTTLED_OP:
                return "the server is overloaded";
        default:
                return NULL;
        }
}

int ctl_refused(const char *path, int32_t error)
{
        const char *text = ctl_error_text(error);
        if (text)
                (void)fprintf(stderr, "batonctl: %s: %s\n", path, text);
        else
                (void)fprintf(stderr, "batonctl: %s: error %d of the ensemble\n", path, (int)error);
        return CTL_REFUSED;
}
