/* An administrator with a client of its own, and what tests wait for. */
#include "tests/sim/fleet/fleet_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#define SETTLE_MS 10000

/* ---- waiting ---- */

int fleet_await_active(struct fleet *f, size_t group, int but, uint64_t max_ms)
{
        for (uint64_t t = 0; t < max_ms && !verdict_broken(f->verdict); t++) {
                int n = fleet_active(f, group);
                if (n && n != but)
                        return n;
                fleet_run(f, 1);
        }
        fleet_break(f, "LIVE", "group %s is active nowhere%s after %" PRIu64 " ms", fleet__group_name(group),
                    but ? " else" : "", max_ms);
        return 0;
}

uint64_t fleet_await_down(struct fleet *f, size_t group, uint64_t max_ms)
{
        uint64_t t = 0;
        for (; fleet_running(f, group) && t < max_ms && !verdict_broken(f->verdict); t++)
                fleet_run(f, 1);
        if (fleet_running(f, group))
                fleet_break(f, "LIVE", "group %s still runs after %" PRIu64 " ms", fleet__group_name(group), max_ms);
        return t;
}

void fleet_await_mended(struct fleet *f)
{
        uint64_t start = fleet_now(f);
        for (size_t g = 0; g < f->o.groups; g++) {
                uint64_t past = fleet_now(f) - start;
                (void)fleet_await_active(f, g, 0, past < FLEET_MENDED_MS ? FLEET_MENDED_MS - past : 1);
        }
}

/* ---- requests ---- */

static int await(struct fleet *f, const struct scene_reply *r)
{
        for (int i = 0; i < SETTLE_MS && !r->done && !verdict_broken(f->verdict); i++)
                fleet_run(f, 1);
        if (!r->done)
                return -ETIME;
        return r->outcome == CLIENT_ANSWERED ? r->error : -EIO;
}

static int ask(struct fleet *f, const struct scene_reply *r, int asked)
{
        assert(asked == 0); /* paths are well formed */
        return await(f, r);
}

int fleet_set(struct fleet *f, const char *path, const char *data)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        return ask(f, &r, client_set(f->admin->c, path, jute_cstr(data), -1, &call));
}

int fleet_create(struct fleet *f, const char *path, const char *data)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        return ask(f, &r, client_create(f->admin->c, path, jute_cstr(data), CLIENT_PERSISTENT, NULL, &call));
}

int fleet_delete(struct fleet *f, const char *path)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        return ask(f, &r, client_delete(f->admin->c, path, -1, &call));
}

int fleet_get(struct fleet *f, const char *path, struct scene_reply *ret)
{
        struct client_call call = scene_call(ret);
        return ask(f, ret, client_get(f->admin->c, path, &call));
}
