/* A node's configuration: baton.conf and two files in conf.d, as the supervisor, the engine and the others read them.
 * The input is the three files, each a piece.
 *
 * What is refused says why. What loads can be given to each child, which reads its part back; and of that part the
 * child's own part is the same bytes. */
#include "daemon/common/node_config.h"
#include "daemon/engine/engine_config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void check_problems(int status, const struct problems *p)
{
        char text[2048];
        assert((status < 0) == (p->count > 0));
        for (size_t i = 0; i < p->count && i < PROBLEMS_MAX; i++)
                assert(problems_text(p, i, text, sizeof text) > 0);
}

static void show(const struct problems *p, const char *part)
{
        (void)fprintf(stderr, "a child does not read its part back:\n%s\n", part);
        problems_print(p, stderr);
}

/* What a child is given loads, and rendered again it is the same. */
static void check_part(const struct node_config *c, enum node_part part, const char *plugin)
{
        char path[PLACE_PATH_MAX];
        struct problems p;
        struct node_config *child = NULL;
        char *text = node_config_render(c, part, plugin);
        place_put("part/part.conf", text, strlen(text));
        place_path("part/part.conf", path);
        problems_init(&p, path);
        int r = node_config_load(path, &child, &p);
        if (r < 0)
                show(&p, text);
        assert(r == 0);
        char *again = node_config_render(child, part, plugin);
        assert(strcmp(text, again) == 0);
        if (part == NODE_PART_ENGINE) {
                struct engine_config engine;
                problems_init(&p, path);
                r = engine_config_load(path, &engine, &p);
                if (r < 0)
                        show(&p, text);
                assert(r == 0);
        }
        node_config_free(child);
        free(again);
        free(text);
}

static void check_parts(const struct node_config *c)
{
        assert(name_is_valid(c->node.text));
        assert(c->group_count <= NODE_GROUPS_MAX && c->plugin_count <= NODE_PLUGINS_MAX);
        if (strstr(c->data_dir, "\n"))
                abort();
        if (c->has_engine)
                check_part(c, NODE_PART_ENGINE, NULL);
        if (c->has_engine || c->server_count > 0)
                check_part(c, NODE_PART_AGENT, NULL);
        for (size_t i = 0; i < c->plugin_count; i++)
                check_part(c, NODE_PART_WORKER, c->plugins[i].name.text);
}

static void load_engine(const char *path)
{
        struct engine_config engine;
        struct problems p;
        problems_init(&p, path);
        int r = engine_config_load(path, &engine, &p);
        check_problems(r, &p);
        if (r == 0)
                assert(engine.data_dir[0] == '/' && engine.server.ensemble.count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const files[] = {"conf/baton.conf", "conf/conf.d/a.conf", "conf/conf.d/b.conf"};
        struct fuzz_input in = fuzz_input(data, size);
        char path[PLACE_PATH_MAX];
        struct problems p;
        struct node_config *c = NULL;
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                struct fuzz_bytes b = fuzz_piece(&in);
                place_put(files[i], b.data, b.len);
                mem_free(b.data);
        }
        place_path(files[0], path);
        problems_init(&p, path);
        int r = node_config_load(path, &c, &p);
        check_problems(r, &p);
        if (r == 0)
                check_parts(c);
        node_config_free(c);
        load_engine(path);
        return 0;
}
