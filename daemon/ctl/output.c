/* See output.h. */
#include "daemon/ctl/output.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define GAP "  "

struct cell {
        enum shade shade;
        char text[TABLE_CELL_MAX + 1];
};

struct table {
        const char *const *heads;
        size_t columns;
        struct cell *cells; /* row after row, all of them `columns` wide */
        size_t rows, capacity;
        size_t at; /* next column of the last row */
};

struct table *table_new(const char *const *heads)
{
        struct table *t = mem_zalloc(sizeof *t);
        t->heads = heads;
        while (heads[t->columns])
                t->columns++;
        assert(t->columns <= TABLE_COLUMNS_MAX);
        return t;
}

void table_free(struct table *t)
{
        if (!t)
                return;
        mem_free(t->cells);
        mem_free(t);
}

void table_row(struct table *t)
{
        t->cells = mem_grow(t->cells, &t->capacity, (t->rows + 1) * t->columns, sizeof *t->cells);
        memset(&t->cells[t->rows * t->columns], 0, t->columns * sizeof *t->cells);
        t->rows++;
        t->at = 0;
}

/* Control characters, and what is left of a character that was cut. */
static void make_printable(char *text)
{
        size_t len = strlen(text);
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        text[i] = '?';
        size_t tail = 0;
        while (tail < 4 && tail < len && ((unsigned char)text[len - 1 - tail] & 0xc0) == 0x80)
                tail++;
        if (tail < len && (unsigned char)text[len - 1 - tail] >= 0xc0) {
                unsigned char lead = (unsigned char)text[len - 1 - tail];
                size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
                if (tail < want)
                        text[len - 1 - tail] = '\0';
        }
}

void table_cell(struct table *t, enum shade shade, const char *format, ...)
{
        assert(t->rows && t->at < t->columns);
        struct cell *cell = &t->cells[(t->rows - 1) * t->columns + t->at++];
        va_list args;
        cell->shade = shade;
        va_start(args, format);
        (void)vsnprintf(cell->text, sizeof cell->text, format, args);
        va_end(args);
        make_printable(cell->text);
        if (!*cell->text)
                (void)snprintf(cell->text, sizeof cell->text, "-");
}

size_t text_columns(const char *text)
{
        size_t columns = 0;
        for (; *text; text++)
                columns += ((unsigned char)*text & 0xc0) != 0x80;
        return columns;
}

static const char *const shade_codes[] = {[SHADE_PLAIN] = "",
                                          [SHADE_GOOD] = "\033[32m",
                                          [SHADE_WARNING] = "\033[33m",
                                          [SHADE_BAD] = "\033[31m",
                                          [SHADE_DIM] = "\033[2m"};

static void print_cell(const char *text, enum shade shade, size_t pad, bool colour, FILE *out)
{
        bool shaded = colour && shade != SHADE_PLAIN;
        (void)fprintf(out, "%s%s%s", shaded ? shade_codes[shade] : "", text, shaded ? "\033[0m" : "");
        (void)fprintf(out, "%*s", (int)pad, "");
}

void table_print(const struct table *t, bool colour, FILE *out)
{
        size_t width[TABLE_COLUMNS_MAX] = {0};
        for (size_t column = 0; column < t->columns; column++) {
                width[column] = text_columns(t->heads[column]);
                for (size_t row = 0; row < t->rows; row++) {
                        size_t wide = text_columns(t->cells[row * t->columns + column].text);
                        if (wide > width[column])
                                width[column] = wide;
                }
        }
        for (size_t row = 0; row <= t->rows; row++) {
                for (size_t column = 0; column < t->columns; column++) {
                        const struct cell *cell = row ? &t->cells[(row - 1) * t->columns + column] : NULL;
                        const char *text = cell ? cell->text : t->heads[column];
                        bool last = column + 1 == t->columns;
                        size_t pad = last ? 0 : width[column] - text_columns(text) + strlen(GAP);
                        print_cell(text, cell ? cell->shade : SHADE_DIM, pad, colour, out);
                }
                (void)fputc('\n', out);
        }
}

const char *text_age(long long seconds, char ret[32])
{
        if (seconds < 0)
                seconds = 0;
        if (seconds < 120)
                (void)snprintf(ret, 32, "%lld s", seconds);
        else if (seconds < 2LL * 3600)
                (void)snprintf(ret, 32, "%lld min", seconds / 60);
        else if (seconds < 2LL * 86400)
                (void)snprintf(ret, 32, "%lld h", seconds / 3600);
        else
                (void)snprintf(ret, 32, "%lld d", seconds / 86400);
        return ret;
}
