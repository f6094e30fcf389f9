/* The configuration of a node: what loads, what is refused and where, and what children are given of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/node_config.h"
#include "daemon/engine/engine_config.h"
#include "election/base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of its own with baton.conf and conf.d in it. */
struct place {
        char dir[64];
        char path[128];
        char files[8][128];
        size_t count;
};

static int make_place(void **state)
{
        struct place *p = calloc(1, sizeof *p);
        assert_non_null(p);
        (void)snprintf(p->dir, sizeof p->dir, "/tmp/test_node_config_XXXXXX");
        assert_non_null(mkdtemp(p->dir));
        (void)snprintf(p->path, sizeof p->path, "%s/baton.conf", p->dir);
        *state = p;
        return 0;
}

static void remove_files(struct place *p)
{
        for (size_t i = 0; i < p->count; i++)
                assert_int_equal(unlink(p->files[i]), 0);
        p->count = 0;
}

static int remove_place(void **state)
{
        struct place *p = *state;
        char sub[128];
        remove_files(p);
        (void)snprintf(sub, sizeof sub, "%s/conf.d", p->dir);
        (void)rmdir(sub); /* not every test has one */
        assert_int_equal(rmdir(p->dir), 0);
        free(p);
        return 0;
}

/* `name` is relative: "baton.conf", "conf.d/a.conf". */
static void put(struct place *p, const char *name, const char *text)
{
        char sub[128];
        (void)snprintf(sub, sizeof sub, "%s/conf.d", p->dir);
        if (strchr(name, '/') && mkdir(sub, 0700) < 0)
                assert_int_equal(errno, EEXIST);
        sub[strlen(sub) - strlen("conf.d")] = '\0'; /* a copy: nothing overlaps */
        (void)snprintf(p->files[p->count], sizeof p->files[0], "%s%s", sub, name);
        FILE *f = fopen(p->files[p->count++], "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

/* A copy of a file of the project, under another name. */
static void put_copy(struct place *p, const char *name, const char *source)
{
        char text[32768], path[256];
        (void)snprintf(path, sizeof path, "%s/conf.d/%s", BATON_SOURCE_DIR, source);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        size_t len = fread(text, 1, sizeof text - 1, f);
        assert_true(len > 0 && len < sizeof text - 1);
        text[len] = '\0';
        assert_int_equal(fclose(f), 0);
        put(p, name, text);
}

/* All problems, one a line, with the directory left out. */
static char *complaints(const struct place *p, const struct problems *problems)
{
        static char all[PROBLEMS_MAX * 800];
        size_t len = 0, dir_len = strlen(p->dir) + 1;
        all[0] = '\0';
        for (size_t i = 0; i < problems->count && i < PROBLEMS_MAX; i++) {
                char text[1024];
                (void)problems_text(problems, i, text, sizeof text);
                for (char *at; (at = strstr(text, p->dir));)
                        memmove(at, at + dir_len, strlen(at + dir_len) + 1);
                len += (size_t)snprintf(all + len, sizeof all - len, "%s\n", text);
        }
        return all;
}

static struct node_config *load_good(struct place *p)
{
        struct node_config *c = NULL;
        struct problems problems;
        problems_init(&problems, p->path);
        int r = node_config_load(p->path, &c, &problems);
        if (problems.count > 0)
                print_error("%s", complaints(p, &problems));
        assert_int_equal(problems.count, 0);
        assert_int_equal(r, 0);
        return c;
}

static void expect_refused(struct place *p, int status, const char *expected)
{
        struct node_config *c = NULL;
        struct problems problems;
        problems_init(&problems, p->path);
        assert_int_equal(node_config_load(p->path, &c, &problems), status);
        assert_null(c);
        assert_string_equal(complaints(p, &problems), expected);
}

#define HEAD                                                                                                           \
        "[node]\n"                                                                                                     \
        "name = n2\n"                                                                                                  \
        "id = 2\n"                                                                                                     \
        "[ensemble]\n"                                                                                                 \
        "tick_time = 200\n"                                                                                            \
        "server.1 = 10.0.0.1:2888:3888:participant;0.0.0.0:2181\n"                                                     \
        "server.2 = 10.0.0.2:2888:3888:participant;0.0.0.0:2181\n"                                                     \
        "server.3 = 10.0.0.3:2888:3888:participant;10.0.1.3:2191\n"
/* Nine lines. */
#define HEAD9 HEAD "server.4 = 10.0.0.4:2888:3888:observer\n"

static void test_defaults(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", HEAD9 "[group web]\n[plugin nginx]\nmodule = unit\ngroup = web\nunit = nginx.service\n");
        struct node_config *c = load_good(p);
        assert_string_equal(c->path, p->path);
        assert_string_equal(c->node.text, "n2");
        assert_int_equal(c->id, 2);
        assert_string_equal(c->data_dir, "/var/lib/baton");
        assert_string_equal(c->runtime_dir, "/run/baton");
        assert_true(c->has_engine);
        assert_int_equal(c->tick_time_ms, 200);
        assert_int_equal(c->session_timeout_ms, 2000);
        assert_int_equal(c->clock_rate_ppm, 100000);
        assert_true(strstr(c->plugin_dir, "/lib/baton/plugins") && c->plugin_dir[0] == '/');
        assert_true(strstr(c->libexec_dir, "/baton") && c->libexec_dir[0] == '/');
        assert_string_equal(c->engine.user, "");

        /* the own server first, wherever it listens; the others where the world finds them */
        assert_int_equal(c->server_count, 3);
        assert_string_equal(c->servers[0].host, "127.0.0.1");
        assert_string_equal(c->servers[1].host, "10.0.0.1");
        assert_string_equal(c->servers[2].host, "10.0.1.3");
        assert_int_equal(c->servers[2].port, 2191);
        assert_string_equal(c->address.host, "10.0.0.2"); /* what the others are told of it */
        assert_int_equal(c->address.port, 2181);

        assert_int_equal(c->group_count, 1);
        const struct node_group *g = node_config_group(c, "web");
        assert_ptr_equal(g, &c->groups[0]);
        assert_int_equal(g->policy, POLICY_LEADER);
        assert_int_equal(g->priority, 0);
        assert_int_equal(g->stop_budget_ms, 0);
        assert_int_equal(g->failback_ms, 10000);
        assert_int_equal(g->backoff_ms, 10000);
        assert_int_equal(g->member_count, 0);
        assert_string_equal(g->origin.file, p->path);
        assert_int_equal(g->origin.line, 10);

        assert_int_equal(c->plugin_count, 1);
        const struct node_plugin *n = node_config_plugin(c, "nginx");
        assert_ptr_equal(n, &c->plugins[0]);
        assert_string_equal(n->module, "unit");
        assert_string_equal(n->group.text, "web");
        assert_int_equal(n->check_interval_ms, 1000);
        assert_int_equal(n->check_timeout_ms, 5000);
        assert_int_equal(n->activate_timeout_ms, 30000);
        assert_int_equal(n->retries, 1);
        assert_int_equal(n->retry_delay_ms, 1000);
        assert_int_equal(n->retry_window_ms, 60000);
        assert_int_equal(n->stop_budget_ms, 0);
        assert_int_equal(n->setting_count, 1);
        assert_string_equal(n->settings[0].key, "unit");
        assert_string_equal(n->settings[0].value, "nginx.service");
        assert_int_equal(n->settings[0].origin.line, 14);
        assert_null(node_config_group(c, "nginx"));
        assert_null(node_config_plugin(c, "web"));
        node_config_free(c);
        node_config_free(NULL);
}

static void test_everything_given(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf",
            HEAD9 "[supervisor]\nplugin_dir = /p\nlibexec_dir = /l\n"
                  "[engine]\nuser = baton\ngroup = _b-1\ncapabilities = CAP_NET_BIND_SERVICE, CAP_SYS_NICE\n"
                  "[agent]\nuser = 998\nsession_timeout = 1500\nclock_rate_bound = 0.05\n"
                  "[group db]\npolicy = priority\npriority = -3\nstop_budget = 900\nfailback_delay = 1\nbackoff = 200\n"
                  "members = n1, n2 n3\n"
                  "[plugin pg]\nmodule = /opt/x.so\ngroup = db\nuser = postgres:ssl-cert\ncapabilities = CAP_KILL\n"
                  "check_interval = 0\ncheck_timeout = 11\nactivate_timeout = 12\nretries = 3\nretry_delay = 4\n"
                  "retry_window = 13\nstop_budget = 800\ndir = /a b ;c\nempty =\n");
        struct node_config *c = load_good(p);
        assert_string_equal(c->plugin_dir, "/p");
        assert_string_equal(c->libexec_dir, "/l");
        assert_string_equal(c->engine.user, "baton");
        assert_string_equal(c->engine.group, "_b-1");
        assert_string_equal(c->engine.capabilities, "CAP_NET_BIND_SERVICE CAP_SYS_NICE");
        assert_string_equal(c->agent.user, "998");
        assert_int_equal(c->session_timeout_ms, 1500);
        assert_int_equal(c->clock_rate_ppm, 500);
        const struct node_group *g = node_config_group(c, "db");
        assert_int_equal(g->policy, POLICY_PRIORITY);
        assert_int_equal(g->priority, -3);
        assert_int_equal(g->stop_budget_ms, 900);
        assert_int_equal(g->failback_ms, 1);
        assert_int_equal(g->backoff_ms, 200);
        assert_int_equal(g->member_count, 3);
        assert_string_equal(g->members[2].text, "n3");
        const struct node_plugin *n = node_config_plugin(c, "pg");
        assert_string_equal(n->module, "/opt/x.so");
        assert_string_equal(n->identity.user, "postgres");
        assert_string_equal(n->identity.group, "ssl-cert");
        assert_string_equal(n->identity.capabilities, "CAP_KILL");
        assert_int_equal(n->check_interval_ms, 0);
        assert_int_equal(n->check_timeout_ms, 11);
        assert_int_equal(n->activate_timeout_ms, 12);
        assert_int_equal(n->retries, 3);
        assert_int_equal(n->retry_delay_ms, 4);
        assert_int_equal(n->retry_window_ms, 13);
        assert_int_equal(n->stop_budget_ms, 800);
        assert_int_equal(n->setting_count, 2);
        assert_string_equal(n->settings[0].value, "/a b");
        assert_string_equal(n->settings[1].value, "");
        node_config_free(c);
}

static void test_files_are_read_in_name_order_as_one(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", HEAD);
        put(p, "conf.d/20-b.conf", "[group web]\npriority = 5\n[plugin b]\nmodule = process\ngroup = web\n");
        put(p, "conf.d/10-a.conf", "[group web]\npolicy = sticky\n[plugin a]\nmodule = unit\ngroup = web\n");
        put(p, "conf.d/30.conf.example", "what is this\n");
        put(p, "conf.d/.40.conf", "nor this\n");
        struct node_config *c = load_good(p);
        assert_int_equal(c->group_count, 1);
        assert_int_equal(c->groups[0].policy, POLICY_STICKY);
        assert_int_equal(c->groups[0].priority, 5);
        assert_int_equal(c->plugin_count, 2);
        assert_string_equal(c->plugins[0].name.text, "a");
        assert_string_equal(c->plugins[1].name.text, "b");
        assert_non_null(strstr(c->plugins[1].origin.file, "/conf.d/20-b.conf"));
        assert_int_equal(c->plugins[1].origin.line, 3);
        node_config_free(c);
}

static void test_faults_of_all_files_are_told_at_once(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", HEAD "snap_count = many\n[group web]\npolicy = leader\n[plugin a]\nmodule = unit\n");
        put(p, "conf.d/a.conf", "[group web]\npolicy = sticky\n[plugin a]\nmodule = exec\ngroup = web\nunit = x\n");
        put(p, "conf.d/b.conf",
            "[ensemble]\ntick_time = 300\nserver.2 = h:1:2\nserver.9 = nonsense\n[plugin a]\nunit = y\n[what]\n");
        expect_refused(p, -EINVAL,
                       "baton.conf:9: snap_count = \"many\": must be a number from 2 to 1000000000\n"
                       "conf.d/a.conf:2: policy stands in baton.conf:11 already\n"
                       "conf.d/a.conf:4: module stands in baton.conf:13 already\n"
                       "conf.d/b.conf:2: tick_time stands in baton.conf:5 already\n"
                       "conf.d/b.conf:3: server.2 stands in baton.conf:7 already\n"
                       "conf.d/b.conf:4: server.9: no port follows the host \"nonsense\"\n"
                       "conf.d/b.conf:6: \"unit\" stands in conf.d/a.conf:6 already\n"
                       "conf.d/b.conf:7: unknown section [\"what\"]\n");
}

/* One fault each, behind the eight lines of HEAD. */
static void test_what_is_refused(void **state)
{
        static const struct {
                const char *text, *complaint;
        } cases[] = {
                {"[node]\n", "baton.conf:9: [node] begins in line 1 already\n"},
                {"[group a b]\n",
                 "baton.conf:9: \"a b\" can't be a name: at most 48 letters, digits, - _ . beginning with "
                 "letter or digit\n"},
                {"[plugins x]\n", "baton.conf:9: unknown section [\"plugins x\"]\n"},
                {"[group]\n", "baton.conf:9: unknown section [\"group\"]\n"},
                {"[supervisor]\nplugin_dir = here\n",
                 "baton.conf:10: plugin_dir = \"here\": must be an absolute path\n"},
                {"[supervisor]\npath = x\n", "baton.conf:10: [supervisor] has no setting \"path\"\n"},
                {"[engine]\nuser = a b\n", "baton.conf:10: user \"a b\": no name of a user can look so\n"},
                {"[engine]\ncapabilities = CAP_KILL kill\n",
                 "baton.conf:10: capabilities: \"kill\" is no name like CAP_NET_ADMIN\n"},
                {"[agent]\nclock_rate_bound = 51\n",
                 "baton.conf:10: clock_rate_bound = \"51\": must be percent from 0 to 50, with up to 4 decimals\n"},
                {"[agent]\nclock_rate_bound = 1.\n",
                 "baton.conf:10: clock_rate_bound = \"1.\": must be percent from 0 to 50, with up to 4 decimals\n"},
                {"[agent]\nclock_rate_bound = 0.12345\n", "baton.conf:10: clock_rate_bound = \"0.12345\": must be "
                                                          "percent from 0 to 50, with up to 4 decimals\n"},
                {"[agent]\nsession_timeout = 399\n",
                 "baton.conf:10: session_timeout = 399: the ensemble grants 400 to 4000 ms (min_session_timeout, "
                 "max_session_timeout; by default 2 and 20 ticks)\n"},
                {"[agent]\nsession_timeout = 4001\n",
                 "baton.conf:10: session_timeout = 4001: the ensemble grants 400 to 4000 ms (min_session_timeout, "
                 "max_session_timeout; by default 2 and 20 ticks)\n"},
                {"[agent]\nclock_rate_bound = 30\n",
                 "baton.conf:10: of a session_timeout of 2000 ms the holder of a group may use 1076 ms "
                 "(clock_rate_bound 30 %): 3 renewals, 333 ms apart, and a commit of 100 ms do not fit; raise the one "
                 "or lower the other\n"},
                {"[group g]\n", "baton.conf:9: no [plugin …] names the group g\n"},
                {"[group g]\nstop_budget = 99\n[plugin p]\nmodule = unit\ngroup = g\n",
                 "baton.conf:10: stop_budget = \"99\": must be a number from 100 to 3600000\n"},
                {"[group g]\npolicy = any\n[plugin p]\nmodule = unit\ngroup = g\n",
                 "baton.conf:10: policy = \"any\": must be leader, priority or sticky\n"},
                {"[group g]\nmembers = n1, -, n1\n[plugin p]\nmodule = unit\ngroup = g\n",
                 "baton.conf:10: members: \"-\" can't be a node's name\nbaton.conf:10: members: n1 stands there "
                 "twice\n"},
                {"[group g]\nunit = x\n[plugin p]\nmodule = unit\ngroup = g\n",
                 "baton.conf:10: a group has no setting \"unit\"\n"},
                {"[plugin p]\n", "baton.conf:9: [plugin p] names no module: what does it do?\n"},
                {"[plugin p]\nmodule = a/b\n",
                 "baton.conf:10: module = \"a/b\": must be a name (unit) or an absolute path of a .so\n"},
                {"[plugin p]\nmodule = unit\ngroup = g\n", "baton.conf:11: group = \"g\": there is no [group g]\n"},
                {"[plugin p]\nmodule = unit\nuser = u:\n",
                 "baton.conf:11: group \"\": no name of a group can look so\n"},
                {"[plugin p]\nmodule = unit\nstop_budget = 0\n",
                 "baton.conf:11: stop_budget = \"0\": must be a number from 100 to 3600000\n"},
                {"[plugin p]\nmodule = unit\nretries = 3\nretry_delay = 30000\n",
                 "baton.conf:9: [plugin p] 3 retries, 30000 ms apart, never fall into a retry_window of 60000 ms: it "
                 "would never be given up\n"},
                {"[plugin p]\nmodule = unit\n[plugin p]\n", "baton.conf:11: [plugin p] begins in line 9 already\n"},
                {"connect = h:1\n", "baton.conf:5: connect in line 9 says that the ensemble is elsewhere: "
                                    "\"tick_time\" is for a server here\n"
                                    "baton.conf:6: connect in line 9 says that the ensemble is elsewhere: \"server.1\" "
                                    "is for a server here\n"
                                    "baton.conf:7: connect in line 9 says that the ensemble is elsewhere: \"server.2\" "
                                    "is for a server here\n"
                                    "baton.conf:8: connect in line 9 says that the ensemble is elsewhere: \"server.3\" "
                                    "is for a server here\n"},
        };
        struct place *p = *state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[2048];
                (void)snprintf(text, sizeof text, "%s%s", HEAD, cases[i].text);
                put(p, "baton.conf", text);
                struct node_config *c = NULL;
                struct problems problems;
                problems_init(&problems, p->path);
                assert_int_equal(node_config_load(p->path, &c, &problems), -EINVAL);
                if (strcmp(complaints(p, &problems), cases[i].complaint) != 0)
                        print_error("case %zu:\n", i);
                assert_string_equal(complaints(p, &problems), cases[i].complaint);
                remove_files(p);
        }
}

static void test_a_group_cannot_stop_faster_than_its_plugins(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", HEAD);
        put(p, "conf.d/g.conf", "[group g]\nstop_budget = 500\n");
        put(p, "conf.d/p.conf", "[plugin p]\nmodule = unit\ngroup = g\nstop_budget = 501\n");
        expect_refused(p, -EINVAL,
                       "conf.d/p.conf:4: stop_budget = 501 is more than its group g has (500 ms, conf.d/g.conf:1)\n");
}

static void test_whose_node_it_is_must_be_said(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf",
            "[node]\nname = a b\nid = 7\n[ensemble]\nserver.1 = h:1:2;3\nserver.2 = h:4:5;6\nserver.1 = h:7:8;9\n");
        expect_refused(
                p, -EINVAL,
                "baton.conf:2: name = \"a b\": a node's name is at most 48 letters, digits, - _ . beginning with "
                "letter or digit\n"
                "baton.conf:3: id = 7: there is no server.7\n"
                "baton.conf:7: server.1 stands in line 5 already\n");
}

static void test_an_ensemble_elsewhere(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", "[node]\nname = n9\n[ensemble]\nconnect = zk1:2181,[::1]:2182, zk3:2183\n");
        struct node_config *c = load_good(p);
        assert_false(c->has_engine);
        assert_int_equal(c->tick_time_ms, 0);
        assert_int_equal(c->id, 0);
        assert_int_equal(c->server_count, 3);
        assert_string_equal(c->servers[1].host, "::1");
        assert_int_equal(c->servers[1].port, 2182);
        assert_string_equal(c->servers[2].host, "zk3");
        assert_int_equal(c->session_timeout_ms, 2000);
        node_config_free(c);
        remove_files(p);
        put(p, "baton.conf",
            "[node]\nname = n9\nfoo = 1\n[ensemble]\nconnect = zk1, zk2:0 ::1:5\n[agent]\n"
            "session_timeout = 300\n");
        expect_refused(p, -EINVAL,
                       "baton.conf:3: [node] has no setting \"foo\"\n"
                       "baton.conf:5: connect: \"zk1\" must be HOST:PORT\n"
                       "baton.conf:5: connect: \"zk2:0\" must be HOST:PORT\n"
                       "baton.conf:5: connect: \"::1:5\" must be HOST:PORT\n"
                       "baton.conf:7: of a session_timeout of 300 ms the holder of a group may use 245 ms "
                       "(clock_rate_bound 10 %): 3 renewals, 50 ms apart, and a commit of 100 ms do not fit; raise the "
                       "one or lower the other\n");
}

/* ZooKeeper's default tick makes 4 s the shortest session: what was not asked for is no contradiction. */
static void test_the_default_session_is_what_the_ensemble_allows(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", "[node]\nname = a\nid = 1\n[ensemble]\nclient = 2181\n");
        struct node_config *c = load_good(p);
        assert_int_equal(c->session_timeout_ms, 4000);
        assert_int_equal(c->server_count, 1);
        assert_string_equal(c->servers[0].host, "127.0.0.1");
        assert_int_equal(c->servers[0].port, 2181);
        node_config_free(c);
        remove_files(p);
        put(p, "baton.conf", "[node]\nname = a\nid = 1\n[ensemble]\nclient = 2181\ntick_time = 50\n");
        c = load_good(p);
        assert_int_equal(c->session_timeout_ms, 1000);
        node_config_free(c);
}

static void test_what_cannot_be_read_is_told(void **state)
{
        struct place *p = *state;
        char path[128];
        expect_refused(p, -ENOENT, "baton.conf: cannot be read: No such file or directory\n");
        put(p, "baton.conf", HEAD);
        put(p, "conf.d/a.conf", "no section\n");
        (void)snprintf(path, sizeof path, "%s/conf.d/b.conf", p->dir);
        assert_int_equal(mkdir(path, 0700), 0);
        expect_refused(p, -EISDIR,
                       "conf.d/a.conf:1: neither [section], nor key = value, nor a comment\n"
                       "conf.d/b.conf: cannot be read: Is a directory\n");
        assert_int_equal(rmdir(path), 0);
}

static void test_there_is_a_limit_to_files_and_lines(void **state)
{
        struct place *p = *state;
        char name[128];
        put(p, "baton.conf", HEAD);
        put(p, "conf.d/x.conf", "");
        for (int i = 1; i < NODE_CONFIG_FILES_MAX; i++) {
                (void)snprintf(name, sizeof name, "%s/conf.d/%d.conf", p->dir, i);
                assert_int_equal(symlink("/dev/null", name), 0);
        }
        expect_refused(p, -E2BIG, "conf.d: more than 63 files *.conf\n");
        assert_int_equal(unlink(p->files[1]), 0);
        p->count = 1;
        node_config_free(load_good(p)); /* 63 and the main file are not too many */
        for (int i = 1; i < NODE_CONFIG_FILES_MAX; i++) {
                (void)snprintf(name, sizeof name, "%s/conf.d/%d.conf", p->dir, i);
                assert_int_equal(unlink(name), 0);
        }
        remove_files(p);

        char *text = malloc(NODE_ENTRIES_MAX * 12 + 4096);
        assert_non_null(text);
        size_t len = (size_t)snprintf(text, 4096, "%s[plugin p]\nmodule = unit\n", HEAD);
        for (int i = 0; i < NODE_ENTRIES_MAX; i++)
                len += (size_t)snprintf(text + len, 12, "k%d=\n", i);
        put(p, "baton.conf", text);
        struct node_config *c = NULL;
        struct problems problems;
        problems_init(&problems, p->path);
        assert_int_equal(node_config_load(p->path, &c, &problems), -EINVAL);
        assert_true(problems.count > NODE_ENTRIES_MAX - 200); /* too many settings, each told or counted */
        free(text);
}

/* Bytes changed at random: refused with a sentence, or taken, never worse. */
static void test_broken_files_are_refused_or_taken(void **state)
{
        static const char *const sources[] = {"baton.conf", "nginx.conf.example", "postgresql.conf.example"};
        static const char *const names[] = {"baton.conf", "conf.d/1.conf", "conf.d/2.conf"};
        static const char marks[] = "[]=:;#\n\r \t.,0-9/\0\xff";
        struct place *p = *state;
        struct prng random = {.state = 11};
        size_t taken = 0, refused = 0;
        for (int round = 0; round < 300; round++) {
                for (int i = 0; i < 3; i++)
                        put_copy(p, names[i], sources[i]);
                for (uint64_t i = prng_next(&random) % 8; i < 8; i++) {
                        FILE *f = fopen(p->files[prng_next(&random) % 3], "r+e");
                        assert_non_null(f);
                        assert_int_equal(fseek(f, 0, SEEK_END), 0);
                        long at = (long)(prng_next(&random) % (uint64_t)ftell(f));
                        assert_int_equal(fseek(f, at, SEEK_SET), 0);
                        assert_true(fputc(marks[prng_next(&random) % sizeof marks], f) != EOF);
                        assert_int_equal(fclose(f), 0);
                }
                struct node_config *c = NULL;
                struct problems problems;
                problems_init(&problems, p->path);
                int r = node_config_load(p->path, &c, &problems);
                assert_true(r == 0 ? c && problems.count == 0 : r == -EINVAL && !c && problems.count > 0);
                if (r == 0)
                        free(node_config_render(c, NODE_PART_AGENT, NULL));
                taken += r == 0;
                refused += r != 0;
                node_config_free(c);
                remove_files(p);
        }
        assert_true(taken > 0 && refused > 0);
}

/* ---- children ---- */

static int memory_file(const char *text, char path[32])
{
        int fd = memfd_create("part", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
        return fd;
}

/* Loads a rendered part as a child does, and renders it once more: the same bytes. */
static struct node_config *load_part(char *text, enum node_part part, const char *plugin)
{
        char path[32];
        struct node_config *c = NULL;
        struct problems problems;
        int fd = memory_file(text, path);
        problems_init(&problems, path);
        int r = node_config_load(path, &c, &problems);
        if (r < 0)
                print_error("%s\n%d: %s\n", text, problems.list[0].line, problems.list[0].text);
        assert_int_equal(r, 0);
        char *again = node_config_render(c, part, plugin);
        assert_string_equal(again, text);
        free(again);
        free(text);
        assert_int_equal(close(fd), 0);
        return c;
}

#define CHILDREN                                                                                                       \
        "[group web]\nstop_budget = 700\npriority = 4\nmembers = n1,n2\n"                                              \
        "[plugin nginx]\nmodule = unit\ngroup = web\nuser = www:www\ncapabilities = CAP_KILL\nzeta = 1\nunit=;x\n"     \
        "[plugin motd]\nmodule = file\n"

static void test_children_read_their_parts_back(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", HEAD9 "snap_count = 500\n[agent]\nclock_rate_bound = 2.5\nuser = baton\n" CHILDREN);
        struct node_config *c = load_good(p);

        struct node_config *a = load_part(node_config_render(c, NODE_PART_AGENT, NULL), NODE_PART_AGENT, NULL);
        assert_string_equal(a->node.text, "n2");
        assert_int_equal(a->session_timeout_ms, c->session_timeout_ms);
        assert_int_equal(a->clock_rate_ppm, 25000);
        assert_int_equal(a->server_count, c->server_count);
        for (size_t i = 0; i < c->server_count; i++) {
                assert_string_equal(a->servers[i].host, c->servers[i].host);
                assert_int_equal(a->servers[i].port, c->servers[i].port);
        }
        assert_int_equal(a->group_count, 1);
        assert_int_equal(a->groups[0].priority, 4);
        assert_int_equal(a->groups[0].member_count, 2);
        assert_int_equal(a->plugin_count, 2);
        assert_string_equal(a->plugins[0].group.text, "web");
        assert_int_equal(a->plugins[0].setting_count, 0);
        node_config_free(a);

        struct node_config *w = load_part(node_config_render(c, NODE_PART_WORKER, "nginx"), NODE_PART_WORKER, "nginx");
        assert_string_equal(w->node.text, "n2");
        assert_string_equal(w->plugin_dir, c->plugin_dir);
        assert_false(w->has_engine);
        assert_int_equal(w->server_count, 0);
        assert_int_equal(w->plugin_count, 1);
        assert_int_equal(node_config_group(w, "web")->stop_budget_ms, 700);
        assert_int_equal(w->plugins[0].setting_count, 2);
        assert_string_equal(w->plugins[0].settings[0].key, "unit");
        assert_string_equal(w->plugins[0].settings[0].value, ";x");
        assert_string_equal(w->plugins[0].identity.group, "www");
        node_config_free(w);
        w = load_part(node_config_render(c, NODE_PART_WORKER, "motd"), NODE_PART_WORKER, "motd");
        assert_int_equal(w->group_count, 0);
        node_config_free(w);

        char path[32];
        struct engine_config e;
        struct problems problems;
        char *text = node_config_render(c, NODE_PART_ENGINE, NULL);
        int fd = memory_file(text, path);
        problems_init(&problems, path);
        assert_int_equal(engine_config_load(path, &e, &problems), 0);
        assert_int_equal(e.server.sid, 2);
        assert_int_equal(e.server.snap_count, 500);
        assert_int_equal(e.server.ensemble.count, 4);
        assert_string_equal(e.data_dir, "/var/lib/baton");
        assert_int_equal(close(fd), 0);
        free(text);
        node_config_free(c);
}

static void test_an_agent_connects_elsewhere(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", "[node]\nname = n9\n[ensemble]\nconnect = zk1:2181 [::1]:2182\n" CHILDREN);
        struct node_config *c = load_good(p);
        struct node_config *a = load_part(node_config_render(c, NODE_PART_AGENT, NULL), NODE_PART_AGENT, NULL);
        assert_int_equal(a->server_count, 2);
        assert_string_equal(a->servers[1].host, "::1");
        node_config_free(a);
        node_config_free(c);
}

static void render_all(const struct node_config *c, char *ret[3])
{
        ret[0] = node_config_render(c, NODE_PART_ENGINE, NULL);
        ret[1] = node_config_render(c, NODE_PART_AGENT, NULL);
        ret[2] = node_config_render(c, NODE_PART_WORKER, "nginx");
}

/* A reload restarts those only whose part has changed. */
static void test_a_part_changes_only_with_what_is_in_it(void **state)
{
        static const struct {
                const char *head, *tail;
                bool changed[3];
        } cases[] = {
                {"", "; a comment\n", {false, false, false}},
                {"snap_count = 500\n", "", {true, false, false}},
                {"server.4 = 10.0.0.4:2888:3888:observer;2181\n", "", {true, true, false}},
                {"[engine]\nuser = x\n", "", {true, false, false}},
                {"[agent]\nsession_timeout = 1900\n", "", {false, true, false}},
                {"[plugin nginx]\nunit = y\nmodule = unit\n", "", {false, true, true}}, /* which takes its group away */
                {"", "colour = red\n", {false, false, true}},
                {"", "stop_budget = 600\n", {false, true, true}},
                {"", "check_interval = 5\n", {false, false, true}},
                {"", "[group web]\npriority = 5\n", {false, true, false}},
                {"", "[plugin other]\nmodule = exec\n", {false, true, false}},
        };
        struct place *p = *state;
        static const char last[] = "[plugin nginx]\nmodule = unit\ngroup = web\nunit = x\n";
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char *before[3], *after[3], text[2048];
                bool whole = strncmp(cases[i].head, "[plugin", 7) == 0;
                put(p, "baton.conf", HEAD);
                put(p, "conf.d/b.conf", "[group web]\nstop_budget = 700\n");
                put(p, "conf.d/c.conf", last);
                struct node_config *c = load_good(p);
                render_all(c, before);
                node_config_free(c);
                remove_files(p);
                (void)snprintf(text, sizeof text, "%s%s", HEAD, whole ? "" : cases[i].head);
                put(p, "baton.conf", text);
                put(p, "conf.d/x.conf", "[group web]\nstop_budget = 700\n"); /* another name and order */
                if (whole)
                        put(p, "conf.d/y.conf", "[plugin holder]\nmodule = exec\ngroup = web\n");
                (void)snprintf(text, sizeof text, "%s%s", whole ? cases[i].head : last, cases[i].tail);
                put(p, "conf.d/a.conf", text);
                c = load_good(p);
                render_all(c, after);
                node_config_free(c);
                remove_files(p);
                for (int k = 0; k < 3; k++) {
                        if ((strcmp(before[k], after[k]) != 0) != cases[i].changed[k])
                                print_error("case %zu, part %d:\n%s---\n%s", i, k, before[k], after[k]);
                        assert_int_equal(strcmp(before[k], after[k]) != 0, cases[i].changed[k]);
                        free(before[k]);
                        free(after[k]);
                }
        }
}

static void test_only_workers_are_given_a_part(void **state)
{
        struct place *p = *state;
        put(p, "baton.conf", "[node]\nname = a\npart = agent\n");
        expect_refused(p, -EINVAL, "baton.conf:3: part = \"agent\": batond writes it for its workers, nobody else\n");
}

static void test_the_default_configuration_and_all_examples_load(void **state)
{
        static const char *const mains[] = {"baton.conf", "three-servers.conf.example"};
        struct place *p = *state;
        for (size_t i = 0; i < sizeof mains / sizeof *mains; i++) {
                put_copy(p, "baton.conf", mains[i]);
                put_copy(p, "conf.d/nginx.conf", "nginx.conf.example");
                put_copy(p, "conf.d/postgresql.conf", "postgresql.conf.example");
                put_copy(p, "conf.d/cron.conf", "cron.conf.example");
                struct node_config *c = load_good(p);
                assert_int_equal(c->session_timeout_ms, 2000);
                assert_int_equal(c->tick_time_ms, 200);
                assert_int_equal(c->group_count, 3);
                assert_int_equal(c->plugin_count, 5);
                node_config_free(c);
                remove_files(p);
        }
}

/* What baton.conf shows as a default is the default: with every such line in force nothing changes. */
static void test_the_defaults_shown_are_the_defaults(void **state)
{
        struct place *p = *state;
        char text[32768], shown[32768] = "";
        size_t len = 0;
        bool own = false;
        put_copy(p, "baton.conf", "baton.conf");
        FILE *f = fopen(p->path, "re");
        assert_non_null(f);
        while (fgets(text, sizeof text, f)) {
                const char *line = text;
                own |= strncmp(text, "[supervisor]", 12) == 0; /* the engine's are judged by their own tests */
                if (own && text[0] == ';' && (text[1] == '[' || (text[1] >= 'a' && text[1] <= 'z')))
                        line = text + 1;
                bool empty = strstr(line, "capabilities =") == line; /* stands for none */
                bool given = strstr(line, "members =") == line || strstr(line, "_dir =") ||
                             strstr(line, "user =") == line || strstr(line, "group = baton") == line ||
                             strstr(line, "stop_budget =") == line;
                len += (size_t)snprintf(shown + len, sizeof shown - len, "%s%s", own && (empty || given) ? "; " : "",
                                        line);
        }
        assert_int_equal(fclose(f), 0);
        remove_files(p);
        put(p, "baton.conf", shown);
        struct node_config *c = load_good(p);
        char *with = node_config_render(c, NODE_PART_WORKER, "nginx");
        char *agent_with = node_config_render(c, NODE_PART_AGENT, NULL);
        node_config_free(c);
        remove_files(p);
        put_copy(p, "baton.conf", "baton.conf");
        put(p, "conf.d/x.conf", "[group web]\n[plugin nginx]\nmodule = unit\ngroup = web\nunit = nginx.service\n");
        c = load_good(p);
        char *without = node_config_render(c, NODE_PART_WORKER, "nginx");
        char *agent_without = node_config_render(c, NODE_PART_AGENT, NULL);
        assert_string_equal(with, without);
        const char *user = strstr(agent_without, "user=baton\n"); /* given in the file, left out above */
        assert_non_null(user);
        assert_int_equal(strlen(agent_with) + strlen("user=baton\n"), strlen(agent_without));
        assert_memory_equal(agent_with, agent_without, (size_t)(user - agent_without));
        assert_string_equal(agent_with + (user - agent_without), user + strlen("user=baton\n"));
        free(with);
        free(without);
        free(agent_with);
        free(agent_without);
        node_config_free(c);
}

static void test_help_names_every_section(void **state)
{
        static const char *const words[] = {"[node]",  "[ensemble]",   "[supervisor]",  "[engine]",
                                            "[agent]", "[group NAME]", "[plugin NAME]", "server.N",
                                            "policy",  "retry_window"};
        char *text = NULL;
        size_t size = 0;
        (void)state;
        FILE *f = open_memstream(&text, &size);
        assert_non_null(f);
        node_config_help(f);
        assert_int_equal(fclose(f), 0);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                assert_non_null(strstr(text, words[i]));
        free(text);
}

#define PLACED(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PLACED(test_defaults),
                PLACED(test_everything_given),
                PLACED(test_files_are_read_in_name_order_as_one),
                PLACED(test_faults_of_all_files_are_told_at_once),
                PLACED(test_what_is_refused),
                PLACED(test_a_group_cannot_stop_faster_than_its_plugins),
                PLACED(test_whose_node_it_is_must_be_said),
                PLACED(test_an_ensemble_elsewhere),
                PLACED(test_the_default_session_is_what_the_ensemble_allows),
                PLACED(test_what_cannot_be_read_is_told),
                PLACED(test_there_is_a_limit_to_files_and_lines),
                PLACED(test_broken_files_are_refused_or_taken),
                PLACED(test_children_read_their_parts_back),
                PLACED(test_an_agent_connects_elsewhere),
                PLACED(test_a_part_changes_only_with_what_is_in_it),
                PLACED(test_only_workers_are_given_a_part),
                PLACED(test_the_default_configuration_and_all_examples_load),
                PLACED(test_the_defaults_shown_are_the_defaults),
                cmocka_unit_test(test_help_names_every_section),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
