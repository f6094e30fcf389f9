/* See random_message.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random_message.h"

#include <string.h>

static void random_name(struct prng *p, struct name *ret)
{
        static const char letters[] = "abcxyzABCXYZ0189-_.";
        size_t len = prng_next(p) % (NAME_BYTES_MAX + 1);
        memset(ret, 0, sizeof *ret);
        for (size_t i = 0; i < len; i++)
                ret->text[i] = letters[prng_next(p) % (i == 0 ? 12 : sizeof letters - 1)];
}

static struct jute_str random_text(struct prng *p, char *buffer, size_t size)
{
        size_t len = prng_next(p) % size;
        for (size_t i = 0; i < len; i++)
                buffer[i] = (char)(1 + prng_next(p) % 255);
        return jute_str_of(buffer, len);
}

void random_message(struct prng *p, enum message_type type, struct random_message *ret)
{
        struct message *m = &ret->m;
        *m = message_of(type);
        m->number = (int64_t)prng_next(p);
        m->stop = (enum stop_how)(prng_next(p) % STOP_MAX);
        random_name(p, &m->name);
        random_name(p, &m->group);
        m->role = (enum node_role)(prng_next(p) % ROLE_COUNT);
        m->state = (enum worker_state)(prng_next(p) % WORKER_STATE_COUNT);
        m->health = (enum health)(prng_next(p) % HEALTH_COUNT);
        m->reason = (enum revoke_reason)(prng_next(p) % REVOKE_COUNT);
        m->token = (int64_t)prng_next(p);
        m->deadline_ms = prng_next(p);
        m->lease_ms = (uint32_t)prng_next(p);
        m->budget_ms = (uint32_t)prng_next(p);
        m->version = (int32_t)(uint32_t)prng_next(p);
        m->error = (int32_t)(uint32_t)prng_next(p);
        m->zxid = (int64_t)prng_next(p);
        m->text = random_text(p, ret->text, sizeof ret->text);
        m->path = random_text(p, ret->path, sizeof ret->path);
        size_t len = prng_next(p) % (sizeof ret->data + 1);
        for (size_t i = 0; i < len; i++)
                ret->data[i] = (char)prng_next(p);
        if (prng_next(p) % 4)
                m->data = jute_str_of(ret->data, len);
        m->members = ret->members;
        m->member_count = prng_next(p) % (sizeof ret->members / sizeof *ret->members + 1);
        for (size_t i = 0; i < m->member_count; i++) {
                random_name(p, &ret->members[i].name);
                ret->members[i].role = (enum node_role)(prng_next(p) % ROLE_COUNT);
                ret->members[i].here = prng_next(p) % 2;
        }
}

void assert_message_equal(const struct message *a, const struct message *b)
{
        struct jute_writer x, y;
        jute_writer_init(&x, MESSAGE_BYTES_MAX);
        jute_writer_init(&y, MESSAGE_BYTES_MAX);
        message_encode(a, &x);
        message_encode(b, &y);
        assert_int_equal(x.error, 0);
        assert_int_equal(a->type, b->type);
        assert_int_equal(x.len, y.len);
        assert_memory_equal(x.data, y.data, x.len);
        jute_writer_done(&x);
        jute_writer_done(&y);
}
