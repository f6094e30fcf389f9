/* Stands where baton-worker stands, for tests of plugins: loads one, gives it settings, calls its callbacks on the
 * caller's thread, drives watch() and wake_at() as the worker does, and writes down what it says.
 *
 *   struct mock_host *m = mock_host_load(PLUGIN_DIR "/exec.so");
 *   mock_host_set(m, "program", "/bin/true");
 *   assert_int_equal(mock_host_open(m), 0);
 *   assert_int_equal(mock_host_activate(m), 0);
 *   assert_true(mock_host_await_health(m, BATON_HEALTH_BAD, 2000));
 *   mock_host_free(m);
 *
 * What a test does wrong ends it at once (assert). What the plugin does wrong against its header (an unknown setting
 * asked for, a descriptor watched that isn't open, a descriptor left behind at mock_host_free()) fails the cmocka test.
 */
#ifndef BATON_TESTS_MOCK_HOST_H
#define BATON_TESTS_MOCK_HOST_H

#include "plugins/baton/plugin.h"

/* How long a grant is good and how long a stop may take, unless the test says otherwise. */
#define MOCK_LEASE_MS  10000
#define MOCK_BUDGET_MS 5000

struct mock_host;

/* ---- making one ---- */

/* Loads a .so, judging it as the worker does; a failure fails the test. */
struct mock_host *mock_host_load(const char *path);
/* A descriptor that is linked into the test. */
struct mock_host *mock_host_new(const struct baton_plugin *plugin);
/* Closes the instance if it is open, and fails the test when the plugin has left descriptors open that it did not find
 * (mock_host_allow_descriptors() says otherwise). Takes NULL. */
void mock_host_free(struct mock_host *m);
const struct baton_plugin *mock_host_plugin(const struct mock_host *m);

/* Before open: names (NULL keeps "node1", "test", "group1"), a setting's value, the state directory. Without the last,
 * a temporary directory is made, and removed with the host. Values are held against the table at open. */
void mock_host_names(struct mock_host *m, const char *node, const char *instance, const char *group);
void mock_host_set(struct mock_host *m, const char *name, const char *value);
void mock_host_unset(struct mock_host *m, const char *name);
void mock_host_stop_budget(struct mock_host *m, uint32_t budget_ms); /* as configured */
void mock_host_state_dir(struct mock_host *m, const char *path);
void mock_host_allow_descriptors(struct mock_host *m);
/* Where plugins of this host keep state. */
const char *mock_host_state(const struct mock_host *m);

/* ---- settings ---- */

/* Holds the settings against the table and calls check_settings(). Returns how many faults there were. */
size_t mock_host_judge(struct mock_host *m);
/* All faults of the last mock_host_judge(), one a line: "config:LINE: text"; line n is that of the n-th
 * mock_host_set(), from 1; 0 the section's. */
const char *mock_host_problems(const struct mock_host *m);

/* ---- callbacks; each asserts that the plugin has it and that the instance is open ---- */

/* Settings that are at fault fail the test. Returns what open() returned. */
int mock_host_open(struct mock_host *m);
/* The same without check_settings(): as a worker that starts although the world has become another one since the
 * configuration was judged. */
int mock_host_open_unjudged(struct mock_host *m);
void mock_host_close(struct mock_host *m);
/* With a new token (the first is 0x100000001) and a fresh lease. */
int mock_host_activate(struct mock_host *m);
/* As a fresh worker that finds a valid grant: the token of the last grant, taken_up set. */
int mock_host_take_up(struct mock_host *m);
/* As the worker does, the grant counts as held until the call has returned. */
int mock_host_deactivate(struct mock_host *m, enum baton_reason reason, uint32_t budget_ms);
/* An error counts as BAD, with the error's text as reason. */
enum baton_health mock_host_check(struct mock_host *m);
void mock_host_role(struct mock_host *m, enum baton_role role);
void mock_host_members(struct mock_host *m, const struct baton_member *members, size_t count);
/* Sets a configuration value as if another node had written it, and tells it; NULL data removes it. */
void mock_host_config(struct mock_host *m, const char *path, const void *data, size_t size);
void mock_host_config_text(struct mock_host *m, const char *path, const char *text);
void mock_host_config_synced(struct mock_host *m);

/* ---- what changes while a callback runs ---- */

/* cancel_fd becomes readable in `delay_ms` (0: now), also within a callback that runs then. */
void mock_host_cancel(struct mock_host *m, uint32_t delay_ms);
void mock_host_uncancel(struct mock_host *m);
/* The grant's deadline, from now; negative: it has passed. For the grant that is held and those to come. */
void mock_host_deadline_in(struct mock_host *m, int64_t ms);
/* What config_set() answers from now on instead of writing: 0 writes, or -errno. */
void mock_host_config_fails(struct mock_host *m, int error);

/* ---- driving ready() ---- */

typedef bool mock_done_fn(struct mock_host *m, void *ctx);
/* Lets the plugin's descriptors and wake-ups through until `done` says so (judged first, then after each ready()), or
 * the time is over. Returns whether it was done. `done` NULL: runs for the whole time, returns true. */
bool mock_host_run(struct mock_host *m, mock_done_fn *done, void *ctx, uint32_t timeout_ms);
bool mock_host_await_health(struct mock_host *m, enum baton_health health, uint32_t timeout_ms);
/* Until a line of the log contains `text`. */
bool mock_host_await_log(struct mock_host *m, const char *text, uint32_t timeout_ms);
bool mock_host_await_status(struct mock_host *m, const char *text, uint32_t timeout_ms);

/* ---- what it has said ---- */

/* All lines so far, each "level: text\n", level one of debug, info, warning, error. */
const char *mock_host_log(const struct mock_host *m);
bool mock_host_logged(const struct mock_host *m, const char *text);
void mock_host_log_clear(struct mock_host *m);
/* The last report() or check(), and its reason. */
enum baton_health mock_host_health(const struct mock_host *m);
const char *mock_host_why(const struct mock_host *m);
/* How often report() was called. */
size_t mock_host_reports(const struct mock_host *m);
/* The last publish(); "" before. */
const char *mock_host_status(const struct mock_host *m);
/* The last need_stop_budget(); 0 before. */
uint32_t mock_host_budget(const struct mock_host *m);
int64_t mock_host_token(const struct mock_host *m);
size_t mock_host_watches(const struct mock_host *m);
/* UINT64_MAX: never. */
uint64_t mock_host_wake(const struct mock_host *m);
/* A configuration value as it is now, NUL-terminated; NULL: there is none. */
const char *mock_host_config_value(const struct mock_host *m, const char *path);

/* Milliseconds on CLOCK_BOOTTIME. */
uint64_t mock_now_ms(void);

#endif
