/* The engine's configuration: what loads, and what is said about what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/engine/engine_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "test_config.conf"

/* What most cases begin with: five lines, server 1 of three. */
#define HEAD                                                                                                           \
        "[node]\n"                                                                                                     \
        "id = 1\n"                                                                                                     \
        "data_dir = /data\n"                                                                                           \
        "name = n1\n"                                                                                                  \
        "[ensemble]\n"
#define ONE   "server.1 = 127.0.0.1:2888:3888:participant;127.0.0.1:2181\n"
#define TWO   "server.2 = 127.0.0.1:2889:3889:participant;127.0.0.1:2182\n"
#define THREE "server.3 = 127.0.0.1:2890:3890:observer;127.0.0.1:2183\n"

static int load(const char *text, struct engine_config *ret, struct problems *p)
{
        FILE *f = fopen(FILE_NAME, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        problems_init(p, FILE_NAME);
        int r = engine_config_load(FILE_NAME, ret, p);
        assert_int_equal(unlink(FILE_NAME), 0);
        return r;
}

static void load_good(const char *text, struct engine_config *ret)
{
        struct problems p;
        int r = load(text, ret, &p);
        if (p.count > 0)
                print_error("line %d: %s\n", p.list[0].line, p.list[0].text);
        assert_int_equal(r, 0);
        assert_int_equal(p.count, 0);
}

/* The file given as the contract of baton-engine. */
static void test_the_contract_loads(void **state)
{
        struct engine_config c;
        (void)state;
        load_good("[node]\n"
                  "name = n1\n"
                  "id = 1\n"
                  "data_dir = /path/1           ; ZooKeeper's layout (version-2/…) inside\n"
                  "[ensemble]\n"
                  "tick_time = 200              ; milliseconds\n"
                  "init_limit = 10              ; ticks\n"
                  "sync_limit = 5               ; ticks\n"
                  "min_session_timeout = 400    ; milliseconds; default 2 ticks\n"
                  "max_session_timeout = 40000\n"
                  "snap_count = 100000\n" ONE TWO THREE "four_letter_words = ruok,srvr,stat,mntr,conf,isro\n",
                  &c);
        assert_string_equal(c.server.name, "n1");
        assert_int_equal(c.server.sid, 1);
        assert_string_equal(c.data_dir, "/path/1");
        assert_string_equal(c.server.data_dir, "/path/1");
        assert_int_equal(c.server.tick_ms, 200);
        assert_int_equal(c.server.init_limit, 10);
        assert_int_equal(c.server.sync_limit, 5);
        assert_int_equal(c.server.min_session_timeout_ms, 400);
        assert_int_equal(c.server.max_session_timeout_ms, 40000);
        assert_int_equal(c.server.snap_count, 100000);
        assert_int_equal(c.server.ensemble.count, 3);
        assert_int_equal(ensemble_voters(&c.server.ensemble), 2);
        assert_true(c.peers);
        assert_string_equal(c.client_host, "127.0.0.1");
        assert_int_equal(c.client_port, 2181);
        assert_int_equal(c.server.word_count, 6);
        assert_string_equal(c.server.words[0], "ruok");
        assert_string_equal(c.server.words[5], "isro");
}

static void test_defaults_are_those_of_the_headers(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD ONE, &c);
        assert_int_equal(c.server.tick_ms, 2000);
        assert_int_equal(c.server.init_limit, 10);
        assert_int_equal(c.server.sync_limit, 5);
        assert_int_equal(c.server.heartbeat_ms, 400);
        assert_int_equal(c.server.election_timeout_ms, 1300);
        assert_int_equal(c.server.min_session_timeout_ms, 4000);
        assert_int_equal(c.server.max_session_timeout_ms, 40000);
        assert_int_equal(c.server.snap_count, SERVER_SNAP_COUNT_DEFAULT);
        assert_int_equal(c.server.max_client_cnxns, SERVER_MAX_CLIENT_CNXNS_DEFAULT);
        assert_int_equal(c.server.max_cnxns, SERVER_MAX_CNXNS_DEFAULT);
        assert_int_equal(c.server.outstanding_limit, SERVER_OUTSTANDING_LIMIT_DEFAULT);
        assert_int_equal(c.server.max_buffer, ENGINE_MAX_BUFFER_DEFAULT);
        assert_int_equal(server_item_max(&c.server), 2 * ENGINE_MAX_BUFFER_DEFAULT);
        assert_int_equal(c.server.listen_backlog, -1);
        assert_false(c.server.extended_types);
        assert_false(c.server.read_only_mode);
        assert_int_equal(c.server.container_check_interval_ms, SERVER_CONTAINER_CHECK_INTERVAL_MS_DEFAULT);
        assert_int_equal(c.server.container_max_per_minute, SERVER_CONTAINER_MAX_PER_MINUTE_DEFAULT);
        assert_int_equal(c.server.container_max_never_used_ms, 0);
        assert_int_equal(c.preallocate_bytes, STORE_PREALLOCATE_DEFAULT);
        assert_int_equal(c.retain_snapshots, 3);
        assert_int_equal(c.server.commit_log_count, 5000);
        assert_int_equal(c.server.word_count, 1);
        assert_string_equal(c.server.words[0], "srvr");
        assert_false(c.listen_all);
        assert_int_equal(strncmp(c.server.version, "3.", 2), 0);
}

static void test_access_is_as_in_zookeeper_unless_told(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD ONE, &c);
        assert_false(c.server.acl.skip);
        assert_false(c.server.acl.digest_off);
        assert_string_equal(c.server.digest_algorithm, "SHA-1");
        assert_string_equal(c.server.super_digest, "");
        assert_int_equal(c.server.enforced_scheme_count, 0);
        load_good(HEAD ONE "skip_acl = yes\ndigest_algorithm = sha-512/256\nsuper_digest = root:abc=\n"
                           "enforce_auth_schemes = digest, ip\n",
                  &c);
        assert_true(c.server.acl.skip);
        assert_string_equal(c.server.digest_algorithm, "SHA-512/256");
        assert_string_equal(c.server.super_digest, "root:abc=");
        assert_int_equal(c.server.enforced_scheme_count, 2);
        assert_string_equal(c.server.enforced_schemes[0], "digest");
        assert_string_equal(c.server.enforced_schemes[1], "ip");
        load_good(HEAD ONE "digest_enabled = no\n", &c);
        assert_true(c.server.acl.digest_off);
}

static void test_headroom_and_backlog_are_taken_over(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD ONE "max_buffer = 4096\nmax_buffer_extra = 6000\nclient_port_listen_backlog = 77\n", &c);
        assert_int_equal(server_item_max(&c.server), 10096);
        assert_int_equal(c.server.listen_backlog, 77);
}

static void test_sections_of_others_are_passed_over(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD ONE "[group web]\npolicy = leader\n[plugin nginx]\nmodule = unit\nserver.1 = nonsense\n", &c);
        assert_int_equal(c.server.ensemble.count, 1);
}

static void test_an_ensemble_of_one_needs_a_client_port_only(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD "client = [::1]:2181\n", &c);
        assert_false(c.peers);
        assert_string_equal(c.client_host, "::1");
        assert_int_equal(c.client_port, 2181);
        assert_int_equal(c.server.ensemble.count, 1);
        assert_true(ensemble_is_voter(&c.server.ensemble, 1));
        load_good(HEAD "client = 2181\n", &c);
        assert_string_equal(c.client_host, "0.0.0.0");
}

static void test_client_completes_a_server_line_without_a_client_part(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD "client = localhost:2181\nserver.1 = h1:2888:3888\n", &c);
        assert_string_equal(c.client_host, "localhost");
        assert_int_equal(c.client_port, 2181);
        /* The text that all members must share stays as it was written. */
        assert_int_equal(c.server.ensemble.members[0].client_port, 0);
}

static void test_servers_on_hosts_of_their_own_may_share_port_numbers(void **state)
{
        struct engine_config c;
        (void)state;
        load_good(HEAD "server.1 = a:2888:3888;2181\nserver.2 = b:2888:3888;2181\n", &c);
        assert_string_equal(c.client_host, "0.0.0.0");
        assert_int_equal(c.client_port, 2181);
}

struct refusal {
        const char *text;
        int line;
        const char *problem;
};

static const struct refusal refusals[] = {
        /* syntax */
        {HEAD ONE "what is this\n", 7, "neither [section], nor key = value, nor a comment"},
        {"id = 1\n" HEAD ONE, 1, "a key before the first [section]"},
        {HEAD ONE "[nodes]\n", 7, "unknown section [\"nodes\"]"},
        {HEAD ONE "[plugin]\n", 7, "unknown section [\"plugin\"]"},
        {HEAD ONE "tick_tme = 200\n", 7, "[ensemble] has no setting \"tick_tme\""},
        {"[node]\nid = 1\ndata_dir = /d\ntick_time = 5\n[ensemble]\n" ONE, 4, "[node] has no setting \"tick_time\""},
        /* twice */
        {HEAD ONE "sync_limit = 5\nsync_limit = 5\n", 8, "sync_limit stands in line 7 already"},
        {HEAD ONE ONE, 7, "server.1 stands in line 6 already"},
        /* values */
        {HEAD ONE "tick_time = fast\n", 7, "tick_time = \"fast\": must be a number from 10 to 600000"},
        {HEAD ONE "tick_time = 9\n", 7, "tick_time = \"9\": must be a number from 10 to 600000"},
        {HEAD ONE "tick_time =\n", 7, "tick_time = \"\": must be a number from 10 to 600000"},
        {HEAD ONE "snap_count = 1\n", 7, "snap_count = \"1\": must be a number from 2 to 1000000000"},
        {HEAD ONE "retain_snapshots = 2\n", 7, "retain_snapshots = \"2\": must be a number from 3 to 1000"},
        {HEAD ONE "max_buffer = 1e6\n", 7, "max_buffer = \"1e6\": must be a number from 1024 to 33554432"},
        {HEAD ONE "max_buffer_extra = 1023\n", 7,
         "max_buffer_extra = \"1023\": must be a number from 1024 to 33554432"},
        {HEAD ONE "client_port_listen_backlog = 0\n", 7,
         "client_port_listen_backlog = \"0\": must be a number from 1 to 65535"},
        {HEAD ONE "listen_all = maybe\n", 7, "listen_all = \"maybe\": must be yes or no"},
        {"[node]\nid = 256\ndata_dir = /d\n[ensemble]\n" ONE, 2, "id = \"256\": must be a number from 1 to 255"},
        {HEAD ONE "four_letter_words = ruok,quit!\n", 7, "\"quit!\" is no four-letter word"},
        {HEAD ONE "four_letter_words = RUOK\n", 7, "\"RUOK\" is no four-letter word"},
        {HEAD ONE "digest_algorithm = crc32\n", 7,
         "digest_algorithm = \"crc32\": must be SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, SHA-512/256, "
         "SHA3-224, SHA3-256, SHA3-384, SHA3-512 or MD5"},
        {HEAD ONE "super_digest = super\n", 7,
         "super_digest: must be a user, a colon and a hash, as an access list has them: "
         "super:BASE64"},
        {HEAD ONE "enforce_auth_schemes = digest, sasl\n", 7,
         "enforce_auth_schemes: \"sasl\" is no scheme of this server (digest, ip)"},
        {HEAD ONE "digest_enabled = no\nenforce_auth_schemes = digest\n", 8,
         "enforce_auth_schemes: \"digest\" is no scheme of this server (ip)"},
        {HEAD ONE "enforce_auth_schemes = ip,ip,ip,ip,ip,ip,ip,ip,ip\n", 7, "enforce_auth_schemes: more than 8"},
        /* the node */
        {"[node]\ndata_dir = /d\n[ensemble]\n" ONE, 1, "[node] id is missing: this server's number"},
        {"[node]\nid = 1\n[ensemble]\n" ONE, 1, "[node] data_dir is missing: where this server keeps its data"},
        {"[node]\nid = 1\ndata_dir = data\n[ensemble]\n" ONE, 3, "data_dir = \"data\": must be an absolute path"},
        {"[node]\nid = 1\ndata_dir = /d\nruntime_dir = run\n[ensemble]\n" ONE, 4,
         "runtime_dir = \"run\": must be an absolute path"},
        {HEAD "connect = zk1:2181\nclient = 2181\n", 6,
         "with connect the ensemble is elsewhere: no engine runs on this node"},
        /* the members */
        {HEAD TWO, 2, "id = 1: there is no server.1"},
        {HEAD "server.x = h:1:2;3\n", 6, "\"server.x\": the number of a server is 1 to 255"},
        {HEAD "server.0 = h:1:2;3\n", 6, "\"server.0\": the number of a server is 1 to 255"},
        {HEAD "server.256 = h:1:2;3\n", 6, "\"server.256\": the number of a server is 1 to 255"},
        {HEAD "server.1 = h:1:2:observer;3\n", 6, "no server is a participant: nobody can lead"},
        {HEAD "server.1 = h:1:2\n", 6, "no port for clients: append ;HOST:PORT to server.1, or set client = HOST:PORT"},
        {HEAD "", 5, "no port for clients: append ;HOST:PORT to server.1, or set client = HOST:PORT"},
        {HEAD ONE "client = 2182\n", 7, "client contradicts server.1 in line 6, which names a client port"},
        {HEAD "client = ::1:2181\n", 6, "client = \"::1:2181\": must be [HOST:]PORT"},
        {HEAD "client = localhost:\n", 6, "client = \"localhost:\": must be [HOST:]PORT"},
        {HEAD "client = :2181\n", 6, "client = \":2181\": must be [HOST:]PORT"},
        {HEAD "server.1 = h:2888:3888\nclient = 3888\n", 7,
         "client = \"3888\": server.1 in line 6 has that port for the servers"},
        {"[ensemble]\n" ONE "[node]\ndata_dir = /d\n", 3, "[node] id is missing: this server's number"},
        /* ports */
        {HEAD "server.1 = h:2888:2888;2181\n", 6,
         "election port 2888 of server.1 is the quorum port of server.1 on the same host"},
        {HEAD "server.1 = h:2888:3888;2181\nserver.2 = H:2888:3889;2182\n", 7,
         "quorum port 2888 of server.2 is the quorum port of server.1 on the same host"},
        {HEAD "server.1 = h:2888:3888;2181\nserver.2 = h:2889:3889;2181\n", 7,
         "client port 2181 of server.2 is the client port of server.1 on the same host"},
        {HEAD "server.1 = h:2888:3888;0.0.0.0:3888\n", 6,
         "client port 3888 of server.1 is the election port of server.1 on the same host"},
        /* times */
        {HEAD ONE "min_session_timeout = 5000\nmax_session_timeout = 4000\n", 8,
         "min_session_timeout (5000 ms) is above max_session_timeout (4000 ms)"},
        {HEAD ONE "tick_time = 200\nmin_session_timeout = 5000\n", 8,
         "min_session_timeout (5000 ms) is above max_session_timeout (4000 ms, 20 ticks)"},
        {HEAD ONE "max_session_timeout = 3999\n", 7,
         "min_session_timeout (4000 ms, 2 ticks) is above max_session_timeout (3999 ms)"},
        {HEAD ONE "election_timeout = 1199\n", 7,
         "election_timeout (1199 ms) is below 3 times heartbeat_interval (400 ms)"},
        {HEAD ONE "heartbeat_interval = 434\n", 7,
         "election_timeout (1300 ms) is below 3 times heartbeat_interval (434 ms)"},
        {HEAD ONE "tick_time = 600000\ninit_limit = 5000\n", 8,
         "5000 ticks of 600000 ms are longer than 2147483647 ms"},
};

static void test_what_is_wrong_is_told_with_its_line(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
                struct engine_config c;
                struct problems p;
                assert_int_equal(load(refusals[i].text, &c, &p), -EINVAL);
                if (p.count != 1 || p.list[0].line != refusals[i].line ||
                    strcmp(p.list[0].text, refusals[i].problem) != 0)
                        print_error("case %zu: %zu problems, the first: %d: %s\n", i, p.count, p.list[0].line,
                                    p.list[0].text);
                assert_int_equal(p.count, 1);
                assert_int_equal(p.list[0].line, refusals[i].line);
                assert_string_equal(p.list[0].text, refusals[i].problem);
        }
}

static void test_a_member_that_cannot_be_parsed_is_told_with_its_number(void **state)
{
        struct engine_config c;
        struct problems p;
        (void)state;
        assert_int_equal(load(HEAD ONE "server.2 = h:2888\n", &c, &p), -EINVAL);
        assert_int_equal(p.count, 1);
        assert_int_equal(p.list[0].line, 7);
        assert_memory_equal(p.list[0].text, "server.2: ", strlen("server.2: "));
}

static void test_all_problems_are_told_at_once_in_the_order_of_lines(void **state)
{
        struct engine_config c;
        struct problems p;
        (void)state;
        assert_int_equal(load("[node]\nid = 0\ndata_dir = x\n[ensemble]\nfoo = 1\n" ONE "[bar]\n", &c, &p), -EINVAL);
        assert_int_equal(p.count, 4);
        const int lines[] = {2, 3, 5, 7};
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(p.list[i].line, lines[i]);
}

/* client-protocol.md 3.1: a session of server 255 would look like a time to live. */
static void test_server_255_has_no_extended_types(void **state)
{
        static const char server_255[] = "server.255 = h4:2888:3888;2181\n";
        char text[1024];
        struct engine_config c;
        struct problems p;
        (void)state;
        (void)snprintf(text, sizeof text, HEAD ONE "%s", server_255);
        assert_int_equal(load(text, &c, &p), 0);
        (void)snprintf(text, sizeof text, HEAD ONE "%sextended_types = yes\n", server_255);
        assert_int_equal(load(text, &c, &p), -EINVAL);
        assert_int_equal(p.count, 1);
        assert_int_equal(p.list[0].line, 8);
        assert_string_equal(p.list[0].text, "extended_types: the number of a server is then 1 to 254, not 255");
        (void)snprintf(text, sizeof text, HEAD ONE "extended_types = yes\n");
        assert_int_equal(load(text, &c, &p), 0);
        assert_true(c.server.extended_types);
}

static void test_too_many_words_are_refused(void **state)
{
        char text[1024];
        struct engine_config c;
        struct problems p;
        (void)state;
        size_t at = (size_t)snprintf(text, sizeof text, "%s%sfour_letter_words = ", HEAD, ONE);
        for (int i = 0; i <= SERVER_WORDS_MAX; i++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%sruok", i ? "," : "");
        assert_int_equal(load(text, &c, &p), -EINVAL);
        assert_string_equal(p.list[0].text, "more than 32 four-letter words");
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
        char text[1024];
        struct engine_config c;
        struct problems p;
        (void)state;
        (void)snprintf(text, sizeof text, "[node]\nid = 1\ndata_dir = /%0300d\n[ensemble]\n%s", 1, ONE);
        assert_int_equal(load(text, &c, &p), -EINVAL);
        assert_int_equal(p.list[0].line, 3);
        assert_non_null(strstr(p.list[0].text, "must not be longer than 255 bytes"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_contract_loads),
                cmocka_unit_test(test_defaults_are_those_of_the_headers),
                cmocka_unit_test(test_access_is_as_in_zookeeper_unless_told),
                cmocka_unit_test(test_headroom_and_backlog_are_taken_over),
                cmocka_unit_test(test_sections_of_others_are_passed_over),
                cmocka_unit_test(test_an_ensemble_of_one_needs_a_client_port_only),
                cmocka_unit_test(test_client_completes_a_server_line_without_a_client_part),
                cmocka_unit_test(test_servers_on_hosts_of_their_own_may_share_port_numbers),
                cmocka_unit_test(test_what_is_wrong_is_told_with_its_line),
                cmocka_unit_test(test_a_member_that_cannot_be_parsed_is_told_with_its_number),
                cmocka_unit_test(test_all_problems_are_told_at_once_in_the_order_of_lines),
                cmocka_unit_test(test_server_255_has_no_extended_types),
                cmocka_unit_test(test_too_many_words_are_refused),
                cmocka_unit_test(test_a_path_that_is_too_long_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
