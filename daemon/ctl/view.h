/* The cluster as its znodes show it (docs/failover.md): members and groups. Values are written by other nodes and may
 * be anything; what is missing or broken shows as unknown. */
#ifndef BATON_CTL_VIEW_H
#define BATON_CTL_VIEW_H

#include "daemon/common/message.h"
#include "daemon/ctl/ctl.h"

#include <jansson.h>

struct view_member {
        char name[NAME_BYTES_MAX + 1];
        json_t *value; /* an object, maybe empty */
        struct jute_stat stat;
        enum node_role role;
        bool here; /* the node of our own configuration */
};

struct view_candidate {
        char name[NAME_BYTES_MAX + 1];
        bool healthy;
        json_t *value;
};

struct view_group {
        char name[NAME_BYTES_MAX + 1];
        bool has_active, has_holder;
        json_t *active, *holder; /* objects, maybe empty */
        struct jute_stat active_stat, holder_stat;
        struct view_candidate *candidates;
        size_t candidate_count;
};

struct view {
        struct view_member *members;
        size_t member_count;
        struct view_group *groups;
        size_t group_count;
        int64_t zxid; /* of the last answer */
};

/* Reads both. Returns an exit status; view_done() in any case. */
int view_read(struct ctl *c, struct view *ret);
void view_done(struct view *v);
const struct view_member *view_leader(const struct view *v); /* NULL: none says that it leads */
/* The node that `active` names, "" if none is there. */
const char *view_active_node(const struct view_group *g);
/* "" for what is missing or not a string. */
const char *view_text(const json_t *object, const char *key);
int64_t view_number(const json_t *object, const char *key, int64_t otherwise);

#endif
