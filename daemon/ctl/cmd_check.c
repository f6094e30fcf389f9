/* batonctl check: one line for a monitoring system, in the manner of the monitoring plugins' guidelines: status, text,
 * `|` and performance data; exit status 0 ok, 1 warning, 2 critical, 3 unknown. */
#include "daemon/common/message.h"
#include "daemon/common/settings.h"
#include "daemon/ctl/view.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the line's text. */
#define LINE_BYTES_MAX 1024

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_CRITICAL, VERDICT_UNKNOWN };

struct findings {
        enum verdict verdict;
        char text[LINE_BYTES_MAX];
};

static void found(struct findings *f, enum verdict verdict, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void found(struct findings *f, enum verdict verdict, const char *format, ...)
{
        size_t len = strlen(f->text);
        va_list args;
        if (len)
                len += (size_t)snprintf(f->text + len, sizeof f->text - len, ", ");
        if (len >= sizeof f->text)
                return;
        va_start(args, format);
        (void)vsnprintf(f->text + len, sizeof f->text - len, format, args);
        va_end(args);
        if (verdict > f->verdict)
                f->verdict = verdict;
}

static size_t judge(struct ctl *c, const struct view *v, int64_t expected, struct findings *f)
{
        const struct view_member *leader = view_leader(v), *here = NULL;
        const struct node_config *config = ctl_config(c);
        size_t without = 0;
        for (size_t i = 0; i < v->member_count; i++)
                if (v->members[i].here)
                        here = &v->members[i];
        if ((int64_t)v->member_count < expected)
                found(f, VERDICT_WARNING, "%zu of %lld members present", v->member_count, (long long)expected);
        else
                found(f, VERDICT_OK, "%zu members", v->member_count);
        if (leader)
                found(f, VERDICT_OK, "leader %s", leader->name);
        else if (config && config->has_engine)
                found(f, VERDICT_WARNING, "no member says that it leads");
        if (here)
                found(f, VERDICT_OK, "this node %s", here->role == ROLE_NONE ? "present" : node_role_name(here->role));
        else if (config)
                found(f, VERDICT_CRITICAL, "this node (%s) is not a member", config->node.text);
        for (size_t i = 0; i < v->group_count; i++) {
                const struct view_group *g = &v->groups[i];
                without += !g->has_active;
                if (g->has_active)
                        found(f, VERDICT_OK, "%s on %s", g->name, view_active_node(g));
                else
                        found(f, VERDICT_CRITICAL, "group %s is active nowhere", g->name);
        }
        return without;
}

static void print_line(struct findings *f, const char *perfdata)
{
        static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
        for (char *at = f->text; *at; at++)
                if ((unsigned char)*at < 0x20 || *at == '|')
                        *at = '?'; /* foreign text, where a bar has a meaning */
        (void)printf("BATON %s - %s%s%s\n", words[f->verdict], f->text, *perfdata ? " | " : "", perfdata);
}

static int read_arguments(int argc, char **argv, int64_t *ret_expected)
{
        optind = 0;
        for (int letter; (letter = getopt(argc, argv, "n:")) != -1;)
                if (letter != 'n' || settings_number(optarg, 0, 100000, ret_expected) < 0) {
                        (void)fprintf(stderr, "batonctl check: -n wants the number of members there should be\n");
                        return VERDICT_UNKNOWN;
                }
        if (optind != argc) {
                (void)fprintf(stderr, "batonctl check takes no arguments but -n NUMBER\n");
                return VERDICT_UNKNOWN;
        }
        return VERDICT_OK;
}

int cmd_check(const struct ctl_options *o, int argc, char **argv)
{
        struct ctl *c;
        struct view v;
        struct findings f = {.verdict = VERDICT_OK};
        char perfdata[128] = "";
        int64_t expected = -1;
        if (read_arguments(argc, argv, &expected) != VERDICT_OK)
                return VERDICT_UNKNOWN;
        int status = ctl_open(o, &c);
        if (status != CTL_DONE) {
                found(&f, VERDICT_UNKNOWN, "the configuration is wrong or not there");
                print_line(&f, perfdata);
                return (int)f.verdict;
        }
        /* Every server of the ensemble is a node, unless told otherwise. */
        if (expected < 0)
                expected = ctl_config(c) && ctl_config(c)->has_engine ? (int64_t)ctl_config(c)->server_count : 0;
        status = view_read(c, &v);
        if (status == CTL_UNREACHABLE) {
                found(&f, VERDICT_CRITICAL, "no quorum: no server answers");
        } else if (status != CTL_DONE) {
                found(&f, VERDICT_UNKNOWN, "the ensemble refuses to tell");
        } else {
                size_t without = judge(c, &v, expected, &f);
                (void)snprintf(perfdata, sizeof perfdata, "members=%zu;;;0;%lld groups=%zu inactive=%zu;;0",
                               v.member_count, (long long)expected, v.group_count, without);
        }
        if (o->json) {
                json_t *object = json_pack("{s:i,s:s}", "status", (int)f.verdict, "text", f.text);
                (void)json_dumpf(object, stdout, JSON_COMPACT);
                (void)putchar('\n');
                json_decref(object);
        } else {
                print_line(&f, perfdata);
        }
        view_done(&v);
        ctl_close(c);
        return (int)f.verdict;
}
