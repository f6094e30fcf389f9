/* Unit tests of the intrusive ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/list.h"

struct item {
        int number;
        struct list link;
};

static int number_of(struct list *l)
{
        return LIST_ENTRY(l, struct item, link)->number;
}

static void test_fresh_ring_is_empty(void **state)
{
        (void)state;
        struct list head;
        list_init(&head);
        assert_true(list_empty(&head));
        assert_ptr_equal(head.next, &head);
        assert_ptr_equal(head.prev, &head);
}

static void test_items_stand_in_the_order_they_came(void **state)
{
        (void)state;
        struct list head;
        struct item items[5];
        list_init(&head);
        for (int i = 0; i < 5; i++) {
                items[i].number = i;
                list_push(&head, &items[i].link);
        }
        assert_false(list_empty(&head));
        int want = 0;
        for (struct list *l = head.next; l != &head; l = l->next)
                assert_int_equal(number_of(l), want++);
        assert_int_equal(want, 5);
        for (struct list *l = head.prev; l != &head; l = l->prev)
                assert_int_equal(number_of(l), --want);
        assert_int_equal(want, 0);
}

static void test_removed_item_leaves_its_neighbours_linked(void **state)
{
        (void)state;
        struct list head;
        struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
        list_init(&head);
        for (int i = 0; i < 3; i++)
                list_push(&head, &items[i].link);
        list_remove(&items[1].link);
        assert_true(list_empty(&items[1].link));
        assert_ptr_equal(items[0].link.next, &items[2].link);
        assert_ptr_equal(items[2].link.prev, &items[0].link);
        list_remove(&items[0].link);
        list_remove(&items[2].link);
        assert_true(list_empty(&head));
}

static void test_removing_twice_is_harmless(void **state)
{
        (void)state;
        struct list head;
        struct item a, b;
        list_init(&head);
        list_push(&head, &a.link);
        list_push(&head, &b.link);
        list_remove(&a.link);
        list_remove(&a.link);
        assert_ptr_equal(head.next, &b.link);
        assert_ptr_equal(head.prev, &b.link);
        list_push(&head, &a.link);
        assert_ptr_equal(head.prev, &a.link);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fresh_ring_is_empty),
                cmocka_unit_test(test_items_stand_in_the_order_they_came),
                cmocka_unit_test(test_removed_item_leaves_its_neighbours_linked),
                cmocka_unit_test(test_removing_twice_is_harmless),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
