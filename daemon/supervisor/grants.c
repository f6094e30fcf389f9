/* See grants.h. */
#include "daemon/supervisor/grants.h"

#include "daemon/common/node_config.h"
#include "election/base/plant.h"

#include <string.h>

enum { STAGE_HELD, STAGE_GRACE_OVER, STAGE_RESERVE_BEGUN, STAGE_OVER };

bool grant_may_run(const struct grant_record *r, const char *boot_id)
{
        return strcmp(r->boot_id, boot_id) == 0 && r->state != WORKER_STOPPED && r->deadline_ms > 0;
}

static uint64_t grace_ms(uint32_t budget_ms)
{
        uint64_t part = budget_ms / 5;
        return part < GRANT_GRACE_MS ? part : GRANT_GRACE_MS;
}

static uint64_t reserve_ms(uint32_t budget_ms)
{
        uint64_t reserve = budget_ms / 4;
        if (reserve < GRANT_RESERVE_MIN_MS)
                reserve = GRANT_RESERVE_MIN_MS;
        if (reserve > GRANT_RESERVE_MAX_MS)
                reserve = GRANT_RESERVE_MAX_MS;
        return reserve < budget_ms / 2 ? reserve : budget_ms / 2;
}

static bool may_run(const struct grant_watch *w)
{
        return w->known && w->record.state != WORKER_STOPPED && w->record.deadline_ms > 0;
}

static uint64_t stage_end_ms(const struct grant_watch *w)
{
        const struct grant_record *r = &w->record;
        switch (w->stage) {
        case STAGE_HELD:
                return r->deadline_ms + grace_ms(r->budget_ms);
        case STAGE_GRACE_OVER:
                return w->end_ms - reserve_ms(r->budget_ms);
        case STAGE_RESERVE_BEGUN:
                return w->end_ms;
        default:
                return UINT64_MAX;
        }
}

void grant_watch_told(struct grant_watch *w, const struct grant_record *r)
{
        if (!r) {
                *w = (struct grant_watch){.known = false};
                return;
        }
        /* A deadline that moved is another one; a state that changed is the same one's progress. */
        if (!w->known || r->token != w->record.token || r->deadline_ms != w->record.deadline_ms) {
                w->stage = STAGE_HELD;
                w->end_ms = r->deadline_ms + r->budget_ms;
        }
        w->record = *r;
        w->known = true;
}

/* Its stop is under way, by its own word. OPENING is the first stop of a fresh worker. */
static bool stops(const struct grant_watch *w)
{
        return w->record.state == WORKER_STOPPING || w->record.state == WORKER_FAILED ||
               w->record.state == WORKER_OPENING;
}

void grant_watch_fresh(struct grant_watch *w, uint64_t now_ms)
{
        /* One that follows a worker which had the reserve for itself gets no more time (F6): the last resort is due. */
        bool due = w->stage == STAGE_RESERVE_BEGUN && now_ms >= w->end_ms;
        if (!may_run(w) || now_ms < w->record.deadline_ms || w->stage == STAGE_OVER || due)
                return;
        if (now_ms >= w->end_ms)
                w->end_ms = now_ms + w->record.budget_ms;
        w->stage = now_ms < w->end_ms - reserve_ms(w->record.budget_ms) ? STAGE_GRACE_OVER : STAGE_RESERVE_BEGUN;
}

/* Who comes late (the machine slept, the supervisor was stopped) has several judgements to pass at once. The last
 * resort is for what a fresh worker could not do, so it is never among them: there is one more try. */
enum grant_verdict grant_watch_step(struct grant_watch *w, uint64_t now_ms)
{
        if (!may_run(w) || w->stage == STAGE_OVER || now_ms < stage_end_ms(w))
                return GRANT_FINE;
        if (w->stage == STAGE_RESERVE_BEGUN) {
                w->stage = STAGE_OVER;
                return GRANT_LAST_RESORT;
        }
        if (now_ms >= w->end_ms)
                w->end_ms = now_ms + w->record.budget_ms;
        bool first = w->stage == STAGE_HELD;
        w->stage = STAGE_GRACE_OVER;
        if (now_ms >= stage_end_ms(w))
                w->stage = STAGE_RESERVE_BEGUN;
        else if (first && stops(w))
                return GRANT_FINE;
        return GRANT_OVERDUE;
}

uint64_t grant_watchdog_ms(uint32_t lease_ms, uint32_t budget_ms, uint32_t rate_ppm)
{
        uint64_t have_ms = (uint64_t)lease_holder_ms(lease_ms, rate_ppm) + budget_ms;
        uint64_t need_ms = lease_ms / 6 + reserve_ms(budget_ms) + GRANT_REVIVE_MS;
        if (PLANTED(M22_WATCHDOG_WITHOUT_LEASE))
                return UINT64_MAX;
        return have_ms > need_ms + GRANT_WATCHDOG_MIN_MS ? have_ms - need_ms : GRANT_WATCHDOG_MIN_MS;
}

uint64_t grant_watchdog_left_ms(const struct grant_record *r, uint64_t now_ms)
{
        uint64_t end_ms = r->deadline_ms + r->budget_ms;
        uint64_t need_ms = reserve_ms(r->budget_ms) + GRANT_REVIVE_MS;
        if (PLANTED(M22_WATCHDOG_WITHOUT_LEASE))
                return UINT64_MAX;
        if (end_ms < now_ms + need_ms + GRANT_WATCHDOG_MIN_MS)
                return GRANT_WATCHDOG_MIN_MS;
        uint64_t left_ms = end_ms - need_ms - now_ms;
        return left_ms - left_ms % GRANT_WATCHDOG_STEP_MS;
}

uint64_t grant_watch_next_ms(const struct grant_watch *w)
{
        return may_run(w) ? stage_end_ms(w) : UINT64_MAX;
}
