/* All children together: their links, what systemd is told of them, making them what a configuration says. */
#include "daemon/supervisor/supervisor_internal.h"

#include "daemon/common/clock.h"
#include "daemon/common/log.h"
#include "daemon/supervisor/status_file.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kid *family_find(struct supervisor *s, const char *name)
{
        for (size_t i = 0; i < s->kid_count; i++)
                if (strcmp(s->kids[i]->name.text, name) == 0)
                        return s->kids[i];
        return NULL;
}

static struct kid *find_kind(struct supervisor *s, enum kid_kind kind)
{
        for (size_t i = 0; i < s->kid_count; i++)
                if (s->kids[i]->kind == kind)
                        return s->kids[i];
        return NULL;
}

/* ---- links ---- */

static void send_link(struct kid *to, const struct kid *other, int fd)
{
        struct message m = message_of(MESSAGE_LINK);
        m.name = other->name;
        m.fd = fd;
        (void)ipc_send(to->ipc, &m); /* a child that cannot be told anything is about to be told of */
}

static void link_two(struct kid *a, struct kid *b)
{
        int ends[2];
        if (!a || !b || !kid_listens(a) || !kid_listens(b))
                return;
        int r = ipc_pair(ends);
        if (r < 0) {
                log_error("%s and %s cannot be connected: %s", a->name.text, b->name.text, strerror(-r));
                return;
        }
        send_link(a, b, ends[0]);
        send_link(b, a, ends[1]);
        (void)close(ends[0]);
        (void)close(ends[1]);
}

/* The old link of the one that stayed has ended with the other's process; this one replaces it. */
void family_link(struct supervisor *s, struct kid *k)
{
        struct kid *agent = find_kind(s, KID_AGENT);
        if (k->kind != KID_AGENT) {
                link_two(agent, k);
                return;
        }
        for (size_t i = 0; i < s->kid_count; i++)
                if (s->kids[i] != k && !s->kids[i]->removed)
                        link_two(k, s->kids[i]);
}

/* ---- status ---- */

void family_status(struct supervisor *s)
{
        char line[NOTIFY_STATUS_MAX];
        const struct kid *agent = find_kind(s, KID_AGENT);
        const char *said = agent && agent->status[0] ? agent->status : NULL;
        if (!said)
                said = s->notify.ready ? "the agent is being started again"
                                       : "starting; waiting for a quorum of the ensemble";
        if (s->phase != END_NONE)
                said = s->how == STOP_KEEP ? "ending, a successor takes over" : "stopping";
        int len = snprintf(line, sizeof line, "%s", said);
        for (size_t i = 0; i < s->kid_count && len > 0 && (size_t)len < sizeof line; i++)
                if (s->kids[i]->child.state == CHILD_RESTING && s->kids[i]->child.strikes > 0)
                        len += snprintf(line + len, sizeof line - (size_t)len, "; %s fails (%s)", s->kids[i]->name.text,
                                        s->kids[i]->last_exit);
        notify_status(&s->notify, line);
}

void family_write_status(struct supervisor *s)
{
        char *text = status_file_text(s);
        int r = runtime_write_file(s->config->runtime_dir, "status.json", text, strlen(text), 0644);
        if (r < 0)
                log_warning("%s/status.json: %s", s->config->runtime_dir, strerror(-r));
        free(text);
        s->dirty_status = false;
}

/* ---- what an unprivileged worker may manage ---- */

static bool is_unit_name(const char *word)
{
        static const char *const suffixes[] = {".service", ".socket", ".target",    ".mount", ".timer",
                                               ".path",    ".slice",  ".automount", ".swap"};
        size_t len = strlen(word);
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
                size_t tail = strlen(suffixes[i]);
                if (len > tail && strcmp(word + len - tail, suffixes[i]) == 0)
                        return true;
        }
        return false;
}

/* Settings of bundled plugins that name units are called unit, units or …_unit; a name without suffix is a service. */
static bool names_units(const char *key)
{
        size_t len = strlen(key);
        return strcmp(key, "unit") == 0 || strcmp(key, "units") == 0 ||
               (len > 5 && strcmp(key + len - 5, "_unit") == 0);
}

static void put_units(FILE *f, const struct node_plugin *p)
{
        for (size_t i = 0; i < p->setting_count; i++) {
                if (!names_units(p->settings[i].key))
                        continue;
                for (const char *at = p->settings[i].value; *(at += strspn(at, " \t,")); at += strcspn(at, " \t,")) {
                        char word[256];
                        (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " \t,"), at);
                        (void)fprintf(f, "%s %s%s\n", p->identity.user, word, is_unit_name(word) ? "" : ".service");
                }
        }
}

static void write_units(const struct node_config *c)
{
        char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        if (!f)
                abort();
        for (size_t i = 0; i < c->plugin_count; i++)
                if (c->plugins[i].identity.user[0])
                        put_units(f, &c->plugins[i]);
        if (fclose(f) != 0)
                abort();
        int r = runtime_write_file(c->runtime_dir, "units.allowed", text, len, 0644);
        if (r < 0)
                log_warning("%s/units.allowed: %s: workers without privileges cannot manage their units",
                            c->runtime_dir, strerror(-r));
        free(text);
}

/* ---- becoming what a configuration says ---- */

static struct kid *add_kid(struct supervisor *s, const struct planned *p)
{
        struct kid *k = kid_new(s, p);
        s->kids = mem_grow(s->kids, &s->kid_capacity, s->kid_count + 1, sizeof *s->kids);
        s->kids[s->kid_count++] = k;
        return k;
}

/* `k` is there already: only what has changed is touched. */
static void adapt(struct supervisor *s, struct kid *k, const struct planned *p)
{
        const struct planned now = {.config = k->config, .identity = k->identity};
        bool back = k->removed;
        bool changed = planned_differs(&now, p);
        k->removed = false;
        kid_configure(k, p);
        if (!s->begun)
                return;
        if (back)
                kid_event(k, CHILD_START, STOP_KEEP);
        if (changed) {
                log_info("%s: its configuration has changed, it is started anew", k->name.text);
                kid_event(k, CHILD_RESTART, STOP_KEEP);
        }
}

/* Engine, agent, workers as in the file: the order of starts, and of status.json. */
static void order(struct supervisor *s, const struct plan *p)
{
        size_t done = 0;
        for (size_t i = 0; i < p->count; i++)
                for (size_t j = done; j < s->kid_count; j++)
                        if (strcmp(s->kids[j]->name.text, p->list[i].name.text) == 0) {
                                struct kid *k = s->kids[j];
                                memmove(s->kids + done + 1, s->kids + done, (j - done) * sizeof(struct kid *));
                                s->kids[done++] = k;
                                break;
                        }
}

/* Children that are in no plan have been removed before (reload.c). */
void family_become(struct supervisor *s, struct node_config *config)
{
        struct plan *p = plan_new(config);
        struct node_config *old = s->config;
        s->config = config;
        write_units(config);
        log_standing("BATON_NODE", config->node.text);
        for (size_t i = 0; i < p->count; i++) {
                struct kid *k = family_find(s, p->list[i].name.text);
                if (k) {
                        adapt(s, k, &p->list[i]);
                } else {
                        k = add_kid(s, &p->list[i]);
                        if (s->begun)
                                kid_event(k, CHILD_START, STOP_KEEP);
                }
        }
        order(s, p);
        plan_free(p);
        node_config_free(old);
        s->dirty_status = true;
}

bool family_sweep(struct supervisor *s)
{
        bool none = true;
        for (size_t i = 0; i < s->kid_count;) {
                struct kid *k = s->kids[i];
                if (!k->removed || k->child.state != CHILD_OFF) {
                        none = none && !k->removed;
                        i++;
                        continue;
                }
                if (k->kind == KID_WORKER && !kid_is_dirty(k))
                        runtime_forget(s->config->runtime_dir, k->name.text);
                kid_free(k);
                memmove(s->kids + i, s->kids + i + 1, (--s->kid_count - i) * sizeof(struct kid *));
                s->dirty_status = true;
        }
        return none;
}

void family_start(struct supervisor *s)
{
        s->begun = true;
        for (size_t i = 0; i < s->kid_count; i++)
                if (!s->kids[i]->removed)
                        kid_event(s->kids[i], CHILD_START, STOP_KEEP);
}

/* ---- what an earlier configuration left ---- */

static void adopt(struct supervisor *s, const struct name *name, const struct grant_record *r)
{
        struct runtime_worker w;
        char *text = runtime_worker_config(s->config->runtime_dir, name->text);
        if (!text || runtime_worker_load(s->config->runtime_dir, name->text, &w) < 0) {
                log_error("%s is not in the configuration any more and may still be running: stop it by hand, then "
                          "remove "
                          "%s/grants/%s",
                          name->text, s->config->runtime_dir, name->text);
                free(text);
                return;
        }
        uint32_t stop_ms = (r->budget_ms > 0 ? r->budget_ms : PLAN_BUDGET_MS) + PLAN_WORKER_EXTRA_MS;
        const struct planned p = {.kind = KID_WORKER,
                                  .name = *name,
                                  .config = text,
                                  .identity = w.identity,
                                  .limits = {.release_ms = stop_ms, .keep_ms = PLAN_KEEP_MS, .ensure_ms = stop_ms},
                                  .missed_max = PLAN_WORKER_MISSED_MAX,
                                  .missed_start_max = PLAN_START_MISSED_MAX};
        log_warning("%s is not in the configuration any more and may still be running: it is stopped", name->text);
        struct kid *k = add_kid(s, &p);
        k->removed = true;
        k->child.how = STOP_RELEASE;
        kid_event(k, CHILD_OVERDUE, STOP_RELEASE);
        free(text);
}

void family_adopt_left(struct supervisor *s)
{
        static struct name names[RUNTIME_RECORDS_MAX];
        size_t count = runtime_records(s->config->runtime_dir, names);
        for (size_t i = 0; i < count; i++) {
                struct grant_record r;
                if (family_find(s, names[i].text))
                        continue;
                if (runtime_record_read(s->config->runtime_dir, names[i].text, &r) == 0 &&
                    grant_may_run(&r, s->boot_id))
                        adopt(s, &names[i], &r);
                else
                        runtime_forget(s->config->runtime_dir, names[i].text);
        }
}
