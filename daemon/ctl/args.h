/* Arguments of one command: letters as of getopt(), long names for some of them, then what is no option. */
#ifndef BATON_CTL_ARGS_H
#define BATON_CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

/* Letters are ASCII. */
#define ARGS_LETTERS_MAX 128
/* Long names of one command. */
#define ARGS_NAMES_MAX 12

/* A long name of a letter; it takes a value where the letter does. */
struct args_name {
        const char *name;
        char letter;
};

struct args {
        bool has[ARGS_LETTERS_MAX];
        const char *option[ARGS_LETTERS_MAX]; /* the value that came with a letter */
        char **rest;                          /* borrowed: points into argv */
        int rest_count;
};

struct args_form {
        const char *letters;           /* as for getopt() */
        const struct args_name *names; /* may be NULL; ends with a NULL name */
        int least, most;               /* arguments behind the options */
        const char *wants;             /* the question that a missing argument answers */
};

/* Returns CTL_DONE or CTL_USAGE, the reason printed. */
int args_read(int argc, char **argv, const struct args_form *form, struct args *ret);
/* The number that came with a letter; `inout` is left alone where the letter did not come. */
int args_number(const char *command, const struct args *a, char letter, int64_t least, int64_t most, int64_t *inout);
/* Prints "batonctl COMMAND: …; see batonctl help" and returns CTL_USAGE. */
int args_wrong(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
