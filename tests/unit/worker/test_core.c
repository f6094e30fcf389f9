/* The rules of worker_core.h, one by one. */
#include "daemon/supervisor/grants.h"
#include "tests/unit/worker/desk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct desk d;

static int setup(void **state)
{
        (void)state;
        desk_init(&d);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        desk_done(&d);
        return 0;
}

/* ---- a life ---- */

static void test_a_fresh_process_stops_first(void **state)
{
        (void)state;
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "call open\n"
                        "hello opening 0x0 budget 1000\n"
                        "call deactivate START in 1000\n"
                        "record stopped 0x0 until 0+0\n"
                        "state stopped 0x0\n"
                        "ready\n");
}

static void test_granted_active_revoked(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 4000);
        desk_return(&d, CALL_ACTIVATE, 0);
        desk_expect(&d, "state starting 0x7\n"
                        "record starting 0x7 until 4000+1000\n"
                        "call activate 0x7\n"
                        "record active 0x7 until 4000+1000\n"
                        "state active 0x7\n");
        desk_revoke(&d, 7, REVOKE_SWITCHOVER);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "record stopping 0x7 until 1000+1000\n"
                        "state stopping 0x7\n"
                        "call deactivate SWITCHOVER in 730\n"
                        "record stopped 0x7 until 1000+1000\n"
                        "state stopped 0x7\n");
}

static void test_an_instance_without_group_is_never_active(void **state)
{
        (void)state;
        d.section.group.text[0] = '\0';
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_expect(&d, "call open\n"
                        "record stopped 0x0 until 0+0\n"
                        "ready\n"
                        "hello stopped 0x0 budget 1000\n");
        desk_grant(&d, 7, 4000);
        assert_false(d.busy);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
}

/* What an instance has left running when it still had a group. */
static void test_without_group_what_may_run_is_stopped(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_crash(&d);
        d.section.group.text[0] = '\0';
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(d.record.state, WORKER_STOPPED);
}

/* ---- renewals and tokens ---- */

static void test_renewals_move_the_deadline_forward_only(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_grant(&d, 7, 4500);
        desk_expect(&d, "record active 0x7 until 4500+1000\n");
        desk_grant(&d, 7, 4400); /* one that was overtaken */
        desk_expect(&d, "");
        assert_int_equal(worker_core_deadline_ms(d.core), 4500);
}

static void test_what_cannot_be_recorded_does_not_count(void **state)
{
        (void)state;
        desk_to_active(&d);
        d.record_error = -ENOSPC;
        desk_grant(&d, 7, 9000);
        assert_int_equal(worker_core_deadline_ms(d.core), 4000);
        /* Nor is a stop told while a fresh process would take the grant up (F4; seed 44 of the fleets). */
        desk_revoke(&d, 7, REVOKE_SWITCHOVER);
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_true(d.ended && d.told == WORKER_STOPPING);
}

static void test_another_token_is_refused_while_anything_runs(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_grant(&d, 9, 6000);
        desk_expect(&d, "state active 0x7: the one before it has not ended\n");
        desk_grant(&d, 7, 6000); /* there has been 9: whoever renews 7 has not heard */
        assert_int_equal(worker_core_deadline_ms(d.core), 4000);
        desk_revoke(&d, 9, REVOKE_LOST); /* 9 is over, so 7 is */
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
        desk_grant(&d, 10, 6000);
        desk_return(&d, CALL_ACTIVATE, 0);
        assert_int_equal(worker_core_token(d.core), 10);
}

static void test_older_tokens_count_for_nothing(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 6, REVOKE_LOST);
        desk_expect(&d, "state active 0x7\n");
        desk_grant(&d, 6, 9000);
        desk_expect(&d, "");
}

/* A renewal that was on its way when the grant ended here. */
static void test_an_ended_grant_is_not_begun_again(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 7, REVOKE_SWITCHOVER);
        desk_grant(&d, 7, 8000);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_forget(&d);
        desk_grant(&d, 7, 8000);
        desk_expect(&d, "state stopped 0x7: it has ended here\n");
        desk_grant(&d, 8, 8000);
        desk_return(&d, CALL_ACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_ACTIVE);
}

static void test_a_revoke_overtakes_its_grant(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_revoke(&d, 8, REVOKE_LOST);
        desk_expect(&d, "state stopped 0x8\n");
        desk_grant(&d, 8, 5000);
        desk_expect(&d, "state stopped 0x8: it has ended here\n");
}

static void test_grants_of_others_and_late_ones_are_refused(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, d.now_ms);
        desk_expect(&d, "state stopped 0x7: it has run out\n");
        (void)strncpy(d.section.group.text, "mail", sizeof d.section.group.text - 1);
        struct message m = message_of(MESSAGE_GRANT);
        m.group = (struct name){"web"};
        m.token = 8;
        m.deadline_ms = 9000;
        m.budget_ms = 1000;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        desk_expect(&d, "state stopped 0x8: it is of another group\n");
}

static void test_too_small_a_budget_is_a_failure(void **state)
{
        (void)state;
        d.section.stop_budget_ms = 2000;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 4000);
        desk_expect(&d, "state failed 0x7: 1000 ms to stop are too few, plugin instance shop needs 2000 ms\n"
                        "state stopped 0x7\n");
}

static void test_nothing_is_started_that_cannot_be_recorded(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        d.record_error = -EROFS;
        desk_grant(&d, 7, 4000);
        desk_expect(&d, "state starting 0x7\n"
                        "state failed 0x7: the grant record cannot be written, so nothing is started\n"
                        "state stopped 0x7\n");
        assert_false(d.busy);
}

/* ---- the deadline ---- */

static void test_the_deadline_stops_without_asking(void **state)
{
        (void)state;
        d.section.check_interval_ms = 0;
        desk_to_active(&d);
        worker_core_link(d.core, d.now_ms, false);
        desk_sleep(&d, 2999);
        desk_expect(&d, "");
        desk_sleep(&d, 1);
        desk_expect(&d, "record stopping 0x7 until 4000+1000\ncall deactivate LOST in 730\n");
        desk_grant(&d, 7, 9000); /* too late: the time of the stop runs */
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(d.record.state, WORKER_STOPPED);
}

/* safety.md 2.2 rule 6. */
static void test_the_deadline_is_judged_before_activate(void **state)
{
        (void)state;
        struct message role = message_of(MESSAGE_ROLE);
        role.role = ROLE_LEADING;
        desk_to_stopped(&d);
        (void)worker_core_agent(d.core, d.now_ms, &role);
        desk_grant(&d, 7, 1200);
        desk_forget(&d);
        d.now_ms = 1200; /* the thread was busy until now */
        desk_return(&d, CALL_ROLE, 0);
        desk_expect(&d, "record stopped 0x7 until 0+1000\nstate stopped 0x7\n");
}

/* The callback under way is asked to return; what it has done does not matter (F8). */
static void test_a_late_start_is_answered_by_a_stop(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 1300);
        desk_begin(&d, CALL_ACTIVATE);
        desk_forget(&d);
        desk_sleep(&d, 350);
        desk_expect(&d, "record stopping 0x7 until 1300+1000\nstate stopping 0x7\ncancel\n");
        desk_return(&d, CALL_ACTIVATE, 0);
        desk_expect(&d, "uncancel\ncall deactivate LOST in 680\n");
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
}

static void test_a_callback_that_hangs_at_the_deadline_costs_half_the_budget(void **state)
{
        (void)state;
        d.section.activate_timeout_ms = 60000;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 1300);
        desk_forget(&d);
        desk_sleep(&d, 300 + 499);
        assert_false(d.ended);
        desk_sleep(&d, 1);
        desk_expect(&d, "record stopping 0x7 until 1300+1000\nstate stopping 0x7\ncancel\nend 4\n");
        desk_crash(&d);
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_expect(&d, "call open\nhello opening 0x0 budget 1000\ncall deactivate START in 230\n");
}

/* The thread is stuck in ready(), of which the core knows nothing: the stop never begins. */
static void test_a_stop_that_does_not_begin_is_noticed(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 7, REVOKE_LOST);
        desk_forget(&d);
        desk_sleep(&d, 499);
        assert_false(d.ended);
        desk_sleep(&d, 1);
        desk_expect(&d, "end 4\n");
}

static void test_a_stop_that_overruns_ends_the_process(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 7, REVOKE_LOST);
        desk_begin(&d, CALL_DEACTIVATE);
        desk_forget(&d);
        desk_sleep(&d, 999);
        assert_false(d.ended);
        desk_sleep(&d, 1);
        desk_expect(&d, "end 5\n");
        assert_int_equal(d.record.state, WORKER_STOPPING);
}

static void test_a_stop_that_fails_ends_the_process(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 7, REVOKE_LOST);
        desk_forget(&d);
        desk_return(&d, CALL_DEACTIVATE, -EBUSY);
        desk_expect(&d, "end 5\n");
        assert_int_equal(d.record.state, WORKER_STOPPING);
        assert_false(grant_record_holds(&d.record, DESK_BOOT, d.now_ms));
}

/* A process that was not run for long (SIGSTOP) stops at once, with little time. */
static void test_a_late_deadline_is_a_quick_stop(void **state)
{
        (void)state;
        desk_to_active(&d);
        d.now_ms = 60000;
        worker_core_tick(d.core, d.now_ms);
        desk_expect(&d, "record stopping 0x7 until 4000+1000\nstate stopping 0x7\ncall deactivate LOST in 200\n");
        desk_begin(&d, CALL_DEACTIVATE);
        desk_sleep(&d, 150);
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
}

/* The plugin is to be done before the supervisor would kill its process, so that who uses all of its time is not killed
 * in returning (seed 3097); and the core ends it no later than the budget. */
static void test_the_plugin_is_told_of_the_time_it_really_has(void **state)
{
        (void)state;
        static const uint32_t budgets_ms[] = {100, 150, 399, 400, 401, 1000, 5000, 8000, 8001, 60000};
        for (size_t i = 0; i < sizeof budgets_ms / sizeof *budgets_ms; i++) {
                struct grant_watch watch = {.known = false};
                desk_done(&d);
                desk_init(&d);
                d.section.stop_budget_ms = budgets_ms[i];
                desk_to_stopped(&d);
                struct message m = message_of(MESSAGE_GRANT);
                m.group = d.section.group;
                m.token = 7;
                m.deadline_ms = d.now_ms + 50;
                m.budget_ms = budgets_ms[i];
                (void)worker_core_agent(d.core, d.now_ms, &m);
                desk_return(&d, CALL_ACTIVATE, 0);
                desk_sleep(&d, 50);
                assert_int_equal(d.call.kind, CALL_DEACTIVATE);
                grant_watch_told(&watch, &d.record);
                d.now_ms = grant_watch_next_ms(&watch); /* the grace: it says that it stops */
                assert_int_equal(grant_watch_step(&watch, d.now_ms), GRANT_FINE);
                assert_in_range(grant_watch_next_ms(&watch) - d.call.until_ms, budgets_ms[i] / 10 < 20 ? 10 : 20, 20);
                desk_begin(&d, CALL_DEACTIVATE);
                desk_sleep(&d, budgets_ms[i]);
                assert_true(d.ended);
        }
}

/* ---- a fresh process ---- */

static void test_a_grant_that_holds_is_taken_up_without_the_agent(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_crash(&d);
        d.now_ms += 500;
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_ACTIVATE, 0);
        desk_expect(&d, "call open\n"
                        "hello starting 0x7 budget 1000\n"
                        "record starting 0x7 until 4000+1000\n"
                        "call activate 0x7 taken up\n"
                        "record active 0x7 until 4000+1000\n"
                        "state active 0x7\n"
                        "ready\n");
        desk_grant(&d, 7, 5000);
        assert_int_equal(worker_core_deadline_ms(d.core), 5000);
}

static void test_what_does_not_hold_is_stopped_first(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_crash(&d);
        d.now_ms = 4300; /* 300 of the budget are gone */
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "call open\n"
                        "hello opening 0x0 budget 1000\n"
                        "call deactivate START in 430\n"
                        "record stopped 0x7 until 4000+1000\n"
                        "state stopped 0x0\n"
                        "ready\n");
        /* Nobody has ended 7 in this process: whoever still has it may give it again. */
        desk_grant(&d, 7, 6000);
        desk_return(&d, CALL_ACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_ACTIVE);
}

static void test_an_overdue_stop_is_told_little_time_and_given_enough(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_crash(&d);
        d.now_ms = 90000;
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        desk_expect(&d, "call open\nhello opening 0x0 budget 1000\ncall deactivate START in 200\n");
        desk_begin(&d, CALL_DEACTIVATE);
        desk_sleep(&d, 900);
        assert_false(d.ended);
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
}

static void test_records_of_others_do_not_hold(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_crash(&d);
        for (int i = 0; i < 3; i++) {
                struct grant_record kept = d.record;
                if (i == 0)
                        d.record.boot_id[0] = 'f';
                else
                        (void)strncpy(i == 1 ? d.record.group.text : d.record.plugin.text, "other", NAME_BYTES_MAX);
                desk_start(&d);
                desk_return(&d, CALL_OPEN, 0);
                assert_int_equal(d.call.kind, CALL_DEACTIVATE);
                desk_crash(&d);
                d.record = kept;
        }
}

static void test_the_deadline_passes_while_the_plugin_is_opened(void **state)
{
        (void)state;
        d.section.activate_timeout_ms = 60000;
        desk_to_active(&d);
        desk_crash(&d);
        d.now_ms = 3900;
        desk_start(&d);
        desk_forget(&d);
        desk_sleep(&d, 200);
        desk_expect(&d, "record stopping 0x7 until 4000+1000\n"); /* open is not cut short: it is needed for the stop */
        desk_return(&d, CALL_OPEN, 0);
        desk_expect(&d, "hello opening 0x7 budget 1000\ncall deactivate LOST in 630\n");
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_STOPPED);
}

static void test_a_plugin_that_does_not_open_ends_the_process(void **state)
{
        (void)state;
        desk_start(&d);
        desk_return(&d, CALL_OPEN, -ENOENT);
        desk_expect(&d, "call open\nend 3\n");
        desk_crash(&d);
        desk_start(&d);
        desk_forget(&d);
        desk_sleep(&d, 400);
        desk_expect(&d, "cancel\n");
        desk_sleep(&d, 1000);
        desk_expect(&d, "end 4\n");
}

/* ---- trying again ---- */

static void test_a_failed_start_is_tried_again_then_given_up(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 9000);
        desk_forget(&d);
        desk_return(&d, CALL_ACTIVATE, -EIO);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "record stopping 0x7 until 1000+1000\n"
                        "state stopping 0x7\n"
                        "call deactivate FAILED in 730\n"
                        "record stopped 0x7 until 1000+1000\n"
                        "state starting 0x7\n");
        desk_sleep(&d, 19);
        desk_expect(&d, "");
        desk_sleep(&d, 1);
        desk_expect(&d, "record starting 0x7 until 9000+1000\ncall activate 0x7\n");
        desk_return(&d, CALL_ACTIVATE, -EIO);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "state failed 0x7: activate failed: Input/output error\n"
                        "record stopping 0x7 until 1020+1000\n"
                        "call deactivate FAILED in 730\n"
                        "record stopped 0x7 until 1020+1000\n"
                        "state stopped 0x7\n");
}

static void test_bad_health_is_a_restart_then_given_up(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_sleep(&d, 100);
        desk_check(&d, HEALTH_GOOD, "");
        desk_sleep(&d, 100);
        desk_expect(&d, "call check\nhealth good\ncall check\n");
        desk_check(&d, HEALTH_BAD, "port 80 is closed");
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_sleep(&d, 20);
        desk_return(&d, CALL_ACTIVATE, 0);
        desk_expect(&d, "health bad: port 80 is closed\n"
                        "record stopping 0x7 until 1200+1000\n"
                        "state stopping 0x7\n"
                        "call deactivate FAILED in 730\n"
                        "record stopped 0x7 until 1200+1000\n"
                        "state starting 0x7\n"
                        "record starting 0x7 until 4000+1000\n"
                        "call activate 0x7\n"
                        "health unknown\n"
                        "record active 0x7 until 4000+1000\n"
                        "state active 0x7\n");
        worker_core_report(d.core, d.now_ms, HEALTH_BAD, "it has exited");
        desk_expect(&d, "health bad: it has exited\n"
                        "state failed 0x7: it has exited\n"
                        "record stopping 0x7 until 1220+1000\n"
                        "call deactivate FAILED in 730\n");
}

static void test_old_failures_are_forgotten(void **state)
{
        (void)state;
        d.section.retry_window_ms = 500;
        d.section.check_interval_ms = 0;
        desk_to_active(&d);
        for (int i = 0; i < 3; i++) {
                worker_core_report(d.core, d.now_ms, HEALTH_BAD, "x");
                desk_return(&d, CALL_DEACTIVATE, 0);
                desk_sleep(&d, 20);
                desk_return(&d, CALL_ACTIVATE, 0);
                assert_int_equal(worker_core_state(d.core), WORKER_ACTIVE);
                desk_sleep(&d, 600);
        }
}

/* What is told during activate counts when it has returned; what was told before does not. */
static void test_health_told_while_starting_counts_afterwards(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        worker_core_report(d.core, d.now_ms, HEALTH_BAD, "old");
        desk_grant(&d, 7, 9000);
        desk_return(&d, CALL_ACTIVATE, 0);
        assert_int_equal(worker_core_state(d.core), WORKER_ACTIVE);
        desk_revoke(&d, 7, REVOKE_LOST);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_grant(&d, 8, 9000);
        desk_begin(&d, CALL_ACTIVATE);
        worker_core_report(d.core, d.now_ms, HEALTH_BAD, "new");
        desk_return(&d, CALL_ACTIVATE, 0);
        assert_int_equal(d.call.kind, CALL_DEACTIVATE);
}

static void test_degraded_is_only_shown(void **state)
{
        (void)state;
        desk_to_active(&d);
        worker_core_report(d.core, d.now_ms, HEALTH_DEGRADED, "slow");
        desk_expect(&d, "health degraded: slow\n");
        assert_int_equal(worker_core_state(d.core), WORKER_ACTIVE);
}

static void test_a_revoke_between_two_tries_ends_it_at_once(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 9000);
        desk_return(&d, CALL_ACTIVATE, -EIO);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_forget(&d);
        desk_revoke(&d, 7, REVOKE_SWITCHOVER);
        desk_expect(&d, "record stopped 0x7 until 1000+1000\nstate stopped 0x7\n");
        desk_sleep(&d, 1000);
        desk_expect(&d, "");
}

static void test_a_revoke_during_the_stop_of_a_try_ends_the_tries(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 9000);
        desk_return(&d, CALL_ACTIVATE, -EIO);
        desk_revoke(&d, 7, REVOKE_SWITCHOVER);
        desk_forget(&d);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "record stopped 0x7 until 1000+1000\nstate stopped 0x7\n");
}

/* ---- callbacks that take too long ---- */

static void test_a_start_that_overruns_is_cut_short_and_tried_again(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        desk_grant(&d, 7, 9000);
        desk_forget(&d);
        desk_sleep(&d, 400);
        desk_expect(&d, "cancel\n");
        desk_sleep(&d, 100);
        desk_return(&d, CALL_ACTIVATE, -ECANCELED);
        desk_expect(&d, "record stopping 0x7 until 1500+1000\n"
                        "state stopping 0x7\n"
                        "uncancel\n"
                        "call deactivate FAILED in 730\n");
}

static void test_a_check_that_hangs_ends_the_process_and_a_fresh_one_stops(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_sleep(&d, 100 + 50);
        desk_expect(&d, "call check\ncancel\n");
        desk_sleep(&d, 1000);
        desk_expect(&d, "record stopping 0x7 until 2150+1000\nend 4\n");
        desk_crash(&d);
        desk_start(&d);
        desk_return(&d, CALL_OPEN, 0);
        assert_int_equal(d.call.kind, CALL_DEACTIVATE);
}

/* ---- ending ---- */

static void test_release_stops_and_closes(void **state)
{
        (void)state;
        desk_to_active(&d);
        worker_core_stop(d.core, d.now_ms, STOP_RELEASE);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_return(&d, CALL_CLOSE, 0);
        desk_expect(&d, "record stopping 0x7 until 1000+1000\n"
                        "state stopping 0x7\n"
                        "call deactivate ENDING in 730\n"
                        "record stopped 0x7 until 1000+1000\n"
                        "state stopped 0x7\n"
                        "call close\n"
                        "end 0\n");
}

static void test_release_while_opening_stops_first(void **state)
{
        (void)state;
        desk_start(&d);
        worker_core_stop(d.core, d.now_ms, STOP_RELEASE);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_return(&d, CALL_CLOSE, 0);
        assert_true(d.ended);
        assert_int_equal(d.status, WORKER_EXIT_CLEAN);
}

static void test_nothing_is_taken_when_the_process_ends(void **state)
{
        (void)state;
        struct message role = message_of(MESSAGE_ROLE);
        desk_to_stopped(&d);
        (void)worker_core_agent(d.core, d.now_ms, &role);
        worker_core_stop(d.core, d.now_ms, STOP_RELEASE);
        desk_forget(&d);
        desk_grant(&d, 7, 9000);
        desk_expect(&d, "state stopped 0x7: the process ends\n");
}

static void test_keep_touches_nothing(void **state)
{
        (void)state;
        desk_to_active(&d);
        worker_core_stop(d.core, d.now_ms, STOP_KEEP);
        desk_expect(&d, "end 0\n");
        assert_true(grant_record_holds(&d.record, DESK_BOOT, d.now_ms));
}

static void test_keep_lets_a_callback_return_for_a_moment(void **state)
{
        (void)state;
        d.section.check_timeout_ms = 60000;
        desk_to_active(&d);
        desk_sleep(&d, 100);
        worker_core_control_lost(d.core, d.now_ms);
        desk_expect(&d, "call check\ncancel\n");
        desk_sleep(&d, 999);
        assert_false(d.ended);
        desk_sleep(&d, 1);
        desk_expect(&d, "end 0\n");
        assert_int_equal(d.record.state, WORKER_ACTIVE);
}

static void test_keep_finishes_a_stop_that_is_under_way(void **state)
{
        (void)state;
        desk_to_active(&d);
        desk_revoke(&d, 7, REVOKE_LOST);
        worker_core_stop(d.core, d.now_ms, STOP_KEEP);
        assert_false(d.ended);
        desk_forget(&d);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "record stopped 0x7 until 1000+1000\nstate stopped 0x7\nend 0\n");
}

/* ---- the link, and what is told to the plugin ---- */

static void test_each_link_begins_with_hello(void **state)
{
        (void)state;
        desk_to_active(&d);
        worker_core_report(d.core, d.now_ms, HEALTH_DEGRADED, "slow");
        worker_core_publish(d.core, d.now_ms, "3 of 4");
        worker_core_link(d.core, d.now_ms, false);
        desk_forget(&d);
        worker_core_publish(d.core, d.now_ms, "4 of 4");
        desk_expect(&d, "");
        worker_core_link(d.core, d.now_ms, true);
        desk_expect(&d, "hello active 0x7 budget 1000\nhealth degraded: slow\nnote: 4 of 4\n");
}

static void config(const char *path, const char *data, int32_t version, int64_t zxid)
{
        struct message m = message_of(MESSAGE_CONFIG);
        m.path = jute_cstr(path);
        m.data = jute_cstr(data);
        m.version = version;
        m.zxid = zxid;
        assert_int_equal(worker_core_agent(d.core, d.now_ms, &m), 0);
}

static void test_configuration_is_told_in_order_role_and_members_as_they_are(void **state)
{
        (void)state;
        const struct message_member members[2] = {{.name = {"a"}}, {.name = {"b"}}};
        struct message m = message_of(MESSAGE_ROLE);
        desk_to_stopped(&d);
        config("a", "1", 0, 11);
        config("a", "2", 1, 12);
        config("b", NULL, -1, 13);
        m.role = ROLE_LOOKING;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        m.role = ROLE_LEADING;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        m = message_of(MESSAGE_MEMBERS);
        m.members = members;
        m.member_count = 1;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        m.member_count = 2;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        m = message_of(MESSAGE_CONFIG_SYNCED);
        m.zxid = 13;
        (void)worker_core_agent(d.core, d.now_ms, &m);
        while (d.busy)
                desk_return(&d, d.call.kind, 0);
        desk_expect(&d, "call config_changed a = 1 v0 0xb\n"
                        "call role_changed leading\n"
                        "call members_changed 2\n"
                        "call config_changed a = 2 v1 0xc\n"
                        "call config_changed b =  v-1 0xd\n"
                        "call config_synced\n");
}

static void test_a_grant_goes_before_configuration(void **state)
{
        (void)state;
        desk_to_stopped(&d);
        config("a", "1", 0, 11);
        config("a", "2", 1, 12);
        desk_grant(&d, 7, 9000);
        desk_forget(&d);
        desk_return(&d, CALL_CONFIG, 0);
        assert_int_equal(d.call.kind, CALL_ACTIVATE);
}

static void test_configuration_that_is_not_taken_in_has_an_end(void **state)
{
        (void)state;
        static char value[1 << 20];
        struct message m = message_of(MESSAGE_CONFIG);
        desk_to_stopped(&d);
        m.path = jute_cstr("a");
        m.data = jute_str_of(value, sizeof value);
        int r = 0;
        size_t count = 0;
        d.section.activate_timeout_ms = 0;
        for (; r == 0 && count < 1000; count++) {
                m.zxid++;
                r = worker_core_agent(d.core, d.now_ms, &m);
        }
        assert_int_equal(r, -ENOBUFS);
        assert_in_range(count, 120, 130);
        assert_int_equal(d.status, WORKER_EXIT_CHANNEL);
}

static void test_foreign_messages_are_refused(void **state)
{
        (void)state;
        const struct message m = message_of(MESSAGE_HELLO);
        desk_to_stopped(&d);
        assert_int_equal(worker_core_agent(d.core, d.now_ms, &m), -EPROTO);
}

/* ---- the stop budget ---- */

static void test_the_plugins_need_is_told(void **state)
{
        (void)state;
        d.section.stop_budget_ms = 0;
        desk_start(&d);
        worker_core_need_budget(d.core, d.now_ms, 700);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        desk_expect(&d, "call open\n"
                        "hello opening 0x0 budget 700\n"
                        "call deactivate START in 700\n"
                        "record stopped 0x0 until 0+0\n"
                        "state stopped 0x0\n"
                        "ready\n");
        worker_core_need_budget(d.core, d.now_ms, 1700);
        desk_expect(&d, "hello stopped 0x0 budget 1700\n");
        desk_grant(&d, 7, 9000);
        assert_false(d.busy);
}

static void test_a_need_beyond_the_configured_budget_is_refused_after_the_stop(void **state)
{
        (void)state;
        desk_start(&d);
        worker_core_need_budget(d.core, d.now_ms, 1001);
        desk_return(&d, CALL_OPEN, 0);
        desk_return(&d, CALL_DEACTIVATE, 0);
        assert_true(d.ended);
        assert_int_equal(d.status, WORKER_EXIT_CONFIG);
        assert_int_equal(d.record.state, WORKER_STOPPED);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                RULE(test_a_fresh_process_stops_first),
                RULE(test_granted_active_revoked),
                RULE(test_an_instance_without_group_is_never_active),
                RULE(test_without_group_what_may_run_is_stopped),
                RULE(test_renewals_move_the_deadline_forward_only),
                RULE(test_what_cannot_be_recorded_does_not_count),
                RULE(test_another_token_is_refused_while_anything_runs),
                RULE(test_older_tokens_count_for_nothing),
                RULE(test_an_ended_grant_is_not_begun_again),
                RULE(test_a_revoke_overtakes_its_grant),
                RULE(test_grants_of_others_and_late_ones_are_refused),
                RULE(test_too_small_a_budget_is_a_failure),
                RULE(test_nothing_is_started_that_cannot_be_recorded),
                RULE(test_the_deadline_stops_without_asking),
                RULE(test_the_deadline_is_judged_before_activate),
                RULE(test_a_late_start_is_answered_by_a_stop),
                RULE(test_a_callback_that_hangs_at_the_deadline_costs_half_the_budget),
                RULE(test_a_stop_that_does_not_begin_is_noticed),
                RULE(test_a_stop_that_overruns_ends_the_process),
                RULE(test_a_stop_that_fails_ends_the_process),
                RULE(test_a_late_deadline_is_a_quick_stop),
                RULE(test_the_plugin_is_told_of_the_time_it_really_has),
                RULE(test_a_grant_that_holds_is_taken_up_without_the_agent),
                RULE(test_what_does_not_hold_is_stopped_first),
                RULE(test_an_overdue_stop_is_told_little_time_and_given_enough),
                RULE(test_records_of_others_do_not_hold),
                RULE(test_the_deadline_passes_while_the_plugin_is_opened),
                RULE(test_a_plugin_that_does_not_open_ends_the_process),
                RULE(test_a_failed_start_is_tried_again_then_given_up),
                RULE(test_bad_health_is_a_restart_then_given_up),
                RULE(test_old_failures_are_forgotten),
                RULE(test_health_told_while_starting_counts_afterwards),
                RULE(test_degraded_is_only_shown),
                RULE(test_a_revoke_between_two_tries_ends_it_at_once),
                RULE(test_a_revoke_during_the_stop_of_a_try_ends_the_tries),
                RULE(test_a_start_that_overruns_is_cut_short_and_tried_again),
                RULE(test_a_check_that_hangs_ends_the_process_and_a_fresh_one_stops),
                RULE(test_release_stops_and_closes),
                RULE(test_release_while_opening_stops_first),
                RULE(test_nothing_is_taken_when_the_process_ends),
                RULE(test_keep_touches_nothing),
                RULE(test_keep_lets_a_callback_return_for_a_moment),
                RULE(test_keep_finishes_a_stop_that_is_under_way),
                RULE(test_each_link_begins_with_hello),
                RULE(test_configuration_is_told_in_order_role_and_members_as_they_are),
                RULE(test_a_grant_goes_before_configuration),
                RULE(test_configuration_that_is_not_taken_in_has_an_end),
                RULE(test_foreign_messages_are_refused),
                RULE(test_the_plugins_need_is_told),
                RULE(test_a_need_beyond_the_configured_budget_is_refused_after_the_stop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
