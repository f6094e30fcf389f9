/* See audit_log.h. */
#include "daemon/engine/audit_log.h"

#include "daemon/common/events.h"
#include "daemon/common/log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fields {
        char text[LOG_FIELDS_MAX][AUDIT_FIELD_MAX];
        const char *list[LOG_FIELDS_MAX + 1];
        size_t count;
};

/* "znode=/a" as "BATON_ZNODE=/a". */
static void add(struct fields *f, const char *pair, size_t len)
{
        char *text = f->text[f->count];
        size_t key = strcspn(pair, "= ");
        (void)snprintf(text, AUDIT_FIELD_MAX, "BATON_%.*s", (int)len, pair);
        for (size_t i = 0; i < key; i++)
                text[strlen("BATON_") + i] = (char)toupper((unsigned char)pair[i]);
        f->list[f->count++] = text;
        f->list[f->count] = NULL;
}

void audit_log(bool failed, const char *text)
{
        struct fields f = {.count = 0};
        char line[LOG_LINE_MAX];
        for (const char *at = text; *at && f.count < LOG_FIELDS_MAX;) {
                size_t len = strcspn(at, " ");
                add(&f, at, len);
                at += len + strspn(at + len, " ");
        }
        (void)snprintf(line, sizeof line, "audit: %s", text);
        log_record(failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, log_event_id(LOG_EVENT_AUDIT), f.list, line);
}

void audit_log_server(const char *operation, const char *result)
{
        char text[128];
        (void)snprintf(text, sizeof text, "user=%ld operation=%s result=%s", (long)geteuid(), operation, result);
        audit_log(false, text);
}
