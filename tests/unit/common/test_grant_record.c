/* What a worker leaves behind of its grant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/common/grant_record.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOOT_A "11111111-2222-3333-4444-555555555555"
#define BOOT_B "11111111-2222-3333-4444-555555555556"

static struct grant_record example(void)
{
        struct grant_record r = {.boot_id = BOOT_A,
                                 .plugin = {"nginx"},
                                 .group = {"web"},
                                 .state = WORKER_ACTIVE,
                                 .token = 0x500000001,
                                 .deadline_ms = 100000,
                                 .lease_ms = 2000,
                                 .budget_ms = 500};
        return r;
}

static int memory_file(void)
{
        int fd = memfd_create("record", MFD_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void test_what_was_written_is_read(void **state)
{
        int fd = memory_file();
        struct grant_record a = example(), b;
        (void)state;
        assert_int_equal(grant_record_read(fd, &b), -ENOENT);
        assert_int_equal(grant_record_write(fd, &a), 0);
        a.state = WORKER_STOPPED;
        a.deadline_ms = 200000;
        memcpy(a.plugin.text, "ab\0rest", 8); /* what stands behind a name's end is not written */
        assert_int_equal(grant_record_write(fd, &a), 0);
        assert_int_equal(grant_record_read(fd, &b), 0);
        assert_string_equal(b.boot_id, BOOT_A);
        assert_string_equal(b.plugin.text, "ab");
        assert_string_equal(b.group.text, "web");
        assert_int_equal(b.state, WORKER_STOPPED);
        assert_true(b.token == a.token && b.deadline_ms == 200000 && b.lease_ms == 2000 && b.budget_ms == 500);
        assert_int_equal(close(fd), 0);
}

static void test_a_torn_record_is_no_record(void **state)
{
        int fd = memory_file();
        struct grant_record a = example(), b;
        uint8_t bytes[512];
        (void)state;
        assert_int_equal(grant_record_write(fd, &a), 0);
        ssize_t len = pread(fd, bytes, sizeof bytes, 0);
        assert_true(len > 0);
        size_t size = (size_t)len;
        for (ssize_t bit = 0; bit < 8 * len; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(pwrite(fd, bytes, size, 0), len);
                assert_int_equal(grant_record_read(fd, &b), -EBADMSG);
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(pwrite(fd, bytes, size, 0), len);
        assert_int_equal(grant_record_read(fd, &b), 0);
        assert_int_equal(ftruncate(fd, len + 1), 0);
        assert_int_equal(grant_record_read(fd, &b), -EBADMSG);
        for (ssize_t cut = len - 1; cut > 0; cut--) {
                assert_int_equal(ftruncate(fd, cut), 0);
                assert_int_equal(grant_record_read(fd, &b), -EBADMSG);
        }
        assert_int_equal(close(fd), 0);
}

static void test_a_foreign_file_is_no_record(void **state)
{
        int fd = memory_file();
        struct grant_record a = example(), b;
        uint8_t bytes[512];
        (void)state;
        assert_int_equal(grant_record_write(fd, &a), 0);
        ssize_t len = pread(fd, bytes, sizeof bytes, 0);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(pwrite(fd, bytes, (size_t)len, 0), len);
        assert_int_equal(grant_record_read(fd, &b), -EBADMSG);
        assert_int_equal(close(fd), 0);
        assert_int_equal(grant_record_read(fd, &b), -EBADF);
        assert_int_equal(grant_record_write(fd, &a), -EBADF);
}

/* safety.md 2.2 rule 7: a grant is taken up on a record's word only while it surely is still one. */
static void test_a_record_holds_in_its_boot_until_its_deadline(void **state)
{
        struct grant_record r = example();
        (void)state;
        assert_true(grant_record_holds(&r, BOOT_A, 99999));
        assert_false(grant_record_holds(&r, BOOT_A, 100000));
        assert_false(grant_record_holds(&r, BOOT_B, 99999));
        assert_false(grant_record_holds(&r, "", 99999));
        for (int s = 0; s < WORKER_STATE_COUNT; s++) {
                r.state = (enum worker_state)s;
                assert_int_equal(grant_record_holds(&r, BOOT_A, 99999), s == WORKER_STARTING || s == WORKER_ACTIVE);
        }
        r = example();
        r.boot_id[0] = '\0'; /* where there is no boot id, nothing is taken up */
        assert_false(grant_record_holds(&r, "", 99999));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_written_is_read),
                cmocka_unit_test(test_a_torn_record_is_no_record),
                cmocka_unit_test(test_a_foreign_file_is_no_record),
                cmocka_unit_test(test_a_record_holds_in_its_boot_until_its_deadline),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
