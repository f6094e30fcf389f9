/* Arithmetic of zxids: epoch in the upper 32 bits, counter in the lower (quorum-protocol.md 0). */
#ifndef BATON_ZAB_ZXID_H
#define BATON_ZAB_ZXID_H

#include <stdbool.h>
#include <stdint.h>

/* The counter that is never proposed: the leader steps down before it (safety: Z26, ZOOKEEPER-1277). */
#define ZAB_COUNTER_END INT64_C(0xffffffff)
/* zxids are compared as signed numbers, so epochs end where their sign bit would be set. */
#define ZAB_EPOCH_MAX INT64_C(0x7fffffff)
/* How far above its own acceptedEpoch a server believes another's. A promise is durable and is never taken
 * back, so one faulty message near the end would use up all epochs for good. Epochs rise by one with each
 * attempt to lead: at ten a second this takes 19 days, in which one member hears of none of them. */
#define ZAB_EPOCH_LEAP_MAX (INT64_C(1) << 24)
/* The same where it is heard by a leader: it goes above what it believes, and its voters, which may be behind it, have
 * to believe that in their turn. Otherwise one faulty message would make it a leader whom nobody follows, again and
 * again. */
#define ZAB_EPOCH_HEARD_LEAP_MAX (ZAB_EPOCH_LEAP_MAX / 2)

static inline int64_t zab__epoch(int64_t zxid)
{
        return zxid >> 32;
}

static inline int64_t zab__counter(int64_t zxid)
{
        return zxid & INT64_C(0xffffffff);
}

static inline int64_t zab__zxid(int64_t epoch, int64_t counter)
{
        return (int64_t)((uint64_t)epoch << 32 | (uint64_t)counter);
}

static inline bool zab__epoch_plausible(int64_t own, int64_t heard, int64_t leap_max)
{
        return heard >= 0 && heard < ZAB_EPOCH_MAX && heard <= own + leap_max;
}

/* Whether a record `next` may stand right after `last`: the next counter of the epoch, or the first of
 * a later one (safety: Z11). Counter 0 names an epoch's beginning and is never a record. */
static inline bool zab__follows(int64_t last, int64_t next)
{
        if (zab__epoch(next) == zab__epoch(last))
                return zab__counter(next) == zab__counter(last) + 1;
        return zab__epoch(next) > zab__epoch(last) && zab__counter(next) == 1;
}

#endif
