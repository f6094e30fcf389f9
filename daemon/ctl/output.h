/* What batonctl prints: tables whose columns are as wide as they need to be. Foreign text (znodes' values) never
 * reaches the terminal with control characters in it. */
#ifndef BATON_CTL_OUTPUT_H
#define BATON_CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Columns of a table. */
#define TABLE_COLUMNS_MAX 10
/* Bytes of a cell; longer ones are cut. */
#define TABLE_CELL_MAX 200

enum shade { SHADE_PLAIN, SHADE_GOOD, SHADE_WARNING, SHADE_BAD, SHADE_DIM };

struct table;

/* `heads` are borrowed; NULL ends them. */
struct table *table_new(const char *const *heads);
void table_free(struct table *t);
/* Cells go into the present row from left to right. */
void table_row(struct table *t);
void table_cell(struct table *t, enum shade shade, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The last column is not padded. */
void table_print(const struct table *t, bool colour, FILE *out);

/* Bytes of a text in columns of a terminal: UTF-8 characters, each taken for one wide. */
size_t text_columns(const char *text);
/* "3 s", "5 min", "2 h", "4 d". */
const char *text_age(long long seconds, char ret[32]);

#endif
