/* See pipeline.h. */
#include "daemon/ctl/pipeline.h"

#include "daemon/ctl/ctl_internal.h"
#include "election/base/alloc.h"

#include <errno.h>

/* Outlives the run while requests are under way whose answers nobody wants any more. */
struct pipeline {
        pipeline_take_fn *take;
        void *ctx;
        size_t pending;
        bool left;  /* the run has ended */
        bool moved; /* an answer came */
        bool broken;
        enum client_outcome outcome;
        size_t size_bytes; /* of the request that had it */
};

struct one {
        struct pipeline *pipeline;
        size_t index;
};

static void on_done(void *ctx, const struct client_result *r)
{
        struct one *one = ctx;
        struct pipeline *p = one->pipeline;
        p->pending--;
        if (!p->left) {
                p->moved = true;
                if (r->outcome == CLIENT_ANSWERED && !p->broken) {
                        p->take(p->ctx, one->index, r);
                } else if (!p->broken) {
                        p->broken = true;
                        p->outcome = r->outcome;
                        p->size_bytes = r->size_bytes;
                }
        } else if (!p->pending) {
                mem_free(p);
        }
        mem_free(one);
}

/* Makes requests as far as there is room. A negative return is the client's refusal. */
static int fill(struct ctl *c, struct pipeline *p, pipeline_ask_fn *ask, size_t *next, size_t count)
{
        while (*next < count && p->pending < PIPELINE_WIDTH_MAX) {
                struct one *one = mem_alloc(sizeof *one);
                *one = (struct one){.pipeline = p, .index = *next};
                const struct client_call how = {.done = on_done, .ctx = one};
                int r = ask(p->ctx, c->session, *next, &how);
                if (r == 0)
                        p->pending++;
                else
                        mem_free(one);
                if (r == -ENOBUFS && p->pending)
                        return 0; /* when some of those under way are answered */
                if (r < 0)
                        return r;
                ++*next;
        }
        return 0;
}

int pipeline_run(struct ctl *c, pipeline_ask_fn *ask, pipeline_take_fn *take, void *ctx, const size_t *count)
{
        struct pipeline *p = mem_zalloc(sizeof *p);
        size_t next = 0;
        int status = CTL_DONE;
        p->take = take;
        p->ctx = ctx;
        ctl__start(c);
        while (status == CTL_DONE && (next < *count || p->pending)) {
                int r = fill(c, p, ask, &next, *count);
                if (r < 0) {
                        status = ctl__not_made(c, r);
                        break;
                }
                if (!p->pending)
                        continue;
                p->moved = false;
                status = ctl__await(c, &p->moved);
                if (status == CTL_DONE && p->broken)
                        status = ctl__not_answered(c, p->outcome, p->size_bytes);
        }
        p->left = true;
        if (!p->pending)
                mem_free(p);
        return status;
}
