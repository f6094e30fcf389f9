/* Four-letter words of whole servers, in ZooKeeper's layout (zookeeper/client-protocol.md 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/server/words.h"
#include "tests/sim/world/world_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS                  5000
#define assert_begins(text, begin) assert_int_equal(strncmp(text, begin, sizeof(begin) - 1), 0)

static struct world *start_all(int voters, int observers, uint64_t seed)
{
        struct world *w = world_new(voters, observers, seed);
        for (int sid = 1; sid <= voters + observers; sid++)
                world_start(w, sid);
        assert_true(world_serving(w, 0, SETTLE_MS));
        return w;
}

static int other_than(int sid, int servers)
{
        return sid == servers ? 1 : sid + 1;
}

static void test_srvr_has_the_layout_that_tools_parse(void **state)
{
        (void)state;
        struct world *w = start_all(1, 0, 1);
        struct world_client *c = world_connect(w, 1, NULL);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        unsigned long low, high, received, sent, connections, outstanding, zxid;
        double average;
        char mode[32], version[64];
        unsigned nodes;
        int at = 0;
        const char *text = world_word(w, 1, "srvr");
        assert_int_equal(sscanf(text,
                                "Zookeeper version: %63[^,], built on %*d-%*d-%*d %*d:%*d UTC\n"
                                "Latency min/avg/max: %lu/%lf/%lu\nReceived: %lu\nSent: %lu\nConnections: %lu\n"
                                "Outstanding: %lu\nZxid: 0x%lx\nMode: %31s\nNode count: %u\n%n",
                                version, &low, &average, &high, &received, &sent, &connections, &outstanding, &zxid,
                                mode, &nodes, &at),
                         11);
        assert_int_equal(at, strlen(text));
        assert_string_equal(version, "3.9.5");
        assert_string_equal(mode, "standalone");
        assert_int_equal(nodes, 6);
        assert_int_equal(connections, 2);
        assert_int_equal(received, 3); /* the word's own connection is counted */
        assert_int_equal(sent, 2);
        assert_true(low <= high && average >= (double)low && average <= (double)high + 1);
        world_free(w);
}

static void test_word_that_is_not_served_is_refused_by_name(void **state)
{
        (void)state;
        struct world *w = world_new(1, 0, 1);
        world_start(w, 1);
        assert_true(world_serving(w, 0, SETTLE_MS));
        assert_string_equal(world_word(w, 1, "\377\364\377\375"), ""); /* allowed: closed, no more */
        world_free(w);
        w = world_new(1, 0, 1);
        w->config.word_count = 0;
        world_start(w, 1);
        assert_true(world_serving(w, 0, SETTLE_MS));
        assert_string_equal(world_word(w, 1, "mntr"), "mntr is not executed because it is not in the whitelist.\n");
        assert_string_equal(world_word(w, 1, "stmk"), "stmk is not executed because it is not in the whitelist.\n");
        assert_string_equal(world_word(w, 1, "\377\364\377\375"),
                            "telnet close is not executed because it is not in the whitelist.\n");
        assert_begins(world_word(w, 1, "srvr"), "Zookeeper version: "); /* always allowed */
        world_free(w);
}

static void test_words_without_a_quorum(void **state)
{
        (void)state;
        static const char *const words[] = {"srvr", "stat", "mntr", "conf", "cons", "crst", "srst", "dirs", "dump"};
        struct world *w = world_new(3, 0, 1);
        world_start(w, 1);
        world_run(w, 500);
        assert_string_equal(world_word(w, 1, "ruok"), "imok");
        assert_string_equal(world_word(w, 1, "isro"), "null");
        assert_string_equal(world_word(w, 1, "gtmk"), "306");
        assert_begins(world_word(w, 1, "envi"), "Environment:\nzookeeper.version=3.9.5, built on ");
        assert_string_equal(world_word(w, 1, "hash"), "This ZooKeeper instance is not currently serving requests");
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                assert_string_equal(world_word(w, 1, words[i]),
                                    "This ZooKeeper instance is not currently serving requests\n");
        world_free(w);
}

/* Sixty more members, with the longest names that there can be. */
static void test_conf_shows_every_member_whole(void **state)
{
        (void)state;
        struct world *w = world_new(1, 0, 1);
        char host[ENSEMBLE_HOST_MAX + 1], text[2 * ENSEMBLE_HOST_MAX + 64], why[256];
        memset(host, 'h', ENSEMBLE_HOST_MAX);
        host[ENSEMBLE_HOST_MAX] = 0;
        for (int sid = 2; sid <= ENSEMBLE_MEMBERS_MAX; sid++) {
                struct member m;
                (void)snprintf(text, sizeof text, "%s:2888:3888:observer;%s:2181", host, host);
                assert_int_equal(ensemble_parse_member(sid, text, &m, why, sizeof why), 0);
                assert_int_equal(ensemble_add(&w->config.ensemble, &m), 0);
        }
        world_start(w, 1);
        assert_true(world_serving(w, 0, SETTLE_MS));
        size_t len = ensemble_text(&w->config.ensemble, NULL, 0);
        char *membership = mem_alloc(len + 1);
        (void)ensemble_text(&w->config.ensemble, membership, len + 1);
        struct jute_writer out;
        jute_writer_init(&out, SIZE_MAX);
        server__word(w->nodes[1].server, &(struct event){.type = EVENT_CONN_BYTES}, (const uint8_t *)"conf", &out);
        jute_put_byte(&out, 0);
        const char *shown = strstr((const char *)out.data, "membership: \n");
        assert_non_null(shown);
        assert_string_equal(shown + strlen("membership: \n"), membership);
        jute_writer_done(&out);
        mem_free(membership);
        world_free(w);
}

/* 10.3 */
static void test_mntr_has_the_keys_that_tools_read(void **state)
{
        (void)state;
        static const char *const keys[] = {"avg_latency",
                                           "max_latency",
                                           "min_latency",
                                           "packets_received",
                                           "packets_sent",
                                           "num_alive_connections",
                                           "outstanding_requests",
                                           "znode_count",
                                           "watch_count",
                                           "ephemerals_count",
                                           "approximate_data_size",
                                           "global_sessions",
                                           "local_sessions",
                                           "open_file_descriptor_count",
                                           "max_file_descriptor_count",
                                           "connection_drop_probability",
                                           "last_client_response_size",
                                           "max_client_response_size",
                                           "min_client_response_size",
                                           "outstanding_tls_handshake",
                                           "auth_failed_count",
                                           "uptime",
                                           "bytes_received_count",
                                           "response_bytes",
                                           "connection_request_count",
                                           "connection_revalidate_count",
                                           "connection_drop_count",
                                           "connection_rejected",
                                           "cnxn_closed_without_zk_server_running",
                                           "sessionless_connections_expired",
                                           "large_requests_rejected",
                                           "looking_count",
                                           "commit_count",
                                           "proposal_count",
                                           "snap_count",
                                           "digest_mismatches_count",
                                           "cnt_fsynctime",
                                           "p99_readlatency",
                                           "avg_election_time"};
        static const char *const leaders[] = {"learners",          "synced_followers",  "synced_non_voting_followers",
                                              "pending_syncs",     "leader_uptime",     "last_proposal_size",
                                              "max_proposal_size", "min_proposal_size", "synced_observers"};
        struct world *w = start_all(3, 1, 2);
        for (int sid = 1; sid <= 4; sid++) {
                char line[64], mode[32];
                const char *text = world_word(w, sid, "mntr");
                assert_int_equal(sscanf(text, "zk_version\t%*[^\n]\nzk_server_state\t%31s\nzk_peer_state\t", mode), 1);
                for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                        (void)snprintf(line, sizeof line, "\nzk_%s\t", keys[i]);
                        const char *found = strstr(text, line);
                        if (!found || strstr(found + 1, line))
                                fail_msg("%s: %s", keys[i], found ? "twice" : "missing");
                }
                for (size_t i = 0; i < sizeof leaders / sizeof *leaders; i++) {
                        (void)snprintf(line, sizeof line, "\nzk_%s\t", leaders[i]);
                        assert_int_equal(strstr(text, line) != NULL, sid == world_leader(w));
                }
                assert_non_null(strstr(text, "\nzk_quorum_size\t3\n")); /* voters */
                (void)snprintf(line, sizeof line, "\nzk_observer_master_id\t%d\n", world_leader(w));
                assert_int_equal(strstr(text, line) != NULL, sid == 4);
        }
        world_free(w);
}

static void test_bad_input_is_counted_and_disturbs_nobody(void **state)
{
        (void)state;
        struct world *w = start_all(1, 0, 1);
        struct world_client *good = world_connect(w, 1, NULL), *bad = world_connect(w, 1, NULL);
        bytes_add(&bad->stream->end[1].in, "\377\377\377\377", 4);
        world_run(w, 5);
        assert_false(world_connected(bad));
        assert_int_equal(world_create(good, "/a", "x", 0, NULL, 0), ZK_OK);
        assert_non_null(strstr(world_word(w, 1, "mntr"), "\nzk_bad_input_client\t1\n"));
        world_free(w);
}

/* ---- connections ---- */

/* The value of `name` in a line of cons, a number with or without 0x; -1 for none. */
static long long field(const char *line, const char *name)
{
        char key[32];
        (void)snprintf(key, sizeof key, ",%s=", name);
        const char *at = strstr(line, key);
        const char *end = strchr(line, '\n');
        return at && at < end ? strtoll(at + strlen(key), NULL, 0) : -1;
}

/* client-protocol.md 10.2: what is told of a session's connection, and what of one that has none. */
static void test_cons_tells_of_sessions_and_last_requests(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, 1);
        int follower = other_than(world_leader(w), 3);
        struct world_client *c = world_connect(w, follower, NULL);
        const char *text = world_word(w, follower, "cons");
        assert_begins(text, " /10.");
        assert_non_null(strstr(text, "[1](queued=0,recved=1,sent=1,sid=0x"));
        assert_non_null(strstr(text, ",lop=SESS,est="));
        assert_int_equal(field(text, "lcxid"), 0);
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_OK);
        text = world_word(w, follower, "cons");
        assert_non_null(strstr(text, "(queued=0,recved=2,sent=2,sid=0x"));
        assert_non_null(strstr(text, ",lop=CREA,est="));
        assert_int_equal(field(text, "sid"), c->session);
        assert_int_equal(field(text, "to"), c->timeout_ms);
        assert_int_equal(field(text, "lcxid"), c->next_xid - 1);
        assert_int_equal(field(text, "lzxid"), database_zxid(w->nodes[follower].server->db));
        assert_true(field(text, "minlat") <= field(text, "avglat") && field(text, "avglat") <= field(text, "maxlat"));
        const char *second = strchr(text, '\n') + 1; /* the word's own connection */
        assert_non_null(strstr(second, "[0](queued=0,recved=1,sent=0)\n\n"));
        assert_int_equal(world_create(c, "/a", "x", 0, NULL, 0), ZK_NODE_EXISTS);
        assert_non_null(strstr(world_word(w, follower, "cons"), ",lop=NA,est=")); /* a write that failed has no name */
        assert_int_equal(world_get(c, "/a", false, NULL, 0), ZK_OK);
        assert_non_null(strstr(world_word(w, follower, "cons"), ",lop=GETD,est="));
        assert_string_equal(world_word(w, follower, "crst"), "Connection stats reset.\n");
        text = world_word(w, follower, "cons");
        assert_non_null(strstr(text, "(queued=0,recved=0,sent=0,sid=0x"));
        assert_non_null(strstr(text, ",lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)\n"));
        assert_null(strstr(text, "lcxid"));
        world_free(w);
}

/* A leader knows when sessions expire, a learner their timeouts; all know who owns what. */
static void test_dump_tells_of_sessions_ephemerals_and_connections(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, 1);
        int leader = world_leader(w), follower = other_than(leader, 3);
        struct world_client *c = world_connect(w, follower, NULL);
        char line[128];
        assert_int_equal(world_create(c, "/e", "x", 1, NULL, 0), ZK_OK);
        world_run(w, 100);
        const char *text = world_word(w, leader, "dump");
        assert_begins(text, "SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at ");
        (void)snprintf(line, sizeof line, ":\n\t0x%llx\nephemeral nodes dump:\n", (unsigned long long)c->session);
        assert_non_null(strstr(text, line));
        (void)snprintf(line, sizeof line, "Sessions with Ephemerals (1):\n0x%llx:\n\t/e\nConnections dump:\n",
                       (unsigned long long)c->session);
        assert_non_null(strstr(text, line));
        text = world_word(w, follower, "dump");
        (void)snprintf(line, sizeof line, "Global Sessions(1):\n0x%llx\t%dms\nephemeral nodes dump:\n",
                       (unsigned long long)c->session, (int)c->timeout_ms);
        assert_non_null(strstr(text, line));
        (void)snprintf(line, sizeof line, " sessionId: 0x%llx\n", (unsigned long long)c->session);
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(text, "/(2):\n"));
        assert_non_null(strstr(text, " sessionId: 0x0\n"));
        world_free(w);
}

/* ---- the rest ---- */

/* The same at every server, one for 128 transactions. */
static void test_hash_shows_the_recent_digests(void **state)
{
        (void)state;
        char first[4096];
        struct world *w = start_all(3, 0, 1);
        struct world_client *c = world_connect(w, 1, NULL);
        assert_string_equal(world_word(w, 1, "hash"), "");
        for (int i = 0; i < 300; i++)
                assert_int_equal(world_set(c, "/", "x", -1), ZK_OK);
        world_run(w, 1000);
        (void)snprintf(first, sizeof first, "%s", world_word(w, 1, "hash"));
        unsigned long long zxid[2];
        long long digest[2];
        int at = 0;
        assert_int_equal(sscanf(first, "%llx: %lld\n%llx: %lld\n%n", &zxid[0], &digest[0], &zxid[1], &digest[1], &at),
                         4);
        assert_int_equal(at, strlen(first));
        assert_int_equal(zxid[0] & 0xffffffff, 128);
        assert_int_equal(zxid[1] & 0xffffffff, 256);
        assert_int_not_equal(digest[0], digest[1]);
        for (int sid = 2; sid <= 3; sid++)
                assert_string_equal(world_word(w, sid, "hash"), first);
        world_free(w);
}

static void test_trace_mask_is_kept(void **state)
{
        (void)state;
        struct world *w = start_all(1, 0, 1);
        assert_string_equal(world_word(w, 1, "gtmk"), "306");
        assert_string_equal(world_word(w, 1, "stmk"), ""); /* the mask has not come */
        assert_string_equal(world_word(w, 1, "gtmk"), "306");
        assert_string_equal(world_word(w, 1, "stmk11111111"), "3544668469065756977");
        assert_string_equal(world_word(w, 1, "gtmk"), "3544668469065756977");
        world_free(w);
}

static void test_srst_begins_the_figures_anew(void **state)
{
        (void)state;
        struct world *w = start_all(3, 0, 1);
        struct world_client *c = world_connect(w, world_leader(w), NULL);
        assert_int_equal(world_set(c, "/", "x", -1), ZK_OK);
        const char *text = world_word(w, world_leader(w), "srvr");
        assert_null(strstr(text, "Proposal sizes last/min/max: -1/-1/-1\n"));
        assert_string_equal(world_word(w, world_leader(w), "srst"), "Server stats reset.\n");
        text = world_word(w, world_leader(w), "srvr");
        assert_non_null(strstr(text, "\nReceived: 1\nSent: 1\nConnections: 2\n"));
        assert_non_null(strstr(text, "Proposal sizes last/min/max: -1/-1/-1\n"));
        world_free(w);
}

/* However long the list: the answer ends, and says that it is not whole. */
static void test_long_answers_are_cut(void **state)
{
        (void)state;
        struct jute_writer out;
        char path[600];
        struct world *w = start_all(1, 0, 1);
        struct world_client *c = world_connect(w, 1, NULL);
        memset(path, 'p', sizeof path);
        path[0] = '/';
        for (int i = 0; i < 14500; i++) {
                (void)snprintf(path + 590, 10, "%08d", i);
                assert_int_equal(world_create(c, path, "x", 1, NULL, 0), ZK_OK);
        }
        jute_writer_init(&out, SIZE_MAX);
        struct event e = {.type = EVENT_CONN_BYTES};
        struct server *s = w->nodes[1].server;
        s->event = &e;
        server__word(s, &e, (const uint8_t *)"dump", &out);
        s->event = NULL;
        jute_put_byte(&out, 0);
        assert_true(out.len > SERVER_WORD_BYTES_MAX && out.len < SERVER_WORD_BYTES_MAX + 2048);
        assert_non_null(strstr((const char *)out.data, "\n(cut: the answer is longer than 8388608 bytes)\n"));
        jute_writer_done(&out);
        world_free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_srvr_has_the_layout_that_tools_parse),
                cmocka_unit_test(test_word_that_is_not_served_is_refused_by_name),
                cmocka_unit_test(test_words_without_a_quorum),
                cmocka_unit_test(test_conf_shows_every_member_whole),
                cmocka_unit_test(test_mntr_has_the_keys_that_tools_read),
                cmocka_unit_test(test_bad_input_is_counted_and_disturbs_nobody),
                cmocka_unit_test(test_cons_tells_of_sessions_and_last_requests),
                cmocka_unit_test(test_dump_tells_of_sessions_ephemerals_and_connections),
                cmocka_unit_test(test_hash_shows_the_recent_digests),
                cmocka_unit_test(test_trace_mask_is_kept),
                cmocka_unit_test(test_srst_begins_the_figures_anew),
                cmocka_unit_test(test_long_answers_are_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
