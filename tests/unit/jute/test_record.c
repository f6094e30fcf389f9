/* Every record, both ways, against a second description of the wire formats.
 *
 * A layout spells a record's fields in wire order, one letter each: i int, l long, b bool, s string
 * or buffer, S vector of strings, A of ACLs, I of Ids, O of {int, buffer}. The bytes of the tests
 * come from the layouts, written down from the protocol pages, not from the code under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/jute/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_MAX    4096
#define ROUNDS      2000
#define STAT_LAYOUT "lllliiiliil"
#define STAT_FROM(k)                                                                                                   \
        {                                                                                                              \
                .czxid = (k), .mzxid = (k) + 1, .ctime = (k) + 2, .mtime = (k) + 3, .version = (k) + 4,                \
                .cversion = (k) + 5, .aversion = (k) + 6, .ephemeral_owner = (k) + 7, .data_length = (k) + 8,          \
                .num_children = (k) + 9, .pzxid = (k) + 10                                                             \
        }

/* R(record, layout, size of an optional tail, sample whose k-th field, from 1, holds k) */
/* clang-format off */
#define RECORDS(R)                                                                                                     \
        R(stat, STAT_LAYOUT, 0, .czxid = 1, .mzxid = 2, .ctime = 3, .mtime = 4, .version = 5, .cversion = 6,           \
          .aversion = 7, .ephemeral_owner = 8, .data_length = 9, .num_children = 10, .pzxid = 11)                      \
        R(stat_persisted, "lllliiill", 0, .czxid = 1, .mzxid = 2, .ctime = 3, .mtime = 4, .version = 5,                \
          .cversion = 6, .aversion = 7, .ephemeral_owner = 8, .pzxid = 9)                                              \
        R(id, "ss", 0, .scheme = str(1), .id = str(2))                                                                 \
        R(acl, "iss", 0, .perms = 1, .id.scheme = str(2), .id.id = str(3))                                             \
        R(connect_request, "ililsb", 1, .protocol_version = 1, .last_zxid_seen = 2, .timeout = 3,                  \
          .session_id = 4, .passwd = str(5), .read_only = true, .has_read_only = true)                                 \
        R(connect_response, "iilsb", 1, .protocol_version = 1, .timeout = 2, .session_id = 3, .passwd = str(4),        \
          .read_only = true, .has_read_only = true)                                                                    \
        R(request_header, "ii", 0, .xid = 1, .type = 2)                                                                \
        R(reply_header, "ili", 0, .xid = 1, .zxid = 2, .err = 3)                                                       \
        R(multi_header, "ibi", 0, .type = 1, .done = true, .err = 3)                                                   \
        R(create_request, "ssAi", 0, .path = str(1), .data = str(2), .acl = vec('A', 3), .flags = 4)                   \
        R(create_ttl_request, "ssAil", 0, .path = str(1), .data = str(2), .acl = vec('A', 3), .flags = 4, .ttl = 5)    \
        R(path_version, "si", 0, .path = str(1), .version = 2)                                                         \
        R(path_watch, "sb", 0, .path = str(1), .watch = true)                                                          \
        R(set_data_request, "ssi", 0, .path = str(1), .data = str(2), .version = 3)                                    \
        R(path, "s", 0, .path = str(1))                                                                                \
        R(set_acl_request, "sAi", 0, .path = str(1), .acl = vec('A', 2), .version = 3)                                 \
        R(reconfig_request, "sssl", 0, .joining = str(1), .leaving = str(2), .new_members = str(3),                    \
          .cur_config_id = 4)                                                                                          \
        R(path_type, "si", 0, .path = str(1), .type = 2)                                                               \
        R(auth_packet, "iss", 0, .type = 1, .scheme = str(2), .auth = str(3))                                          \
        R(set_watches, "lSSS", 0, .relative_zxid = 1, .data = vec('S', 2), .exist = vec('S', 3), .child = vec('S', 4)) \
        R(set_watches2, "lSSSSS", 0, .relative_zxid = 1, .data = vec('S', 2), .exist = vec('S', 3),                    \
          .child = vec('S', 4), .persistent = vec('S', 5), .recursive = vec('S', 6))                                   \
        R(sasl, "s", 0, .token = str(1))                                                                               \
        R(create2_response, "s" STAT_LAYOUT, 0, .path = str(1), .stat = STAT_FROM(2))                                  \
        R(get_data_response, "s" STAT_LAYOUT, 0, .data = str(1), .stat = STAT_FROM(2))                                 \
        R(get_acl_response, "A" STAT_LAYOUT, 0, .acl = vec('A', 1), .stat = STAT_FROM(2))                              \
        R(get_children_response, "S", 0, .children = vec('S', 1))                                                      \
        R(get_children2_response, "S" STAT_LAYOUT, 0, .children = vec('S', 1), .stat = STAT_FROM(2))                   \
        R(who_am_i_response, "I", 0, .client_info = vec('I', 1))                                                       \
        R(error_response, "i", 0, .err = 1)                                                                            \
        R(watcher_event, "iis", 0, .type = 1, .state = 2, .path = str(3))                                              \
        R(txn_header, "lilli", 0, .session_id = 1, .cxid = 2, .zxid = 3, .time = 4, .type = 5)                         \
        R(txn_digest, "il", 0, .version = 1, .tree_digest = 2)                                                         \
        R(create_txn, "ssAbi", 4, .path = str(1), .data = str(2), .acl = vec('A', 3), .ephemeral = true,               \
          .parent_cversion = 5)                                                                                        \
        R(create_container_txn, "ssAi", 0, .path = str(1), .data = str(2), .acl = vec('A', 3), .parent_cversion = 4)   \
        R(create_ttl_txn, "ssAil", 0, .path = str(1), .data = str(2), .acl = vec('A', 3), .parent_cversion = 4,        \
          .ttl = 5)                                                                                                    \
        R(set_data_txn, "ssi", 0, .path = str(1), .data = str(2), .version = 3)                                        \
        R(set_acl_txn, "sAi", 0, .path = str(1), .acl = vec('A', 2), .version = 3)                                     \
        R(create_session_txn, "i", 0, .timeout = 1)                                                                    \
        R(close_session_txn, "S", 0, .paths = vec('S', 1))                                                             \
        R(multi_txn, "O", 0, .ops = vec('O', 1))                                                                       \
        R(txn_op, "is", 0, .type = 1, .body = str(2))                                                                  \
        R(quorum_packet, "ilsI", 0, .type = 1, .zxid = 2, .data = str(3), .authinfo = vec('I', 4))                     \
        R(learner_info, "lil", 0, .sid = 1, .protocol_version = 2, .config_version = 3)                                \
        R(quorum_auth_packet, "lis", 0, .magic = 1, .status = 2, .token = str(3))                                      \
        R(file_header, "iil", 0, .magic = 1, .version = 2, .dbid = 3)
/* clang-format on */

/* ---- samples: field k holds k, as a number or as text ---- */

#define FIELDS_MAX 12

static struct jute_str str(int k)
{
        static char text[FIELDS_MAX + 1][8];
        (void)snprintf(text[k], sizeof text[k], "f%d", k);
        return jute_cstr(text[k]);
}

static void put_element(struct jute_writer *w, char kind, int32_t number, struct jute_str a, struct jute_str b)
{
        if (kind == 'A' || kind == 'O')
                jute_put_int(w, number);
        jute_put_str(w, a);
        if (kind == 'A' || kind == 'I')
                jute_put_str(w, b);
}

/* A vector of one element. */
static struct jute_vec vec(char kind, int k)
{
        static uint8_t bytes[FIELDS_MAX + 1][32];
        struct jute_writer w;
        jute_writer_init(&w, sizeof bytes[k]);
        put_element(&w, kind, k, str(k), str(k));
        memcpy(bytes[k], w.data, w.len);
        struct jute_vec v = {.data = bytes[k], .size = w.len, .count = 1};
        jute_writer_done(&w);
        return v;
}

static void put_sample(struct jute_writer *w, const char *layout)
{
        for (int k = 1; layout[k - 1]; k++) {
                switch (layout[k - 1]) {
                case 'i':
                        jute_put_int(w, k);
                        break;
                case 'l':
                        jute_put_long(w, k);
                        break;
                case 'b':
                        jute_put_bool(w, true);
                        break;
                case 's':
                        jute_put_str(w, str(k));
                        break;
                default:
                        jute_put_int(w, 1);
                        put_element(w, layout[k - 1], k, str(k), str(k));
                        break;
                }
        }
}

/* ---- the table ---- */

union any {
        max_align_t align;
        uint8_t bytes[192];
};

struct kind {
        const char *name;
        const char *layout;
        size_t optional_tail;
        void (*get)(struct jute_reader *r, void *ret);
        void (*put)(struct jute_writer *w, const void *v);
        void (*put_struct)(struct jute_writer *w);
};

#define DEFINE(record, layout, tail, ...)                                                                              \
        static_assert(sizeof(struct jute_##record) <= sizeof(union any), "union any is too small");                    \
        static void get_##record(struct jute_reader *r, void *ret)                                                     \
        {                                                                                                              \
                jute_get_##record(r, ret);                                                                             \
        }                                                                                                              \
        static void put_##record(struct jute_writer *w, const void *v)                                                 \
        {                                                                                                              \
                jute_put_##record(w, v);                                                                               \
        }                                                                                                              \
        static void put_struct_##record(struct jute_writer *w)                                                         \
        {                                                                                                              \
                const struct jute_##record v = {__VA_ARGS__};                                                          \
                jute_put_##record(w, &v);                                                                              \
        }
#define ENTRY(record, layout, tail, ...) {#record, layout, tail, get_##record, put_##record, put_struct_##record},

RECORDS(DEFINE)
static const struct kind kinds[] = {RECORDS(ENTRY)};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- random bytes of a layout ---- */

static uint64_t seed;

static struct prng prng_of_test(uint64_t test)
{
        return (struct prng){seed + test * UINT64_C(0x100000001)};
}

static uint32_t below(struct prng *p, uint32_t n)
{
        return (uint32_t)(prng_next(p) % n);
}

/* Small, border and arbitrary values. */
static int64_t number(struct prng *p)
{
        static const int64_t borders[] = {0, -1, 1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX};
        uint32_t choice = below(p, 3);
        if (choice == 0)
                return borders[below(p, sizeof borders / sizeof *borders)];
        return choice == 1 ? (int64_t)below(p, 300) : (int64_t)prng_next(p);
}

static struct jute_str text(struct prng *p, uint8_t buffer[static 24])
{
        if (below(p, 6) == 0)
                return jute_cstr(NULL);
        uint32_t len = below(p, 24);
        for (uint32_t i = 0; i < len; i++)
                buffer[i] = (uint8_t)prng_next(p);
        return jute_str_of(buffer, len);
}

static void put_random_vec(struct jute_writer *w, char kind, struct prng *p)
{
        uint8_t a[24], b[24];
        int32_t count = (int32_t)below(p, 5) - 1;
        jute_put_int(w, count);
        for (int32_t i = 0; i < count; i++)
                put_element(w, kind, (int32_t)number(p), text(p, a), text(p, b));
}

static void put_random(struct jute_writer *w, const char *layout, struct prng *p)
{
        uint8_t buffer[24];
        for (; *layout; layout++) {
                switch (*layout) {
                case 'i':
                        jute_put_int(w, (int32_t)number(p));
                        break;
                case 'l':
                        jute_put_long(w, number(p));
                        break;
                case 'b':
                        jute_put_bool(w, below(p, 2));
                        break;
                case 's':
                        jute_put_str(w, text(p, buffer));
                        break;
                default:
                        put_random_vec(w, *layout, p);
                        break;
                }
        }
}

/* Reads a record from a copy of exactly `len` bytes (so that reading beyond is noticed) and writes it
 * again to `again`, if it could be read. The struct is junk before, so a field left unset shows. */
static int reread(const struct kind *k, const uint8_t *data, size_t len, struct jute_writer *again, size_t *ret_left)
{
        uint8_t *window = mem_dup(data, len);
        struct jute_reader r;
        union any v;
        memset(&v, 0xa5, sizeof v);
        jute_reader_init(&r, window, len, ITEM_MAX);
        k->get(&r, &v);
        *ret_left = jute_left(&r);
        jute_writer_reset(again);
        if (!r.error)
                k->put(again, &v);
        mem_free(window);
        return r.error;
}

#define CHECK(k, condition)                                                                                            \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        fail_msg("%s, seed %" PRIu64 ": %s", (k)->name, seed, #condition);                             \
        } while (0)

/* ---- tests ---- */

static void test_every_field_stands_where_the_protocol_puts_it(void **state)
{
        (void)state;
        struct jute_writer from_struct, from_layout;
        jute_writer_init(&from_struct, ITEM_MAX);
        jute_writer_init(&from_layout, ITEM_MAX);
        for (size_t i = 0; i < KINDS; i++) {
                jute_writer_reset(&from_struct);
                jute_writer_reset(&from_layout);
                kinds[i].put_struct(&from_struct);
                put_sample(&from_layout, kinds[i].layout);
                CHECK(&kinds[i], from_struct.len == from_layout.len);
                CHECK(&kinds[i], memcmp(from_struct.data, from_layout.data, from_layout.len) == 0);
        }
        jute_writer_done(&from_struct);
        jute_writer_done(&from_layout);
}

static void test_reading_and_writing_a_record_is_the_identity(void **state)
{
        (void)state;
        struct prng p = prng_of_test(1);
        struct jute_writer bytes, again;
        jute_writer_init(&bytes, ITEM_MAX);
        jute_writer_init(&again, ITEM_MAX);
        for (size_t i = 0; i < KINDS * ROUNDS; i++) {
                const struct kind *k = &kinds[i % KINDS];
                size_t left;
                jute_writer_reset(&bytes);
                put_random(&bytes, k->layout, &p);
                CHECK(k, reread(k, bytes.data, bytes.len, &again, &left) == 0);
                CHECK(k, left == 0);
                CHECK(k, again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0);
        }
        jute_writer_done(&bytes);
        jute_writer_done(&again);
}

static void test_record_cut_at_any_byte_asks_for_more(void **state)
{
        (void)state;
        struct prng p = prng_of_test(2);
        struct jute_writer bytes, again;
        jute_writer_init(&bytes, ITEM_MAX);
        jute_writer_init(&again, ITEM_MAX);
        for (size_t i = 0; i < KINDS * (ROUNDS / 20); i++) {
                const struct kind *k = &kinds[i % KINDS];
                jute_writer_reset(&bytes);
                put_random(&bytes, k->layout, &p);
                for (size_t len = 0; len < bytes.len; len++) {
                        bool old_form = k->optional_tail && len == bytes.len - k->optional_tail;
                        size_t left;
                        CHECK(k, reread(k, bytes.data, len, &again, &left) == (old_form ? 0 : -ENODATA));
                }
        }
        jute_writer_done(&bytes);
        jute_writer_done(&again);
}

static void test_bytes_behind_a_record_are_left_alone(void **state)
{
        (void)state;
        struct prng p = prng_of_test(3);
        struct jute_writer bytes, again;
        jute_writer_init(&bytes, ITEM_MAX);
        jute_writer_init(&again, ITEM_MAX);
        for (size_t i = 0; i < KINDS * (ROUNDS / 20); i++) {
                const struct kind *k = &kinds[i % KINDS];
                size_t left;
                jute_writer_reset(&bytes);
                put_random(&bytes, k->layout, &p);
                size_t len = bytes.len;
                jute_put_long(&bytes, number(&p));
                CHECK(k, reread(k, bytes.data, bytes.len, &again, &left) == 0);
                CHECK(k, left == 8);
                CHECK(k, again.len == len && memcmp(again.data, bytes.data, len) == 0);
        }
        jute_writer_done(&bytes);
        jute_writer_done(&again);
}

/* What was read from any bytes is written as bytes that read the same. */
static void check_stable(const struct kind *k, struct jute_writer *once)
{
        struct jute_writer twice;
        size_t left;
        jute_writer_init(&twice, ITEM_MAX);
        CHECK(k, reread(k, once->data, once->len, &twice, &left) == 0);
        CHECK(k, left == 0);
        CHECK(k, twice.len == once->len && memcmp(twice.data, once->data, once->len) == 0);
        jute_writer_done(&twice);
}

/* More bytes never mend what was malformed, and never spoil what was whole: what a stream relies on. */
static void check_prefixes(const struct kind *k, const uint8_t *data, size_t len, int whole)
{
        struct jute_writer again;
        jute_writer_init(&again, ITEM_MAX);
        int before = -ENODATA;
        for (size_t cut = 0; cut <= len; cut++) {
                size_t left;
                int error = cut < len ? reread(k, data, cut, &again, &left) : whole;
                CHECK(k, error == 0 || error == -ENODATA || error == -EPROTO);
                if (!k->optional_tail)
                        CHECK(k, before == -ENODATA || error == before);
                CHECK(k, before != -EPROTO || error == -EPROTO);
                before = error;
        }
        jute_writer_done(&again);
}

static void try_bytes(const struct kind *k, const uint8_t *data, size_t len)
{
        struct jute_writer once;
        size_t left;
        jute_writer_init(&once, ITEM_MAX);
        int error = reread(k, data, len, &once, &left);
        if (!error)
                check_stable(k, &once);
        check_prefixes(k, data, len, error);
        jute_writer_done(&once);
}

static void test_random_bytes_are_read_or_refused(void **state)
{
        (void)state;
        struct prng p = prng_of_test(4);
        uint8_t bytes[96];
        for (size_t i = 0; i < KINDS * (ROUNDS / 8); i++) {
                size_t len = below(&p, sizeof bytes);
                uint32_t zeros = below(&p, 4); /* zeros make small lengths, so that reading gets further */
                for (size_t j = 0; j < len; j++)
                        bytes[j] = below(&p, 4) < zeros ? 0 : (uint8_t)prng_next(&p);
                try_bytes(&kinds[i % KINDS], bytes, len);
        }
}

static void test_damaged_records_are_read_or_refused(void **state)
{
        (void)state;
        struct prng p = prng_of_test(5);
        struct jute_writer bytes;
        jute_writer_init(&bytes, ITEM_MAX);
        for (size_t i = 0; i < KINDS * (ROUNDS / 20); i++) {
                const struct kind *k = &kinds[i % KINDS];
                jute_writer_reset(&bytes);
                put_random(&bytes, k->layout, &p);
                for (uint32_t hits = 1 + below(&p, 3); hits; hits--)
                        bytes.data[below(&p, (uint32_t)bytes.len)] = (uint8_t)prng_next(&p);
                try_bytes(k, bytes.data, bytes.len);
        }
        jute_writer_done(&bytes);
}

/* quorum-protocol.md 3.1: packets follow one another with no outer length. */
static void test_quorum_packets_come_whole_out_of_a_chopped_stream(void **state)
{
        (void)state;
        struct prng p = prng_of_test(6);
        struct jute_writer sent, got;
        const size_t packets = 200;
        jute_writer_init(&sent, packets * ITEM_MAX);
        jute_writer_init(&got, packets * ITEM_MAX);
        for (size_t i = 0; i < packets; i++)
                put_random(&sent, "ilsI", &p);
        size_t begin = 0, end = 0, received = 0;
        while (received < packets) {
                assert_true(end < sent.len);
                end += 1 + below(&p, 64);
                if (end > sent.len)
                        end = sent.len;
                for (;;) {
                        uint8_t *window = mem_dup(sent.data + begin, end - begin);
                        struct jute_reader r;
                        struct jute_quorum_packet packet;
                        jute_reader_init(&r, window, end - begin, ITEM_MAX);
                        jute_get_quorum_packet(&r, &packet);
                        if (!r.error) {
                                begin = end - jute_left(&r);
                                received++;
                                jute_put_quorum_packet(&got, &packet);
                        }
                        mem_free(window);
                        if (r.error) {
                                assert_int_equal(r.error, -ENODATA);
                                break;
                        }
                }
        }
        assert_int_equal(begin, sent.len);
        assert_int_equal(got.len, sent.len);
        assert_memory_equal(got.data, sent.data, sent.len);
        jute_writer_done(&sent);
        jute_writer_done(&got);
}

static int quorum_packet_error(int32_t data_len, int32_t ids, int32_t item_max)
{
        struct jute_writer w;
        struct jute_quorum_packet packet;
        jute_writer_init(&w, 100);
        jute_put_int(&w, QP_REQUEST);
        jute_put_long(&w, -1);
        jute_put_int(&w, data_len);
        if (data_len < 0)
                jute_put_int(&w, ids);
        struct jute_reader r;
        jute_reader_init(&r, w.data, w.len, item_max);
        jute_get_quorum_packet(&r, &packet);
        jute_writer_done(&w);
        return r.error;
}

static void test_quorum_packet_with_oversized_parts_is_malformed_before_they_arrive(void **state)
{
        (void)state;
        const int32_t max = JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT;
        assert_int_equal(quorum_packet_error(max, 0, max), -ENODATA);
        assert_int_equal(quorum_packet_error(max + 1, 0, max), -EPROTO);
        assert_int_equal(quorum_packet_error(INT32_MIN, 0, max), -EPROTO);
        assert_int_equal(quorum_packet_error(-2, 0, max), -EPROTO);
        assert_int_equal(quorum_packet_error(-1, max / 8, max), -ENODATA);
        assert_int_equal(quorum_packet_error(-1, max / 8 + 1, max), -EPROTO);
        assert_int_equal(quorum_packet_error(-1, INT32_MAX, max), -EPROTO);
        assert_int_equal(quorum_packet_error(-1, -1, max), 0);
}

/* A count is refused as soon as its smallest elements could not fit the limit. */
static void test_vector_counts_are_held_against_the_smallest_element(void **state)
{
        (void)state;
        static const struct {
                char kind;
                int32_t element_min;
        } cases[] = {{'S', 4}, {'I', 8}, {'A', 12}, {'O', 8}};
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                for (int32_t less = 0; less < 2; less++) {
                        struct jute_writer w;
                        struct jute_reader r;
                        struct jute_get_acl_response acl;
                        struct jute_close_session_txn paths;
                        struct jute_who_am_i_response ids;
                        struct jute_multi_txn ops;
                        jute_writer_init(&w, 100);
                        jute_put_int(&w, 3);
                        jute_reader_init(&r, w.data, w.len, 3 * cases[i].element_min - less);
                        if (cases[i].kind == 'S')
                                jute_get_close_session_txn(&r, &paths);
                        else if (cases[i].kind == 'I')
                                jute_get_who_am_i_response(&r, &ids);
                        else if (cases[i].kind == 'A')
                                jute_get_get_acl_response(&r, &acl);
                        else
                                jute_get_multi_txn(&r, &ops);
                        assert_int_equal(r.error, less ? -EPROTO : -ENODATA);
                        jute_writer_done(&w);
                }
        }
}

static void test_quorum_packet_blob_equals_the_written_record(void **state)
{
        (void)state;
        static const struct {
                const void *data;
                size_t len;
                struct jute_str want;
        } cases[] = {
                {NULL, 0, {NULL, -1}},
                {"", 0, {(const uint8_t *)"", 0}},
                {"four", 4, {(const uint8_t *)"four", 4}},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct blob *b = jute_quorum_packet_blob(QP_PROPOSAL, -7, cases[i].data, cases[i].len);
                struct jute_reader r;
                struct jute_quorum_packet packet;
                assert_int_equal(b->len, JUTE_QUORUM_PACKET_MIN + cases[i].len);
                jute_reader_init(&r, b->data, b->len, 4);
                jute_get_quorum_packet(&r, &packet);
                assert_int_equal(r.error, 0);
                assert_int_equal(jute_left(&r), 0);
                assert_int_equal(packet.type, QP_PROPOSAL);
                assert_int_equal(packet.zxid, -7);
                assert_true(jute_str_equal(packet.data, cases[i].want));
                assert_true(packet.data.len <= 0 || packet.data.data == b->data + JUTE_QUORUM_PACKET_DATA);
                assert_int_equal(packet.authinfo.count, -1);
                blob_unref(b);
        }
}

/* client-protocol.md 2.2: the readOnly byte is missing from old clients. */
static void test_connect_records_of_old_clients_lack_the_read_only_byte(void **state)
{
        (void)state;
        struct jute_connect_request q = {.passwd = jute_cstr("0123456789abcdef")}, q2;
        struct jute_connect_response a = {.passwd = jute_cstr("0123456789abcdef")}, a2;
        for (int byte = 0; byte < 2; byte++) {
                struct jute_writer w;
                struct jute_reader r;
                q.has_read_only = a.has_read_only = byte;
                q.read_only = a.read_only = byte;
                jute_writer_init(&w, 100);
                jute_put_connect_request(&w, &q);
                assert_int_equal(w.len, 44 + byte);
                jute_reader_init(&r, w.data, w.len, 16);
                jute_get_connect_request(&r, &q2);
                assert_int_equal(q2.has_read_only, byte);
                assert_int_equal(q2.read_only, byte);
                jute_writer_reset(&w);
                jute_put_connect_response(&w, &a);
                assert_int_equal(w.len, 36 + byte);
                jute_reader_init(&r, w.data, w.len, 16);
                jute_get_connect_response(&r, &a2);
                assert_int_equal(a2.has_read_only, byte);
                assert_int_equal(a2.read_only, byte);
                assert_int_equal(r.error, 0);
                jute_writer_done(&w);
        }
}

/* storage-format.md 3: create (V0) is known by running out of bytes; treat as -1. */
static void test_create_txn_of_zookeeper_33_has_no_parent_cversion(void **state)
{
        (void)state;
        struct jute_create_txn v = {.path = jute_cstr("/a"), .ephemeral = true, .parent_cversion = 77}, got;
        struct jute_writer w;
        struct jute_reader r;
        jute_writer_init(&w, 100);
        jute_put_create_txn(&w, &v);
        jute_reader_init(&r, w.data, w.len, 100);
        jute_get_create_txn(&r, &got);
        assert_int_equal(got.parent_cversion, 77);
        jute_reader_init(&r, w.data, w.len - 4, 100);
        jute_get_create_txn(&r, &got);
        assert_int_equal(r.error, 0);
        assert_int_equal(got.parent_cversion, -1);
        assert_true(got.ephemeral);
        jute_reader_init(&r, w.data, w.len - 5, 100); /* cut within: no old form, just cut */
        jute_get_create_txn(&r, &got);
        assert_int_equal(r.error, -ENODATA);
        jute_reader_init(&r, w.data, 0, 100); /* nor is nothing at all one */
        jute_get_create_txn(&r, &got);
        assert_int_equal(r.error, -ENODATA);
        assert_int_equal(got.parent_cversion, 0);
        jute_writer_done(&w);
}

/* quorum-protocol.md 3.1: a LearnerInfo of 3.4 has 12 bytes. */
static void test_fields_before_a_fault_keep_what_was_read(void **state)
{
        (void)state;
        struct jute_learner_info v = {.sid = 5, .protocol_version = 0x10000, .config_version = 9}, got;
        struct jute_writer w;
        struct jute_reader r;
        jute_writer_init(&w, 100);
        jute_put_learner_info(&w, &v);
        assert_int_equal(w.len, 20);
        jute_reader_init(&r, w.data, 12, 0);
        jute_get_learner_info(&r, &got);
        assert_int_equal(r.error, -ENODATA);
        assert_int_equal(got.sid, 5);
        assert_int_equal(got.protocol_version, 0x10000);
        assert_int_equal(got.config_version, 0);
        jute_writer_done(&w);
}

static void test_fixed_sizes_are_those_of_the_records(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 1000);
        jute_put_txn_header(&w, &(struct jute_txn_header){0});
        assert_int_equal(w.len, JUTE_TXN_HEADER_SIZE);
        jute_writer_reset(&w);
        jute_put_txn_digest(&w, &(struct jute_txn_digest){0});
        assert_int_equal(w.len, JUTE_TXN_DIGEST_SIZE);
        jute_writer_reset(&w);
        jute_put_stat(&w, &(struct jute_stat){0});
        assert_int_equal(w.len, 68);
        jute_writer_reset(&w);
        jute_put_stat_persisted(&w, &(struct jute_stat_persisted){0});
        assert_int_equal(w.len, 60);
        jute_writer_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_field_stands_where_the_protocol_puts_it),
                cmocka_unit_test(test_reading_and_writing_a_record_is_the_identity),
                cmocka_unit_test(test_record_cut_at_any_byte_asks_for_more),
                cmocka_unit_test(test_bytes_behind_a_record_are_left_alone),
                cmocka_unit_test(test_random_bytes_are_read_or_refused),
                cmocka_unit_test(test_damaged_records_are_read_or_refused),
                cmocka_unit_test(test_quorum_packets_come_whole_out_of_a_chopped_stream),
                cmocka_unit_test(test_quorum_packet_with_oversized_parts_is_malformed_before_they_arrive),
                cmocka_unit_test(test_vector_counts_are_held_against_the_smallest_element),
                cmocka_unit_test(test_quorum_packet_blob_equals_the_written_record),
                cmocka_unit_test(test_connect_records_of_old_clients_lack_the_read_only_byte),
                cmocka_unit_test(test_create_txn_of_zookeeper_33_has_no_parent_cversion),
                cmocka_unit_test(test_fields_before_a_fault_keep_what_was_read),
                cmocka_unit_test(test_fixed_sizes_are_those_of_the_records),
        };
        const char *given = getenv("BATON_SEED");
        seed = given ? strtoull(given, NULL, 0) : 20260101;
        printf("repeat with BATON_SEED=%" PRIu64 "\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
