/* The links between the agent and its workers: what ipc.h is to them. Messages travel in their encoded form and arrive
 * in order, each after a while; what was sent before one side died still arrives at the other. */
#include "tests/sim/fleet/fleet_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

static void push(struct fleet *f, struct fleet_queue *q, enum fleet_letter_kind kind, struct fleet_letter l)
{
        uint64_t at = fleet_now(f) + 1 + fleet__below(f, f->o.link_ms);
        if (!q->letters)
                q->letters = mem_zalloc(FLEET_QUEUE_MAX * sizeof *q->letters);
        if (q->count && q->letters[q->count - 1].at_ms > at)
                at = q->letters[q->count - 1].at_ms;
        assert(q->count < FLEET_QUEUE_MAX);
        l.kind = kind;
        l.at_ms = at;
        q->letters[q->count++] = l;
}

static void empty(struct fleet_queue *q)
{
        for (size_t i = 0; i < q->count; i++)
                mem_free(q->letters[i].bytes);
        q->count = 0;
}

/* A reader that is behind by so much, with the words that a break of the link takes. */
static bool is_full(const struct fleet_queue *q)
{
        return q->count >= FLEET_QUEUE_MAX - 4;
}

static void say_end(struct fleet *f, struct fleet_queue *q)
{
        if (q->count >= FLEET_QUEUE_MAX - 2)
                empty(q); /* it has not read for long: then the end is all it hears */
        push(f, q, FLEET_LETTER_DOWN, (struct fleet_letter){.len = 0});
}

void fleet__link(struct fleet_worker *w)
{
        struct fleet *f = w->node->f;
        if (!w->core || w->helper || w->exiting || !w->node->agent || w->linked || fleet_now(f) < w->link_ms)
                return;
        w->linked = true;
        w->link++;
        push(f, &w->to_worker, FLEET_LETTER_UP, (struct fleet_letter){.len = w->link});
        push(f, &w->to_agent, FLEET_LETTER_UP, (struct fleet_letter){.len = w->link});
}

void fleet__unlink(struct fleet_worker *w, bool agent_died)
{
        struct fleet *f = w->node->f;
        empty(agent_died ? &w->to_agent : &w->to_worker);
        if (w->linked)
                say_end(f, agent_died ? &w->to_worker : &w->to_agent);
        w->linked = false;
}

void fleet__post(struct fleet_worker *w, bool to_agent, const struct message *m)
{
        struct fleet_queue *q = to_agent ? &w->to_agent : &w->to_worker;
        struct jute_writer bytes;
        /* Who has not heard of the present link yet speaks on one that is gone: lost. */
        if (!w->linked || (to_agent ? w->worker_link : w->agent_link) != w->link)
                return;
        if (is_full(q)) { /* as ipc.h: a conversation that takes nothing in is broken off */
                w->linked = false;
                say_end(w->node->f, &w->to_agent);
                say_end(w->node->f, &w->to_worker);
                return;
        }
        jute_writer_init(&bytes, MESSAGE_BYTES_MAX);
        message_encode(m, &bytes);
        assert(bytes.error == 0);
        push(w->node->f, q, FLEET_LETTER_MESSAGE,
             (struct fleet_letter){.bytes = mem_dup(bytes.data, bytes.len), .len = bytes.len});
        jute_writer_done(&bytes);
}

bool fleet__waits(const struct fleet_worker *w, bool of_agent)
{
        const struct fleet_queue *q = of_agent ? &w->to_agent : &w->to_worker;
        return q->count && q->letters[0].at_ms <= fleet_now(w->node->f);
}

bool fleet__fetch(struct fleet_worker *w, bool of_agent, enum fleet_letter_kind *ret_kind, struct message *ret)
{
        static struct message_member members[MESSAGE_MEMBERS_MAX]; /* too large for a stack; one thread */
        static void *bytes;                                        /* of the message told last */
        struct fleet_queue *q = of_agent ? &w->to_agent : &w->to_worker;
        mem_free(bytes);
        bytes = NULL;
        if (!fleet__waits(w, of_agent))
                return false;
        struct fleet_letter l = q->letters[0];
        q->count--;
        memmove(q->letters, q->letters + 1, q->count * sizeof q->letters[0]);
        *ret_kind = l.kind;
        if (l.kind == FLEET_LETTER_UP)
                *(of_agent ? &w->agent_link : &w->worker_link) = l.len;
        if (l.kind == FLEET_LETTER_MESSAGE) {
                bytes = l.bytes;
                int r = message_decode(l.bytes, l.len, members, ret);
                assert(r == 0); /* by our own hand */
                (void)r;
        }
        return true;
}

void fleet__queues_done(struct fleet_worker *w)
{
        empty(&w->to_worker);
        empty(&w->to_agent);
        mem_free(w->to_worker.letters);
        mem_free(w->to_agent.letters);
        w->to_worker = w->to_agent = (struct fleet_queue){.count = 0};
}
