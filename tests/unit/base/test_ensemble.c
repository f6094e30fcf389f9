/* Unit tests of the ensemble's text form: quorum-protocol.md 7.1 and appendix A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/ensemble.h"
#include "election/base/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536

static uint64_t seed;

static struct member parse(const char *text)
{
        struct member m;
        char why[256] = "";
        if (ensemble_parse_member(7, text, &m, why, sizeof why) != 0)
                fail_msg("%s: %s", text, why);
        assert_string_equal(why, "");
        assert_int_equal(m.sid, 7);
        return m;
}

static void assert_refused(const char *text, const char *sentence)
{
        struct member m = {.sid = 99}, untouched = m;
        char why[256] = "";
        assert_int_equal(ensemble_parse_member(7, text, &m, why, sizeof why), -EINVAL);
        assert_string_equal(why, sentence);
        assert_memory_equal(&m, &untouched, sizeof m);
}

/* Parses from memory of exactly the text's length, without a NUL. */
static int parse_all(const char *text, size_t len, struct ensemble *ret)
{
        char *window = mem_dup(text, len);
        int r = ensemble_parse(window, len, ret);
        mem_free(window);
        return r;
}

static int parse_text(const char *text, struct ensemble *ret)
{
        return parse_all(text, strlen(text), ret);
}

static void assert_prints(const struct ensemble *e, const char *want)
{
        char text[TEXT_MAX];
        assert_int_equal(ensemble_text(e, text, sizeof text), strlen(want));
        assert_string_equal(text, want);
}

/* ---- one member ---- */

static void test_member_without_role_is_a_participant(void **state)
{
        (void)state;
        struct member m = parse("host.example-1:2888:3888");
        assert_string_equal(m.host, "host.example-1");
        assert_int_equal(m.quorum_port, 2888);
        assert_int_equal(m.election_port, 3888);
        assert_false(m.observer);
        assert_string_equal(m.client_host, "");
        assert_int_equal(m.client_port, 0);
}

static void test_role_is_read_in_any_case(void **state)
{
        (void)state;
        assert_true(parse("h:1:2:observer").observer);
        assert_true(parse("h:1:2:OBSERVER").observer);
        assert_false(parse("h:1:2:participant").observer);
        assert_false(parse("h:1:2:Participant;5").observer);
}

static void test_bare_client_port_means_all_addresses(void **state)
{
        (void)state;
        struct member m = parse("127.0.0.1:2888:3888:participant;2181");
        assert_string_equal(m.client_host, "0.0.0.0");
        assert_int_equal(m.client_port, 2181);
        m = parse("127.0.0.1:2888:3888;127.0.0.1:2181");
        assert_string_equal(m.client_host, "127.0.0.1");
        assert_int_equal(m.client_port, 2181);
}

static void test_ipv6_addresses_stand_in_brackets(void **state)
{
        (void)state;
        struct member m = parse("[fe80::1%eth0]:1:65535:observer;[::]:2181");
        assert_string_equal(m.host, "fe80::1%eth0");
        assert_int_equal(m.quorum_port, 1);
        assert_int_equal(m.election_port, 65535);
        assert_string_equal(m.client_host, "::");
        assert_int_equal(m.client_port, 2181);
}

static void test_blanks_around_the_parts_are_no_part_of_them(void **state)
{
        (void)state;
        struct member m = parse(" \t h:1:2:observer ; 2181 \r");
        assert_string_equal(m.host, "h");
        assert_true(m.observer);
        assert_int_equal(m.client_port, 2181);
}

static void test_longest_host_is_kept_whole(void **state)
{
        (void)state;
        char text[ENSEMBLE_HOST_MAX + 20], sentence[256];
        memset(text, 'h', ENSEMBLE_HOST_MAX + 1);
        memcpy(text + ENSEMBLE_HOST_MAX, ":1:2", sizeof ":1:2");
        assert_int_equal(strlen(parse(text).host), ENSEMBLE_HOST_MAX);
        memcpy(text + ENSEMBLE_HOST_MAX, "h:1:2", sizeof "h:1:2");
        (void)snprintf(sentence, sizeof sentence, "the host \"%.60s...\" is longer than 255 characters", text);
        assert_refused(text, sentence);
}

static void test_refusals_say_what_is_wrong(void **state)
{
        (void)state;
        assert_refused("", "the host is missing");
        assert_refused(":1:2", "the host is missing");
        assert_refused("h", "no port follows the host \"h\"");
        assert_refused("h:1", "\"h:1\" has no election port: it is host:quorumPort:electionPort");
        assert_refused("h::2", "the quorum port \"\" is not a number from 1 to 65535");
        assert_refused("h:x:2", "the quorum port \"x\" is not a number from 1 to 65535");
        assert_refused("h:0:2", "the quorum port \"0\" is not a number from 1 to 65535");
        assert_refused("h:1:65536", "the election port \"65536\" is not a number from 1 to 65535");
        assert_refused("h:1:-2", "the election port \"-2\" is not a number from 1 to 65535");
        assert_refused("h:1: 2", "the election port \" 2\" is not a number from 1 to 65535");
        assert_refused("h:1:99999999999999999999999",
                       "the election port \"99999999999999999999999\" is not a number from 1 to 65535");
        assert_refused("h:1:2:leader", "the role \"leader\" is neither participant nor observer");
        assert_refused("h:1:2:", "the role \"\" is neither participant nor observer");
        assert_refused("h:1:2:observer:x", "the role \"observer:x\" is neither participant nor observer");
        assert_refused("h:1:2;", "the client port \"\" is not a number from 1 to 65535");
        assert_refused("h:1:2;:5", "the client host is missing");
        assert_refused("h:1:2;c:", "the client port \"\" is not a number from 1 to 65535");
        assert_refused("h:1:2;5;6", "\"5;6\" has a second client address; TLS client ports are not supported");
        assert_refused("a:1:2|b:1:2", "\"a:1:2|b:1:2\" names several addresses; a server has one here");
        assert_refused("a b:1:2",
                       "the host \"a b\" has the character \" \", which no host name or IPv4 address can have");
        assert_refused("h\n\x80:1:2",
                       "the host \"h??\" has the character \"?\", which no host name or IPv4 address can have");
        assert_refused("[::1:1:2", "the bracket of \"[::1:1:2\" is not closed");
        assert_refused("[::1]", "no port follows the host \"::1\"");
        assert_refused("[::1]x:1:2", "no port follows the host \"::1\"");
        assert_refused("[]:1:2", "the host is missing");
        assert_refused("[1.2.3.4]:1:2", "the host \"1.2.3.4\" stands in brackets but is no IPv6 address");
        assert_refused("[::/0]:1:2", "the host \"::/0\" has the character \"/\", which no IPv6 address can have");
}

static void test_server_id_is_held_to_its_range(void **state)
{
        (void)state;
        static const int64_t bad[] = {0, -1, 256, INT64_MIN, INT64_MAX};
        struct member m;
        char why[100], want[100];
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(ensemble_parse_member(bad[i], "h:1:2", &m, why, sizeof why), -EINVAL);
                (void)snprintf(want, sizeof want, "the server id %lld is not from 1 to 255", (long long)bad[i]);
                assert_string_equal(why, want);
        }
        assert_int_equal(ensemble_parse_member(1, "h:1:2", &m, why, sizeof why), 0);
        assert_int_equal(ensemble_parse_member(255, "h:1:2", &m, why, sizeof why), 0);
}

static void test_sentence_is_cut_where_its_room_ends(void **state)
{
        (void)state;
        struct member m;
        char why[8] = "1234567";
        assert_int_equal(ensemble_parse_member(1, "", &m, why, 4), -EINVAL);
        assert_string_equal(why, "the");
        assert_int_equal(ensemble_parse_member(1, "", &m, NULL, 0), -EINVAL);
}

/* ---- members together ---- */

static void test_members_are_kept_in_order_of_their_ids(void **state)
{
        (void)state;
        static const int64_t sids[] = {5, 1, 9, 3, 255};
        struct ensemble e = {.count = 0};
        struct member m = parse("h:1:2");
        for (size_t i = 0; i < 5; i++) {
                m.sid = sids[i];
                m.observer = sids[i] == 9;
                assert_int_equal(ensemble_add(&e, &m), 0);
                assert_int_equal(ensemble_add(&e, &m), -EEXIST);
        }
        assert_int_equal(e.count, 5);
        for (size_t i = 1; i < e.count; i++)
                assert_true(e.members[i - 1].sid < e.members[i].sid);
        assert_int_equal(ensemble_find(&e, 9)->sid, 9);
        assert_null(ensemble_find(&e, 4));
        assert_null(ensemble_find(&e, -1));
        assert_null(ensemble_find(&e, INT64_MAX));
        assert_true(ensemble_is_voter(&e, 255));
        assert_false(ensemble_is_voter(&e, 9));
        assert_false(ensemble_is_voter(&e, 4));
        assert_int_equal(ensemble_voters(&e), 4);
}

static void test_one_member_too_many_is_refused(void **state)
{
        (void)state;
        struct ensemble e = {.count = 0};
        struct member m = parse("h:1:2");
        for (m.sid = ENSEMBLE_MEMBERS_MAX; m.sid > 0; m.sid--)
                assert_int_equal(ensemble_add(&e, &m), 0);
        m.sid = 100;
        assert_int_equal(ensemble_add(&e, &m), -E2BIG);
        assert_int_equal(e.count, ENSEMBLE_MEMBERS_MAX);
        m.sid = 1; /* known already: that is the clearer reason */
        assert_int_equal(ensemble_add(&e, &m), -EEXIST);
}

/* ---- the whole text ---- */

/* quorum-protocol.md appendix A: the text of a notification, 138 bytes for three servers. */
static void test_text_seen_in_a_notification_is_read_and_written(void **state)
{
        (void)state;
        static const char text[] = "server.1=127.0.0.1:28811:38811:participant\n"
                                   "server.2=127.0.0.1:28812:38812:participant\n"
                                   "server.3=127.0.0.1:28813:38813:participant\n"
                                   "version=0";
        struct ensemble e;
        assert_int_equal(sizeof text - 1, 138);
        assert_int_equal(parse_text(text, &e), 0);
        assert_int_equal(e.count, 3);
        assert_int_equal(e.version, 0);
        assert_int_equal(e.members[2].election_port, 38813);
        assert_prints(&e, text);
}

static void test_text_with_observer_and_client_address_is_read_and_written(void **state)
{
        (void)state;
        static const char text[] = "server.1=[::1]:2888:3888:participant;[::]:2181\n"
                                   "server.4=127.0.0.1:28814:38814:observer;127.0.0.1:21814\n"
                                   "version=100000000";
        struct ensemble e;
        assert_int_equal(parse_text(text, &e), 0);
        assert_true(e.version == 0x100000000);
        assert_false(ensemble_is_voter(&e, 4));
        assert_prints(&e, text);
}

static void test_order_blanks_and_comments_do_not_matter(void **state)
{
        (void)state;
        struct ensemble e;
        assert_int_equal(parse_text("# written by hand\r\n\nversion = 1F\r\n  server.2 = b:1:2;5\r\n"
                                    "!old style\nserver.1=a:1:2\n\n",
                                    &e),
                         0);
        assert_prints(&e, "server.1=a:1:2:participant\nserver.2=b:1:2:participant;0.0.0.0:5\nversion=1f");
}

static void test_text_without_version_has_version_zero(void **state)
{
        (void)state;
        struct ensemble e = {.version = 5};
        assert_int_equal(parse_text("server.1=a:1:2", &e), 0);
        assert_int_equal(e.version, 0);
}

static void test_unfit_texts_are_refused_and_nothing_is_written(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",
                "version=0",
                "server.1=a:1:2:observer\nversion=0", /* nobody could vote */
                "server.1=a:1:2\nserver.1=b:1:2",
                "server.1=a:1:2\nversion=0\nversion=0",
                "server.1=a:1:2\nversion=",
                "server.1=a:1:2\nversion=-1",
                "server.1=a:1:2\nversion=8000000000000000",
                "server.1=a:1:2\nversion=0x1",
                "server.1=a:1:2\nversion",
                "server.1=a:1:2\ngroup.1=1:2",
                "server.1=a:1:2\nweight.1=1",
                "server.1=a:1:2\nunknown=1",
                "server.1=a:1",
                "server.0=a:1:2",
                "server.256=a:1:2",
                "server.=a:1:2",
                "server.x=a:1:2",
                "server.-1=a:1:2",
                "server.99999999999999999999=a:1:2",
                "server1=a:1:2",
                "=a:1:2",
                "=",
        };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct ensemble e = {.version = 77};
                if (parse_text(texts[i], &e) != -EINVAL)
                        fail_msg("\"%s\" was taken", texts[i]);
                assert_int_equal(e.version, 77);
        }
        struct ensemble e;
        assert_int_equal(ensemble_parse(NULL, 0, &e), -EINVAL);
        assert_int_equal(parse_all("server.1=a:1:2\0\nversion=0", 26, &e), -EINVAL);
}

static void test_version_reaches_the_highest_zxid(void **state)
{
        (void)state;
        struct ensemble e;
        assert_int_equal(parse_text("server.1=a:1:2\nversion=7fffffffffffffff", &e), 0);
        assert_true(e.version == INT64_MAX);
        assert_prints(&e, "server.1=a:1:2:participant\nversion=7fffffffffffffff");
}

static void test_more_servers_than_the_limit_are_refused(void **state)
{
        (void)state;
        char text[TEXT_MAX];
        for (int count = ENSEMBLE_MEMBERS_MAX; count <= ENSEMBLE_MEMBERS_MAX + 1; count++) {
                struct ensemble e;
                size_t len = 0;
                for (int sid = 1; sid <= count; sid++)
                        len += (size_t)snprintf(text + len, sizeof text - len, "server.%d=h:1:2\n", sid);
                assert_int_equal(parse_all(text, len, &e), count > ENSEMBLE_MEMBERS_MAX ? -EINVAL : 0);
        }
}

static void test_text_too_long_for_its_buffer_is_cut_and_measured(void **state)
{
        (void)state;
        static const char want[] = "server.1=a:1:2:participant\nversion=0";
        struct ensemble e;
        assert_int_equal(parse_text("server.1=a:1:2", &e), 0);
        for (size_t size = 0; size <= sizeof want + 1; size++) {
                char *buffer = mem_alloc(size);
                assert_int_equal(ensemble_text(&e, buffer, size), sizeof want - 1);
                if (size) {
                        size_t kept = size < sizeof want ? size - 1 : sizeof want - 1;
                        assert_int_equal(strlen(buffer), kept);
                        assert_memory_equal(buffer, want, kept);
                }
                mem_free(buffer);
        }
        assert_int_equal(ensemble_text(&e, NULL, 0), sizeof want - 1);
}

/* ---- random texts ---- */

static void random_host(struct prng *p, char host[ENSEMBLE_HOST_MAX + 1])
{
        static const char *const hosts[] = {"127.0.0.1", "node-1.example.org", "a_b", "::1", "fe80::1%2", "::"};
        (void)snprintf(host, ENSEMBLE_HOST_MAX + 1, "%s", hosts[prng_next(p) % 6]);
}

static struct ensemble random_ensemble(struct prng *p)
{
        struct ensemble e = {.version = (int64_t)(prng_next(p) >> (1 + prng_next(p) % 63))};
        for (uint64_t n = 1 + prng_next(p) % ENSEMBLE_MEMBERS_MAX; n; n--) {
                struct member m = {.sid = (int64_t)(1 + prng_next(p) % 255)};
                m.observer = e.count && prng_next(p) % 3 == 0;
                random_host(p, m.host);
                m.quorum_port = (uint16_t)(1 + prng_next(p) % 65535);
                m.election_port = (uint16_t)(1 + prng_next(p) % 65535);
                if (prng_next(p) % 2) {
                        random_host(p, m.client_host);
                        m.client_port = (uint16_t)(1 + prng_next(p) % 65535);
                }
                (void)ensemble_add(&e, &m); /* an id drawn twice is left out */
        }
        return e;
}

static void assert_same(const struct ensemble *a, const struct ensemble *b)
{
        assert_true(a->version == b->version);
        assert_int_equal(a->count, b->count);
        for (size_t i = 0; i < a->count; i++) {
                const struct member *m = &a->members[i], *n = &b->members[i];
                assert_int_equal(m->sid, n->sid);
                assert_int_equal(m->observer, n->observer);
                assert_string_equal(m->host, n->host);
                assert_int_equal(m->quorum_port, n->quorum_port);
                assert_int_equal(m->election_port, n->election_port);
                assert_string_equal(m->client_host, n->client_host);
                assert_int_equal(m->client_port, n->client_port);
        }
}

static void test_what_is_printed_is_read_back(void **state)
{
        (void)state;
        struct prng p = {seed};
        char text[TEXT_MAX];
        for (int i = 0; i < 1000; i++) {
                struct ensemble e = random_ensemble(&p), got;
                size_t len = ensemble_text(&e, text, sizeof text);
                assert_true(len < sizeof text);
                assert_int_equal(parse_all(text, len, &got), 0);
                assert_same(&e, &got);
        }
}

/* Any text a peer may send: read or refused, and what is read can be printed and read again. */
static void test_damaged_texts_are_read_or_refused(void **state)
{
        (void)state;
        static const char spice[] = "\n=:;[]|.0159afzservversion \t#!\0\xff";
        struct prng p = {seed + 1};
        char text[TEXT_MAX];
        size_t taken = 0, refused = 0;
        for (int i = 0; i < 5000; i++) {
                struct ensemble e = random_ensemble(&p), got, again;
                e.count = e.count > 3 ? 3 : e.count;
                size_t len = ensemble_text(&e, text, sizeof text);
                for (uint64_t hits = 1 + prng_next(&p) % 3; hits; hits--)
                        text[prng_next(&p) % len] = spice[prng_next(&p) % (sizeof spice - 1)];
                len -= prng_next(&p) % 4 ? 0 : prng_next(&p) % len;
                if (parse_all(text, len, &got) < 0) {
                        refused++;
                        continue;
                }
                taken++;
                len = ensemble_text(&got, text, sizeof text);
                assert_int_equal(parse_all(text, len, &again), 0);
                assert_same(&got, &again);
        }
        assert_true(taken > 100 && refused > 100); /* else the damage proves nothing */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_member_without_role_is_a_participant),
                cmocka_unit_test(test_role_is_read_in_any_case),
                cmocka_unit_test(test_bare_client_port_means_all_addresses),
                cmocka_unit_test(test_ipv6_addresses_stand_in_brackets),
                cmocka_unit_test(test_blanks_around_the_parts_are_no_part_of_them),
                cmocka_unit_test(test_longest_host_is_kept_whole),
                cmocka_unit_test(test_refusals_say_what_is_wrong),
                cmocka_unit_test(test_server_id_is_held_to_its_range),
                cmocka_unit_test(test_sentence_is_cut_where_its_room_ends),
                cmocka_unit_test(test_members_are_kept_in_order_of_their_ids),
                cmocka_unit_test(test_one_member_too_many_is_refused),
                cmocka_unit_test(test_text_seen_in_a_notification_is_read_and_written),
                cmocka_unit_test(test_text_with_observer_and_client_address_is_read_and_written),
                cmocka_unit_test(test_order_blanks_and_comments_do_not_matter),
                cmocka_unit_test(test_text_without_version_has_version_zero),
                cmocka_unit_test(test_unfit_texts_are_refused_and_nothing_is_written),
                cmocka_unit_test(test_version_reaches_the_highest_zxid),
                cmocka_unit_test(test_more_servers_than_the_limit_are_refused),
                cmocka_unit_test(test_text_too_long_for_its_buffer_is_cut_and_measured),
                cmocka_unit_test(test_what_is_printed_is_read_back),
                cmocka_unit_test(test_damaged_texts_are_read_or_refused),
        };
        const char *given = getenv("BATON_SEED");
        seed = given ? strtoull(given, NULL, 0) : 20260101;
        printf("repeat with BATON_SEED=%" PRIu64 "\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
