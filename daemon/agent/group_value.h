/* The JSON values of a group's znodes. Whatever is read may be foreign or broken: what is not as it should be is said
 * to be broken, and what is unknown beside it is passed over. Pure. docs/failover.md "The znodes of a group". */
#ifndef BATON_AGENT_GROUP_VALUE_H
#define BATON_AGENT_GROUP_VALUE_H

#include "daemon/agent/group.h"

/* Bytes of a value that is looked at; a longer one is broken. */
#define GROUP_VALUE_BYTES_MAX 4096

enum holder_state { HOLDER_ACTIVE, HOLDER_RELEASED, HOLDER_FENCED, HOLDER_STATE_COUNT };

struct holder_value {
        struct name node;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        enum holder_state state;
        uint32_t lease_ms, budget_ms, rate_ppm;
        int64_t token; /* written down at the release; 0 before */
        char reason[GROUP_REASON_BYTES_MAX + 1];
};

/* 0, or -EBADMSG: then every field is zero, but for what could be read. */
int holder_value_read(struct jute_str json, struct holder_value *ret);
/* Each writes memory to be freed with free(). */
char *holder_value_write(const struct holder_value *v);
char *active_value_write(const char *node, uint64_t renewed);
/* Of a candidate: `who.name` is the caller's. 0 or -EBADMSG: then it is not healthy, and `reason` says so. */
int candidate_value_read(struct jute_str json, struct group_candidate *ret);
char *candidate_value_write(const struct group_candidate *c);
/* Makes a text from elsewhere fit for JSON, which is UTF-8: where it is not, all that is not ASCII becomes `?`. */
void value_text_clean(char *text);
const char *holder_state_name(enum holder_state state);

#endif
