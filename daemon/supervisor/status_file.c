/* See status_file.h. */
#include "daemon/supervisor/status_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A JSON string. Bytes beyond ASCII go through: names are ASCII, texts of children are UTF-8 or replaced. */
static void put_string(FILE *f, const char *s)
{
        (void)fputc('"', f);
        for (; *s; s++) {
                unsigned char c = (unsigned char)*s;
                if (c == '"' || c == '\\')
                        (void)fprintf(f, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        (void)fprintf(f, "\\u%04x", c);
                else
                        (void)fputc(c, f);
        }
        (void)fputc('"', f);
}

static void put_member(FILE *f, const char *key, const char *value)
{
        (void)fprintf(f, "\"%s\": ", key);
        put_string(f, value);
}

static void put_kid(FILE *f, const struct kid *k)
{
        (void)fputs("{", f);
        put_member(f, "name", k->name.text);
        (void)fputs(", ", f);
        put_member(f, "kind", kid_kind_name(k->kind));
        (void)fprintf(f, ", \"pid\": %ld, ", (long)k->pid);
        put_member(f, "state", child_state_name(k->child.state));
        (void)fprintf(f, ", \"ready\": %s, \"restarts\": %" PRIu32 ", \"strikes\": %" PRIu32 ", \"since_ms\": %" PRIu64,
                      k->child.state == CHILD_RUNNING ? "true" : "false", k->child.restarts, k->child.strikes,
                      k->child.since_ms);
        if (k->child.state == CHILD_RESTING)
                (void)fprintf(f, ", \"next_ms\": %" PRIu64, k->child.timer_ms);
        (void)fputs(", ", f);
        put_member(f, "last_exit", k->last_exit);
        if (k->kind == KID_ENGINE) {
                (void)fputs(", ", f);
                put_member(f, "role", node_role_name(k->role));
        }
        if (k->grant.known) {
                (void)fputs(", \"grant\": {", f);
                put_member(f, "group", k->grant.record.group.text);
                (void)fputs(", ", f);
                put_member(f, "state", worker_state_name(k->grant.record.state));
                (void)fprintf(f, ", \"token\": %" PRId64 ", \"budget_ms\": %" PRIu32 "}", k->grant.record.token,
                              k->grant.record.budget_ms);
        }
        (void)fputs("}", f);
}

char *status_file_text(const struct supervisor *s)
{
        char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        if (!f)
                abort(); /* as everywhere when there is no memory */
        const char *state = s->notify.ready ? "member" : "starting";
        (void)fprintf(f, "{\"pid\": %ld, ", (long)getpid());
        put_member(f, "node", s->config->node.text);
        (void)fputs(", ", f);
        put_member(f, "version", BATON_VERSION);
        (void)fputs(", ", f);
        put_member(f, "boot", s->boot_id);
        (void)fputs(", ", f);
        put_member(f, "state", s->phase != END_NONE ? "stopping" : state);
        (void)fputs(", ", f);
        put_member(f, "status", s->notify.status);
        (void)fputs(",\n \"children\": [", f);
        for (size_t i = 0; i < s->kid_count; i++) {
                (void)fputs(i > 0 ? ",\n  " : "\n  ", f);
                put_kid(f, s->kids[i]);
        }
        (void)fputs("]}\n", f);
        if (fclose(f) != 0)
                abort();
        return text;
}
