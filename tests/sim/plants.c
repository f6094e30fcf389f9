#include "tests/sim/plants.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const struct plant_row rows[] = {
        [PLANT_NONE] = {.name = NULL},
        [PLANT_M1_ACK_BEFORE_FSYNC] = {"M1-ack-before-fsync", LIVES_SERVERS, "D1 Z12 Z3",
                                       "a follower acknowledges a proposal that is not on its disk yet"},
        [PLANT_M1_LEADER_COUNTS_EARLY] = {"M1-leader-counts-early", LIVES_SERVERS, "D1 Z12 Z3",
                                          "a leader counts itself before its own fsync"},
        [PLANT_M2_PROMISE_BEFORE_FSYNC] = {"M2-promise-before-fsync", LIVES_SERVERS, "Z20 Z2 Z1",
                                           "ACKEPOCH goes out before acceptedEpoch is durable"},
        [PLANT_M3_EPOCH_BEFORE_LOG] = {"M3-epoch-before-log", LIVES_SERVERS, "Z24 Z3 D1 D3",
                                       "currentEpoch is written before the log that it vouches for is synced"},
        [PLANT_M4_PROMISE_COUNTS_TWICE] = {"M4-promise-counts-twice", LIVES_SERVERS, "Z20 Z1 Z2",
                                           "a second ACKEPOCH for the same epoch counts"},
        [PLANT_M5_HALF_IS_ENOUGH] = {"M5-half-is-enough", LIVES_SERVERS, "Z1 Z2 Z3 Z12 Z22",
                                     "half of the voters are a quorum"},
        [PLANT_M6_ZXID_BEFORE_EPOCH] = {"M6-zxid-before-epoch", LIVES_SERVERS, "Z9 Z22 Z3 Z5 D1",
                                        "votes and ACKEPOCH are compared by zxid before epoch"},
        [PLANT_M7_ACKS_OUTLIVE_CONNECTION] = {"M7-acks-outlive-connection", LIVES_SERVERS, "Z15 Z12 D1",
                                              "what a follower acknowledged on a connection that is gone still counts"},
        [PLANT_M8_FORWARDED_LATE] = {"M8-forwarded-late", LIVES_SERVERS, "Z14 Z11 Z13 LIVE",
                                     "proposals go to a learner from UPTODATE on only"},
        [PLANT_M9_TREE_KEPT_AFTER_TRUNC] = {"M9-tree-kept-after-trunc", LIVES_SERVERS, "D2 D4 Z3 D3",
                                            "a learner keeps its tree when its log is cut back"},
        [PLANT_M10_DAMAGE_ENDS_THE_LOG] = {"M10-damage-ends-the-log", LIVES_SERVERS, "D1 D3 D5 Z3",
                                           "a damaged record in the middle counts as the end of the log"},
        [PLANT_M11_FSYNC_TRIED_AGAIN] = {"M11-fsync-tried-again", LIVES_SERVERS, "D1 D3 Z3",
                                         "an fsync that failed is tried again"},
        [PLANT_M11_DIRECTORY_NOT_SYNCED] = {"M11-directory-not-synced", LIVES_SERVERS, "D1 D3 Z3",
                                            "the directory is not synced after a new segment"},
        [PLANT_M11_TRUNC_NOT_SYNCED] = {"M11-trunc-not-synced", LIVES_SERVERS, "D8 Z3 D1 D3 D4",
                                        "a segment that was cut back is not synced"},
        [PLANT_M12_SNAPSHOT_NAMED_AHEAD] = {"M12-snapshot-named-ahead", LIVES_SERVERS, "D4 D3 D1",
                                            "a snapshot is named by what is logged, not by what is in it"},
        [PLANT_M13_LEASE_FROM_REPLY] = {"M13-lease-from-reply", LIVES_FLEET, "F1 F2 F4",
                                        "a lease counts from when its renewal was answered, not sent"},
        [PLANT_M13_WHOLE_LEASE] = {"M13-whole-lease", LIVES_FLEET, "F1 F2 F4",
                                   "the holder counts the whole lease, as if clocks had one rate"},
        [PLANT_M13_BUDGET_IGNORED] = {"M13-budget-ignored", LIVES_FLEET, "F1 F4",
                                      "the taker does not wait for the stop budget"},
        [PLANT_M14_RENEWED_WHEN_SENT] = {"M14-renewed-when-sent", LIVES_FLEET, "F1 F2 F4",
                                         "a renewal counts when it is sent, whoever confirms it"},
        [PLANT_M15_OLD_TIMERS_GO_ON] = {"M15-old-timers-go-on", LIVES_CLIENTS, "S4",
                                        "a new leader counts sessions' time from when it served last"},
        [PLANT_M16_DELETION_GRANTS] = {"M16-deletion-grants", LIVES_FLEET, "F1 F4",
                                       "the group is free as soon as `active` is gone"},
        [PLANT_M17_FAILED_STOP_COUNTS] = {"M17-failed-stop-counts", LIVES_FLEET, "F1 F4 F7",
                                          "a stop that failed counts as one"},
        [PLANT_M17_CANCELLED_START_IS_NONE] = {"M17-cancelled-start-is-none", LIVES_FLEET, "F1 F4 F7 F8",
                                               "a start that was cancelled counts as one that was not begun"},
        [PLANT_M18_HOLDER_COUNTS_AWAKE] = {"M18-holder-counts-awake", LIVES_FLEET, "F1 F2 F4 F6",
                                           "a worker's clock does not count suspends"},
        [PLANT_M19_ABSENT_NOT_WATCHED] = {"M19-absent-not-watched", LIVES_CLIENTS, "W2 W5",
                                          "exists sets no watch where there is no node"},
        [PLANT_M19_RESTORED_UNCOMPARED] = {"M19-restored-uncompared", LIVES_CLIENTS, "W2 W5",
                                           "setWatches does not look for what has changed meanwhile"},
        [PLANT_M20_EPHEMERAL_LEFT] = {"M20-ephemeral-left", LIVES_CLIENTS, "S2 S3 D4",
                                      "closeSession leaves an ephemeral whose creation is under way"},
        [PLANT_M20_CLOSING_NOT_MARKED] = {"M20-closing-not-marked", LIVES_CLIENTS, "S2 S3 D4",
                                          "a session whose closeSession is under way may still write"},
        [PLANT_M21_NOT_ROLLED_BACK] = {"M21-not-rolled-back", LIVES_CLIENTS, "S10 S11 D4",
                                       "a multi that failed leaves its forecasts behind"},
        [PLANT_M22_WATCHDOG_WITHOUT_LEASE] = {"M22-watchdog-without-lease", LIVES_FLEET, "F1 F4 F6",
                                              "systemd's watchdog has one limit, whatever the grant leaves"},
        [PLANT_M23_LEADS_WITHOUT_LOG] = {"M23-leads-without-log", LIVES_SERVERS, "E7 LIVE",
                                         "a leader whose log hangs goes on leading"},
        [PLANT_VOTES_WITH_UNSYNCED] = {"votes-with-unsynced", LIVES_SERVERS, "D1 D3 Z3",
                                       "recovery votes with records that are in the page cache only"},
        [PLANT_LOST_DISK_COUNTS] = {"lost-disk-counts", LIVES_SERVERS, "E5 Z20 Z2 Z12",
                                    "the promise of a server that has lost its disk counts"},
        [PLANT_DIFF_OVER_A_HOLE] = {"diff-over-a-hole", LIVES_SERVERS, "Z11 Z3 Z14 LIVE",
                                    "a leader sends what it has in memory, and it begins after where the learner ends"},
        [PLANT_HISTORY_BASE_GUESSED] = {"history-base-guessed", LIVES_SERVERS, "Z11 Z14 Z3 Z4 D1 D2 D3 D4",
                                        "what stood before the history that was recovered is taken to be the snapshot"},
        [PLANT_ESTABLISHED_BY_PROMISES] = {"established-by-promises", LIVES_SERVERS, "Z12 Z24 D1",
                                           "a leader leads when a quorum has promised, not when it is synchronised"},
        [PLANT_APPLIED_WHEN_PROPOSED] = {"applied-when-proposed", LIVES_SERVERS, "D2 Z12 Z3",
                                         "a follower applies proposals before their COMMIT"},
        [PLANT_TAIL_SHOWN] = {"tail-shown", LIVES_CLIENTS, "D2 Z3 Z12 D1",
                              "what a role leaves behind uncommitted is applied while its clients are still served"},
        [PLANT_SYNC_WITHOUT_ROUND] = {"sync-without-round", LIVES_CLIENTS, "S9",
                                      "sync is answered without asking a quorum whether this leader is still one"},
        [PLANT_SEEN_ZXID_IGNORED] = {"seen-zxid-ignored", LIVES_CLIENTS, "S7",
                                     "a session goes on at a server that is behind what it has seen"},
        [PLANT_MOVED_SESSION_WRITES] = {"moved-session-writes", LIVES_CLIENTS, "S6 S5",
                                        "writes on a connection that its session has left are carried out"},
        [PLANT_REFUSES_LIVING_SESSION] = {"refuses-living-session", LIVES_CLIENTS, "S4",
                                          "a session that wants to go on at another server is called expired"},
        [PLANT_MOVED_CALLED_EXPIRED] = {"moved-called-expired", LIVES_CLIENTS, "S4 S2",
                                        "on a connection that it has left a session is called expired"},
        [PLANT_OWNER_NOT_TAKEN] = {"owner-not-taken", LIVES_CLIENTS, "LIVE",
                                   "a session that goes on at another server still belongs to the one it left"},
        [PLANT_EVENT_AFTER_REPLY] = {"event-after-reply", LIVES_CLIENTS, "W3 W2",
                                     "what was watched is told after the reply that shows the change"},
        [PLANT_PERSISTENT_FIRES_ONCE] = {"persistent-fires-once", LIVES_CLIENTS, "W5 W3",
                                         "a persistent watch goes with its first event"},
        [PLANT_RECURSIVE_TOLD_OF_CHILDREN] = {"recursive-told-of-children", LIVES_CLIENTS, "W6 W1 W4",
                                              "a recursive watch tells that children changed, too"},
        [PLANT_RELEASED_UNVERIFIED] = {"released-unverified", LIVES_FLEET, "F1 F4",
                                       "a group is released before its workers have stopped"},
        [PLANT_EXPIRED_RECORD_TAKEN_UP] = {"expired-record-taken-up", LIVES_FLEET, "F1 F2 F4 F6",
                                           "a fresh worker takes up a grant that has run out, as if it began anew"},
        [PLANT_VANISHED_UNSEEN] =
                {"vanished-unseen", LIVES_FLEET, "F1 F3 F4",
                 "the end of `active` begins no wait, though renewals before it may have been missed"},
        [PLANT_TAKE_OVERLOOKS_RENEWAL] = {"take-overlooks-renewal", LIVES_FLEET, "F1 F3 F4",
                                          "a group is taken though it was renewed after it was looked at"},
        [PLANT_DAMAGE_COUNTS_AS_TORN] = {"damage-counts-as-torn", LIVES_SERVERS, "D5 D1 D3 Z3",
                                         "a damaged record at the end of the log is cut like a torn one"},
        [PLANT_ENDS_IGNORED] = {"ends-ignored", LIVES_SERVERS, "D5 S3 D1 D3 D4 Z3",
                                "nothing tells that the log once reached further"},
        [PLANT_SWEPT_WITH_CHILD] = {"swept-with-child", LIVES_CLIENTS, "S10 S11",
                                    "a leader deletes what has got a child meanwhile"},
        [PLANT_TTL_COUNTED_FROM_CTIME] = {"ttl-counted-from-ctime", LIVES_CLIENTS, "S12",
                                          "a write does not begin a node's time to live anew"},
        [PLANT_IDENTITIES_SURVIVE] = {"identities-survive", LIVES_CLIENTS, "A1",
                                      "who a connection was, its session's next one is too"},
        [PLANT_NODE_ASKED_FOR_PARENT] = {"node-asked-for-parent", LIVES_CLIENTS, "A1",
                                         "a deletion is judged by the list of the node, not of its parent"},
        [PLANT_DELETION_NOT_COUNTED] = {"deletion-not-counted", LIVES_CLIENTS, "D4 S11 S5",
                                        "a deletion below a quota leaves its stats alone"},
        [PLANT_READ_ONLY_CALLS_EXPIRED] = {"read-only-calls-expired", LIVES_READ_ONLY, "S4",
                                           "a server without a leader calls sessions expired that it does not know"},
        [PLANT_LOST_DISK_SHOWN] = {"lost-disk-shown", LIVES_READ_ONLY, "R3",
                                   "what is left of a lost disk is shown in read-only mode"},
        [PLANT_PREFIX_IGNORED] = {"prefix-ignored", LIVES_CLIENTS, "D4",
                                  "getEphemerals tells of what does not begin with its prefix"},
};
static_assert(sizeof rows / sizeof *rows == PLANT_MAX, "a row for each plant");

#ifdef BATON_PLANTS
enum plant baton_plant;
#endif

const struct plant_row *plant_row(enum plant plant)
{
        return &rows[plant];
}

enum plant plant_by_name(const char *name)
{
        size_t len = strlen(name);
        for (int i = PLANT_NONE + 1; i < PLANT_MAX; i++)
                if (!strncmp(rows[i].name, name, len) && (rows[i].name[len] == 0 || rows[i].name[len] == '-'))
                        return (enum plant)i;
        return PLANT_NONE;
}

bool plants_present(void)
{
#ifdef BATON_PLANTS
        return true;
#else
        return false;
#endif
}

void plant_set(enum plant plant)
{
#ifdef BATON_PLANTS
        baton_plant = plant;
#else
        assert(plant == PLANT_NONE);
#endif
}

bool plant_may_show(const struct life_plan *p)
{
#ifdef BATON_PLANTS
        const struct plant_row *row = plant_row(baton_plant);
        if (baton_plant == PLANT_NONE)
                return true;
        if (row->lives == LIVES_READ_ONLY && !p->read_only)
                return false;
        return row->lives == LIVES_FLEET ? p->fleet : !p->fleet && (p->load || row->lives == LIVES_SERVERS);
#else
        (void)p;
        return true;
#endif
}
