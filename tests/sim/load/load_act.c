/* What a client does next, by chance. */
#include "tests/sim/load/load_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <string.h>

/* One in so many asks for a version that can't be there. */
#define WRONG_VERSION_ODDS 4
#define ABSURD_VERSION     1000000

/* ---- choices ---- */

static text_id make_path(struct load *l, text_id parent, const char *format, uint64_t number)
{
        char path[LOAD_PATH_BYTES], name[24];
        (void)snprintf(name, sizeof name, "%" PRIu64, number);
        (void)snprintf(path, sizeof path, "%s/%s%s", history_string(l->history, parent), format, name);
        return history_cstr(l->history, path);
}

/* Each value is written once: whoever reads it knows who wrote it. */
static text_id next_value(struct load *l)
{
        char text[24];
        (void)snprintf(text, sizeof text, "w%" PRIu64, ++l->values);
        return history_cstr(l->history, text);
}

static text_id some_hot(struct load_client *a, int *ret)
{
        *ret = (int)load__draw(a, LOAD_HOT);
        return a->load->hot[*ret];
}

/* A node that was made, or one of those all work on. */
static text_id some_node(struct load_client *a)
{
        const struct load *l = a->load;
        size_t count = l->known_count < LOAD_KNOWN ? l->known_count : LOAD_KNOWN;
        uint64_t kind = load__draw(a, 8);
        int hot;
        if (count && kind < 5)
                return l->known[load__draw(a, count)];
        if (kind < 6)
                return l->plain[load__draw(a, LOAD_PARENTS)];
        return some_hot(a, &hot);
}

static text_id some_parent(struct load_client *a)
{
        const struct load *l = a->load;
        uint64_t kind = load__draw(a, 3), which = load__draw(a, LOAD_PARENTS);
        return kind == 0 ? l->plain[which] : kind == 1 ? l->sequential[which] : l->ephemeral[which];
}

/* One of a few names: nodes are made and made anew under it. */
static text_id some_name(struct load_client *a, text_id parent)
{
        uint64_t number = load__draw(a, a->load->habits.names);
        text_id path = make_path(a->load, parent, "n", number);
        /* Below another one, now and then: it may be missing, and can't be deleted with a child. */
        return load__draw(a, 6) ? path : make_path(a->load, path, "d", load__draw(a, 2));
}

/* ---- operations ---- */

static struct load_op op_create(struct load_client *a, uint8_t flags, text_id path)
{
        struct load *l = a->load;
        struct load_op op = {.verb = VERB_CREATE, .opcode = OP_CREATE, .path = path, .version = -1, .flags = flags};
        op.data = next_value(l);
        op.acl = load__acl(l, 0);
        if (flags & CREATE_CONTAINER)
                op.opcode = OP_CREATE_CONTAINER;
        else if (flags & CREATE_TTL)
                op.opcode = OP_CREATE_TTL;
        else if (!load__draw(a, 3))
                op.opcode = OP_CREATE2;
        return op;
}

static struct load_op op_ephemeral(struct load_client *a)
{
        struct load *l = a->load;
        text_id parent = l->ephemeral[load__draw(a, LOAD_PARENTS)];
        if (load__draw(a, 2))
                return op_create(a, CREATE_EPHEMERAL, make_path(l, parent, "n", load__draw(a, l->habits.names)));
        char path[LOAD_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/q-", history_string(l->history, parent));
        return op_create(a, CREATE_EPHEMERAL | CREATE_SEQUENTIAL, history_cstr(l->history, path));
}

static struct load_op op_sequential(struct load_client *a)
{
        struct load *l = a->load;
        char path[LOAD_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/q-",
                       history_string(l->history, l->sequential[load__draw(a, LOAD_PARENTS)]));
        return op_create(a, CREATE_SEQUENTIAL, history_cstr(l->history, path));
}

/* Containers and nodes with a time to live, their children that come and go, and writes that begin the time anew: the
 * leader is to delete them in between. */
static struct load_op op_special(struct load_client *a)
{
        struct load *l = a->load;
        struct load_op op;
        text_id path = make_path(l, l->container, "n", load__draw(a, l->habits.names));
        text_id child = make_path(l, path, "d", load__draw(a, 2));
        switch (load__draw(a, 8)) {
        case 0:
        case 1:
                return op_create(a, CREATE_CONTAINER, path);
        case 2:
        case 3:
                op = op_create(a, CREATE_TTL, path);
                op.ttl_ms = 1 + (int32_t)load__draw(a, 1000);
                return op;
        case 4:
        case 5:
                return op_create(a, load__draw(a, 3) ? 0 : CREATE_EPHEMERAL, child);
        case 6:
                return (struct load_op){.verb = VERB_DELETE, .opcode = OP_DELETE, .path = child, .version = -1};
        default:
                return (struct load_op){
                        .verb = VERB_SET, .opcode = OP_SET_DATA, .path = path, .data = next_value(l), .version = -1};
        }
}

/* A name that nobody else uses. */
static struct load_op op_unique(struct load_client *a)
{
        struct load *l = a->load;
        return op_create(a, 0, make_path(l, l->plain[load__draw(a, LOAD_PARENTS)], "m", l->values + 1));
}

static struct load_op op_set(struct load_client *a, bool versioned)
{
        int hot;
        struct load_op op = {.verb = VERB_SET, .opcode = OP_SET_DATA, .version = -1};
        op.path = some_hot(a, &hot);
        op.data = next_value(a->load);
        if (versioned)
                op.version = a->versions[hot] + !load__draw(a, WRONG_VERSION_ODDS);
        return op;
}

static struct load_op op_bulk(struct load_client *a)
{
        struct load_op op = {.verb = VERB_SET, .opcode = OP_SET_DATA, .version = -1, .bulk = true};
        op.path = a->load->bulk[load__draw(a, LOAD_BULK_NODES)];
        op.data = next_value(a->load);
        return op;
}

static struct load_op op_set_acl(struct load_client *a)
{
        int hot;
        struct load_op op = {.verb = VERB_SET_ACL, .opcode = OP_SET_ACL, .version = -1};
        op.path = some_hot(a, &hot);
        op.acl = load__acl(a->load, (uint32_t)load__draw(a, LOAD_ACLS_OPEN));
        if (load__draw(a, 2))
                op.version = a->aversions[hot] + !load__draw(a, WRONG_VERSION_ODDS);
        return op;
}

/* Never one of those all work on: the parents have children for most of the time, and when not they are made anew. */
static struct load_op op_delete(struct load_client *a, bool versioned)
{
        const struct load *l = a->load;
        struct load_op op = {.verb = VERB_DELETE, .opcode = OP_DELETE, .version = -1};
        size_t count = l->known_count < LOAD_KNOWN ? l->known_count : LOAD_KNOWN;
        op.path = count ? l->known[load__draw(a, count)] : l->hot[0];
        if (!load__draw(a, 3))
                op.path = some_name(a, l->plain[load__draw(a, LOAD_PARENTS)]);
        if (versioned)
                op.version = load__draw(a, WRONG_VERSION_ODDS) ? 0 : ABSURD_VERSION;
        return op;
}

static struct load_op op_check(struct load_client *a)
{
        int hot;
        struct load_op op = {.verb = VERB_CHECK, .opcode = OP_CHECK, .version = -1};
        op.path = some_hot(a, &hot);
        if (load__draw(a, 2))
                op.version = a->versions[hot];
        return op;
}

static struct load_op op_in_multi(struct load_client *a)
{
        switch (load__draw(a, 8)) {
        case 0:
                return load__draw(a, 2) ? op_unique(a) : op_special(a);
        case 1:
                return op_unique(a);
        case 2:
                return op_sequential(a);
        case 3:
                return op_ephemeral(a);
        case 4:
                return op_delete(a, !load__draw(a, 3));
        case 5:
                return op_check(a);
        case 6:
                return op_create(a, 0, some_name(a, a->load->plain[load__draw(a, LOAD_PARENTS)]));
        default:
                return op_set(a, !load__draw(a, 3));
        }
}

/* ---- nodes that are not for everybody; never watched: a list decides whether an event is told, too ---- */

static text_id some_guarded(struct load_client *a, bool below)
{
        text_id node = a->load->guarded[load__draw(a, LOAD_GUARDED)];
        return below ? make_path(a->load, node, "n", load__draw(a, LOAD_GUARDED_NAMES)) : node;
}

static struct load_op op_guarded(struct load_client *a)
{
        struct load *l = a->load;
        const bool below = load__draw(a, 2);
        struct load_op op = {.version = -1};
        switch (load__draw(a, 6)) {
        case 0:
        case 1:
                op = op_create(a, 0, some_guarded(a, true));
                op.acl = load__acl(l, (uint32_t)load__draw(a, LOAD_ACLS));
                break;
        case 2:
                op.verb = VERB_DELETE;
                op.opcode = OP_DELETE;
                op.path = some_guarded(a, true);
                break;
        case 3:
                op.verb = VERB_SET_ACL;
                op.opcode = OP_SET_ACL;
                op.path = some_guarded(a, below);
                op.acl = load__acl(l, (uint32_t)load__draw(a, LOAD_ACLS));
                break;
        default:
                op.verb = VERB_SET;
                op.opcode = OP_SET_DATA;
                op.path = some_guarded(a, below);
                op.data = next_value(l);
                break;
        }
        return op;
}

static struct load_op op_guarded_in_multi(struct load_client *a)
{
        struct load_op op;
        do
                op = load__draw(a, 5) ? op_guarded(a) : op_check(a);
        while (op.verb == VERB_SET_ACL); /* no multi may hold it */
        if (op.verb == VERB_CHECK) {
                op.path = some_guarded(a, load__draw(a, 2));
                op.version = -1;
        }
        return op;
}

static void act_guarded(struct load_client *a)
{
        struct load_op ops[3];
        if (load__draw(a, 4)) {
                ops[0] = op_guarded(a);
                (void)load__send_op(a, &a->link, &ops[0]);
                return;
        }
        for (size_t i = 0; i < 3; i++)
                ops[i] = op_guarded_in_multi(a);
        load__send_multi(a, &a->link, ops, 3);
}

static void act_guarded_read(struct load_client *a)
{
        static const struct {
                enum history_verb verb;
                int32_t opcode;
        } reads[] = {{VERB_GET, OP_GET_DATA},
                     {VERB_EXISTS, OP_EXISTS},
                     {VERB_CHILDREN, OP_GET_CHILDREN2},
                     {VERB_GET_ACL, OP_GET_ACL}};
        size_t i = load__draw(a, sizeof reads / sizeof *reads);
        load__send_read(a, reads[i].verb, reads[i].opcode, some_guarded(a, load__draw(a, 2)), false);
}

static void act_multi(struct load_client *a, bool broken)
{
        struct load_op ops[LOAD_SUBS_MAX];
        size_t count = 1 + load__draw(a, LOAD_SUBS_MAX - 1), wrong = load__draw(a, count + 1);
        for (size_t i = 0; i < count; i++)
                ops[i] = op_in_multi(a);
        if (broken) {
                for (size_t i = count; i > wrong; i--)
                        ops[i] = ops[i - 1];
                ops[wrong] = op_check(a);
                ops[wrong].version = ABSURD_VERSION;
                count++;
        }
        load__send_multi(a, &a->link, ops, count);
}

static void act_read(struct load_client *a, enum history_verb verb, bool watch)
{
        static const int32_t opcodes[] = {[VERB_GET] = OP_GET_DATA,
                                          [VERB_EXISTS] = OP_EXISTS,
                                          [VERB_CHILDREN] = OP_GET_CHILDREN2,
                                          [VERB_GET_ACL] = OP_GET_ACL};
        int32_t opcode = opcodes[verb];
        text_id path = some_node(a);
        if (verb == VERB_CHILDREN) {
                path = some_parent(a);
                opcode = load__draw(a, 3) ? OP_GET_CHILDREN2 : OP_GET_CHILDREN;
        } else if (verb == VERB_EXISTS && load__draw(a, 2)) {
                path = some_name(a, a->load->plain[load__draw(a, LOAD_PARENTS)]);
        } else if (verb == VERB_GET_ACL || (watch && load__draw(a, 3))) {
                int hot;
                path = some_hot(a, &hot);
        }
        if (!watch && (verb == VERB_GET || verb == VERB_CHILDREN) && !load__draw(a, 4))
                load__send_multi_read(a, verb, path);
        else
                load__send_read(a, verb, opcode, path, watch);
}

/* Nodes that all work on and their parents, and whatever else there may be some day. */
static void act_add_watch(struct load_client *a)
{
        const struct load *l = a->load;
        const bool below = load__draw(a, 2);
        int hot;
        text_id path = load__draw(a, 2) ? some_parent(a) : some_hot(a, &hot);
        /* Not the whole tree, where some of it is not for everybody: see above. */
        const bool whole = below && !l->habits.guarded;
        if (!load__draw(a, 4))
                path = whole ? history_cstr(l->history, "/") : some_name(a, l->plain[load__draw(a, LOAD_PARENTS)]);
        load__send_watch(a, OP_ADD_WATCH, path, below ? HISTORY_WATCH_RECURSIVE : HISTORY_WATCH_PERSISTENT);
}

/* Mostly of one that it has. */
static void act_on_watch(struct load_client *a, int32_t opcode)
{
        static const enum history_watch modes[] = {[LIST_DATA] = HISTORY_WATCH_DATA,
                                                   [LIST_EXIST] = HISTORY_WATCH_DATA,
                                                   [LIST_CHILD] = HISTORY_WATCH_CHILDREN,
                                                   [LIST_PERSISTENT] = HISTORY_WATCH_PERSISTENT,
                                                   [LIST_RECURSIVE] = HISTORY_WATCH_RECURSIVE};
        enum history_watch mode = (enum history_watch)(HISTORY_WATCH_CHILDREN + load__draw(a, HISTORY_WATCH_MAX - 1));
        text_id path = some_node(a);
        if (a->watch_count && load__draw(a, 4)) {
                const struct load_watch *w = &a->watches[load__draw(a, a->watch_count)];
                path = w->path;
                /* One of another kind is not to be found, nor to be taken away. */
                switch (load__draw(a, 4)) {
                case 0:
                        mode = HISTORY_WATCH_ANY;
                        break;
                case 1:
                        break;
                default:
                        mode = modes[w->list];
                        break;
                }
        }
        load__send_watch(a, opcode, path, mode);
}

static void act_descendants(struct load_client *a)
{
        const struct load *l = a->load;
        text_id path = some_parent(a);
        switch (load__draw(a, 6)) {
        case 0:
                path = history_cstr(l->history, "/");
                break;
        case 1:
                path = l->container;
                break;
        case 2:
                path = l->habits.guarded ? some_guarded(a, load__draw(a, 2)) : some_node(a);
                break;
        default:
                break;
        }
        load__send_read(a, VERB_DESCENDANTS, OP_GET_ALL_CHILDREN_NUMBER, path, false);
}

/* All it has, those below one parent, and by prefixes that end within a name. */
static void act_ephemerals(struct load_client *a)
{
        static const char *const prefixes[] = {"/", "/", "/e", "/e0/", "/e1/q-000", "/c", "/e0/n1", "/none"};
        const size_t which = load__draw(a, sizeof prefixes / sizeof *prefixes);
        load__send_read(a, VERB_EPHEMERALS, OP_GET_EPHEMERALS, history_cstr(a->load->history, prefixes[which]), false);
}

/* ---- trouble ---- */

/* The old connection stays up and speaks once more, when the session is another's (safety S6). */
static void act_haunt(struct load_client *a)
{
        load__link_over(a, &a->ghost);
        a->ghost = a->link;
        a->link = (struct load_link){0};
        a->ghost_left = 1 + (uint32_t)load__draw(a, 3);
}

static void leave(struct load_client *a)
{
        load__link_over(a, &a->link);
        a->state = STATE_DOWN;
        a->retry_ms = load__client_ms(a);
}

static void act_trouble(struct load_client *a, enum load_action action)
{
        struct load_tally *t = &a->load->tally;
        if (action == ACT_CLOSE) {
                load__send_close(a);
                if (load__draw(a, 3))
                        return;
                a->closing = false; /* and tries to go on with it elsewhere, as one that has changed its mind */
                leave(a);
                return;
        }
        if (action == ACT_HAUNT)
                act_haunt(a);
        leave(a);
        if (action == ACT_ABANDON) {
                load__link_over(a, &a->ghost);
                a->session = 0;
                a->local = false;
                a->watch_count = 0;
                t->abandoned++;
        } else if (action == ACT_SLEEP) {
                load__link_over(a, &a->ghost);
                a->retry_ms += 2 * (uint64_t)a->timeout_ms;
                t->sleeps++;
        }
        a->pretends = action == ACT_PRETEND;
}

static void act_write(struct load_client *a, enum load_action action)
{
        struct load *l = a->load;
        struct load_op op;
        switch (action) {
        case ACT_CREATE:
                op = op_create(a, 0, some_name(a, l->plain[load__draw(a, LOAD_PARENTS)]));
                break;
        case ACT_CREATE_UNIQUE:
                op = op_unique(a);
                break;
        case ACT_SEQUENTIAL:
                op = op_sequential(a);
                break;
        case ACT_EPHEMERAL:
                op = op_ephemeral(a);
                break;
        case ACT_CONTAINER:
                op = op_special(a);
                break;
        case ACT_SET_BULK:
                op = op_bulk(a);
                break;
        case ACT_SET_ACL:
                op = op_set_acl(a);
                break;
        case ACT_DELETE:
        case ACT_DELETE_VERSION:
                op = op_delete(a, action == ACT_DELETE_VERSION);
                break;
        default:
                op = op_set(a, action == ACT_SET_VERSION);
                break;
        }
        (void)load__send_op(a, &a->link, &op);
}

static void act(struct load_client *a, enum load_action action)
{
        switch (action) {
        case ACT_MULTI:
        case ACT_MULTI_BROKEN:
                act_multi(a, action == ACT_MULTI_BROKEN);
                break;
        case ACT_GET:
        case ACT_GET_WATCH:
                act_read(a, VERB_GET, action == ACT_GET_WATCH);
                break;
        case ACT_EXISTS:
        case ACT_EXISTS_WATCH:
                act_read(a, VERB_EXISTS, action == ACT_EXISTS_WATCH);
                break;
        case ACT_CHILDREN:
        case ACT_CHILDREN_WATCH:
                act_read(a, VERB_CHILDREN, action == ACT_CHILDREN_WATCH);
                break;
        case ACT_GET_ACL:
                act_read(a, VERB_GET_ACL, false);
                break;
        case ACT_GUARDED:
                act_guarded(a);
                break;
        case ACT_GUARDED_READ:
                act_guarded_read(a);
                break;
        case ACT_AUTH:
                load__send_auth(a);
                break;
        case ACT_SYNC:
                load__send_sync(a);
                break;
        case ACT_ADD_WATCH:
                act_add_watch(a);
                break;
        case ACT_REMOVE_WATCH:
                act_on_watch(a, OP_REMOVE_WATCHES);
                break;
        case ACT_CHECK_WATCH:
                act_on_watch(a, OP_CHECK_WATCHES);
                break;
        case ACT_DESCENDANTS:
                act_descendants(a);
                break;
        case ACT_EPHEMERALS:
                act_ephemerals(a);
                break;
        case ACT_WHO:
                load__send_who(a);
                break;
        case ACT_CLOSE:
        case ACT_MOVE:
        case ACT_HAUNT:
        case ACT_ABANDON:
        case ACT_SLEEP:
        case ACT_PRETEND:
                act_trouble(a, action);
                break;
        default:
                act_write(a, action);
                break;
        }
}

void load__act(struct load_client *a)
{
        const uint32_t *weights = a->load->habits.weights;
        int first = a->only_reads ? ACT_GET : 0;
        uint64_t sum = 0;
        for (int i = first; i < ACT_MAX; i++)
                sum += weights[i];
        uint64_t at = load__draw(a, sum);
        for (int i = first; i < ACT_MAX; i++) {
                if (at < weights[i]) {
                        act(a, (enum load_action)i);
                        return;
                }
                at -= weights[i];
        }
}

void load__ghost_speaks(struct load_client *a)
{
        struct load_op op = load__draw(a, 2) ? op_set(a, false) : op_ephemeral(a);
        (void)load__send_op(a, &a->ghost, &op);
        a->ghost_left--;
        a->load->tally.ghosts++;
}

void load__setup_next(struct load_client *a)
{
        text_id path;
        if (!load__setup(a->load, a->setup_at, &path))
                return;
        struct load_op op = op_create(a, 0, path);
        text_id data = load__setup_data(a->load, path);
        if (data)
                op.data = data;
        for (int i = 0; i < LOAD_BULK_NODES; i++)
                op.bulk |= a->load->habits.bulk_at_once && path == a->load->bulk[i];
        (void)load__send_op(a, &a->link, &op);
        a->setup_asked = true;
}

/* Of the session, and where nothing can be missing or in the way: whoever refuses it refuses the session. */
static void prove(struct load_client *a)
{
        struct load *l = a->load;
        char path[LOAD_PATH_BYTES];
        (void)snprintf(path, sizeof path, "/hp%" PRIu64, l->values + 1);
        struct load_op op = op_create(a, CREATE_EPHEMERAL, history_cstr(l->history, path));
        load__send_op(a, &a->link, &op)->proves = true;
}

void load__look(struct load_client *a)
{
        const struct load *l = a->load;
        prove(a);
        load__send_sync(a);
        for (int i = 0; i < LOAD_HOT; i++) {
                load__send_read(a, VERB_GET, OP_GET_DATA, l->hot[i], false);
                load__send_read(a, VERB_GET_ACL, OP_GET_ACL, l->hot[i], false);
        }
        for (int i = 0; i < LOAD_PARENTS; i++) {
                load__send_read(a, VERB_CHILDREN, OP_GET_CHILDREN2, l->plain[i], false);
                load__send_read(a, VERB_CHILDREN, OP_GET_CHILDREN2, l->sequential[i], false);
                load__send_read(a, VERB_CHILDREN, OP_GET_CHILDREN2, l->ephemeral[i], false);
        }
        /* And some of the nodes below. */
        for (int i = 0; i < 16; i++)
                load__send_read(a, VERB_GET, OP_GET_DATA, some_node(a), false);
}
