#include "tests/sim/history/history_rules.h"

#include <assert.h>
#include <string.h>

static const char *const key_name[] = {
        [KEY_CALL] = "call",   [KEY_RET] = "ret",     [KEY_AT] = "at",           [KEY_C] = "c",
        [KEY_K] = "k",         [KEY_S] = "s",         [KEY_SRV] = "srv",         [KEY_X] = "x",
        [KEY_ZXID] = "zxid",   [KEY_ERR] = "err",     [KEY_TIMEOUT] = "timeout", [KEY_OP] = "op",
        [KEY_PATH] = "path",   [KEY_DATA] = "data",   [KEY_ACL] = "acl",         [KEY_NAME] = "name",
        [KEY_GOT] = "got",     [KEY_STAT] = "stat",   [KEY_KIDS] = "kids",       [KEY_VERSION] = "version",
        [KEY_FLAGS] = "flags", [KEY_WATCH] = "watch", [KEY_WRONG] = "wrong",     [KEY_TYPE] = "type",
        [KEY_PCV] = "pcv",     [KEY_DW] = "dw",       [KEY_EW] = "ew",           [KEY_CW] = "cw",
        [KEY_SEEN] = "seen",   [KEY_REL] = "rel",     [KEY_MODE] = "mode",       [KEY_PW] = "pw",
        [KEY_RW] = "rw",       [KEY_WHO] = "who",     [KEY_COUNT] = "count",     [KEY_RO] = "ro",
};
static_assert(sizeof key_name / sizeof *key_name == KEY_MAX, "a name for each key");

const char *history__key_name(enum history_key key)
{
        return key_name[key];
}

enum history_key history__key_find(const char *name)
{
        int i = 0;
        while (i < KEY_MAX && strcmp(key_name[i], name) != 0)
                i++;
        return (enum history_key)i;
}

#define B(key) KEY_BIT(KEY_##key)

/* ---- lines ---- */

static const struct line_rule {
        history_keys must, may;
} line_rules[] = {
        [HISTORY_OPEN] = {B(CALL) | B(AT) | B(K) | B(C) | B(S) | B(SRV) | B(TIMEOUT), B(RO)},
        [HISTORY_RESUME] = {B(CALL) | B(AT) | B(K) | B(C) | B(S) | B(SRV) | B(TIMEOUT), B(SEEN) | B(WRONG) | B(RO)},
        [HISTORY_REFUSE] = {B(CALL) | B(AT) | B(K) | B(C) | B(S) | B(SRV), B(WRONG)},
        [HISTORY_LOST] = {B(AT) | B(K), B(C)},
        [HISTORY_OP] = {B(CALL) | B(RET) | B(K) | B(S) | B(X) | B(OP) | B(ERR), B(C) | B(ZXID) | B(WHO)},
        [HISTORY_SUB] = {B(OP), B(ERR)},
        [HISTORY_EVENT] = {B(AT) | B(K) | B(TYPE) | B(PATH), B(C) | B(ZXID)},
        [HISTORY_FINAL] = {0, B(AT) | B(SRV) | B(ZXID)},
        [HISTORY_NODE] = {B(PATH) | B(STAT), B(DATA) | B(ACL)},
        [HISTORY_SESSION] = {B(S) | B(TIMEOUT), 0},
        [HISTORY_TXN] = {B(ZXID) | B(X) | B(OP), B(S)},
};
static_assert(sizeof line_rules / sizeof *line_rules == HISTORY_KIND_MAX, "a rule for each kind of line");

/* ---- operations ---- */

/* Where an operation can stand. */
enum {
        IN_OP = 1,
        IN_SUB = 2, /* part of a client's multi */
        IN_TXN = 4,
        IN_TXN_SUB = 8,
        IN_ALL = IN_OP | IN_SUB | IN_TXN | IN_TXN_SUB,
};

static const struct verb_rule {
        unsigned in;
        history_keys must, may;          /* as asked */
        history_keys answer, answer_may; /* when it was done */
        history_keys txn_must, txn_may;  /* in the log */
} verb_rules[] = {
        [VERB_CREATE] = {IN_ALL, B(PATH), B(DATA) | B(FLAGS) | B(ACL), B(NAME), B(STAT), B(PATH),
                         B(DATA) | B(FLAGS) | B(ACL) | B(PCV)},
        [VERB_DELETE] = {IN_ALL, B(PATH), B(VERSION), 0, 0, B(PATH), 0},
        [VERB_SET] = {IN_ALL, B(PATH), B(DATA) | B(VERSION), 0, B(STAT), B(PATH) | B(VERSION), B(DATA)},
        [VERB_SET_ACL] = {IN_ALL, B(PATH), B(ACL) | B(VERSION), 0, B(STAT), B(PATH) | B(VERSION), B(ACL)},
        [VERB_CHECK] = {IN_SUB | IN_TXN | IN_TXN_SUB, B(PATH), B(VERSION), 0, 0, B(PATH), B(VERSION)},
        [VERB_MULTI] = {IN_OP | IN_TXN, 0, 0, 0, 0, 0, 0},
        [VERB_GET] = {IN_OP, B(PATH), B(WATCH), B(STAT), B(GOT), 0, 0},
        [VERB_EXISTS] = {IN_OP, B(PATH), B(WATCH), B(STAT), 0, 0, 0},
        [VERB_CHILDREN] = {IN_OP, B(PATH), B(WATCH), B(KIDS), B(STAT), 0, 0},
        [VERB_GET_ACL] = {IN_OP, B(PATH), 0, B(ACL) | B(STAT), 0, 0, 0},
        [VERB_DESCENDANTS] = {IN_OP, B(PATH), 0, B(COUNT), 0, 0, 0},
        [VERB_EPHEMERALS] = {IN_OP, B(PATH), 0, B(KIDS), 0, 0, 0},
        [VERB_WHO] = {IN_OP, 0, 0, B(GOT), 0, 0, 0},
        [VERB_SYNC] = {IN_OP, B(PATH), 0, 0, 0, 0, 0},
        [VERB_PING] = {IN_OP, 0, 0, 0, 0, 0, 0},
        [VERB_SET_WATCHES] = {IN_OP, B(REL), B(DW) | B(EW) | B(CW) | B(PW) | B(RW), 0, 0, 0, 0},
        [VERB_ADD_WATCH] = {IN_OP, B(PATH) | B(MODE), 0, 0, 0, 0, 0},
        [VERB_REMOVE_WATCHES] = {IN_OP, B(PATH) | B(MODE), 0, 0, 0, 0, 0},
        [VERB_CHECK_WATCHES] = {IN_OP, B(PATH) | B(MODE), 0, 0, 0, 0, 0},
        [VERB_CLOSE] = {IN_OP | IN_TXN, 0, 0, 0, 0, 0, 0},
        [VERB_OPEN] = {IN_TXN, 0, 0, 0, 0, B(TIMEOUT), 0},
        [VERB_ERROR] = {IN_TXN | IN_TXN_SUB, 0, 0, 0, 0, B(ERR), 0},
};
static_assert(sizeof verb_rules / sizeof *verb_rules == VERB_MAX, "a rule for each operation");

static unsigned place_of(const struct history_entry *e, const struct history_entry *whole)
{
        if (e->kind == HISTORY_SUB)
                return whole->kind == HISTORY_TXN ? IN_TXN_SUB : IN_SUB;
        return e->kind == HISTORY_TXN ? IN_TXN : IN_OP;
}

/* A part of a client's multi has an outcome, as the whole has. */
static const char *check_outcome(const struct history_entry *e, const struct history_entry *whole)
{
        if ((e->err == HISTORY_UNKNOWN) != (whole->err == HISTORY_UNKNOWN))
                return "answered and not answered";
        if (!whole->err && e->err)
                return "a part that failed of a multi that was done";
        return NULL;
}

const char *history__rules(const struct history_entry *e, const struct history_entry *whole, history_keys *ret_must,
                           history_keys *ret_may)
{
        const struct line_rule *line = &line_rules[e->kind];
        const struct verb_rule *verb = &verb_rules[e->verb];
        *ret_must = line->must;
        *ret_may = line->may;
        if (!(line->must & B(OP)) || !e->verb)
                return NULL;
        unsigned place = place_of(e, whole);
        if (!(verb->in & place))
                return "that operation can't stand here";
        if (place & (IN_TXN | IN_TXN_SUB)) {
                *ret_must |= verb->txn_must;
                *ret_may |= verb->txn_may;
                return NULL;
        }
        if (e->verb == VERB_ADD_WATCH && e->mode && e->mode < HISTORY_WATCH_PERSISTENT)
                return "that kind of watch can't be added so";
        *ret_must |= verb->must | B(ERR);
        *ret_may |= verb->may;
        if (!e->err && !whole->err) {
                *ret_must |= verb->answer;
                *ret_may |= verb->answer_may;
        }
        return place == IN_SUB ? check_outcome(e, whole) : NULL;
}
