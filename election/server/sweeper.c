/* See sweeper.h. A sweep walks the tree's list of special nodes from its end: what is deleted meanwhile moves only
 * nodes that were looked at already. */
#include "election/server/sweeper.h"

#include "election/base/alloc.h"
#include "election/base/plant.h"

#include <assert.h>
#include <string.h>

#define US_PER_MS     1000
#define US_PER_MINUTE 60000000

/* From this transaction on nodes bear times that are so far ahead of the monotonic clock. */
struct wall {
        int64_t zxid, ahead_ms;
};

struct sweeper {
        struct sweeper_config config;
        uint64_t sweep_ms; /* when the next sweep begins */
        uint64_t ready_us; /* when the next deletion may be made */
        uint64_t turn_ms;  /* when the sweep under way goes on */
        size_t looked;     /* in this turn */
        size_t place;      /* nodes it has not looked at; 0: none is under way */
        struct wall walls[SWEEPER_STEPS_MAX];
        size_t wall_count;
};

static int64_t wall_ahead(const struct moment *now)
{
        return now->wall_ms - (int64_t)now->mono_ms;
}

struct sweeper *sweeper_new(const struct sweeper_config *config, const struct moment *now)
{
        struct sweeper *s = mem_zalloc(sizeof *s);
        assert(config->check_interval_ms && config->max_per_minute);
        s->config = *config;
        s->sweep_ms = now->mono_ms + config->check_interval_ms;
        s->walls[s->wall_count++] = (struct wall){.zxid = INT64_MIN, .ahead_ms = wall_ahead(now)};
        return s;
}

void sweeper_free(struct sweeper *s)
{
        mem_free(s);
}

/* ---- the clocks ---- */

/* Room for one more: the first two become one, with the smaller lead, by which nodes live longer. */
static void walls_merge(struct sweeper *s)
{
        if (s->walls[1].ahead_ms < s->walls[0].ahead_ms)
                s->walls[0].ahead_ms = s->walls[1].ahead_ms;
        memmove(&s->walls[1], &s->walls[2], (s->wall_count - 2) * sizeof s->walls[0]);
        s->wall_count--;
}

void sweeper_stamp(struct sweeper *s, const struct moment *now, int64_t zxid)
{
        int64_t ahead = wall_ahead(now);
        int64_t step = ahead - s->walls[s->wall_count - 1].ahead_ms;
        if (step < SWEEPER_STEP_MS && step > -SWEEPER_STEP_MS)
                return;
        if (s->wall_count == SWEEPER_STEPS_MAX)
                walls_merge(s);
        s->walls[s->wall_count++] = (struct wall){.zxid = zxid, .ahead_ms = ahead};
}

/* Whether more than `span_ms` have gone by since the node was last written, by either clock. */
static bool is_over(const struct sweeper *s, const struct jute_stat_persisted *stat, const struct moment *now,
                    uint64_t span_ms)
{
        int64_t since = PLANTED(TTL_COUNTED_FROM_CTIME) ? stat->ctime : stat->mtime;
        size_t i = s->wall_count - 1;
        while (s->walls[i].zxid > stat->mzxid)
                i--;
        int64_t monotonic = (int64_t)now->mono_ms + s->walls[i].ahead_ms;
        int64_t earlier = monotonic < now->wall_ms ? monotonic : now->wall_ms;
        /* Any time may stand in a log that came from elsewhere. */
        return earlier > since && (uint64_t)earlier - (uint64_t)since > span_ms;
}

/* ---- what is due ---- */

bool sweeper_is_ttl(const struct znode *n)
{
        struct jute_stat_persisted stat;
        znode_stat_persisted(n, &stat);
        return znode_ttl_of_owner(stat.ephemeral_owner) != 0;
}

static bool is_due(const struct sweeper *s, const struct jute_stat_persisted *stat, int32_t children,
                   const struct moment *now)
{
        if (children > 0)
                return false;
        if (stat->ephemeral_owner == ZNODE_OWNER_CONTAINER && stat->cversion > 0)
                return true;
        if (stat->ephemeral_owner == ZNODE_OWNER_CONTAINER)
                return s->config.max_never_used_ms && is_over(s, stat, now, s->config.max_never_used_ms);
        int64_t ttl_ms = znode_ttl_of_owner(stat->ephemeral_owner);
        return s->config.ttl && ttl_ms && is_over(s, stat, now, (uint64_t)ttl_ms);
}

/* As it is, and as it will be. */
static bool is_candidate(const struct sweeper *s, const struct znode *n, const struct prep *prep,
                         const struct moment *now)
{
        struct jute_stat_persisted stat;
        int32_t children;
        znode_stat_persisted(n, &stat);
        if (!is_due(s, &stat, znode_children(n), now))
                return false;
        if (PLANTED(SWEPT_WITH_CHILD))
                return true;
        return prep_peek(prep, znode_path(n), &stat, &children) && is_due(s, &stat, children, now);
}

/* ---- sweeping ---- */

static void sweep_begin(struct sweeper *s, const struct tree *tree, uint64_t now_ms)
{
        uint64_t interval = s->config.check_interval_ms;
        s->place = tree_special_count(tree);
        s->turn_ms = now_ms;
        s->sweep_ms += (now_ms - s->sweep_ms) / interval * interval + interval;
}

static void deletion_counted(struct sweeper *s, uint64_t now_ms)
{
        uint64_t now_us = now_ms * US_PER_MS;
        uint64_t lag_us = (uint64_t)SWEEPER_LAG_MS * US_PER_MS;
        if (now_us > lag_us && s->ready_us < now_us - lag_us)
                s->ready_us = now_us - lag_us;
        s->ready_us += US_PER_MINUTE / s->config.max_per_minute;
}

struct jute_str sweeper_next(struct sweeper *s, const struct tree *tree, const struct prep *prep,
                             const struct moment *now)
{
        const struct jute_str none = {.data = NULL, .len = -1};
        if (!s->place && now->mono_ms >= s->sweep_ms)
                sweep_begin(s, tree, now->mono_ms);
        if (now->mono_ms < s->turn_ms)
                return none;
        for (; s->place && now->mono_ms * US_PER_MS >= s->ready_us; s->looked++) {
                if (s->looked == SWEEPER_LOOK_MAX) {
                        s->looked = 0;
                        s->turn_ms = now->mono_ms + 1;
                        return none;
                }
                const struct znode *n = tree_special(tree, --s->place);
                if (!n || !is_candidate(s, n, prep, now))
                        continue;
                deletion_counted(s, now->mono_ms);
                return znode_path(n);
        }
        return none;
}

uint64_t sweeper_deadline(const struct sweeper *s, const struct tree *tree)
{
        if (!tree_special_count(tree))
                return UINT64_MAX;
        if (!s->place)
                return s->sweep_ms;
        uint64_t ready_ms = (s->ready_us + US_PER_MS - 1) / US_PER_MS;
        return ready_ms > s->turn_ms ? ready_ms : s->turn_ms;
}
