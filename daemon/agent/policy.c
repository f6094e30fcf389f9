#include "daemon/agent/policy.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const names[] = {
        [POLICY_LEADER] = "leader",
        [POLICY_PRIORITY] = "priority",
        [POLICY_STICKY] = "sticky",
};
static_assert(sizeof names / sizeof *names == POLICY_COUNT, "every policy has its name");

const char *policy_name(enum group_policy policy)
{
        return names[policy];
}

/* Those for whom it holds come first. */
static int first(bool a, bool b)
{
        return (int)b - (int)a;
}

static int by_last(const char *last, const struct policy_candidate *a, const struct policy_candidate *b)
{
        return first(strcmp(a->name.text, last) == 0, strcmp(b->name.text, last) == 0);
}

static int by_priority(const struct policy_candidate *a, const struct policy_candidate *b)
{
        return (a->priority < b->priority) - (a->priority > b->priority);
}

int policy_compare(enum group_policy policy, const char *last, const struct policy_candidate *a,
                   const struct policy_candidate *b)
{
        int order[4] = {0, 0, 0, strcmp(a->name.text, b->name.text)};
        switch (policy) {
        case POLICY_PRIORITY:
                order[0] = by_priority(a, b);
                order[1] = by_last(last, a, b);
                break;
        case POLICY_LEADER:
                order[0] = first(a->leads, b->leads);
                /* fallthrough */
        case POLICY_STICKY:
        case POLICY_COUNT:
                order[1] = by_last(last, a, b);
                order[2] = by_priority(a, b);
                break;
        }
        for (size_t i = 0; i < 4; i++)
                if (order[i])
                        return order[i];
        return 0;
}

int policy_rank(enum group_policy policy, const char *last, const struct policy_candidate *list, size_t count,
                const char *name)
{
        const struct policy_candidate *own = NULL;
        int before = 0;
        for (size_t i = 0; i < count; i++)
                if (list[i].healthy && strcmp(list[i].name.text, name) == 0)
                        own = &list[i];
        if (!own)
                return -ENOENT;
        for (size_t i = 0; i < count; i++)
                before += list[i].healthy && policy_compare(policy, last, &list[i], own) < 0;
        return before;
}
