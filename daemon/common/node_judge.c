/* What the lines of all sections mean together: the base (who and where), groups, plugins, and what one says about the
 * other. The ensemble is in node_ensemble.c. */
#include "daemon/common/node_config_internal.h"

#include "daemon/common/log.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ---- words ---- */

/* User and group names as useradd(8) has them, or numbers. */
static bool is_account(const char *text)
{
        size_t len = strlen(text);
        if (len == 0 || (!isalnum((unsigned char)text[0]) && text[0] != '_'))
                return false;
        for (size_t i = 1; i < len; i++)
                if (!isalnum((unsigned char)text[i]) && !strchr("_-.", text[i]) && !(text[i] == '$' && i == len - 1))
                        return false;
        return true;
}

static void judge_account(struct node_loading *l, struct origin at, const char *what, const char *text, char *ret)
{
        if (!at.line)
                return;
        if (strlen(text) > NODE_WORD_MAX || !is_account(text))
                problems_add_at(l->problems, at, "%s %s: no name of a %s can look so", what, log_quote(text).text,
                                what);
        else
                memcpy(ret, text, strlen(text) + 1);
}

static bool is_capability(const char *text, size_t len)
{
        if (len < 5 || strncmp(text, "CAP_", 4) != 0)
                return false;
        for (size_t i = 4; i < len; i++)
                if (!isupper((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '_')
                        return false;
        return true;
}

/* Names with blanks or commas become names with one blank each. */
static void judge_capabilities(struct node_loading *l, struct origin at, const char *text, char *ret)
{
        size_t used = 0;
        while (at.line && *text) {
                text += strspn(text, ", \t");
                size_t len = strcspn(text, ", \t");
                if (len == 0)
                        break;
                if (!is_capability(text, len)) {
                        problems_add_at(l->problems, at, "capabilities: %s is no name like CAP_NET_ADMIN",
                                        log_quote_bytes(text, len).text);
                } else {
                        if (used > 0)
                                ret[used++] = ' ';
                        memcpy(ret + used, text, len); /* no longer than what was read */
                        used += len;
                }
                text += len;
        }
}

static bool judge_directory(struct node_loading *l, struct origin at, const char *key, const char *path)
{
        bool good = path[0] == '/';
        if (!good && at.line)
                problems_add_at(l->problems, at, "%s = %s: must be an absolute path", key, log_quote(path).text);
        return good;
}

/* ---- [supervisor], [engine], [agent] ---- */

static struct origin own_origin(const struct node_loading *l, const char *section, const char *key)
{
        return node_origin(&node_table_own, l->own_origins, section, key);
}

static void judge_identity(struct node_loading *l, const char *section, const struct node_identity_values *v,
                           struct identity *ret)
{
        judge_account(l, own_origin(l, section, "user"), "user", v->user, ret->user);
        judge_account(l, own_origin(l, section, "group"), "group", v->group, ret->group);
        judge_capabilities(l, own_origin(l, section, "capabilities"), v->capabilities, ret->capabilities);
}

/* Percent with up to four decimals, as millionths. Returns whether it is one, up to 50. */
static bool parse_percent(const char *text, uint32_t *ret_ppm)
{
        int64_t whole = 0;
        uint32_t fraction = 0, unit = 1000;
        char digits[8] = "";
        const char *dot = strchr(text, '.');
        size_t len = dot ? (size_t)(dot - text) : strlen(text);
        if (len >= sizeof digits)
                return false;
        memcpy(digits, text, len);
        if (settings_number(digits, 0, 50, &whole) < 0)
                return false;
        for (const char *at = dot ? dot + 1 : ""; *at; at++, unit /= 10) {
                if (!isdigit((unsigned char)*at) || unit == 0)
                        return false;
                fraction += (uint32_t)(*at - '0') * unit;
        }
        if ((dot && dot[1] == '\0') || (whole == 50 && fraction > 0))
                return false;
        *ret_ppm = (uint32_t)whole * 10000 + fraction;
        return true;
}

static const char *const last_resort_names[] = {
        [LAST_RESORT_NONE] = "none",
        [LAST_RESORT_LOG] = "log",
        [LAST_RESORT_REBOOT] = "reboot",
};
static_assert(sizeof last_resort_names / sizeof *last_resort_names == LAST_RESORT_MAX, "every last resort has a name");

const char *last_resort_name(enum last_resort what)
{
        assert((unsigned)what < LAST_RESORT_MAX);
        return last_resort_names[what];
}

enum last_resort last_resort_of(const char *name)
{
        enum last_resort what = LAST_RESORT_NONE;
        while (what < LAST_RESORT_MAX && strcmp(last_resort_names[what], name) != 0)
                what++;
        return what;
}

static void judge_own(struct node_loading *l, struct node_config *c)
{
        if (judge_directory(l, own_origin(l, "supervisor", "plugin_dir"), "plugin_dir", l->v.plugin_dir))
                memcpy(c->plugin_dir, l->v.plugin_dir, sizeof c->plugin_dir);
        if (judge_directory(l, own_origin(l, "supervisor", "libexec_dir"), "libexec_dir", l->v.libexec_dir))
                memcpy(c->libexec_dir, l->v.libexec_dir, sizeof c->libexec_dir);
        c->last_resort = last_resort_of(l->v.last_resort);
        if (c->last_resort == LAST_RESORT_MAX)
                problems_add_at(l->problems, own_origin(l, "supervisor", "last_resort"),
                                "last_resort = %s: must be none, log or reboot", log_quote(l->v.last_resort).text);
        judge_identity(l, "engine", &l->v.engine, &c->engine);
        judge_identity(l, "agent", &l->v.agent, &c->agent);
        if (!parse_percent(l->v.clock_rate_bound, &c->clock_rate_ppm))
                problems_add_at(l->problems, own_origin(l, "agent", "clock_rate_bound"),
                                "clock_rate_bound = %s: must be percent from 0 to 50, with up to 4 decimals",
                                log_quote(l->v.clock_rate_bound).text);
}

/* ---- [group …] ---- */

static const char *const policy_names[] = {
        [POLICY_LEADER] = "leader",
        [POLICY_PRIORITY] = "priority",
        [POLICY_STICKY] = "sticky",
};
static_assert(sizeof policy_names / sizeof *policy_names == POLICY_COUNT, "every policy has its name");

const char *node_policy_name(enum group_policy policy)
{
        assert((unsigned)policy < POLICY_COUNT);
        return policy_names[policy];
}

static struct origin group_origin(const struct node_group_loading *g, const char *key)
{
        return node_origin(&node_table_group, g->origins, NODE_SECTION_GROUP, key);
}

static void judge_policy(struct node_loading *l, const struct node_group_loading *g, struct node_group *ret)
{
        for (int i = 0; i < POLICY_COUNT; i++) {
                if (strcmp(g->v.policy, policy_names[i]) == 0) {
                        ret->policy = (enum group_policy)i;
                        return;
                }
        }
        problems_add_at(l->problems, group_origin(g, "policy"), "policy = %s: must be leader, priority or sticky",
                        log_quote(g->v.policy).text);
}

static void add_group_member(struct node_loading *l, struct origin at, const char *text, size_t len,
                             struct node_group *ret)
{
        struct name name = {.text = ""};
        if (len <= NAME_BYTES_MAX)
                memcpy(name.text, text, len);
        if (!name_is_valid(name.text)) {
                problems_add_at(l->problems, at, "members: %s can't be a node's name", log_quote_bytes(text, len).text);
                return;
        }
        for (size_t i = 0; i < ret->member_count; i++) {
                if (strcmp(ret->members[i].text, name.text) == 0) {
                        problems_add_at(l->problems, at, "members: %s stands there twice", name.text);
                        return;
                }
        }
        if (ret->member_count == NODE_GROUP_MEMBERS_MAX)
                problems_add_at(l->problems, at, "members: more than %d nodes", NODE_GROUP_MEMBERS_MAX);
        if (ret->member_count < NODE_GROUP_MEMBERS_MAX)
                ret->members[ret->member_count++] = name;
}

static void judge_group(struct node_loading *l, const struct node_group_loading *g, struct node_group *ret)
{
        struct origin at = group_origin(g, "members");
        *ret = (struct node_group){
                .name = g->name,
                .origin = g->origin,
                .priority = (int32_t)g->v.priority,
                .stop_budget_ms = (uint32_t)g->v.stop_budget,
                .failback_ms = (uint32_t)g->v.failback_delay,
                .backoff_ms = (uint32_t)g->v.backoff,
        };
        judge_policy(l, g, ret);
        if (!at.line)
                return;
        ret->members = mem_zalloc(NODE_GROUP_MEMBERS_MAX * sizeof *ret->members);
        for (const char *text = g->v.members + strspn(g->v.members, ", \t"); *text; text += strspn(text, ", \t")) {
                size_t len = strcspn(text, ", \t");
                add_group_member(l, at, text, len, ret);
                text += len;
        }
}

/* ---- [plugin …] ---- */

static struct origin plugin_origin(const struct node_plugin_loading *p, const char *key)
{
        return node_origin(&node_table_plugin, p->origins, NODE_SECTION_PLUGIN, key);
}

static void judge_module(struct node_loading *l, const struct node_plugin_loading *p, struct node_plugin *ret)
{
        struct origin at = plugin_origin(p, "module");
        size_t len = strlen(p->v.module);
        if (!at.line)
                problems_add_at(l->problems, p->origin, "[plugin %s] names no module: what does it do?", p->name.text);
        else if (p->v.module[0] && !name_is_valid(p->v.module) &&
                 (p->v.module[0] != '/' || len < 4 || strcmp(p->v.module + len - 3, ".so") != 0))
                problems_add_at(l->problems, at, "module = %s: must be a name (unit) or an absolute path of a .so",
                                log_quote(p->v.module).text);
        else
                memcpy(ret->module, p->v.module, sizeof ret->module);
}

static void judge_user(struct node_loading *l, const struct node_plugin_loading *p, struct identity *ret)
{
        struct origin at = plugin_origin(p, "user");
        char user[sizeof p->v.user];
        memcpy(user, p->v.user, sizeof user);
        char *colon = strchr(user, ':');
        if (colon) {
                *colon = '\0';
                judge_account(l, at, "group", colon + 1, ret->group);
        }
        judge_account(l, at, "user", user, ret->user);
}

static void judge_plugin_group(struct node_loading *l, const struct node_plugin_loading *p, struct node_config *c,
                               struct node_plugin *ret)
{
        struct origin at = plugin_origin(p, "group");
        if (!at.line || p->v.group[0] == '\0')
                return; /* none, or refused */
        const struct node_group *g = node_config_group(c, p->v.group);
        if (!g) {
                problems_add_at(l->problems, at, "group = %s: there is no [group %.*s]", log_quote(p->v.group).text,
                                NAME_BYTES_MAX, p->v.group);
                return;
        }
        ret->group = g->name;
        if (!ret->stop_budget_ms) /* they stop together when the grant runs out: each has all of it */
                ret->stop_budget_ms = g->stop_budget_ms;
        if (g->stop_budget_ms && ret->stop_budget_ms > g->stop_budget_ms)
                problems_add_at(l->problems, plugin_origin(p, "stop_budget"),
                                "stop_budget = %" PRIu32 " is more than its group %s has (%" PRIu32 " ms, %s:%d)",
                                ret->stop_budget_ms, g->name.text, g->stop_budget_ms, g->origin.file, g->origin.line);
}

static void judge_plugin(struct node_loading *l, const struct node_plugin_loading *p, struct node_config *c,
                         struct node_plugin *ret)
{
        *ret = (struct node_plugin){
                .name = p->name,
                .origin = p->origin,
                .check_interval_ms = (uint32_t)p->v.check_interval,
                .check_timeout_ms = (uint32_t)p->v.check_timeout,
                .activate_timeout_ms = (uint32_t)p->v.activate_timeout,
                .retries = (uint32_t)p->v.retries,
                .retry_delay_ms = (uint32_t)p->v.retry_delay,
                .retry_window_ms = (uint32_t)p->v.retry_window,
                .stop_budget_ms = (uint32_t)p->v.stop_budget,
                .settings = mem_zalloc(p->setting_count * sizeof p->settings[0]),
                .setting_count = p->setting_count,
        };
        memcpy(ret->settings, p->settings, p->setting_count * sizeof p->settings[0]);
        judge_module(l, p, ret);
        judge_user(l, p, &ret->identity);
        judge_capabilities(l, plugin_origin(p, "capabilities"), p->v.capabilities, ret->identity.capabilities);
        judge_plugin_group(l, p, c, ret);
        if (p->v.retries * p->v.retry_delay > p->v.retry_window)
                problems_add_at(l->problems, p->origin,
                                "[plugin %s] %" PRId64 " retries, %" PRId64
                                " ms apart, never fall into a retry_window of "
                                "%" PRId64 " ms: it would never be given up",
                                p->name.text, p->v.retries, p->v.retry_delay, p->v.retry_window);
}

static void judge_empty_groups(struct node_loading *l, const struct node_config *c)
{
        for (size_t i = 0; i < c->group_count; i++) {
                size_t k = 0;
                while (k < l->plugin_count && strcmp(l->plugins[k].v.group, c->groups[i].name.text) != 0)
                        k++;
                if (k == l->plugin_count)
                        problems_add_at(l->problems, c->groups[i].origin, "no [plugin …] names the group %s",
                                        c->groups[i].name.text);
        }
}

void node_judge(struct node_loading *l, struct node_config *c)
{
        judge_own(l, c);
        node_judge_ensemble(l, c);
        c->groups = mem_zalloc(l->group_count * sizeof *c->groups);
        for (; c->group_count < l->group_count; c->group_count++)
                judge_group(l, &l->groups[c->group_count], &c->groups[c->group_count]);
        c->plugins = mem_zalloc(l->plugin_count * sizeof *c->plugins);
        for (; c->plugin_count < l->plugin_count; c->plugin_count++)
                judge_plugin(l, &l->plugins[c->plugin_count], c, &c->plugins[c->plugin_count]);
        judge_empty_groups(l, c);
}
