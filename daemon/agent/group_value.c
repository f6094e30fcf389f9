#include "daemon/agent/group_value.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
        [HOLDER_ACTIVE] = "active",
        [HOLDER_RELEASED] = "released",
        [HOLDER_FENCED] = "fenced",
};
static_assert(sizeof state_names / sizeof *state_names == HOLDER_STATE_COUNT, "every state has its name");

const char *holder_state_name(enum holder_state state)
{
        return state_names[state];
}

/* ---- reading ---- */

static json_t *parse(struct jute_str json)
{
        json_error_t error;
        if (json.len <= 0 || json.len > GROUP_VALUE_BYTES_MAX)
                return NULL;
        json_t *o = json_loadb((const char *)json.data, (size_t)json.len, JSON_REJECT_DUPLICATES, &error);
        if (o && !json_is_object(o)) {
                json_decref(o);
                return NULL;
        }
        return o;
}

/* A string of the object that fits; a NUL inside is not accepted by jansson. */
static int read_text(const json_t *o, const char *key, char *ret, size_t size)
{
        const char *s = json_string_value(json_object_get(o, key));
        if (!s || strlen(s) >= size)
                return -EBADMSG;
        (void)snprintf(ret, size, "%s", s);
        return 0;
}

static int read_ms(const json_t *o, const char *key, uint32_t *ret)
{
        const json_t *v = json_object_get(o, key);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
                return -EBADMSG;
        *ret = (uint32_t)json_integer_value(v);
        return 0;
}

static int read_state(const json_t *o, enum holder_state *ret)
{
        const char *s = json_string_value(json_object_get(o, "state"));
        for (int i = 0; s && i < HOLDER_STATE_COUNT; i++)
                if (strcmp(s, state_names[i]) == 0) {
                        *ret = (enum holder_state)i;
                        return 0;
                }
        return -EBADMSG;
}

/* A reason is for people: what does not fit is cut, what is not there is "". */
static void read_reason(const json_t *o, char *ret, size_t size)
{
        const char *s = json_string_value(json_object_get(o, "reason"));
        (void)snprintf(ret, size, "%s", s ? s : "");
}

int holder_value_read(struct jute_str json, struct holder_value *ret)
{
        *ret = (struct holder_value){.lease_ms = 0};
        json_t *o = parse(json);
        if (!o)
                return -EBADMSG;
        int r = read_text(o, "node", ret->node.text, sizeof ret->node.text);
        /* All are read, so that of a broken value the waits are known as far as they can be. */
        int errors[] = {
                r,
                read_text(o, "instance", ret->instance, sizeof ret->instance),
                read_text(o, "boot", ret->boot_id, sizeof ret->boot_id),
                read_state(o, &ret->state),
                read_ms(o, "lease_ms", &ret->lease_ms),
                read_ms(o, "budget_ms", &ret->budget_ms),
        };
        r = 0;
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
                if (errors[i] < 0)
                        r = errors[i];
        if (ret->state == HOLDER_ACTIVE && ret->lease_ms == 0)
                r = -EBADMSG;                         /* a lease of no length would be over at once */
        (void)read_ms(o, "rate_ppm", &ret->rate_ppm); /* absent: the reader's own */
        ret->token = json_integer_value(json_object_get(o, "token"));
        read_reason(o, ret->reason, sizeof ret->reason);
        json_decref(o);
        return r;
}

int candidate_value_read(struct jute_str json, struct group_candidate *ret)
{
        ret->who.priority = 0;
        ret->who.healthy = false;
        (void)snprintf(ret->reason, sizeof ret->reason, "its candidate znode cannot be read");
        json_t *o = parse(json);
        if (!o)
                return -EBADMSG;
        const json_t *priority = json_object_get(o, "priority"), *healthy = json_object_get(o, "healthy");
        bool good = json_is_integer(priority) && json_is_boolean(healthy) &&
                    json_integer_value(priority) >= INT32_MIN && json_integer_value(priority) <= INT32_MAX;
        if (good) {
                ret->who.priority = (int32_t)json_integer_value(priority);
                ret->who.healthy = json_is_true(healthy);
                read_reason(o, ret->reason, sizeof ret->reason);
        }
        json_decref(o);
        return good ? 0 : -EBADMSG;
}

/* ---- writing ---- */

/* Takes `o`. Of our own making, so only memory could be at fault. */
static char *dump(json_t *o)
{
        char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
        json_decref(o);
        if (!s)
                abort();
        return s;
}

void value_text_clean(char *text)
{
        json_t *o = json_string(text);
        for (char *s = text; !o && *s; s++)
                if ((unsigned char)*s >= 0x80)
                        *s = '?';
        json_decref(o);
}

char *holder_value_write(const struct holder_value *v)
{
        return dump(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "node", v->node.text, "instance",
                              v->instance, "boot", v->boot_id, "state", state_names[v->state], "lease_ms",
                              (json_int_t)v->lease_ms, "budget_ms", (json_int_t)v->budget_ms, "rate_ppm",
                              (json_int_t)v->rate_ppm, "token", (json_int_t)v->token, "reason",
                              json_string(v->reason)));
}

char *active_value_write(const char *node, uint64_t renewed)
{
        return dump(json_pack("{s:s, s:I}", "node", node, "renewed", (json_int_t)renewed));
}

char *candidate_value_write(const struct group_candidate *c)
{
        return dump(json_pack("{s:I, s:b, s:o}", "priority", (json_int_t)c->who.priority, "healthy",
                              (int)c->who.healthy, "reason", json_string(c->reason)));
}
