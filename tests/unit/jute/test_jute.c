/* Unit tests of the reader and the writer: client-protocol.md section 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/jute/jute.h"

#include <errno.h>
#include <string.h>

/* What the writer wrote, in memory of exactly its size, so that reading beyond is noticed. */
struct bytes {
        uint8_t *data;
        size_t len;
};

static struct bytes take(struct jute_writer *w)
{
        assert_int_equal(w->error, 0);
        struct bytes b = {mem_dup(w->data, w->len), w->len};
        jute_writer_done(w);
        return b;
}

static struct bytes copy(const void *data, size_t len)
{
        return (struct bytes){mem_dup(data, len), len};
}

static struct jute_reader reader(struct bytes b, int32_t item_max)
{
        struct jute_reader r;
        jute_reader_init(&r, b.data, b.len, item_max);
        return r;
}

static void test_integers_are_big_endian(void **state)
{
        (void)state;
        static const uint8_t want[] = {0x01, 0x02, 0x03, 0x04, 0x80, 0,    0,    0,    0, 0,
                                       0,    0x01, 0xff, 0xff, 0xff, 0xfe, 0xab, 0x01, 0};
        struct jute_writer w;
        jute_writer_init(&w, 1000);
        jute_put_int(&w, 0x01020304);
        jute_put_long(&w, INT64_MIN + 1);
        jute_put_int(&w, -2);
        jute_put_byte(&w, 0xab);
        jute_put_bool(&w, true);
        jute_put_bool(&w, false);
        assert_int_equal(w.len, sizeof want);
        assert_memory_equal(w.data, want, sizeof want);

        struct bytes b = take(&w);
        struct jute_reader r = reader(b, 0);
        assert_int_equal(jute_get_int(&r), 0x01020304);
        assert_true(jute_get_long(&r) == INT64_MIN + 1);
        assert_int_equal(jute_get_int(&r), -2);
        assert_int_equal(jute_get_byte(&r), 0xab);
        assert_true(jute_get_bool(&r));
        assert_false(jute_get_bool(&r));
        assert_int_equal(r.error, 0);
        assert_int_equal(jute_left(&r), 0);
        mem_free(b.data);
}

static void test_any_non_zero_byte_is_true(void **state)
{
        (void)state;
        for (int v = 0; v < 256; v++) {
                uint8_t byte = (uint8_t)v;
                struct jute_reader r;
                jute_reader_init(&r, &byte, 1, 0);
                assert_int_equal(jute_get_bool(&r), v != 0);
        }
}

static void test_null_and_empty_strings_differ(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 100);
        jute_put_cstr(&w, NULL);
        jute_put_cstr(&w, "");
        jute_put_cstr(&w, "ab");
        struct bytes b = take(&w);
        assert_int_equal(b.len, 14);
        struct jute_reader r = reader(b, 2);
        struct jute_str null = jute_get_str(&r);
        assert_null(null.data);
        assert_int_equal(null.len, -1);
        assert_int_equal(jute_get_str(&r).len, 0);
        assert_true(jute_str_is(jute_get_str(&r), "ab"));
        assert_int_equal(r.error, 0);
        mem_free(b.data);
}

static int get_str_error(const uint8_t *data, size_t len, int32_t item_max)
{
        struct bytes b = copy(data, len);
        struct jute_reader r = reader(b, item_max);
        struct jute_str s = jute_get_str(&r);
        if (r.error) {
                assert_int_equal(s.len, -1);
                assert_null(s.data);
                assert_ptr_equal(r.at, b.data);
        }
        mem_free(b.data);
        return r.error;
}

/* A stream must not wait for bytes that cannot help. */
static void test_impossible_length_is_malformed_even_when_bytes_are_missing(void **state)
{
        (void)state;
        static const uint8_t minus_two[] = {0xff, 0xff, 0xff, 0xfe};
        static const uint8_t lowest[] = {0x80, 0, 0, 0};
        static const uint8_t highest[] = {0x7f, 0xff, 0xff, 0xff};
        static const uint8_t eleven[] = {0, 0, 0, 11};
        static const uint8_t ten[] = {0, 0, 0, 10, 'x'};
        assert_int_equal(get_str_error(minus_two, 4, 10), -EPROTO);
        assert_int_equal(get_str_error(lowest, 4, 10), -EPROTO);
        assert_int_equal(get_str_error(highest, 4, 10), -EPROTO);
        assert_int_equal(get_str_error(eleven, 4, 10), -EPROTO);
        assert_int_equal(get_str_error(ten, 4, 10), -ENODATA);
        assert_int_equal(get_str_error(ten, 5, 10), -ENODATA);
        assert_int_equal(get_str_error(highest, 3, 10), -ENODATA); /* the length itself is not there yet */
        assert_int_equal(get_str_error(highest, 4, INT32_MAX), -ENODATA);
        assert_int_equal(get_str_error(NULL, 0, 10), -ENODATA);
}

/* client-protocol.md 1: inner length 0 ... maxbuffer + extra, else a decode error. */
static void test_string_of_maxbuffer_and_extra_is_accepted_and_one_more_is_not(void **state)
{
        (void)state;
        const int32_t max = JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT;
        assert_int_equal(max, 2097150);
        uint8_t *data = mem_zalloc((size_t)max + 1);
        for (int32_t more = -1; more <= 1; more++) {
                size_t len = (size_t)max + (size_t)(more + 1) - 1;
                struct jute_writer w;
                jute_writer_init(&w, 4 + len);
                jute_put_str(&w, jute_str_of(data, len));
                assert_int_equal(w.error, 0);
                struct jute_reader r;
                jute_reader_init(&r, w.data, w.len, max);
                struct jute_str s = jute_get_str(&r);
                assert_int_equal(r.error, more > 0 ? -EPROTO : 0);
                assert_int_equal(s.len, more > 0 ? -1 : max + more);
                jute_writer_done(&w);
        }
        mem_free(data);
}

static void test_first_fault_sticks_and_later_getters_yield_nothing(void **state)
{
        (void)state;
        static const uint8_t data[] = {0xff, 0xff, 0xff, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        struct bytes b = copy(data, sizeof data);
        struct jute_reader r = reader(b, 100);
        assert_int_equal(jute_get_str(&r).len, -1);
        assert_int_equal(r.error, -EPROTO);
        const uint8_t *at = r.at;
        assert_int_equal(jute_get_byte(&r), 0);
        assert_false(jute_get_bool(&r));
        assert_int_equal(jute_get_int(&r), 0);
        assert_int_equal(jute_get_long(&r), 0);
        assert_null(jute_get_raw(&r, 1));
        assert_null(jute_get_raw(&r, 0));
        assert_int_equal(jute_get_str(&r).len, -1);
        assert_int_equal(jute_get_str_vec(&r).count, -1);
        assert_int_equal(r.error, -EPROTO);
        assert_ptr_equal(r.at, at);
        mem_free(b.data);
}

static void test_earlier_error_outlives_jute_fail(void **state)
{
        (void)state;
        uint8_t one = 1;
        struct jute_reader r;
        jute_reader_init(&r, &one, 1, 0);
        (void)jute_get_int(&r);
        assert_int_equal(r.error, -ENODATA);
        jute_fail(&r);
        assert_int_equal(r.error, -ENODATA);
        jute_reader_init(&r, &one, 1, 0);
        jute_fail(&r);
        assert_int_equal(r.error, -EPROTO);
        assert_int_equal(jute_get_byte(&r), 0);
}

static void test_short_integer_leaves_the_window_where_it_was(void **state)
{
        (void)state;
        static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7};
        for (size_t len = 0; len < 8; len++) {
                struct bytes b = copy(data, len < 7 ? len : 7);
                struct jute_reader r = reader(b, 0);
                assert_int_equal(jute_get_long(&r), 0);
                assert_int_equal(r.error, -ENODATA);
                assert_int_equal(jute_left(&r), b.len);
                mem_free(b.data);
        }
}

static void test_raw_bytes_are_yielded_where_they_lie(void **state)
{
        (void)state;
        static const uint8_t data[] = {1, 2, 3};
        struct jute_reader r;
        jute_reader_init(&r, data, 3, 0);
        assert_ptr_equal(jute_get_raw(&r, 2), data);
        assert_ptr_equal(jute_get_raw(&r, 0), data + 2);
        assert_null(jute_get_raw(&r, SIZE_MAX));
        assert_int_equal(r.error, -ENODATA);
}

/* ---- vectors ---- */

static struct jute_vec get_strs(const void *data, size_t len, int32_t item_max, int *ret_error)
{
        struct jute_reader r;
        jute_reader_init(&r, data, len, item_max);
        struct jute_vec v = jute_get_str_vec(&r);
        *ret_error = r.error;
        if (r.error) {
                assert_int_equal(v.count, -1);
                assert_ptr_equal(r.at, data);
        }
        return v;
}

static void test_vector_elements_come_back_in_order(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 100);
        jute_put_int(&w, 3);
        jute_put_cstr(&w, "a");
        jute_put_cstr(&w, NULL);
        jute_put_cstr(&w, "ccc");
        jute_put_byte(&w, 0x77);
        struct bytes b = take(&w);
        struct jute_reader r = reader(b, 50);
        struct jute_vec v = jute_get_str_vec(&r);
        assert_int_equal(jute_get_byte(&r), 0x77);
        assert_int_equal(v.count, 3);
        assert_int_equal(v.size, 16);

        struct jute_reader e = jute_vec_reader(&v);
        assert_true(jute_str_is(jute_get_str(&e), "a"));
        assert_int_equal(jute_get_str(&e).len, -1);
        assert_true(jute_str_is(jute_get_str(&e), "ccc"));
        assert_int_equal(jute_left(&e), 0);
        assert_int_equal(e.error, 0);

        jute_writer_init(&w, 100);
        jute_put_vec(&w, v);
        jute_put_byte(&w, 0x77);
        assert_int_equal(w.len, b.len);
        assert_memory_equal(w.data, b.data, b.len);
        jute_writer_done(&w);
        mem_free(b.data);
}

/* client-protocol.md 1: -1 = null; any other count <= 0 reads as empty. */
static void test_count_below_minus_one_reads_as_empty(void **state)
{
        (void)state;
        static const uint8_t null[] = {0xff, 0xff, 0xff, 0xff}, zero[] = {0, 0, 0, 0}, lowest[] = {0x80, 0, 0, 0},
                             minus_two[] = {0xff, 0xff, 0xff, 0xfe};
        int error;
        assert_int_equal(get_strs(null, 4, 9, &error).count, -1);
        assert_int_equal(error, 0);
        assert_int_equal(get_strs(zero, 4, 9, &error).count, 0);
        assert_int_equal(error, 0);
        assert_int_equal(get_strs(minus_two, 4, 9, &error).count, 0);
        assert_int_equal(error, 0);
        assert_int_equal(get_strs(lowest, 4, 9, &error).count, 0);
        assert_int_equal(error, 0);
        struct jute_vec nothing = get_strs(null, 4, 9, &error);
        struct jute_reader r = jute_vec_reader(&nothing);
        assert_int_equal(jute_left(&r), 0);
}

static void test_vector_that_may_still_be_completed_waits(void **state)
{
        (void)state;
        static const uint8_t data[] = {0, 0, 0, 5, 0, 0, 0, 1, 'x', 0, 0};
        for (size_t len = 0; len <= sizeof data; len++) {
                struct bytes b = copy(data, len);
                int error;
                (void)get_strs(b.data, len, 20 /* exactly five empty strings */, &error);
                assert_int_equal(error, -ENODATA);
                mem_free(b.data);
        }
}

static void test_count_that_could_never_fit_is_malformed_at_once(void **state)
{
        (void)state;
        static const uint8_t five[] = {0, 0, 0, 5}, highest[] = {0x7f, 0xff, 0xff, 0xff};
        int error;
        (void)get_strs(five, 4, 19, &error);
        assert_int_equal(error, -EPROTO);
        (void)get_strs(highest, 4, JUTE_MAXBUFFER_DEFAULT, &error);
        assert_int_equal(error, -EPROTO);
        (void)get_strs(highest, 4, INT32_MAX, &error);
        assert_int_equal(error, -EPROTO);
}

static void test_elements_may_fill_the_limit_together_but_not_exceed_it(void **state)
{
        (void)state;
        static const uint8_t data[] = {0, 0, 0, 2, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c'};
        int error;
        struct jute_vec v = get_strs(data, sizeof data, 11, &error);
        assert_int_equal(error, 0);
        assert_int_equal(v.size, 11);
        (void)get_strs(data, sizeof data, 10, &error);
        assert_int_equal(error, -EPROTO);
}

static void test_bad_element_spoils_the_vector(void **state)
{
        (void)state;
        static const uint8_t data[] = {0, 0, 0, 2, 0, 0, 0, 1, 'a', 0xff, 0xff, 0xff, 0xfd};
        int error;
        (void)get_strs(data, sizeof data, 100, &error);
        assert_int_equal(error, -EPROTO);
}

/* ---- writer ---- */

static void test_writer_holds_exactly_its_maximum(void **state)
{
        (void)state;
        for (size_t max = 0; max < 300; max++) {
                struct jute_writer w;
                jute_writer_init(&w, max);
                for (size_t i = 0; i < max; i++)
                        jute_put_byte(&w, (uint8_t)i);
                assert_int_equal(w.error, 0);
                assert_int_equal(w.len, max);
                assert_true(w.capacity <= max);
                jute_put_byte(&w, 1);
                assert_int_equal(w.error, -EMSGSIZE);
                assert_int_equal(w.len, max);
                jute_writer_done(&w);
        }
}

static void test_overfull_writer_refuses_all_that_follows(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 6);
        jute_put_int(&w, 1);
        jute_put_long(&w, 2);
        assert_int_equal(w.error, -EMSGSIZE);
        jute_put_byte(&w, 3); /* would fit, but the message is lost already */
        jute_patch_int(&w, 0, 9);
        assert_int_equal(w.len, 4);
        assert_int_equal(w.data[3], 1);
        assert_null(jute_writer_blob(&w));
        assert_int_equal(w.error, 0);
        assert_int_equal(w.len, 0);
        jute_put_int(&w, 4);
        assert_int_equal(w.error, 0);
        jute_writer_done(&w);
}

static void test_blob_is_a_copy_and_empties_the_writer(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 100);
        struct blob *empty = jute_writer_blob(&w);
        assert_int_equal(empty->len, 0);
        jute_put_cstr(&w, "first");
        struct blob *first = jute_writer_blob(&w);
        jute_put_cstr(&w, "other");
        assert_int_equal(first->refs, 1);
        assert_int_equal(first->len, 9);
        assert_memory_equal(first->data, "\0\0\0\5first", 9);
        assert_int_equal(w.len, 9);
        blob_unref(first);
        blob_unref(empty);
        jute_writer_done(&w);
        jute_writer_done(NULL);
}

static void test_a_blob_of_known_length_is_filled_in_place(void **state)
{
        (void)state;
        struct jute_writer w;
        struct blob *b = jute_writer_in_blob(&w, 9);
        jute_put_int(&w, 5);
        assert_false(jute_writer_filled(&w));
        jute_put_raw(&w, "first", 5);
        assert_true(jute_writer_filled(&w));
        assert_ptr_equal(w.data, b->data);
        assert_int_equal(b->refs, 1);
        assert_int_equal(b->len, 9);
        assert_memory_equal(b->data, "\0\0\0\5first", 9);
        jute_put_byte(&w, 1); /* never beyond it */
        assert_int_equal(w.error, -EMSGSIZE);
        assert_false(jute_writer_filled(&w));
        blob_unref(b);
        b = jute_writer_in_blob(&w, 0);
        assert_true(jute_writer_filled(&w));
        blob_unref(b);
}

static void test_length_known_late_is_patched(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 100);
        jute_put_byte(&w, 0xee);
        jute_put_int(&w, 0);
        jute_put_raw(&w, "xyz", 3);
        jute_put_raw(&w, NULL, 0);
        jute_patch_int(&w, 1, -3);
        static const uint8_t want[] = {0xee, 0xff, 0xff, 0xff, 0xfd, 'x', 'y', 'z'};
        assert_int_equal(w.len, sizeof want);
        assert_memory_equal(w.data, want, sizeof want);
        jute_patch_int(&w, 4, 0); /* the last place where an int fits */
        jute_writer_done(&w);
}

static void test_reset_keeps_memory_and_maximum(void **state)
{
        (void)state;
        struct jute_writer w;
        jute_writer_init(&w, 64);
        jute_put_int(&w, 1);
        const uint8_t *memory = w.data;
        jute_writer_reset(&w);
        jute_put_int(&w, 2);
        assert_ptr_equal(w.data, memory);
        assert_int_equal(w.max, 64);
        jute_writer_done(&w);
        assert_int_equal(w.max, 64);
        jute_put_int(&w, 3); /* usable again after done */
        assert_int_equal(w.len, 4);
        jute_writer_done(&w);
}

/* ---- strings ---- */

static void test_null_string_equals_only_null(void **state)
{
        (void)state;
        struct jute_str null = jute_cstr(NULL), empty = jute_cstr(""), a = jute_cstr("abc"), b = jute_str_of("abcd", 3);
        assert_true(jute_str_equal(null, null));
        assert_false(jute_str_equal(null, empty));
        assert_true(jute_str_equal(empty, jute_str_of(NULL, 0)));
        assert_true(jute_str_equal(a, b));
        assert_false(jute_str_equal(a, jute_cstr("abd")));
        assert_false(jute_str_equal(a, jute_cstr("ab")));
        assert_true(jute_str_is(b, "abc"));
        assert_false(jute_str_is(null, ""));
        assert_true(jute_str_is(null, NULL));
        assert_false(jute_str_is(jute_str_of("a\0b", 3), "a"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_integers_are_big_endian),
                cmocka_unit_test(test_any_non_zero_byte_is_true),
                cmocka_unit_test(test_null_and_empty_strings_differ),
                cmocka_unit_test(test_impossible_length_is_malformed_even_when_bytes_are_missing),
                cmocka_unit_test(test_string_of_maxbuffer_and_extra_is_accepted_and_one_more_is_not),
                cmocka_unit_test(test_first_fault_sticks_and_later_getters_yield_nothing),
                cmocka_unit_test(test_earlier_error_outlives_jute_fail),
                cmocka_unit_test(test_short_integer_leaves_the_window_where_it_was),
                cmocka_unit_test(test_raw_bytes_are_yielded_where_they_lie),
                cmocka_unit_test(test_vector_elements_come_back_in_order),
                cmocka_unit_test(test_count_below_minus_one_reads_as_empty),
                cmocka_unit_test(test_vector_that_may_still_be_completed_waits),
                cmocka_unit_test(test_count_that_could_never_fit_is_malformed_at_once),
                cmocka_unit_test(test_elements_may_fill_the_limit_together_but_not_exceed_it),
                cmocka_unit_test(test_bad_element_spoils_the_vector),
                cmocka_unit_test(test_writer_holds_exactly_its_maximum),
                cmocka_unit_test(test_overfull_writer_refuses_all_that_follows),
                cmocka_unit_test(test_blob_is_a_copy_and_empties_the_writer),
                cmocka_unit_test(test_a_blob_of_known_length_is_filled_in_place),
                cmocka_unit_test(test_length_known_late_is_patched),
                cmocka_unit_test(test_reset_keeps_memory_and_maximum),
                cmocka_unit_test(test_null_string_equals_only_null),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
