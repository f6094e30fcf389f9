#include "daemon/agent/member_value.h"

#include "election/base/alloc.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

/* Cut at the beginning of a character; what is no UTF-8 is left out (NULL is skipped by the packer). */
static json_t *text(const char *s)
{
        size_t len = strnlen(s, MEMBER_TEXT_BYTES_MAX);
        while (len > 0 && s[len] && ((unsigned char)s[len] & 0xc0) == 0x80)
                len--;
        json_t *j = json_stringn(s, len);
        return j ? j : json_string("");
}

static void put(json_t *object, const char *key, json_t *value)
{
        if (json_object_set_new(object, key, value) < 0)
                abort(); /* no memory: as everywhere (alloc.h). Keys are ours or valid names, values never NULL */
}

static json_t *plugin_json(const struct member_plugin *p, bool texts)
{
        json_t *j = json_object();
        put(j, "module", text(p->module));
        put(j, "group", text(p->group));
        put(j, "state", text(p->linked ? worker_state_name(p->state) : "away"));
        put(j, "health", text(health_name(p->health)));
        if (texts && *p->text)
                put(j, "text", text(p->text));
        if (texts && *p->note)
                put(j, "note", text(p->note));
        return j;
}

static json_t *group_json(const struct member_group *g, bool texts)
{
        json_t *j = json_object();
        put(j, "state", text(g->state));
        put(j, "holder", text(g->holder));
        put(j, "token", json_integer(g->token));
        if (texts && *g->reason)
                put(j, "reason", text(g->reason));
        return j;
}

static char *render(const struct member_self *self, bool texts)
{
        json_t *j = json_object(), *addresses = json_array(), *plugins = json_object(), *groups = json_object();
        put(j, "node", text(self->node));
        put(j, "instance", text(self->instance));
        put(j, "boot", text(self->boot_id));
        put(j, "version", text(self->version));
        put(j, "started", json_integer(self->started));
        put(j, "role", text(node_role_name(self->role)));
        for (size_t i = 0; i < self->address_count; i++)
                if (json_array_append_new(addresses, text(self->addresses[i])) < 0)
                        abort();
        put(j, "addresses", addresses);
        for (size_t i = 0; i < self->plugin_count; i++)
                put(plugins, self->plugins[i].name, plugin_json(&self->plugins[i], texts));
        put(j, "plugins", plugins);
        for (size_t i = 0; i < self->group_count; i++)
                put(groups, self->groups[i].name, group_json(&self->groups[i], texts));
        put(j, "groups", groups);
        char *dumped = json_dumps(j, JSON_COMPACT);
        if (!dumped)
                abort();
        char *ret = mem_strdup(dumped); /* jansson has an allocator of its own */
        free(dumped);
        json_decref(j);
        return ret;
}

char *member_value_render(const struct member_self *self)
{
        char *value = render(self, true);
        if (strlen(value) <= MEMBER_BYTES_MAX)
                return value;
        mem_free(value);
        return render(self, false);
}

/* ---- reading ---- */

/* Printable ASCII that fits, or nothing. */
static void take_word(const json_t *j, char *ret, size_t size)
{
        const char *s = json_string_value(j);
        size_t len = json_string_length(j);
        ret[0] = 0;
        if (!s || len >= size)
                return;
        for (size_t i = 0; i < len; i++)
                if (s[i] <= ' ' || s[i] > '~')
                        return;
        memcpy(ret, s, len);
        ret[len] = 0;
}

static enum node_role role_of(const json_t *j)
{
        const char *s = json_string_value(j);
        for (int i = 0; s && i < ROLE_COUNT; i++)
                if (strcmp(s, node_role_name((enum node_role)i)) == 0)
                        return (enum node_role)i;
        return ROLE_NONE;
}

void member_value_read(const void *data, size_t len, struct member_said *ret)
{
        *ret = (struct member_said){.role = ROLE_NONE};
        json_t *j = len <= MEMBER_BYTES_MAX ? json_loadb(data, len, 0, NULL) : NULL;
        if (json_is_object(j)) {
                ret->readable = true;
                ret->role = role_of(json_object_get(j, "role"));
                take_word(json_object_get(j, "instance"), ret->instance, sizeof ret->instance);
                take_word(json_object_get(j, "boot"), ret->boot_id, sizeof ret->boot_id);
                take_word(json_array_get(json_object_get(j, "addresses"), 0), ret->address, sizeof ret->address);
        }
        json_decref(j);
}
