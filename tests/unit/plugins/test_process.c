/* The plugin `process` with real programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plugins/mock_host.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MS 5000

static struct mock_host *host_with(const char *command)
{
        struct mock_host *m = mock_host_load(PLUGIN_DIR "/process.so");
        mock_host_set(m, "command", command);
        return m;
}

/* The group its record names; 0: there is no record. */
static pid_t recorded(struct mock_host *m)
{
        char path[600], text[64] = "";
        (void)snprintf(path, sizeof path, "%s/process", mock_host_state(m));
        FILE *f = fopen(path, "re");
        if (!f)
                return 0;
        assert_non_null(fgets(text, sizeof text, f));
        (void)fclose(f);
        return (pid_t)strtol(text, NULL, 10);
}

/* Zombies that nobody reaps do not count. */
static bool group_lives(pid_t group)
{
        DIR *proc = opendir("/proc");
        bool found = false;
        assert_non_null(proc);
        for (struct dirent *e; !found && (e = readdir(proc));) {
                char path[300], text[512] = "", state = 'X';
                long parent, its_group = 0;
                (void)snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
                FILE *f = isdigit((unsigned char)e->d_name[0]) ? fopen(path, "re") : NULL;
                if (!f)
                        continue;
                char *at = fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
                (void)fclose(f);
                found = at && sscanf(at, ") %c %ld %ld", &state, &parent, &its_group) == 3 && its_group == group &&
                        state != 'Z' && state != 'X';
        }
        (void)closedir(proc);
        return found;
}

static void test_it_runs_between_activate_and_deactivate(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sh -c 'echo it is $BATON_TOKEN; exec sleep 1000'");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(recorded(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        pid_t group = recorded(m);
        assert_true(group > 1 && group_lives(group));
        assert_true(mock_host_await_log(m, "it is 4294967297", SOON_MS));
        assert_int_equal(mock_host_check(m), BATON_HEALTH_GOOD);
        assert_int_equal(mock_host_activate(m), 0); /* idempotent */
        assert_int_equal(recorded(m), group);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_SWITCHOVER, 3000), 0);
        assert_false(group_lives(group));
        assert_int_equal(recorded(m), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_SWITCHOVER, 3000), 0);
        mock_host_free(m);
}

/* Who ignores the signal is killed within the budget, and so are those it has started. */
static void test_the_whole_group_is_ended_within_the_budget(void **state)
{
        (void)state;
        struct mock_host *m =
                host_with("sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000 & echo up; while :; do sleep 1; done'");
        mock_host_set(m, "stop_timeout", "300");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        pid_t group = recorded(m);
        assert_true(mock_host_await_log(m, "up", SOON_MS));
        uint64_t began = mock_now_ms();
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 3000), 0);
        uint64_t took = mock_now_ms() - began;
        assert_true(took >= 300 && took < 3000);
        assert_false(group_lives(group));
        mock_host_free(m);
}

static void test_a_stopped_process_is_ended_too(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        pid_t group = recorded(m);
        assert_int_equal(kill(group, SIGSTOP), 0);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_LOST, 3000), 0);
        assert_false(group_lives(group));
        mock_host_free(m);
}

static void test_it_is_started_again_when_it_ends(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        pid_t first = recorded(m);
        assert_int_equal(kill(first, SIGKILL), 0);
        assert_true(mock_host_await_health(m, BATON_HEALTH_GOOD, SOON_MS));
        assert_int_equal(mock_host_reports(m), 2); /* degraded, then good: the first restart is immediate */
        assert_int_not_equal(recorded(m), first);
        assert_true(group_lives(recorded(m)));
        assert_true(mock_host_logged(m, "signal 9"));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_ENDING, 3000), 0);
        mock_host_free(m);
}

static void test_who_ends_again_and_again_is_bad(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sh -c 'exit 3'");
        mock_host_set(m, "restart_limit", "2");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_activate(m), 0);
        assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, SOON_MS));
        assert_string_equal(mock_host_why(m), "the process ended with exit status 3");
        assert_int_equal(mock_host_check(m), BATON_HEALTH_BAD);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_FAILED, 3000), 0);
        mock_host_free(m);
}

static void test_a_program_that_is_not_there_cannot_be_activated(void **state)
{
        (void)state;
        struct mock_host *m = host_with("/nowhere/at/all");
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(mock_host_activate(m), -ENOENT);
        assert_true(mock_host_logged(m, "/nowhere/at/all can't be run"));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_FAILED, 3000), 0);
        assert_int_equal(recorded(m), 0);
        mock_host_free(m);
}

/* safety.md 2.2 rule 6. */
static void test_nothing_is_started_behind_the_deadline(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        assert_int_equal(mock_host_open(m), 0);
        mock_host_deadline_in(m, -1);
        assert_int_equal(mock_host_activate(m), -ETIMEDOUT);
        assert_int_equal(recorded(m), 0);
        mock_host_free(m);
}

/* The start of a process, as its record has it: the 22nd field of /proc/PID/stat. */
static unsigned long long start_of(pid_t pid)
{
        char path[64], text[512];
        (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_non_null(fgets(text, sizeof text, f));
        (void)fclose(f);
        char *at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        assert_non_null(at);
        return strtoull(at, NULL, 10);
}

static pid_t stray(void)
{
        pid_t pid = fork();
        if (pid == 0) {
                (void)setpgid(0, 0);
                (void)execlp("sleep", "sleep", "1000", (char *)NULL);
                _exit(1);
        }
        assert_true(pid > 0);
        (void)setpgid(pid, pid);
        return pid;
}

static void record(struct mock_host *m, pid_t group, unsigned long long began)
{
        char path[600];
        (void)snprintf(path, sizeof path, "%s/process", mock_host_state(m));
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        (void)fprintf(f, "%ld %llu\n", (long)group, began);
        assert_int_equal(fclose(f), 0);
}

static void test_what_a_killed_worker_left_is_ended_first(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        assert_int_equal(mock_host_open(m), 0);
        pid_t pid = stray();
        record(m, pid, start_of(pid));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 3000), 0);
        assert_int_equal(kill(pid, 0), -1); /* reaped on the way: it was our child */
        assert_true(mock_host_logged(m, "is left from before"));
        mock_host_free(m);
}

/* Where nobody reaps, a group keeps its number for ever and runs nothing. */
static void test_zombies_do_not_count_as_running(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        int pipes[2];
        pid_t zombie = 0;
        assert_int_equal(mock_host_open(m), 0);
        assert_int_equal(pipe(pipes), 0);
        pid_t parent = fork();
        if (parent == 0) {
                pid_t child = fork();
                if (child == 0) {
                        (void)setpgid(0, 0);
                        _exit(0);
                }
                siginfo_t ended; /* until it is a zombie; it stays one */
                if (waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) == 0)
                        (void)!write(pipes[1], &child, sizeof child);
                (void)pause();
                _exit(0);
        }
        assert_int_equal(read(pipes[0], &zombie, sizeof zombie), sizeof zombie);
        assert_int_equal(kill(-zombie, 0), 0);
        record(m, zombie, start_of(zombie));
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 3000), 0);
        assert_int_equal(recorded(m), 0);
        assert_int_equal(kill(parent, SIGKILL), 0);
        assert_int_equal(waitpid(parent, NULL, 0), parent);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
        mock_host_free(m);
}

/* Killed without a word, as by the loss of its supervisor, with nobody to come after it: all of the group ends, what
 * the program has started too. */
static void test_the_group_does_not_outlive_its_worker(void **state)
{
        (void)state;
        int ends[2];
        pid_t group = 0;
        assert_int_equal(pipe(ends), 0);
        pid_t worker = fork();
        if (worker == 0) {
                struct mock_host *m = host_with("sh -c 'trap \"\" TERM HUP; sleep 1000 & sleep 1000 & echo up; wait'");
                assert_int_equal(mock_host_open(m), 0);
                assert_int_equal(mock_host_activate(m), 0);
                assert_true(mock_host_await_log(m, "up", SOON_MS));
                group = recorded(m);
                assert_int_equal(write(ends[1], &group, sizeof group), sizeof group);
                for (;;)
                        (void)pause();
        }
        assert_int_equal(read(ends[0], &group, sizeof group), sizeof group);
        assert_true(group > 1 && group_lives(group));
        assert_int_equal(kill(worker, SIGKILL), 0);
        assert_int_equal(waitpid(worker, NULL, 0), worker);
        for (uint64_t end = mock_now_ms() + SOON_MS; group_lives(group);)
                assert_true(mock_now_ms() < end);
        (void)close(ends[0]);
        (void)close(ends[1]);
}

/* A number that was given to somebody else since. */
static void test_a_stranger_with_the_same_number_is_left_alone(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sleep 1000");
        assert_int_equal(mock_host_open(m), 0);
        pid_t pid = stray();
        record(m, pid, start_of(pid) + 1);
        assert_int_equal(mock_host_deactivate(m, BATON_REASON_START, 3000), 0);
        assert_int_equal(kill(pid, 0), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        mock_host_free(m);
}

static void test_a_given_budget_shortens_the_time_before_sigkill(void **state)
{
        static const struct {
                uint32_t given_ms, need_ms;
        } cases[] = {{0, 2200}, {5000, 2200}, {500, 500}, {100, 200}};
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct mock_host *m = host_with("sleep 1000");
                mock_host_stop_budget(m, cases[i].given_ms);
                assert_int_equal(mock_host_open(m), 0);
                assert_int_equal(mock_host_budget(m), cases[i].need_ms);
                mock_host_free(m);
        }
}

static void test_faults_in_settings_are_told(void **state)
{
        (void)state;
        struct mock_host *m = host_with("sh -c 'open");
        mock_host_set(m, "stop_signal", "KILL");
        assert_int_equal(mock_host_judge(m), 2);
        assert_non_null(strstr(mock_host_problems(m), "ends within a quote"));
        assert_non_null(strstr(mock_host_problems(m), "must be TERM, INT"));
        mock_host_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_runs_between_activate_and_deactivate),
                cmocka_unit_test(test_the_whole_group_is_ended_within_the_budget),
                cmocka_unit_test(test_a_stopped_process_is_ended_too),
                cmocka_unit_test(test_it_is_started_again_when_it_ends),
                cmocka_unit_test(test_who_ends_again_and_again_is_bad),
                cmocka_unit_test(test_a_program_that_is_not_there_cannot_be_activated),
                cmocka_unit_test(test_nothing_is_started_behind_the_deadline),
                cmocka_unit_test(test_what_a_killed_worker_left_is_ended_first),
                cmocka_unit_test(test_zombies_do_not_count_as_running),
                cmocka_unit_test(test_the_group_does_not_outlive_its_worker),
                cmocka_unit_test(test_a_stranger_with_the_same_number_is_left_alone),
                cmocka_unit_test(test_a_given_budget_shortens_the_time_before_sigkill),
                cmocka_unit_test(test_faults_in_settings_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
