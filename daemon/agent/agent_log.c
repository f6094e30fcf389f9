#include "daemon/agent/agent_log.h"

#include "daemon/common/events.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* Bytes of one field, key and all; longer ones are cut. */
#define FIELD_BYTES_MAX 320
/* Fields of one line: BATON_GROUP, BATON_TOKEN, BATON_REASON, BATON_MEMBER, BATON_ROLE. */
#define FIELD_COUNT 5

static const int kinds[] = {
        [AGENT_EVENT_PLAIN] = -1,
        [AGENT_EVENT_MEMBER_JOINED] = LOG_EVENT_MEMBER_JOINED,
        [AGENT_EVENT_MEMBER_LEFT] = LOG_EVENT_MEMBER_LEFT,
        [AGENT_EVENT_ROLE] = LOG_EVENT_ROLE_CHANGED,
        [AGENT_EVENT_GROUP_ACQUIRED] = LOG_EVENT_GROUP_ACQUIRED,
        [AGENT_EVENT_GROUP_ACTIVE] = LOG_EVENT_GROUP_ACTIVE,
        [AGENT_EVENT_GROUP_RELEASED] = LOG_EVENT_GROUP_RELEASED,
        [AGENT_EVENT_GROUP_LOST] = LOG_EVENT_GROUP_LOST,
        [AGENT_EVENT_GROUP_GIVEN_UP] = LOG_EVENT_GROUP_GIVEN_UP,
};
static_assert(sizeof kinds / sizeof *kinds == AGENT_EVENT_COUNT, "every event has its kind");

struct fields {
        char texts[FIELD_COUNT][FIELD_BYTES_MAX];
        const char *list[FIELD_COUNT + 1];
        size_t count;
};

static void add(struct fields *f, const char *key, const char *value)
{
        assert(f->count < FIELD_COUNT);
        if (!value || !*value)
                return;
        (void)snprintf(f->texts[f->count], FIELD_BYTES_MAX, "%s=%s", key, value);
        f->list[f->count] = f->texts[f->count];
        f->count++;
}

void agent_log_write(const struct agent_line *line)
{
        struct fields f = {.count = 0};
        char token[24] = "";
        int kind = kinds[line->event];
        if (line->token)
                (void)snprintf(token, sizeof token, "%" PRId64, line->token);
        add(&f, "BATON_GROUP", line->group);
        add(&f, "BATON_TOKEN", token);
        add(&f, "BATON_REASON", line->reason);
        add(&f, "BATON_MEMBER", line->member);
        add(&f, "BATON_ROLE", line->event == AGENT_EVENT_ROLE ? node_role_name(line->role) : NULL);
        log_event(line->level, kind < 0 ? NULL : log_event_id((enum log_event_kind)kind), f.list, "%s%s%s%s",
                  line->group ? "group " : "", line->group ? line->group : "", line->group ? ": " : "", line->text);
}
