/* Sessions and watches that are held until standard input ends, so that a server's memory can be read meanwhile. */
#include "tests/bench/pump.h"

#include "tests/bench/fail.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

static bool input_ended(void)
{
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        char byte;
        return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

void hold_run(struct load *l)
{
        const struct load_options *o = l->o;
        load_mark(l, &l->from);
        load_open_all(l, LOAD_OPENING);
        struct pump root = {.op = DO_MAKE_ROOT, .keys = 1, .operations = 1};
        pump_run(l, &root);
        if (o->workload == WORKLOAD_WATCHES) {
                /* Requests go round the connections, so each gets as many; every watch is on a znode of its own. */
                uint64_t watches = (uint64_t)o->keys * o->connections;
                struct pump watch = {.op = DO_WATCH_ABSENT, .keys = UINT32_MAX, .operations = watches};
                pump_run(l, &watch);
                l->measured = watches;
        } else {
                l->measured = o->connections;
        }
        load_mark(l, &l->to);
        if (puts("holding") < 0 || fflush(stdout) != 0)
                bench_fail("standard output: %s", strerror(errno));
        uint64_t every = load_ping_ns(l), next = now_ns() + every;
        while (!input_ended()) {
                load_turn(l, now_ns() + SECOND_NS / 10);
                if (now_ns() >= next) {
                        next += every;
                        (void)load_ping_all(l);
                }
        }
        struct pump close = {.op = DO_CLOSE, .keys = 1, .operations = o->connections, .outstanding = 1};
        pump_run(l, &close);
}
