/* The shell of a worker: a libuv loop with the control channel, the agent's link and a timer on CLOCK_BOOTTIME around
 * worker_core, and the callback thread beside it. Decides nothing but what is of the channels. */
#ifndef BATON_WORKER_WORKER_H
#define BATON_WORKER_WORKER_H

#include "daemon/worker/plugin_module.h"
#include "daemon/worker/worker_core.h"

struct worker_setup {
        const struct node_config *config;
        const struct node_plugin *section;
        const struct baton_plugin *plugin;
        const struct plugin_settings *settings;
        int control_fd; /* taken; -1: none, the worker stops its resource and ends */
        int record_fd;  /* borrowed; -1: nothing is recorded */
};

/* Runs until it is told to end. Where something of the plugin may still run (a callback that hangs, an instance that is
 * left as it is), the process ends here and now, with that status, and worker_run() does not return. */
enum worker_exit worker_run(const struct worker_setup *setup);

#endif
