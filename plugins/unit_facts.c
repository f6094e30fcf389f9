/* What systemd says of one unit: one call reads all of it, so that what is compared belongs together. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_BOOL, KIND_U64, KIND_U32, KIND_I32, KIND_COUNT, KIND_LIST, KIND_JOB, KIND_ERROR };

struct property {
        const char *name;
        enum kind kind;
        size_t offset, size;
};

#define FIELD(field) offsetof(struct unit_facts, field), sizeof((struct unit_facts *)0)->field

static const struct property properties[] = {
        {"Id", KIND_TEXT, FIELD(id)},
        {"LoadState", KIND_TEXT, FIELD(load_state)},
        {"LoadError", KIND_ERROR, FIELD(load_error)},
        {"ActiveState", KIND_TEXT, FIELD(active_state)},
        {"SubState", KIND_TEXT, FIELD(sub_state)},
        {"Job", KIND_JOB, FIELD(job)},
        {"ConditionResult", KIND_BOOL, FIELD(condition_result)},
        {"ConditionTimestamp", KIND_U64, FIELD(condition_us)},
        {"RefuseManualStart", KIND_BOOL, FIELD(refuse_start)},
        {"RefuseManualStop", KIND_BOOL, FIELD(refuse_stop)},
        {"ControlGroup", KIND_TEXT, FIELD(control_group)},
        {"KillMode", KIND_TEXT, FIELD(kill_mode)},
        {"Type", KIND_TEXT, FIELD(type)},
        {"Result", KIND_TEXT, FIELD(result)},
        {"SendSIGKILL", KIND_BOOL, FIELD(send_sigkill)},
        {"RemainAfterExit", KIND_BOOL, FIELD(remain_after_exit)},
        {"TimeoutStopUSec", KIND_U64, FIELD(timeout_stop_us)},
        {"TimeoutAbortUSec", KIND_U64, FIELD(timeout_abort_us)},
        {"TimeoutUSec", KIND_U64, FIELD(timeout_us)},
        {"ExecStop", KIND_COUNT, FIELD(stop_commands)},
        {"ExecStopPost", KIND_COUNT, FIELD(stop_commands)},
        {"ExecStopPre", KIND_COUNT, FIELD(stop_commands)},
        {"ExecMainCode", KIND_I32, FIELD(exit_code)},
        {"ExecMainStatus", KIND_I32, FIELD(exit_status)},
        {"NRestarts", KIND_U32, FIELD(restarts)},
        {"WantedBy", KIND_LIST, FIELD(wanted_by)},
        {"RequiredBy", KIND_LIST, FIELD(wanted_by)},
        {"BoundBy", KIND_LIST, FIELD(wanted_by)},
        {"UpheldBy", KIND_LIST, FIELD(wanted_by)},
        {"TriggeredBy", KIND_LIST, FIELD(triggered_by)},
        {"Triggers", KIND_LIST, FIELD(triggers)},
};

static void list_done(struct unit_list *l)
{
        for (size_t i = 0; i < l->count; i++)
                free(l->names[i]);
        l->count = 0;
}

void unit__facts_done(struct unit_facts *f)
{
        list_done(&f->wanted_by);
        list_done(&f->triggered_by);
        list_done(&f->triggers);
        *f = (struct unit_facts){0};
}

static int read_text(sd_bus_message *m, char *ret, size_t size)
{
        const char *text;
        int r = sd_bus_message_read(m, "s", &text);
        if (r >= 0 && (size_t)snprintf(ret, size, "%s", text) >= size)
                return -EMSGSIZE;
        return r;
}

/* Counts the elements of an array of whatever. */
static int read_count(sd_bus_message *m, const char *contents, uint32_t *count)
{
        if (contents[0] != 'a')
                return -EBADMSG;
        int r = sd_bus_message_enter_container(m, 'a', contents + 1);
        while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
                (*count)++;
                r = sd_bus_message_skip(m, contents + 1);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_list(sd_bus_message *m, struct unit_list *l)
{
        const char *name;
        int r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &name)) > 0)
                if (l->count < UNIT_LIST_MAX)
                        l->names[l->count++] = unit__copy(name);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_value(sd_bus_message *m, const char *contents, const struct property *p, struct unit_facts *f)
{
        void *at = (char *)f + p->offset;
        const char *text, *path;
        int flag = 0, r;
        switch (p->kind) {
        case KIND_TEXT:
                return read_text(m, at, p->size);
        case KIND_BOOL:
                r = sd_bus_message_read(m, "b", &flag);
                *(bool *)at = flag != 0;
                return r;
        case KIND_U64:
                return sd_bus_message_read(m, "t", at);
        case KIND_U32:
                return sd_bus_message_read(m, "u", at);
        case KIND_I32:
                return sd_bus_message_read(m, "i", at);
        case KIND_COUNT:
                return read_count(m, contents, at);
        case KIND_LIST:
                return read_list(m, at);
        case KIND_JOB:
                return sd_bus_message_read(m, "(uo)", at, &path);
        case KIND_ERROR:
                r = sd_bus_message_read(m, "(ss)", &path, &text);
                if (r >= 0)
                        (void)snprintf(at, p->size, "%s", text); /* for a person: may be cut */
                return r;
        }
        return -EBADMSG;
}

/* Whether a property is what we think it is; another kind of unit may have another meaning for the name. */
static bool fits(enum kind kind, const char *contents)
{
        static const char *const signature[] = {
                [KIND_TEXT] = "s",  [KIND_BOOL] = "b",  [KIND_U64] = "t",    [KIND_U32] = "u",     [KIND_I32] = "i",
                [KIND_COUNT] = "a", [KIND_LIST] = "as", [KIND_JOB] = "(uo)", [KIND_ERROR] = "(ss)"};
        return kind == KIND_COUNT ? contents[0] == 'a' : strcmp(contents, signature[kind]) == 0;
}

static int read_entry(sd_bus_message *m, struct unit_facts *f)
{
        const char *name, *contents;
        char type;
        int r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
                if (strcmp(name, properties[i].name) != 0 || !fits(properties[i].kind, contents))
                        continue;
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r >= 0)
                        r = read_value(m, contents, &properties[i], f);
                if (r >= 0 && properties[i].offset == offsetof(struct unit_facts, send_sigkill))
                        f->has_kill = true;
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v");
}

static int parse(sd_bus_message *m, struct unit_facts *f)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, f);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return r;
        return f->id[0] && f->load_state[0] && f->active_state[0] ? 0 : -EBADMSG;
}

int unit__facts_read(struct unit_bus *b, const struct unit_wait *w, const char *path, struct unit_facts *f)
{
        __attribute__((cleanup(sd_bus_message_unrefp)))
        sd_bus_message *reply = NULL,
                       *m = unit__bus_message(b, path, "org.freedesktop.DBus.Properties", "GetAll");
        if (!m)
                return -ENOTCONN;
        int r = sd_bus_message_append(m, "s", "");
        if (r >= 0)
                r = unit__bus_send(b, w, m, &reply);
        if (r < 0)
                return r;
        struct unit_facts fresh = {0};
        r = parse(reply, &fresh);
        if (r < 0) {
                unit__facts_done(&fresh);
                return -ENOTCONN; /* half a systemd; it is asked again */
        }
        memcpy(fresh.file_state, f->file_state, sizeof fresh.file_state);
        unit__facts_done(f);
        *f = fresh;
        return 0;
}

int unit__facts_file_state(struct unit_bus *b, const struct unit_wait *w, const char *name, char *ret, size_t size)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        *ret = '\0';
        int r = unit__bus_call(b, w, &reply, "GetUnitFileState", name, NULL);
        if (r == -ENOENT || r == -EREMOTEIO)
                return 0; /* generated or transient: it has no file that could be enabled */
        return r < 0 ? r : (read_text(reply, ret, size) < 0 ? -ENOTCONN : 0);
}
