/* See message.h. A table says which fields a type has and in which order; encoding and decoding walk through it, so
 * the two cannot differ. */
#include "daemon/common/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum field {
        FIELD_END,
        FIELD_NUMBER,
        FIELD_STOP,
        FIELD_NAME,
        FIELD_GROUP,
        FIELD_ROLE,
        FIELD_STATE,
        FIELD_HEALTH,
        FIELD_REASON,
        FIELD_TOKEN,
        FIELD_DEADLINE,
        FIELD_LEASE,
        FIELD_BUDGET,
        FIELD_VERSION,
        FIELD_ERROR,
        FIELD_ZXID,
        FIELD_TEXT,
        FIELD_PATH,
        FIELD_DATA,
        FIELD_MEMBERS,
};

/* Fields of one type, with FIELD_END behind them. */
#define FIELDS_MAX 6
/* The fewest bytes a member takes: an empty name, role, here. */
#define MEMBER_BYTES_MIN 9

struct layout {
        const char *name;
        uint8_t fields[FIELDS_MAX];
        bool has_fd;
};

static const struct layout layouts[] = {
        [MESSAGE_PING] = {"ping", {FIELD_NUMBER}, false},
        [MESSAGE_STOP] = {"stop", {FIELD_STOP}, false},
        [MESSAGE_LINK] = {"link", {FIELD_NAME}, true},
        [MESSAGE_PONG] = {"pong", {FIELD_NUMBER}, false},
        [MESSAGE_READY] = {"ready", {FIELD_END}, false},
        [MESSAGE_UNREADY] = {"unready", {FIELD_END}, false},
        [MESSAGE_STATUS] = {"status", {FIELD_TEXT}, false},
        [MESSAGE_HOLDING] = {"holding", {FIELD_STATE, FIELD_TOKEN, FIELD_DEADLINE, FIELD_BUDGET}, false},
        [MESSAGE_ROLE] = {"role", {FIELD_ROLE, FIELD_TEXT}, false},
        [MESSAGE_GRANT] = {"grant", {FIELD_GROUP, FIELD_TOKEN, FIELD_DEADLINE, FIELD_LEASE, FIELD_BUDGET}, false},
        [MESSAGE_REVOKE] = {"revoke", {FIELD_GROUP, FIELD_TOKEN, FIELD_REASON, FIELD_TEXT}, false},
        [MESSAGE_MEMBERS] = {"members", {FIELD_MEMBERS}, false},
        [MESSAGE_CONFIG] = {"config", {FIELD_PATH, FIELD_DATA, FIELD_VERSION, FIELD_ZXID}, false},
        [MESSAGE_CONFIG_SYNCED] = {"config_synced", {FIELD_ZXID}, false},
        [MESSAGE_CONFIG_DONE] = {"config_done", {FIELD_NUMBER, FIELD_ERROR, FIELD_VERSION}, false},
        [MESSAGE_HELLO] = {"hello", {FIELD_NAME, FIELD_GROUP, FIELD_STATE, FIELD_TOKEN, FIELD_BUDGET}, false},
        [MESSAGE_STATE] = {"state", {FIELD_STATE, FIELD_TOKEN, FIELD_TEXT}, false},
        [MESSAGE_HEALTH] = {"health", {FIELD_HEALTH, FIELD_TEXT}, false},
        [MESSAGE_NOTE] = {"note", {FIELD_TEXT}, false},
        [MESSAGE_CONFIG_SET] = {"config_set", {FIELD_NUMBER, FIELD_PATH, FIELD_DATA, FIELD_VERSION}, false},
};
static_assert(sizeof layouts / sizeof *layouts == MESSAGE_MAX, "every type has its fields");

struct message message_of(enum message_type type)
{
        const struct jute_str empty = {.data = (const uint8_t *)"", .len = 0};
        assert((unsigned)type < MESSAGE_MAX);
        return (struct message){
                .type = type, .fd = -1, .text = empty, .path = empty, .data = {.data = NULL, .len = -1}};
}

bool message_has_fd(enum message_type type)
{
        assert((unsigned)type < MESSAGE_MAX);
        return layouts[type].has_fd;
}

/* ---- encoding ---- */

/* What of a text goes out: up to its first NUL and `len_max`, without half a character at its end. */
static struct jute_str cut_text(struct jute_str text, size_t len_max)
{
        size_t len = text.len > 0 ? strnlen((const char *)text.data, (size_t)text.len) : 0;
        if (len > len_max) {
                len = len_max;
                while (len > 0 && (text.data[len] & 0xc0) == 0x80)
                        len--;
        }
        return jute_str_of(len > 0 ? (const void *)text.data : "", len);
}

static void put_members(const struct message *m, struct jute_writer *w)
{
        assert(m->member_count <= MESSAGE_MEMBERS_MAX);
        jute_put_int(w, (int32_t)m->member_count);
        for (size_t i = 0; i < m->member_count; i++) {
                jute_put_cstr(w, m->members[i].name.text);
                jute_put_int(w, (int32_t)m->members[i].role);
                jute_put_bool(w, m->members[i].here);
        }
}

static void put_field(const struct message *m, enum field field, struct jute_writer *w)
{
        switch (field) {
        case FIELD_END:
                break;
        case FIELD_NUMBER:
                jute_put_long(w, m->number);
                break;
        case FIELD_STOP:
                jute_put_int(w, (int32_t)m->stop);
                break;
        case FIELD_NAME:
                jute_put_cstr(w, m->name.text);
                break;
        case FIELD_GROUP:
                jute_put_cstr(w, m->group.text);
                break;
        case FIELD_ROLE:
                jute_put_int(w, (int32_t)m->role);
                break;
        case FIELD_STATE:
                jute_put_int(w, (int32_t)m->state);
                break;
        case FIELD_HEALTH:
                jute_put_int(w, (int32_t)m->health);
                break;
        case FIELD_REASON:
                jute_put_int(w, (int32_t)m->reason);
                break;
        case FIELD_TOKEN:
                jute_put_long(w, m->token);
                break;
        case FIELD_DEADLINE:
                jute_put_long(w, (int64_t)m->deadline_ms);
                break;
        case FIELD_LEASE:
                jute_put_int(w, (int32_t)m->lease_ms);
                break;
        case FIELD_BUDGET:
                jute_put_int(w, (int32_t)m->budget_ms);
                break;
        case FIELD_VERSION:
                jute_put_int(w, m->version);
                break;
        case FIELD_ERROR:
                jute_put_int(w, m->error);
                break;
        case FIELD_ZXID:
                jute_put_long(w, m->zxid);
                break;
        case FIELD_TEXT:
                jute_put_str(w, cut_text(m->text, MESSAGE_TEXT_MAX));
                break;
        case FIELD_PATH:
                jute_put_str(w, cut_text(m->path, MESSAGE_BYTES_MAX));
                break;
        case FIELD_DATA:
                jute_put_str(w, m->data.len == 0 ? jute_str_of("", 0) : m->data);
                break;
        case FIELD_MEMBERS:
                put_members(m, w);
                break;
        }
}

void message_encode(const struct message *m, struct jute_writer *w)
{
        assert((unsigned)m->type < MESSAGE_MAX);
        const struct layout *layout = &layouts[m->type];
        jute_put_int(w, (int32_t)m->type);
        for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != FIELD_END; i++)
                put_field(m, layout->fields[i], w);
}

/* ---- decoding ---- */

static int get_enum(struct jute_reader *r, int count)
{
        int32_t v = jute_get_int(r);
        if (v < 0 || v >= count) {
                jute_fail(r);
                return 0;
        }
        return v;
}

static struct name get_name(struct jute_reader *r)
{
        struct name name = {.text = ""};
        struct jute_str s = jute_get_str(r);
        if (s.len <= 0)
                return name;
        if (s.len > NAME_BYTES_MAX || memchr(s.data, 0, (size_t)s.len)) {
                jute_fail(r);
                return name;
        }
        memcpy(name.text, s.data, (size_t)s.len);
        if (!name_is_valid(name.text)) {
                jute_fail(r);
                name.text[0] = '\0';
        }
        return name;
}

static struct jute_str get_text(struct jute_reader *r, int32_t len_max)
{
        struct jute_str s = jute_get_str(r);
        if (s.len > len_max || (s.len > 0 && memchr(s.data, 0, (size_t)s.len)))
                jute_fail(r);
        return s.len > 0 ? s : jute_str_of("", 0);
}

static void get_members(struct jute_reader *r, struct message_member *members, struct message *ret)
{
        int32_t count = jute_get_int(r);
        if (count < 0 || count > MESSAGE_MEMBERS_MAX || (size_t)count > jute_left(r) / MEMBER_BYTES_MIN) {
                jute_fail(r);
                return;
        }
        for (int32_t i = 0; i < count && !r->error; i++) {
                members[i].name = get_name(r);
                members[i].role = (enum node_role)get_enum(r, ROLE_COUNT);
                members[i].here = jute_get_bool(r);
        }
        ret->members = members;
        ret->member_count = (size_t)count;
}

static void get_field(struct jute_reader *r, enum field field, struct message_member *members, struct message *ret)
{
        switch (field) {
        case FIELD_END:
                break;
        case FIELD_NUMBER:
                ret->number = jute_get_long(r);
                break;
        case FIELD_STOP:
                ret->stop = (enum stop_how)get_enum(r, STOP_MAX);
                break;
        case FIELD_NAME:
                ret->name = get_name(r);
                break;
        case FIELD_GROUP:
                ret->group = get_name(r);
                break;
        case FIELD_ROLE:
                ret->role = (enum node_role)get_enum(r, ROLE_COUNT);
                break;
        case FIELD_STATE:
                ret->state = (enum worker_state)get_enum(r, WORKER_STATE_COUNT);
                break;
        case FIELD_HEALTH:
                ret->health = (enum health)get_enum(r, HEALTH_COUNT);
                break;
        case FIELD_REASON:
                ret->reason = (enum revoke_reason)get_enum(r, REVOKE_COUNT);
                break;
        case FIELD_TOKEN:
                ret->token = jute_get_long(r);
                break;
        case FIELD_DEADLINE:
                ret->deadline_ms = (uint64_t)jute_get_long(r);
                break;
        case FIELD_LEASE:
                ret->lease_ms = (uint32_t)jute_get_int(r);
                break;
        case FIELD_BUDGET:
                ret->budget_ms = (uint32_t)jute_get_int(r);
                break;
        case FIELD_VERSION:
                ret->version = jute_get_int(r);
                break;
        case FIELD_ERROR:
                ret->error = jute_get_int(r);
                break;
        case FIELD_ZXID:
                ret->zxid = jute_get_long(r);
                break;
        case FIELD_TEXT:
                ret->text = get_text(r, MESSAGE_TEXT_MAX);
                break;
        case FIELD_PATH:
                ret->path = get_text(r, MESSAGE_BYTES_MAX);
                break;
        case FIELD_DATA:
                ret->data = jute_get_str(r);
                break;
        case FIELD_MEMBERS:
                get_members(r, members, ret);
                break;
        }
}

int message_decode(const void *data, size_t len, struct message_member *members, struct message *ret)
{
        struct jute_reader r;
        jute_reader_init(&r, data, len, MESSAGE_BYTES_MAX);
        int type = get_enum(&r, MESSAGE_MAX);
        if (r.error)
                return -EPROTO;
        struct message m = message_of((enum message_type)type);
        const struct layout *layout = &layouts[type];
        for (size_t i = 0; i < FIELDS_MAX && layout->fields[i] != FIELD_END; i++)
                get_field(&r, layout->fields[i], members, &m);
        if (r.error || jute_left(&r) > 0)
                return -EPROTO;
        *ret = m;
        return 0;
}

/* ---- names ---- */

static const char *const role_names[] = {
        [ROLE_NONE] = "none",           [ROLE_LOOKING] = "looking", [ROLE_FOLLOWING] = "following",
        [ROLE_OBSERVING] = "observing", [ROLE_LEADING] = "leading",
};
static_assert(sizeof role_names / sizeof *role_names == ROLE_COUNT, "every role has its name");

static const char *const state_names[] = {
        [WORKER_OPENING] = "opening", [WORKER_STOPPED] = "stopped",   [WORKER_STARTING] = "starting",
        [WORKER_ACTIVE] = "active",   [WORKER_STOPPING] = "stopping", [WORKER_FAILED] = "failed",
};
static_assert(sizeof state_names / sizeof *state_names == WORKER_STATE_COUNT, "every state has its name");

static const char *const health_names[] = {
        [HEALTH_UNKNOWN] = "unknown",
        [HEALTH_GOOD] = "good",
        [HEALTH_DEGRADED] = "degraded",
        [HEALTH_BAD] = "bad",
};
static_assert(sizeof health_names / sizeof *health_names == HEALTH_COUNT, "every health has its name");

static const char *const reason_names[] = {
        [REVOKE_SWITCHOVER] = "switchover",
        [REVOKE_FAILED] = "failed",
        [REVOKE_LOST] = "lost",
        [REVOKE_ENDING] = "ending",
};
static_assert(sizeof reason_names / sizeof *reason_names == REVOKE_COUNT, "every reason has its name");

const char *message_type_name(enum message_type type)
{
        assert((unsigned)type < MESSAGE_MAX);
        return layouts[type].name;
}

const char *node_role_name(enum node_role role)
{
        assert((unsigned)role < ROLE_COUNT);
        return role_names[role];
}

const char *worker_state_name(enum worker_state state)
{
        assert((unsigned)state < WORKER_STATE_COUNT);
        return state_names[state];
}

const char *health_name(enum health health)
{
        assert((unsigned)health < HEALTH_COUNT);
        return health_names[health];
}

const char *revoke_reason_name(enum revoke_reason reason)
{
        assert((unsigned)reason < REVOKE_COUNT);
        return reason_names[reason];
}
