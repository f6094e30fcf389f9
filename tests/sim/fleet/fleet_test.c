#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/fleet/fleet_test.h"

#include <inttypes.h>
#include <stdio.h>

/* What is told of a story. */
#define TAIL_BYTES 12000

void fleet_fail(struct fleet *f, const char *why)
{
        size_t tail = f->story_len > TAIL_BYTES ? f->story_len - TAIL_BYTES : 0;
        (void)fputs(f->story + tail, stderr); /* longer than what cmocka prints */
        print_error("BATON_SEED=%" PRIu64 " repeats this\n[%" PRIu64 "] %s\n", f->o.seed, fleet_now(f), why);
        fail();
        __builtin_unreachable();
}

static void broken(struct fleet *f)
{
        char why[sizeof f->verdict->text + 32];
        (void)snprintf(why, sizeof why, "%s: %s", f->verdict->checker, f->verdict->text);
        fleet_fail(f, why);
}

void fleet_test_init(struct fleet *f, const struct fleet_options *o)
{
        struct fleet_options with_story = *o;
        with_story.story = true;
        fleet_init(f, &with_story);
        f->broken = broken;
}
