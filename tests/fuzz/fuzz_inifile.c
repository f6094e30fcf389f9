/* Configuration files as lines (daemon/common/inifile.h): sections and keys come in the order of the file, each once,
 * within their bounds; what is no line is a problem, with its line. */
#include "daemon/common/inifile.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

struct seen {
        int line;
        bool in_section;
        char section[INIFILE_SECTION_MAX + 1];
};

static void on_entry(void *ctx, const struct inifile_entry *e)
{
        struct seen *s = ctx;
        assert(e->at.line > s->line); /* one thing a line */
        s->line = e->at.line;
        assert(e->section && strlen(e->section) <= INIFILE_SECTION_MAX);
        assert(!e->key == !e->value);
        if (!e->key) {
                s->in_section = true;
                memcpy(s->section, e->section, strlen(e->section) + 1);
                return;
        }
        assert(s->in_section && strcmp(s->section, e->section) == 0);
        assert(e->key[0] != '\0' && strlen(e->key) + strlen(e->value) <= INIFILE_LINE_MAX);
        assert(!strchr(e->key, '\n') && !strchr(e->value, '\n'));
        size_t len = strlen(e->value);
        assert(len == 0 || (e->value[0] != ' ' && e->value[len - 1] != ' '));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct seen s = {.line = 0};
        struct problems p;
        char path[PLACE_PATH_MAX], text[1024];
        place_put("file.conf", data, size);
        place_path("file.conf", path);
        problems_init(&p, path);
        int r = inifile_read(path, on_entry, &s, &p);
        assert(r == 0);
        problems_sort(&p);
        for (size_t i = 0; i < p.count && i < PROBLEMS_MAX; i++) {
                assert(p.list[i].line > 0);
                assert(problems_text(&p, i, text, sizeof text) > 0);
        }
        return 0;
}
