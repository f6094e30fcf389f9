/* baton-scenario [--write] FILE…: plays each scenario and compares what came of it with its transcript; with --write
 * the transcripts are written anew, for a person to read the difference. Each file is played in a process of its own,
 * so that one that dies takes none of the others with it.
 *
 * Exit status: 0 all came as written, 1 not all, 2 a wrong command line. */
#include "tests/sim/scenario/stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Lines of a difference that are shown. */
#define SHOWN_LINES 40

/* The first lines from where the two go apart. */
static void show_difference(const char *path, const char *is, const char *was)
{
        int line = 1;
        const char *start_is = is, *start_was = was;
        for (; *is && *is == *was; is++, was++)
                if (*is == '\n') {
                        line++;
                        start_is = is + 1;
                        start_was = was + 1;
                }
        (void)fprintf(stderr, "%s:%d: what came is not what is written. It came to:\n", path, line);
        for (int i = 0; i < SHOWN_LINES && *start_is; i++) {
                int len = (int)strcspn(start_is, "\n");
                (void)fprintf(stderr, "+%.*s\n", len, start_is);
                start_is += len + (start_is[len] == '\n');
        }
        (void)fprintf(stderr, "where it says:\n");
        for (int i = 0; i < SHOWN_LINES && *start_was; i++) {
                int len = (int)strcspn(start_was, "\n");
                (void)fprintf(stderr, "-%.*s\n", len, start_was);
                start_was += len + (start_was[len] == '\n');
        }
}

static int write_file(const char *path, const struct text *t)
{
        FILE *f = fopen(path, "we");
        if (f && fwrite(t->data, 1, t->len, f) == t->len && fclose(f) == 0)
                return 0;
        (void)fprintf(stderr, "%s: can't be written: %s\n", path, strerror(errno));
        return 1;
}

/* What came of it up to where it failed. */
static void show_story(const struct script *s)
{
        struct text story = {.len = 0};
        script_render(s, &story);
        (void)fprintf(stderr, "%s", text_of(&story));
        text_done(&story);
}

static int play_file(const char *path, bool write)
{
        struct script s;
        struct stage st;
        struct text why = {.len = 0}, rendered = {.len = 0};
        int status = 1;
        stage_init(&st, path);
        if (!script_read(path, &s, &why)) {
                (void)fprintf(stderr, "%s\n", text_of(&why));
        } else if (!stage_play(&st, &s, 0, s.count) || !stage_conclude(&st)) {
                show_story(&s);
                (void)fprintf(stderr, "%s\n", text_of(&st.failure));
        } else {
                script_render(&s, &rendered);
                bool same = strcmp(text_of(&rendered), s.original) == 0;
                status = same ? 0 : write ? write_file(path, &rendered) : 1;
                if (!same && !write)
                        show_difference(path, text_of(&rendered), s.original);
        }
        stage_done(&st);
        script_done(&s);
        text_done(&rendered);
        text_done(&why);
        return status;
}

static int play_apart(const char *path, bool write)
{
        int status = 0;
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                status = play_file(path, write);
                (void)fflush(NULL);
                _exit(status);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
                (void)fprintf(stderr, "%s: no process for it: %s\n", path, strerror(errno));
                return 1;
        }
        if (WIFSIGNALED(status))
                (void)fprintf(stderr, "%s: CRASH: ended by signal %d\n", path, WTERMSIG(status));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
        int first = 1, failed = 0;
        bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
        first += write;
        if (first >= argc || argv[first][0] == '-') {
                (void)fprintf(stderr, "usage: baton-scenario [--write] FILE...\n");
                return 2;
        }
        for (int i = first; i < argc; i++)
                failed += play_apart(argv[i], write) != 0;
        if (argc - first > 1)
                (void)printf("%d scenarios, %d failed\n", argc - first, failed);
        return failed > 0;
}
