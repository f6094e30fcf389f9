/* A node among the members, against whole servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/agent/membership.h"
#include "election/base/alloc.h"
#include "tests/sim/world/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 4000

struct world_node {
        struct scene *s;
        struct patron *p;
        struct membership *m;
        enum membership_state state;
        size_t changed;
        char why[512];
        char log[4096];
};

static uint64_t now_ms(void *ctx)
{
        return world_now(((struct world_node *)ctx)->s->w);
}

static struct client *client_of(void *ctx)
{
        return ((struct world_node *)ctx)->p->c;
}

static void on_changed(void *ctx)
{
        ((struct world_node *)ctx)->changed++;
}

static void on_standing(void *ctx, enum membership_state state, const char *text)
{
        struct world_node *n = ctx;
        assert_int_not_equal(n->state, state);
        n->state = state;
        (void)snprintf(n->why, sizeof n->why, "%s", text);
}

static void on_log(void *ctx, enum log_level level, enum membership_event event, const char *node, const char *text)
{
        struct world_node *n = ctx;
        size_t len = strlen(n->log);
        (void)level;
        (void)event;
        assert_true(name_is_valid(node));
        (void)snprintf(n->log + len, sizeof n->log - len, "%s\n", text);
}

static const struct membership_host host = {
        .now_ms = now_ms, .client = client_of, .changed = on_changed, .standing = on_standing, .log = on_log};

static void on_state(struct patron *p, enum client_state state)
{
        struct world_node *n = p->ctx;
        membership_session(n->m, state);
        if (state == CLIENT_EXPIRED)
                client_start(p->c, world_now(n->s->w), &p->fx);
}

static char *value_of(const char *node, const char *instance, const char *boot, enum node_role role, const char *note)
{
        const struct member_plugin plugin = {
                .name = "web", .module = "unit", .group = "web", .text = "", .note = note, .linked = true};
        const struct member_self self = {.node = node,
                                         .instance = instance,
                                         .boot_id = boot,
                                         .version = "0.1.0",
                                         .role = role,
                                         .addresses = {"10.0.0.1:2181"},
                                         .address_count = 1,
                                         .plugins = &plugin,
                                         .plugin_count = 1};
        return member_value_render(&self);
}

static void publish(struct world_node *n, const char *node, const char *instance, const char *boot, enum node_role role,
                    const char *note)
{
        char *value = value_of(node, instance, boot, role, note);
        membership_publish(n->m, value);
        mem_free(value);
}

static void node_init(struct world_node *n, struct scene *s, const char *name, const char *instance, const char *boot,
                      const struct client_session *session)
{
        struct membership_config config = {.host = &host, .ctx = n};
        *n = (struct world_node){.s = s};
        (void)snprintf(config.node.text, sizeof config.node.text, "%s", name);
        (void)snprintf(config.instance, sizeof config.instance, "%s", instance);
        (void)snprintf(config.boot_id, sizeof config.boot_id, "%s", boot);
        n->m = membership_new(&config);
        publish(n, name, instance, boot, ROLE_FOLLOWING, "");
        n->p = scene_add(s, 0, session);
        n->p->ctx = n;
        n->p->on_state = on_state;
}

static void node_done(struct world_node *n)
{
        if (n->p->c)
                scene_kill_client(n->p);
        membership_free(n->m);
}

static void run(struct scene *s, struct world_node *const *nodes, size_t count, uint64_t ms)
{
        for (uint64_t i = 0; i < ms; i++) {
                scene_run(s, 1);
                for (size_t k = 0; k < count; k++)
                        if (nodes[k]->p->c && !nodes[k]->p->stopped &&
                            membership_deadline(nodes[k]->m) <= world_now(s->w))
                                membership_tick(nodes[k]->m);
        }
}

/* The node's znode, as anybody reads it. */
static int look(struct scene *s, struct patron *p, const char *name, struct scene_reply *ret)
{
        char path[128];
        struct client_call call = scene_call(ret);
        (void)snprintf(path, sizeof path, MEMBERS_ROOT "/%s", name);
        assert_int_equal(client_sync(p->c, path, NULL), 0);
        assert_int_equal(client_get(p->c, path, &call), 0);
        return scene_await(s, ret);
}

static void names(const struct world_node *n, char *ret, size_t size)
{
        static struct message_member list[MESSAGE_MEMBERS_MAX];
        size_t count = membership_list(n->m, list);
        ret[0] = 0;
        for (size_t i = 0; i < count; i++) {
                size_t len = strlen(ret);
                (void)snprintf(ret + len, size - len, "%s%s:%s ", list[i].name.text, list[i].here ? "*" : "",
                               node_role_name(list[i].role));
        }
}

static void test_nodes_find_each_other(void **state)
{
        (void)state;
        static struct world_node a, b;
        struct scene s;
        struct group_member member;
        char text[256];
        scene_init(&s, 3, 1);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const both[] = {&a, &b};
        run(&s, both, 1, 1000);
        assert_int_equal(a.state, MEMBERSHIP_IN);
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following ");
        node_init(&b, &s, "b", "ib", "boot-b", NULL);
        run(&s, both, 2, 1000);
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following b:following ");
        names(&b, text, sizeof text);
        assert_string_equal(text, "a:following b*:following ");
        assert_non_null(strstr(a.log, "b has joined, 10.0.0.1:2181"));
        assert_null(strstr(b.log, "joined")); /* it was there before */
        assert_true(membership_find(a.m, "b", &member));
        assert_string_equal(member.instance, "ib");
        assert_string_equal(member.boot_id, "boot-b");
        assert_true(member.czxid > 0);
        assert_false(membership_find(a.m, "c", &member));
        size_t changed = a.changed;
        publish(&b, "b", "ib", "boot-b", ROLE_LEADING, "");
        run(&s, both, 2, 1000);
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following b:leading ");
        assert_true(a.changed > changed);
        node_done(&b);
        run(&s, both, 1, SETTLE_MS);
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following ");
        assert_non_null(strstr(a.log, "b has left"));
        node_done(&a);
        scene_done(&s);
}

static void test_changes_that_come_fast_are_written_together(void **state)
{
        (void)state;
        static struct world_node a;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 2);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const one[] = {&a};
        run(&s, one, 1, 1000);
        for (int i = 0; i < 100; i++) {
                char note[16];
                (void)snprintf(note, sizeof note, "note %d", i);
                publish(&a, "a", "ia", "boot-a", ROLE_FOLLOWING, note);
                run(&s, one, 1, 5);
        }
        run(&s, one, 1, 2 * MEMBERSHIP_WRITE_MS);
        assert_int_equal(look(&s, a.p, "a", &r), ZK_OK);
        assert_in_range(r.stat.version, 2, 500 / MEMBERSHIP_WRITE_MS + 2);
        publish(&a, "a", "ia", "boot-a", ROLE_FOLLOWING, "note 99"); /* the same: nothing to write */
        run(&s, one, 1, 2 * MEMBERSHIP_WRITE_MS);
        int32_t version = r.stat.version;
        assert_int_equal(look(&s, a.p, "a", &r), ZK_OK);
        assert_int_equal(r.stat.version, version);
        node_done(&a);
        scene_done(&s);
}

static void test_a_lost_session_is_followed_by_a_new_znode(void **state)
{
        (void)state;
        static struct world_node a, b;
        struct scene s;
        char text[256];
        scene_init(&s, 3, 3);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        node_init(&b, &s, "b", "ib", "boot-b", NULL);
        struct world_node *const both[] = {&a, &b};
        run(&s, both, 2, 1000);
        a.p->stopped = true;
        run(&s, both, 2, 5000);
        names(&b, text, sizeof text);
        assert_string_equal(text, "b*:following ");
        a.p->stopped = false;
        run(&s, both, 2, 2000);
        assert_int_equal(a.p->expired, 1);
        assert_int_equal(a.state, MEMBERSHIP_IN);
        assert_non_null(strstr(a.log, "no member any more"));
        names(&b, text, sizeof text);
        assert_string_equal(text, "a:following b*:following ");
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following b:following ");
        node_done(&a);
        node_done(&b);
        scene_done(&s);
}

/* The agent crashed; its successor has the session's file. */
static void test_a_resumed_session_keeps_its_znode(void **state)
{
        (void)state;
        static struct world_node a, again;
        struct scene s;
        struct scene_reply before, after;
        struct client_session session;
        scene_init(&s, 3, 4);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const first[] = {&a}, *const second[] = {&again};
        run(&s, first, 1, 1000);
        assert_int_equal(look(&s, a.p, "a", &before), ZK_OK);
        client_session(a.p->c, &session);
        node_done(&a);
        node_init(&again, &s, "a", "ia", "boot-a", &session);
        publish(&again, "a", "ia", "boot-a", ROLE_LEADING, "");
        run(&s, second, 1, 1000);
        assert_int_equal(again.state, MEMBERSHIP_IN);
        assert_int_equal(look(&s, again.p, "a", &after), ZK_OK);
        assert_int_equal(after.stat.czxid, before.stat.czxid);
        assert_int_equal(after.stat.ephemeral_owner, before.stat.ephemeral_owner);
        assert_non_null(strstr(after.text, "leading"));
        node_done(&again);
        scene_done(&s);
}

static void test_a_znode_of_an_earlier_session_of_this_node_is_removed(void **state)
{
        (void)state;
        static struct world_node a, again;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 5);
        s.timeout_ms = 30000; /* nobody waits for its end */
        node_init(&a, &s, "a", "ia", "boot-1", NULL);
        struct world_node *const first[] = {&a}, *const second[] = {&again};
        run(&s, first, 1, 1000);
        node_done(&a);
        node_init(&again, &s, "a", "ia", "boot-1", NULL);
        run(&s, second, 1, 1000);
        assert_int_equal(again.state, MEMBERSHIP_IN);
        assert_non_null(strstr(again.log, "is removed"));
        assert_int_equal(look(&s, again.p, "a", &r), ZK_OK);
        struct client_session session;
        client_session(again.p->c, &session);
        assert_int_equal(r.stat.ephemeral_owner, session.id);
        node_done(&again);
        scene_done(&s);
}

/* Machines copied from one image, machine id, name and all: the second must not drive the first out. A machine that was
 * started anew looks the same, and waits for the end of its earlier session. */
static void test_a_copied_machine_waits_for_the_name(void **state)
{
        (void)state;
        static struct world_node a, b;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 5);
        node_init(&a, &s, "a", "ia", "boot-1", NULL);
        struct world_node *const both[] = {&a, &b}, *const second[] = {&b};
        run(&s, both, 1, 1000);
        node_init(&b, &s, "a", "ia", "boot-2", NULL);
        run(&s, both, 2, SETTLE_MS);
        assert_int_equal(a.state, MEMBERSHIP_IN);
        assert_int_equal(b.state, MEMBERSHIP_TAKEN);
        assert_non_null(strstr(b.why, "another one with the same /etc/machine-id"));
        node_done(&a);
        run(&s, second, 1, SETTLE_MS);
        assert_int_equal(b.state, MEMBERSHIP_IN);
        assert_int_equal(look(&s, b.p, "a", &r), ZK_OK);
        assert_non_null(strstr(r.text, "boot-2"));
        node_done(&b);
        scene_done(&s);
}

static void test_a_name_that_is_taken_is_waited_for(void **state)
{
        (void)state;
        static struct world_node a, b;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 6);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        node_init(&b, &s, "a", "ib", "boot-b", NULL);
        struct world_node *const both[] = {&a, &b};
        run(&s, both, 1, 1000);
        run(&s, both, 2, 1000);
        struct world_node *in = a.state == MEMBERSHIP_IN ? &a : &b, *out = in == &a ? &b : &a;
        assert_int_equal(in->state, MEMBERSHIP_IN);
        assert_int_equal(out->state, MEMBERSHIP_TAKEN);
        assert_non_null(strstr(out->why, "the name a is taken by another node (instance \""));
        assert_non_null(strstr(out->why, in == &a ? "\"ia\"" : "\"ib\""));
        /* Whatever the other writes does not let us in. */
        publish(in, "a", in == &a ? "ia" : "ib", "boot", ROLE_LEADING, "");
        run(&s, both, 2, 3000);
        assert_int_equal(out->state, MEMBERSHIP_TAKEN);
        struct world_node *const last[] = {out};
        node_done(in);
        run(&s, last, 1, SETTLE_MS);
        assert_int_equal(out->state, MEMBERSHIP_IN);
        assert_int_equal(look(&s, out->p, "a", &r), ZK_OK);
        assert_non_null(strstr(r.text, out == &a ? "\"ia\"" : "\"ib\""));
        node_done(out);
        scene_done(&s);
}

static void test_a_znode_that_somebody_removed_is_made_again(void **state)
{
        (void)state;
        static struct world_node a;
        struct scene s;
        struct scene_reply r, before;
        scene_init(&s, 3, 7);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const one[] = {&a};
        run(&s, one, 1, 1000);
        struct patron *p = scene_add(&s, 0, NULL);
        assert_true(scene_connected(&s, p, SETTLE_MS));
        assert_int_equal(look(&s, p, "a", &before), ZK_OK);
        struct client_call call = scene_call(&r);
        assert_int_equal(client_delete(p->c, MEMBERS_ROOT "/a", -1, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        run(&s, one, 1, 1000);
        assert_int_equal(a.state, MEMBERSHIP_IN);
        assert_int_equal(look(&s, p, "a", &r), ZK_OK);
        assert_true(r.stat.czxid > before.stat.czxid);
        node_done(&a);
        scene_done(&s);
}

static void put(struct scene *s, struct patron *p, const char *path, struct jute_str value)
{
        struct scene_reply r;
        struct client_call call = scene_call(&r);
        assert_int_equal(client_create(p->c, path, value, CLIENT_EPHEMERAL, NULL, &call), 0);
        assert_int_equal(scene_await(s, &r), ZK_OK);
}

static void test_what_others_write_does_no_harm(void **state)
{
        (void)state;
        static struct world_node a;
        static char huge[MEMBER_BYTES_MAX + 100];
        struct scene s;
        char text[256];
        scene_init(&s, 3, 8);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const one[] = {&a};
        run(&s, one, 1, 1000);
        struct patron *p = scene_add(&s, 0, NULL);
        assert_true(scene_connected(&s, p, SETTLE_MS));
        memset(huge, '[', sizeof huge);
        put(&s, p, MEMBERS_ROOT "/huge", jute_str_of(huge, sizeof huge));
        put(&s, p, MEMBERS_ROOT "/nothing", (struct jute_str){.data = NULL, .len = -1});
        put(&s, p, MEMBERS_ROOT "/list", jute_cstr("[1,2]"));
        put(&s, p, MEMBERS_ROOT "/odd",
            jute_cstr("{\"role\":17,\"instance\":{},\"boot\":\"\\u0001\",\"addresses\":3}"));
        put(&s, p, MEMBERS_ROOT "/no name", jute_cstr("{}"));
        put(&s, p, MEMBERS_ROOT "/good", jute_cstr("{\"role\":\"observing\",\"more\":[{}]}"));
        run(&s, one, 1, 1000);
        names(&a, text, sizeof text);
        assert_string_equal(text, "a*:following good:observing huge:none list:none nothing:none odd:none ");
        assert_int_equal(a.state, MEMBERSHIP_IN);
        node_done(&a);
        scene_done(&s);
}

/* A znode of that name which is nobody's. */
static void test_a_znode_made_by_hand_is_not_touched(void **state)
{
        (void)state;
        static struct world_node a;
        struct scene s;
        struct scene_reply r;
        scene_init(&s, 3, 9);
        struct patron *p = scene_add(&s, 0, NULL);
        assert_true(scene_connected(&s, p, SETTLE_MS));
        struct client_call call = scene_call(&r);
        (void)client_create(p->c, "/baton", jute_cstr(""), 0, NULL, NULL);
        (void)client_create(p->c, MEMBERS_ROOT, jute_cstr(""), 0, NULL, NULL);
        assert_int_equal(client_create(p->c, MEMBERS_ROOT "/a", jute_cstr("mine"), 0, NULL, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        node_init(&a, &s, "a", "ia", "boot-a", NULL);
        struct world_node *const one[] = {&a};
        run(&s, one, 1, 1000);
        assert_int_equal(a.state, MEMBERSHIP_TAKEN);
        assert_non_null(strstr(a.why, "batonctl delete " MEMBERS_ROOT "/a"));
        call = scene_call(&r);
        assert_int_equal(client_delete(p->c, MEMBERS_ROOT "/a", -1, &call), 0);
        assert_int_equal(scene_await(&s, &r), ZK_OK);
        run(&s, one, 1, 1000);
        assert_int_equal(a.state, MEMBERSHIP_IN);
        node_done(&a);
        scene_done(&s);
}

/* ---- the value ---- */

static void test_texts_are_cut_at_a_character_and_broken_ones_are_left_out(void **state)
{
        (void)state;
        char note[MEMBER_TEXT_BYTES_MAX + 8];
        struct member_said said;
        memset(note, 'x', MEMBER_TEXT_BYTES_MAX - 1);
        (void)snprintf(note + MEMBER_TEXT_BYTES_MAX - 1, 8, "\xc3\xa4y");
        char *value = value_of("a", "ia", "b", ROLE_LEADING, note);
        assert_null(strstr(value, "\xc3"));
        assert_non_null(strstr(value, "xxx\""));
        member_value_read(value, strlen(value), &said);
        assert_true(said.readable);
        assert_int_equal(said.role, ROLE_LEADING);
        assert_string_equal(said.address, "10.0.0.1:2181");
        mem_free(value);
        value = value_of("a", "ia", "b", ROLE_LEADING, "\xff\xfe");
        assert_non_null(strstr(value, "\"note\":\"\""));
        mem_free(value);
}

static void test_a_value_that_would_be_too_long_goes_without_texts(void **state)
{
        (void)state;
        enum { PLUGINS = 250 };
        static struct member_plugin plugins[PLUGINS];
        static char names_of[PLUGINS][16];
        char note[MEMBER_TEXT_BYTES_MAX + 1];
        memset(note, 1, MEMBER_TEXT_BYTES_MAX); /* six bytes each */
        note[MEMBER_TEXT_BYTES_MAX] = 0;
        for (int i = 0; i < PLUGINS; i++) {
                (void)snprintf(names_of[i], sizeof names_of[i], "p%d", i);
                plugins[i] = (struct member_plugin){
                        .name = names_of[i], .module = "unit", .group = "", .text = note, .note = ""};
        }
        struct member_self self = {.node = "a",
                                   .instance = "i",
                                   .boot_id = "b",
                                   .version = "1",
                                   .plugins = plugins,
                                   .plugin_count = PLUGINS};
        char *value = member_value_render(&self);
        struct member_said said;
        assert_true(strlen(value) < MEMBER_BYTES_MAX);
        assert_non_null(strstr(value, "\"p249\""));
        assert_null(strstr(value, "u0001"));
        member_value_read(value, strlen(value), &said);
        assert_true(said.readable);
        mem_free(value);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nodes_find_each_other),
                cmocka_unit_test(test_changes_that_come_fast_are_written_together),
                cmocka_unit_test(test_a_lost_session_is_followed_by_a_new_znode),
                cmocka_unit_test(test_a_resumed_session_keeps_its_znode),
                cmocka_unit_test(test_a_znode_of_an_earlier_session_of_this_node_is_removed),
                cmocka_unit_test(test_a_copied_machine_waits_for_the_name),
                cmocka_unit_test(test_a_name_that_is_taken_is_waited_for),
                cmocka_unit_test(test_a_znode_that_somebody_removed_is_made_again),
                cmocka_unit_test(test_what_others_write_does_no_harm),
                cmocka_unit_test(test_a_znode_made_by_hand_is_not_touched),
                cmocka_unit_test(test_texts_are_cut_at_a_character_and_broken_ones_are_left_out),
                cmocka_unit_test(test_a_value_that_would_be_too_long_goes_without_texts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
