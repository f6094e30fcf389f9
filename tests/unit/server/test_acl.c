/* Lists of rights: what is stored of the one a client sends, and what a stored one allows
 * (client-protocol.md 8.2, 8.3). What the tables say was observed on ZooKeeper 3.9.5. */
#include "election/base/alloc.h"
#include "tests/unit/server/prep_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct acl_policy usual, skipping = {.skip = true}, without_digest = {.digest_off = true};

/* A list or identities in encoded form, until the writer is done. */
static struct jute_vec encoded(struct jute_writer *w, const struct test_acl *acl, int32_t count)
{
        jute_writer_init(w, SIZE_MAX);
        put_acl(w, acl, count);
        return (struct jute_vec){.data = w->data + 4, .size = w->len - 4, .count = count};
}

static struct jute_vec encoded_ids(struct jute_writer *w, const struct test_id *ids, int32_t count)
{
        jute_writer_init(w, SIZE_MAX);
        for (int32_t i = 0; i < count; i++) {
                jute_put_cstr(w, ids[i].scheme);
                jute_put_cstr(w, ids[i].id);
        }
        return (struct jute_vec){.data = w->data, .size = w->len, .count = count};
}

/* ---- fix-up ---- */

static const struct test_id two_digests[] = {
        {"ip", "10.0.0.1"}, {"digest", "ann:1="}, {"super", ""}, {"digest", "bob:2="}};

static int fixup(const struct test_acl *acl, int32_t count, const struct test_id *ids, int32_t id_count,
                 struct jute_writer *out)
{
        struct jute_writer list, who;
        jute_writer_init(out, SIZE_MAX);
        int err = acl_fixup(&usual, encoded(&list, acl, count), encoded_ids(&who, ids, id_count), out);
        jute_writer_done(&list);
        jute_writer_done(&who);
        return err;
}

static void assert_fixed(const struct test_acl *acl, int32_t count, const struct test_acl *stored, int32_t stored_count)
{
        struct jute_writer out, expected;
        assert_int_equal(fixup(acl, count, two_digests, COUNT(two_digests), &out), ZK_OK);
        jute_writer_init(&expected, SIZE_MAX);
        put_acl(&expected, stored, stored_count);
        assert_int_equal(out.len, expected.len);
        assert_memory_equal(out.data, expected.data, out.len);
        jute_writer_done(&out);
        jute_writer_done(&expected);
}

static void test_a_null_or_empty_list_is_refused(void **state)
{
        (void)state;
        const struct jute_vec none = {.count = -1}, empty = {.count = 0};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        assert_int_equal(acl_fixup(&usual, none, empty, &w), ZK_INVALID_ACL);
        assert_int_equal(acl_fixup(&usual, empty, empty, &w), ZK_INVALID_ACL);
        jute_writer_done(&w);
}

static void test_exact_duplicates_go_and_the_order_stays(void **state)
{
        (void)state;
        const struct test_acl list[] = {{1, {"world", "anyone"}}, {31, {"digest", "u:x"}}, {1, {"world", "anyone"}},
                                        {2, {"world", "anyone"}}, {31, {"digest", "u:x"}}, {31, {"digest", "u:y"}}};
        const struct test_acl stored[] = {
                {1, {"world", "anyone"}}, {31, {"digest", "u:x"}}, {2, {"world", "anyone"}}, {31, {"digest", "u:y"}}};
        assert_fixed(list, COUNT(list), stored, COUNT(stored));
}

/* Where all before it is equal to that of an earlier entry. */
static void test_what_is_not_there_stops_the_search_for_duplicates(void **state)
{
        (void)state;
        const struct test_acl open = {1, {"world", "anyone"}};
        const struct {
                struct test_acl list[2];
                int err;
        } rows[] = {
                {{open, {1, {NULL, "x"}}}, ZK_MARSHALLING_ERROR},
                {{open, {2, {NULL, "x"}}}, ZK_INVALID_ACL},
                {{open, {1, {"world", NULL}}}, ZK_MARSHALLING_ERROR},
                {{open, {1, {"sasl", NULL}}}, ZK_INVALID_ACL},
                {{{1, {"no", "x"}}, {1, {"no", NULL}}}, ZK_MARSHALLING_ERROR},
                {{{1, {NULL, "x"}}, open}, ZK_INVALID_ACL},
                {{{1, {"auth", ""}}, {1, {"auth", NULL}}}, ZK_MARSHALLING_ERROR},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct jute_writer out;
                assert_int_equal(fixup(rows[i].list, 2, two_digests, COUNT(two_digests), &out), rows[i].err);
                jute_writer_done(&out);
        }
}

static void test_auth_becomes_the_digest_identities_in_its_place(void **state)
{
        (void)state;
        const struct test_acl list[] = {{1, {"world", "anyone"}}, {16, {"auth", "ignored"}}, {2, {"ip", "10.1.2.3"}}};
        const struct test_acl stored[] = {{1, {"world", "anyone"}},
                                          {16, {"digest", "ann:1="}},
                                          {16, {"digest", "bob:2="}},
                                          {2, {"ip", "10.1.2.3"}}};
        assert_fixed(list, COUNT(list), stored, COUNT(stored));
}

static void test_what_auth_became_is_not_searched_for_duplicates(void **state)
{
        (void)state;
        const struct test_acl list[] = {{4, {"auth", ""}}, {5, {"auth", NULL}}, {4, {"digest", "ann:1="}}};
        const struct test_acl stored[] = {{4, {"digest", "ann:1="}},
                                          {4, {"digest", "bob:2="}},
                                          {5, {"digest", "ann:1="}},
                                          {5, {"digest", "bob:2="}},
                                          {4, {"digest", "ann:1="}}};
        assert_fixed(list, COUNT(list), stored, COUNT(stored));
}

static void test_auth_without_an_authenticated_identity_is_refused(void **state)
{
        (void)state;
        const struct test_acl list[] = {{31, {"auth", ""}}};
        const struct test_id ids[] = {{"ip", "10.0.0.1"}, {"super", ""}};
        struct jute_writer out;
        assert_int_equal(fixup(list, 1, ids, COUNT(ids), &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
        assert_int_equal(fixup(list, 1, ids, -1, &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
}

static void test_permission_bits_are_stored_as_they_come(void **state)
{
        (void)state;
        const struct test_acl list[] = {{0, {"world", "anyone"}}, {255, {"world", "anyone"}}, {-1, {"digest", "a:b"}}};
        assert_fixed(list, COUNT(list), list, COUNT(list));
}

static void test_an_entry_needs_a_known_scheme_and_a_well_formed_id(void **state)
{
        (void)state;
        enum { ok = ZK_OK, bad = ZK_INVALID_ACL, odd = ZK_MARSHALLING_ERROR };
        static const struct {
                struct test_id id;
                int err;
        } rows[] = {
                {{"world", "anyone"}, ok},
                {{"world", "someone"}, bad},
                {{"world", ""}, bad},
                {{"world", NULL}, odd},
                {{NULL, "anyone"}, bad},
                {{"", "anyone"}, bad},
                {{"sasl", "bob"}, bad},
                {{"x509", "CN=bob"}, bad},
                {{"super", ""}, bad},
                {{"World", "anyone"}, bad},
                {{"digest", "a:b"}, ok},
                {{"digest", ":b"}, ok},
                {{"digest", "a:b:"}, ok}, /* empty parts at the end do not count */
                {{"digest", "a:b::"}, ok},
                {{"digest", "a"}, bad},
                {{"digest", "a:"}, bad},
                {{"digest", ":"}, bad},
                {{"digest", ""}, bad},
                {{"digest", "a:b:c"}, bad},
                {{"digest", "::b"}, bad},
                {{"digest", NULL}, odd},
                {{"ip", "127.0.0.1"}, ok},
                {{"ip", "0127.000.0.1"}, ok},
                {{"ip", "000127.0.0.1"}, ok},
                {{"ip", "255.255.255.255/32"}, ok},
                {{"ip", "127.0.0.1/032"}, ok},
                {{"ip", "1.2.3.4/0"}, ok},
                {{"ip", "1.2.3.4/33"}, bad},
                {{"ip", "1.2.3.4/4294967297"}, bad},
                {{"ip", "1.2.3.4/"}, bad},
                {{"ip", "1.2.3.4/8/8"}, bad},
                {{"ip", "1.2.3.256"}, bad},
                {{"ip", "1.2.3.4294967297"}, bad},
                {{"ip", "1.2.3"}, bad},
                {{"ip", "1.2.3."}, bad},
                {{"ip", ".1.2.3"}, bad},
                {{"ip", "1.2.3.4."}, bad},
                {{"ip", "1.2.3.4.5"}, bad},
                {{"ip", "1.2.3.x"}, bad},
                {{"ip", " 1.2.3.4"}, bad},
                {{"ip", "+1.2.3.4"}, ok}, /* Java's numbers */
                {{"ip", "-0.2.3.4"}, ok},
                {{"ip", "-1.2.3.4"}, bad},
                {{"ip", "1.2.3.4/+8"}, ok},
                {{"ip", "1.2.3.4/-0"}, ok},
                {{"ip", "1.2.3.4/-1"}, bad},
                {{"ip", "1.2.3.4/-"}, bad},
                {{"ip", "1"}, bad},
                {{"ip", "/8"}, bad},
                {{"ip", "::"}, ok},
                {{"ip", "::1"}, ok},
                {{"ip", "1::"}, ok},
                {{"ip", "::0001"}, ok},
                {{"ip", "::1/0"}, ok},
                {{"ip", "::1/128"}, ok},
                {{"ip", "::1/129"}, bad},
                {{"ip", "1:2:3:4:5:6:7:8"}, ok},
                {{"ip", "A:b:C:d:E:f:0:8/64"}, ok},
                {{"ip", "1:2:3:4:5:6:7"}, bad},
                {{"ip", "1:2:3:4:5:6:7:8:9"}, bad},
                {{"ip", "::1:2:3:4:5:6:7"}, ok},
                {{"ip", "1::2:3:4:5:6:7"}, ok},
                {{"ip", "1:2::3:4:5:6:7:8"}, bad},
                {{"ip", "::1:2:3:4:5:6:7:8"}, bad},
                {{"ip", "1::2::3"}, bad},
                {{"ip", ":::"}, bad},
                {{"ip", ":"}, bad},
                {{"ip", ":/8"}, bad},
                {{"ip", "::ffff:1.2.3.4"}, bad}, /* no dotted tail */
                {{"ip", "fe80::1%1"}, bad},      /* no scope */
                {{"ip", "::12345"}, bad},
                {{"ip", "::g"}, bad},
                {{"ip", "::+1"}, ok},
                {{"ip", "::-1"}, ok},
                {{"ip", "::-001"}, ok},
                {{"ip", "::-"}, bad},
                {{"ip", ""}, bad},
                {{"ip", NULL}, odd},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                const struct test_acl list[] = {{31, rows[i].id}};
                struct jute_writer out;
                int err = fixup(list, 1, two_digests, COUNT(two_digests), &out);
                if (err != rows[i].err)
                        fail_msg("%s:%s gave %d", rows[i].id.scheme ? rows[i].id.scheme : "(null)",
                                 rows[i].id.id ? rows[i].id.id : "(null)", err);
                jute_writer_done(&out);
        }
}

static void test_one_bad_entry_spoils_the_list(void **state)
{
        (void)state;
        const struct test_acl list[] = {{31, {"world", "anyone"}}, {31, {"sasl", "bob"}}, {31, {"digest", "a:b"}}};
        struct jute_writer out;
        assert_int_equal(fixup(list, COUNT(list), two_digests, COUNT(two_digests), &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
}

/* All different, then all alike, at the limit of entries and above it. */
static void test_a_list_may_have_so_many_entries_and_no_more(void **state)
{
        (void)state;
        const int32_t max = ACL_ENTRIES_MAX;
        struct test_acl *list = mem_zalloc((size_t)(max + 1) * sizeof *list);
        struct jute_writer out;
        for (int32_t i = 0; i <= max; i++)
                list[i] = (struct test_acl){i, {"world", "anyone"}};
        assert_fixed(list, max, list, max);
        assert_int_equal(fixup(list, max + 1, two_digests, COUNT(two_digests), &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
        for (int32_t i = 0; i < max; i++)
                list[i].perms = 31;
        assert_fixed(list, max, list, 1);
        mem_free(list);
}

/* ---- the check ---- */

static bool allows(const struct test_acl *acl, int32_t count, int32_t needed, const struct test_id *ids,
                   int32_t id_count)
{
        struct jute_writer list, who;
        bool ok = acl_allows(&usual, encoded(&list, acl, count), needed, encoded_ids(&who, ids, id_count));
        jute_writer_done(&list);
        jute_writer_done(&who);
        return ok;
}

static void test_an_empty_list_allows_everything(void **state)
{
        (void)state;
        assert_true(acl_allows(&usual, (struct jute_vec){.count = 0}, ACL_ADMIN, (struct jute_vec){.count = 0}));
}

static void test_world_allows_what_its_bits_say(void **state)
{
        (void)state;
        const struct test_acl list[] = {{ACL_READ | ACL_CREATE, {"world", "anyone"}}};
        assert_true(allows(list, 1, ACL_READ, NULL, 0));
        assert_true(allows(list, 1, ACL_CREATE, NULL, 0));
        assert_false(allows(list, 1, ACL_WRITE, NULL, 0));
        assert_true(allows(list, 1, ACL_WRITE | ACL_READ, NULL, 0)); /* one of the needed bits is enough */
}

static void test_super_may_do_all(void **state)
{
        (void)state;
        const struct test_acl list[] = {{0, {"world", "anyone"}}};
        const struct test_id ids[] = {{"ip", "10.0.0.1"}, {"super", ""}};
        assert_true(allows(list, 1, ACL_ADMIN, ids, 2));
        assert_false(allows(list, 1, ACL_ADMIN, ids, 1));
}

/* An entry for someone else does not stand in the way of a later one. */
static void test_any_matching_entry_is_enough(void **state)
{
        (void)state;
        const struct test_acl list[] = {
                {31, {"digest", "eve:9="}}, {1, {"digest", "bob:2="}}, {2, {"digest", "ann:1="}}};
        assert_true(allows(list, 3, ACL_READ, two_digests, COUNT(two_digests)));
        assert_true(allows(list, 3, ACL_WRITE, two_digests + 1, 1));
        assert_false(allows(list, 3, ACL_READ, two_digests + 1, 1));
        assert_false(allows(list, 3, ACL_ADMIN, two_digests + 3, 1));
}

static void test_identities_match_exactly_and_within_their_scheme(void **state)
{
        (void)state;
        static const struct {
                struct test_id rule, id;
                bool match;
        } rows[] = {
                {{"digest", "bob:2="}, {"digest", "bob:2="}, true},
                {{"digest", "bob:2="}, {"digest", "bob:2"}, false},
                {{"digest", "bob:2="}, {"digest", "Bob:2="}, false},
                {{"digest", "10.0.0.1"}, {"ip", "10.0.0.1"}, false},
                {{"world", "somebody"}, {"ip", "10.0.0.1"}, false},
                {{"sasl", "bob"}, {"sasl", "bob"}, true}, /* stored by a server that knows the scheme */
                {{"ip", "10.0.0.1"}, {"ip", "10.0.0.1"}, true},
                {{"ip", "10.0.0.1"}, {"ip", "10.0.0.2"}, false},
                {{"ip", "010.0.0.01"}, {"ip", "10.0.0.1"}, true},
                {{"ip", "10.0.0.1"}, {"ip", "::1"}, false},
                {{"ip", "::1"}, {"ip", "0:0:0:0:0:0:0:1"}, true},
                {{"ip", "::1"}, {"ip", "0:0:0:0:0:0:0:2"}, false},
                {{"ip", "2001:db8::/32"}, {"ip", "2001:db8:1:2:3:4:5:6"}, true},
                {{"ip", "2001:db8::/32"}, {"ip", "2001:db9:1:2:3:4:5:6"}, false},
                {{"ip", "2001:db8::/29"}, {"ip", "2001:dbf:1:2:3:4:5:6"}, true},
                {{"ip", "::-1/128"}, {"ip", "0:0:0:0:0:0:0:ffff"}, true},
                {{"ip", "::/0"}, {"ip", "10.0.0.1"}, false},
                {{"ip", "+10.-0.0.1/+8"}, {"ip", "10.9.9.9"}, true},
                {{"ip", "10.0.0.0/8"}, {"ip", "10.255.3.4"}, true},
                {{"ip", "10.9.9.9/8"}, {"ip", "10.255.3.4"}, true},
                {{"ip", "10.0.0.0/8"}, {"ip", "11.0.0.0"}, false},
                {{"ip", "192.168.1.128/25"}, {"ip", "192.168.1.129"}, true},
                {{"ip", "192.168.1.128/25"}, {"ip", "192.168.1.127"}, false},
                {{"ip", "1.2.3.4/31"}, {"ip", "1.2.3.5"}, true},
                {{"ip", "1.2.3.4/31"}, {"ip", "1.2.3.6"}, false},
                {{"ip", "1.2.3.4/32"}, {"ip", "1.2.3.5"}, false},
                {{"ip", "1.2.3.4/0"}, {"ip", "203.0.113.7"}, true},
                {{"ip", "1.2.3.4/0"}, {"ip", "::1"}, false},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                const struct test_acl list[] = {{31, rows[i].rule}};
                if (allows(list, 1, ACL_READ, &rows[i].id, 1) != rows[i].match)
                        fail_msg("rule %s:%s, identity %s:%s", rows[i].rule.scheme, rows[i].rule.id, rows[i].id.scheme,
                                 rows[i].id.id);
        }
}

/* ---- what an administrator chose ---- */

static void test_skipping_allows_all_but_keeps_lists_in_order(void **state)
{
        (void)state;
        const struct test_acl list[] = {{0, {"world", "anyone"}}};
        const struct jute_vec none = {.count = 0};
        struct jute_writer w, out;
        struct jute_vec acl = encoded(&w, list, 1);
        jute_writer_init(&out, SIZE_MAX);
        assert_true(acl_allows(&skipping, acl, ACL_ADMIN, none));
        assert_false(acl_allows(&usual, acl, ACL_ADMIN, none));
        assert_int_equal(acl_fixup(&skipping, none, none, &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
        jute_writer_done(&w);
}

static void test_without_the_scheme_digest_its_entries_are_unknown(void **state)
{
        (void)state;
        const struct test_acl named[] = {{31, {"digest", "ann:1="}}}, whoever[] = {{31, {"auth", ""}}};
        struct jute_writer list, other, who, out;
        struct jute_vec acl = encoded(&list, named, 1), authenticated = encoded(&other, whoever, 1);
        struct jute_vec ids = encoded_ids(&who, two_digests + 1, 1);
        jute_writer_init(&out, SIZE_MAX);
        assert_true(acl_allows(&usual, acl, ACL_READ, ids));
        assert_false(acl_allows(&without_digest, acl, ACL_READ, ids));
        assert_int_equal(acl_fixup(&without_digest, acl, ids, &out), ZK_INVALID_ACL);
        assert_int_equal(acl_fixup(&without_digest, authenticated, ids, &out), ZK_INVALID_ACL);
        jute_writer_done(&list);
        jute_writer_done(&other);
        jute_writer_done(&who);
        jute_writer_done(&out);
}

/* Java's Inet6Address writes all groups; IPv4 is as it is. */
static void test_an_address_is_written_as_java_does(void **state)
{
        (void)state;
        static const char *const rows[][2] = {
                {"127.0.0.1", "127.0.0.1"},
                {"::1", "0:0:0:0:0:0:0:1"},
                {"::", "0:0:0:0:0:0:0:0"},
                {"2001:db8::a00:0:ff", "2001:db8:0:0:0:a00:0:ff"},
                {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                {"what::ever", "what::ever"},
        };
        char text[ACL_IP_TEXT_MAX];
        for (size_t i = 0; i < COUNT(rows); i++) {
                acl_ip_identity(rows[i][0], text);
                assert_string_equal(text, rows[i][1]);
        }
}

/* Names of digests, "u<n>:x". */
#define NAMES     70
#define NAME_SIZE 16

static void name_all(char names[NAMES][NAME_SIZE])
{
        for (size_t i = 0; i < NAMES; i++)
                (void)snprintf(names[i], NAME_SIZE, "u%zu:x", i);
}

static void test_auth_may_not_become_more_entries_than_a_list_may_have(void **state)
{
        enum { IDS = 64, AUTHS = ACL_ENTRIES_MAX / IDS };
        char names[NAMES][NAME_SIZE];
        struct test_id ids[IDS];
        struct test_acl acl[AUTHS + 1];
        struct jute_writer out;
        (void)state;
        name_all(names);
        for (size_t i = 0; i < IDS; i++)
                ids[i] = (struct test_id){"digest", names[i]};
        for (int32_t i = 0; i <= AUTHS; i++)
                acl[i] = (struct test_acl){i, {"auth", ""}};
        assert_int_equal(fixup(acl, AUTHS, ids, IDS, &out), ZK_OK);
        jute_writer_done(&out);
        assert_int_equal(fixup(acl, AUTHS + 1, ids, IDS, &out), ZK_INVALID_ACL);
        jute_writer_done(&out);
}

/* However many identities there are, each is found, and none that is not there. */
static void test_each_of_many_identities_is_enough(void **state)
{
        static const int32_t counts[] = {1, 3, 4, 5, 63, 64, 65, NAMES - 1};
        char names[NAMES][NAME_SIZE];
        struct test_id ids[NAMES];
        (void)state;
        name_all(names);
        for (size_t i = 0; i < NAMES; i++)
                ids[i] = (struct test_id){"digest", names[i]};
        ids[2] = (struct test_id){"ip", "10.0.0.2"};
        ids[40] = (struct test_id){"ip", "10.0.0.40"};
        for (size_t c = 0; c < COUNT(counts); c++) {
                for (int32_t i = 0; i < NAMES; i++) {
                        const struct test_acl acl[] = {{ACL_READ, {"digest", "u:x"}}, {ACL_READ, ids[i]}};
                        struct jute_writer list, who;
                        const bool may = acl_allows(&usual, encoded(&list, acl, COUNT(acl)), ACL_READ,
                                                    encoded_ids(&who, ids, counts[c]));
                        assert_int_equal(may, i < counts[c]);
                        jute_writer_done(&list);
                        jute_writer_done(&who);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_null_or_empty_list_is_refused),
                cmocka_unit_test(test_exact_duplicates_go_and_the_order_stays),
                cmocka_unit_test(test_what_is_not_there_stops_the_search_for_duplicates),
                cmocka_unit_test(test_auth_becomes_the_digest_identities_in_its_place),
                cmocka_unit_test(test_what_auth_became_is_not_searched_for_duplicates),
                cmocka_unit_test(test_auth_without_an_authenticated_identity_is_refused),
                cmocka_unit_test(test_permission_bits_are_stored_as_they_come),
                cmocka_unit_test(test_an_entry_needs_a_known_scheme_and_a_well_formed_id),
                cmocka_unit_test(test_one_bad_entry_spoils_the_list),
                cmocka_unit_test(test_a_list_may_have_so_many_entries_and_no_more),
                cmocka_unit_test(test_an_empty_list_allows_everything),
                cmocka_unit_test(test_world_allows_what_its_bits_say),
                cmocka_unit_test(test_super_may_do_all),
                cmocka_unit_test(test_any_matching_entry_is_enough),
                cmocka_unit_test(test_identities_match_exactly_and_within_their_scheme),
                cmocka_unit_test(test_skipping_allows_all_but_keeps_lists_in_order),
                cmocka_unit_test(test_without_the_scheme_digest_its_entries_are_unknown),
                cmocka_unit_test(test_an_address_is_written_as_java_does),
                cmocka_unit_test(test_auth_may_not_become_more_entries_than_a_list_may_have),
                cmocka_unit_test(test_each_of_many_identities_is_enough),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
