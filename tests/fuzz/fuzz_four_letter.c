/* Four-letter words: what is said first on a connection to the client port, of a server that serves and has a session
 * with watches and an ephemeral znode. The input is a list of pieces, each said on a connection of its own, in one
 * portion or byte by byte.
 *
 * A known word is answered and the connection closed; the answer is text. One with an argument waits for it. Anything
 * else waits, or is closed as every bad beginning is. */
#include "tests/fuzz/one_server.h"

#include <ctype.h>

static void say_request(struct one_server *s, struct one_conn *c, const struct jute_writer *body)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, (int32_t)body->len);
        jute_put_raw(&w, body->data, body->len);
        one_server_say(s, c, w.data, w.len);
        jute_writer_done(&w);
}

/* A client for the words to tell of. */
static void add_client(struct one_server *s)
{
        static const uint8_t passwd[SESSION_PASSWD_SIZE];
        static const uint8_t acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                      'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};
        struct one_conn *c = one_server_accept(s, PORT_CLIENT);
        struct jute_writer w;
        jute_writer_init(&w, 1024);
        jute_put_connect_request(&w, &(struct jute_connect_request){.timeout = 4000,
                                                                    .passwd = jute_str_of(passwd, sizeof passwd),
                                                                    .has_read_only = true});
        say_request(s, c, &w);
        jute_writer_reset(&w);
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 1, .type = OP_CREATE});
        jute_put_create_request(
                &w, &(struct jute_create_request){
                            .path = jute_cstr("/e\n"), .data = jute_cstr(""), .acl = {acl, sizeof acl, 1}, .flags = 1});
        say_request(s, c, &w);
        jute_writer_reset(&w);
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 2, .type = OP_GET_CHILDREN});
        jute_put_path_watch(&w, &(struct jute_path_watch){.path = jute_cstr("/"), .watch = true});
        say_request(s, c, &w);
        jute_writer_done(&w);
        assert(c->open);
}

static void check_text(const struct one_conn *c)
{
        for (size_t i = 0; i < c->out_len; i++)
                assert(c->out[i] == '\n' || c->out[i] == '\t' || c->out[i] >= ' ');
}

static void one_word(struct one_server *s, struct fuzz_input *in)
{
        bool bytewise = fuzz_byte(in) % 2;
        struct fuzz_bytes b = fuzz_piece(in);
        struct one_conn *c = one_server_accept(s, PORT_CLIENT);
        if (c && bytewise)
                for (size_t i = 0; i < b.len; i++)
                        one_server_say(s, c, b.data + i, 1);
        else if (c)
                one_server_say(s, c, b.data, b.len);
        bool word = b.len >= 4 && isalpha(b.data[0]) && isalpha(b.data[1]) && isalpha(b.data[2]) && isalpha(b.data[3]);
        if (word && !memcmp(b.data, "stmk", 4) && b.len < 4 + 8)
                word = false; /* its mask is missing */
        if (c && word) {
                assert(!c->open); /* known, or a frame far too long */
                check_text(c);
        }
        if (c)
                one_server_hang_up(s, c, 0);
        mem_free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct one_server *s = one_server_new(1, 1, false);
        one_server_pass(s, 1000);
        add_client(s);
        while (fuzz_left(&in) && s->conn_count < ONE_CONNS)
                one_word(s, &in);
        one_server_end(s);
        return 0;
}
