/* Bugs planted on purpose: the simulator must find each of them, or it is too kind (tests/sim/plants.c tells what each
 * one breaks and who should notice).
 *
 * In every build that is installed or tested, PLANTED(…) is the constant false: no branch, no symbol. Only the
 * simulator's second build, of the same sources, is compiled with BATON_PLANTS, and plants the one bug that is asked
 * for. A site is a condition, as in `if (z->disk.count == 0 || PLANTED(M2_PROMISE_BEFORE_FSYNC))`. */
#ifndef BATON_BASE_PLANT_H
#define BATON_BASE_PLANT_H

#include <stdbool.h>

/* Numbers in the names are those of the table of mutants in docs/safety.md. */
enum plant {
        PLANT_NONE,
        PLANT_M1_ACK_BEFORE_FSYNC,
        PLANT_M1_LEADER_COUNTS_EARLY,
        PLANT_M2_PROMISE_BEFORE_FSYNC,
        PLANT_M3_EPOCH_BEFORE_LOG,
        PLANT_M4_PROMISE_COUNTS_TWICE,
        PLANT_M5_HALF_IS_ENOUGH,
        PLANT_M6_ZXID_BEFORE_EPOCH,
        PLANT_M7_ACKS_OUTLIVE_CONNECTION,
        PLANT_M8_FORWARDED_LATE,
        PLANT_M9_TREE_KEPT_AFTER_TRUNC,
        PLANT_M10_DAMAGE_ENDS_THE_LOG,
        PLANT_M11_FSYNC_TRIED_AGAIN,
        PLANT_M11_DIRECTORY_NOT_SYNCED,
        PLANT_M11_TRUNC_NOT_SYNCED,
        PLANT_M12_SNAPSHOT_NAMED_AHEAD,
        PLANT_M13_LEASE_FROM_REPLY,
        PLANT_M13_WHOLE_LEASE,
        PLANT_M13_BUDGET_IGNORED,
        PLANT_M14_RENEWED_WHEN_SENT,
        PLANT_M15_OLD_TIMERS_GO_ON,
        PLANT_M16_DELETION_GRANTS,
        PLANT_M17_FAILED_STOP_COUNTS,
        PLANT_M17_CANCELLED_START_IS_NONE,
        PLANT_M18_HOLDER_COUNTS_AWAKE,
        PLANT_M19_ABSENT_NOT_WATCHED,
        PLANT_M19_RESTORED_UNCOMPARED,
        PLANT_M20_EPHEMERAL_LEFT,
        PLANT_M20_CLOSING_NOT_MARKED,
        PLANT_M21_NOT_ROLLED_BACK,
        PLANT_M22_WATCHDOG_WITHOUT_LEASE,
        PLANT_M23_LEADS_WITHOUT_LOG,
        /* of our own */
        PLANT_VOTES_WITH_UNSYNCED,
        PLANT_LOST_DISK_COUNTS,
        PLANT_DIFF_OVER_A_HOLE,
        PLANT_HISTORY_BASE_GUESSED,
        PLANT_ESTABLISHED_BY_PROMISES,
        PLANT_APPLIED_WHEN_PROPOSED,
        PLANT_TAIL_SHOWN,
        PLANT_SYNC_WITHOUT_ROUND,
        PLANT_SEEN_ZXID_IGNORED,
        PLANT_MOVED_SESSION_WRITES,
        PLANT_REFUSES_LIVING_SESSION,
        PLANT_MOVED_CALLED_EXPIRED,
        PLANT_OWNER_NOT_TAKEN,
        PLANT_EVENT_AFTER_REPLY,
        PLANT_PERSISTENT_FIRES_ONCE,
        PLANT_RECURSIVE_TOLD_OF_CHILDREN,
        PLANT_RELEASED_UNVERIFIED,
        PLANT_EXPIRED_RECORD_TAKEN_UP,
        PLANT_VANISHED_UNSEEN,
        PLANT_TAKE_OVERLOOKS_RENEWAL,
        PLANT_DAMAGE_COUNTS_AS_TORN,
        PLANT_ENDS_IGNORED,
        PLANT_SWEPT_WITH_CHILD,
        PLANT_TTL_COUNTED_FROM_CTIME,
        PLANT_IDENTITIES_SURVIVE,
        PLANT_NODE_ASKED_FOR_PARENT,
        PLANT_DELETION_NOT_COUNTED,
        PLANT_READ_ONLY_CALLS_EXPIRED,
        PLANT_LOST_DISK_SHOWN,
        PLANT_PREFIX_IGNORED,
        PLANT_MAX,
};

#ifdef BATON_PLANTS
extern enum plant baton_plant;
#define PLANTED(name) (baton_plant == PLANT_##name)
#else
#define PLANTED(name) ((void)PLANT_##name, false)
#endif

#endif
