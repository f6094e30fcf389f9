/* Which fields a line of a history has: what README.md says in its tables, as sets of keys. */
#ifndef BATON_TESTS_SIM_HISTORY_RULES_H
#define BATON_TESTS_SIM_HISTORY_RULES_H

#include "tests/sim/history/history.h"

enum history_key {
        KEY_CALL,
        KEY_RET,
        KEY_AT,
        KEY_C,
        KEY_K,
        KEY_S,
        KEY_SRV,
        KEY_X,
        KEY_ZXID,
        KEY_ERR,
        KEY_TIMEOUT,
        KEY_OP,
        KEY_PATH,
        KEY_DATA,
        KEY_ACL,
        KEY_NAME,
        KEY_GOT,
        KEY_STAT,
        KEY_KIDS,
        KEY_VERSION,
        KEY_FLAGS,
        KEY_WATCH,
        KEY_MODE,
        KEY_WRONG,
        KEY_TYPE,
        KEY_PCV,
        KEY_DW,
        KEY_EW,
        KEY_CW,
        KEY_PW,
        KEY_RW,
        KEY_SEEN,
        KEY_REL,
        KEY_WHO,
        KEY_COUNT,
        KEY_RO,
        KEY_MAX,
};

/* A set of keys, a bit each. */
typedef uint64_t history_keys;
#define KEY_BIT(key) (UINT64_C(1) << (key))

const char *history__key_name(enum history_key key);
/* KEY_MAX when there is none. */
enum history_key history__key_find(const char *name);

/* What a line must say and what it may say besides. `whole` is the entry that a sub belongs to, else the entry itself;
 * its outcome decides with the entry's own whether there is an answer. Returns NULL, or why there is no such line. */
const char *history__rules(const struct history_entry *e, const struct history_entry *whole, history_keys *ret_must,
                           history_keys *ret_may);

#endif
