/* See events.h. */
#include "daemon/common/events.h"

#include <assert.h>

#define LOG_EVENT_ROW(kind, id, what, fields) [LOG_EVENT_##kind] = {id, what, fields},
static const struct {
        const char *id, *what, *fields;
} rows[] = {LOG_EVENTS(LOG_EVENT_ROW)};
#undef LOG_EVENT_ROW
static_assert(sizeof rows / sizeof *rows == LOG_EVENT_COUNT, "every kind has its row");

const char *log_event_id(enum log_event_kind kind)
{
        assert((unsigned)kind < LOG_EVENT_COUNT);
        return rows[kind].id;
}

const char *log_event_what(enum log_event_kind kind)
{
        assert((unsigned)kind < LOG_EVENT_COUNT);
        return rows[kind].what;
}

const char *log_event_fields(enum log_event_kind kind)
{
        assert((unsigned)kind < LOG_EVENT_COUNT);
        return rows[kind].fields;
}
