/* The value of a member znode, /baton/members/<node>: JSON, written by the node itself, read by all others.
 *
 *   {"node", "instance", "boot", "version", "started", "role", "addresses": ["HOST:PORT"],
 *    "plugins": {NAME: {"module", "group", "state", "health", "text", "note"}},
 *    "groups": {NAME: {"state", "holder", "token", "reason"}}}
 *
 * `started` is in seconds since 1970. What others write is foreign input: bounded, and any part of it may be missing or
 * of another kind; such a part is taken as not said. Pure. */
#ifndef BATON_AGENT_MEMBER_VALUE_H
#define BATON_AGENT_MEMBER_VALUE_H

#include "daemon/agent/group.h"
#include "daemon/common/message.h"

/* A value that is longer is not looked into. */
#define MEMBER_BYTES_MAX (256u << 10)
/* Bytes of one text for people in it; longer ones are cut. */
#define MEMBER_TEXT_BYTES_MAX 200
/* Addresses of one node. */
#define MEMBER_ADDRESSES_MAX 4
/* Bytes of an address. */
#define MEMBER_ADDRESS_BYTES_MAX (NODE_WORD_MAX + 8)

struct member_plugin {
        const char *name, *module, *group; /* group "" for none */
        bool linked;                       /* the worker is there; else its state is not known */
        enum worker_state state;
        enum health health;
        const char *text; /* why it is in that health, or has failed; "" */
        const char *note; /* what the plugin publishes; "" */
};

struct member_group {
        const char *name, *state, *holder, *reason;
        int64_t token;
};

/* All of a node about itself. */
struct member_self {
        const char *node, *instance, *boot_id, *version;
        int64_t started; /* seconds since 1970 */
        enum node_role role;
        const char *addresses[MEMBER_ADDRESSES_MAX];
        size_t address_count;
        const struct member_plugin *plugins;
        size_t plugin_count;
        const struct member_group *groups;
        size_t group_count;
};

/* Memory to be freed with mem_free(). The same facts give the same bytes. Without the texts, where it would be longer
 * than MEMBER_BYTES_MAX. */
char *member_value_render(const struct member_self *self);

/* What is used of another's value. Empty where it was not said. */
struct member_said {
        bool readable; /* it is JSON, an object */
        enum node_role role;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        char address[MEMBER_ADDRESS_BYTES_MAX + 1]; /* the first */
};
void member_value_read(const void *data, size_t len, struct member_said *ret);

#endif
