#include "tests/sim/history/history_bench.h"

#include "tests/sim/history/history_check.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 64

struct found {
        struct history *h;
        char checkers[FOUND_MAX][16];
        size_t count;
        char text[16384];
        size_t len;
};

static void note(struct found *f, const char *text)
{
        int n = snprintf(f->text + f->len, sizeof f->text - f->len, "%s\n", text);
        f->len += (size_t)n;
        if (f->len >= sizeof f->text)
                f->len = sizeof f->text - 1;
}

static void take(void *ctx, const struct history_finding *found)
{
        struct found *f = ctx;
        char line[1024];
        (void)snprintf(line, sizeof line, "%s: %s", found->checker, found->text);
        note(f, line);
        if (found->a)
                note(f, history_line(f->h, found->a, line, sizeof line));
        if (found->b)
                note(f, history_line(f->h, found->b, line, sizeof line));
        for (size_t i = 0; i < f->count; i++)
                if (!strcmp(f->checkers[i], found->checker))
                        return;
        assert_true(f->count < FOUND_MAX);
        (void)snprintf(f->checkers[f->count++], sizeof f->checkers[0], "%s", found->checker);
}

static int by_name(const void *a, const void *b)
{
        return strcmp(a, b);
}

void bench_expect(const char *checkers, const char *text)
{
        struct found *f = calloc(1, sizeof *f);
        char why[200] = "", all[FOUND_MAX * 17] = "";
        FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
        assert_non_null(f);
        assert_non_null(from);
        f->h = history_new();
        int r = history_read(f->h, from, why, sizeof why);
        (void)fclose(from);
        if (r < 0)
                fail_msg("%s", why);
        (void)history_check(f->h, take, f);
        if (f->count)
                qsort(f->checkers, f->count, sizeof f->checkers[0], by_name);
        for (size_t i = 0; i < f->count; i++)
                (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", f->checkers[i]);
        if (strcmp(all, checkers) != 0)
                fail_msg("expected \"%s\", found \"%s\" in\n%s%s", checkers, all, text, f->text);
        history_free(f->h);
        free(f);
}
