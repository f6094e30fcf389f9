/* See args.h. */
#include "daemon/ctl/args.h"

#include "daemon/common/settings.h"
#include "daemon/ctl/ctl.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int args_wrong(const char *command, const char *format, ...)
{
        va_list list;
        (void)fprintf(stderr, "batonctl %s: ", command);
        va_start(list, format);
        (void)vfprintf(stderr, format, list);
        va_end(list);
        (void)fprintf(stderr, "; see batonctl --help\n");
        return CTL_USAGE;
}

static int value_of(const char *letters, char letter)
{
        const char *at = strchr(letters, letter);
        assert(at);
        return at[1] == ':' ? required_argument : no_argument;
}

int args_read(int argc, char **argv, const struct args_form *form, struct args *ret)
{
        struct option names[ARGS_NAMES_MAX + 1] = {{NULL, 0, NULL, 0}};
        *ret = (struct args){.rest = NULL};
        for (size_t i = 0; form->names && form->names[i].name; i++) {
                assert(i < ARGS_NAMES_MAX);
                names[i] = (struct option){.name = form->names[i].name,
                                           .has_arg = value_of(form->letters, form->names[i].letter),
                                           .val = form->names[i].letter};
        }
        optind = 0; /* the GNU way to begin anew */
        for (int letter; (letter = getopt_long(argc, argv, form->letters, names, NULL)) != -1;) {
                if (letter <= 0 || letter >= ARGS_LETTERS_MAX || letter == '?')
                        return CTL_USAGE; /* getopt has said why */
                ret->has[letter] = true;
                ret->option[letter] = optarg;
        }
        ret->rest = argv + optind;
        ret->rest_count = argc - optind;
        if (ret->rest_count < form->least)
                return args_wrong(argv[0], "%s", form->wants);
        return ret->rest_count > form->most ? args_wrong(argv[0], "too many arguments") : CTL_DONE;
}

int args_number(const char *command, const struct args *a, char letter, int64_t least, int64_t most, int64_t *inout)
{
        if (!a->has[(unsigned char)letter])
                return CTL_DONE;
        if (settings_number(a->option[(unsigned char)letter], least, most, inout) == 0)
                return CTL_DONE;
        return args_wrong(command, "-%c wants a number, %" PRId64 " to %" PRId64, letter, least, most);
}
