/* The inside of the mock host: mock_host.c makes it and calls the plugin, mock_table.c is the table the plugin sees. */
#ifndef BATON_TESTS_MOCK_INTERNAL_H
#define BATON_TESTS_MOCK_INTERNAL_H

#include "daemon/worker/plugin_host.h"
#include "tests/unit/plugins/mock_host.h"

#include <poll.h>

/* Descriptors a plugin may watch, here and in the worker. */
#define MOCK_WATCHES_MAX 64
/* Configuration values. */
#define MOCK_VALUES_MAX 64
/* Bytes of a status or reason. */
#define MOCK_TEXT_MAX 1024

struct mock_value {
        char *path, *data; /* data is NUL-terminated behind its size; NULL: removed */
        size_t size;
        int32_t version;
};

struct mock_host {
        struct plugin_module *module;
        const struct baton_plugin *plugin;
        struct node_config config;
        struct node_plugin section;
        struct node_setting given[NODE_SETTINGS_MAX];
        struct plugin_settings *settings;
        struct baton_host host;
        void *instance;
        bool open, allow_descriptors, own_state_dir;
        char state_dir[256];
        size_t descriptors; /* open before the plugin was */

        char *problems;
        char *log;
        enum baton_health health;
        char why[MOCK_TEXT_MAX], status[MOCK_TEXT_MAX];
        size_t reports;
        uint32_t need_ms;

        struct baton_grant grant;
        bool held;
        bool own_deadline;
        uint64_t deadline_ms;
        int cancel_fd; /* a timerfd: readable from when it fires until it is set anew */

        struct pollfd watches[MOCK_WATCHES_MAX];
        size_t watch_count;
        uint64_t wake_ms;

        struct mock_value values[MOCK_VALUES_MAX];
        size_t value_count;
        int64_t zxid;
        int config_error;
};

/* Fills in m->host. */
void mock__table(struct mock_host *m);
/* Appends a formatted line to *text. */
void mock__append(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes a value (NULL: removes it); returns it, with its new version. */
struct mock_value *mock__value_set(struct mock_host *m, const char *path, const void *data, size_t size);
struct mock_value *mock__value_find(const struct mock_host *m, const char *path);

#endif
