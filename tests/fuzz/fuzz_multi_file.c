/* Files of batonctl multi (daemon/ctl/multi_file.h): what is taken can be asked for by the client, and every line that
 * is not has its problem. */
#include "daemon/ctl/multi_file.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static void check(const struct multi_file *m, int lines)
{
        int before = 0;
        for (size_t i = 0; i < m->count; i++) {
                const struct client_op *op = &m->ops[i];
                assert(multi_file_line(m, i) > before);
                before = multi_file_line(m, i);
                assert(op->path && op->path[0] == '/');
                assert(op->type == OP_CREATE || op->type == OP_CREATE_CONTAINER || op->type == OP_CREATE_TTL ||
                       op->type == OP_DELETE || op->type == OP_SET_DATA || op->type == OP_CHECK);
                if (!op->acl)
                        continue;
                struct jute_reader r = jute_vec_reader(op->acl);
                for (int32_t k = 0; k < op->acl->count; k++) {
                        struct jute_acl acl;
                        jute_get_acl(&r, &acl);
                }
                assert(!r.error && !jute_left(&r));
        }
        assert(before <= lines);
}

/* The client refuses nothing but paths, and what is too large. */
static void ask(const struct multi_file *m)
{
        static const struct client_server server = {"s1", 2181};
        const struct client_config config = {.servers = &server, .server_count = 1, .session_timeout_ms = 1000};
        struct client *c;
        int r = client_new(&config, &c);
        assert(r == 0);
        r = client_multi(c, m->ops, m->count, NULL);
        assert(r == 0 || r == -EINVAL || r == -EMSGSIZE);
        client_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct problems p;
        struct multi_file m;
        int lines = 1;
        char *exact = size ? mem_dup(data, size) : mem_alloc(0);
        for (size_t i = 0; i < size; i++)
                lines += data[i] == '\n';
        problems_init(&p, "file");
        multi_file_parse(exact, size, &m, &p);
        assert(m.count + p.count > 0 && m.count + p.count <= (size_t)lines + 1);
        check(&m, lines);
        if (!p.count)
                ask(&m);
        multi_file_done(&m);
        mem_free(exact);
        return 0;
}
