/* Commands about the network between servers. */
#include "tests/sim/scenario/stage.h"

#include <stdio.h>
#include <string.h>

static const struct {
        const char *name;
        int32_t type;
} packets[] = {
        {"REQUEST", QP_REQUEST},
        {"PROPOSAL", QP_PROPOSAL},
        {"ACK", QP_ACK},
        {"COMMIT", QP_COMMIT},
        {"PING", QP_PING},
        {"REVALIDATE", QP_REVALIDATE},
        {"SYNC", QP_SYNC},
        {"INFORM", QP_INFORM},
        {"NEWLEADER", QP_NEWLEADER},
        {"UPTODATE", QP_UPTODATE},
        {"DIFF", QP_DIFF},
        {"TRUNC", QP_TRUNC},
        {"SNAP", QP_SNAP},
        {"FOLLOWERINFO", QP_FOLLOWERINFO},
        {"OBSERVERINFO", QP_OBSERVERINFO},
        {"LEADERINFO", QP_LEADERINFO},
        {"ACKEPOCH", QP_ACKEPOCH},
        {"anything", WORLD_PACKET_ANY},
};

int32_t stage_packet(const char *name)
{
        for (size_t i = 0; i < sizeof packets / sizeof *packets; i++)
                if (strcmp(packets[i].name, name) == 0)
                        return packets[i].type;
        return 0;
}

const char *stage_packet_name(int32_t type)
{
        for (size_t i = 0; i < sizeof packets / sizeof *packets; i++)
                if (packets[i].type == type)
                        return packets[i].name;
        return "a packet of no known type";
}

bool stage_way(struct stage *st, const char *word, int *ret_from, int *ret_to)
{
        char text[16];
        (void)snprintf(text, sizeof text, "%s", word);
        char *arrow = strstr(text, "->");
        if (!arrow)
                return stage_fail(st, "\"%s\" is no way such as 1->2", word);
        *arrow = 0;
        return stage_server(st, text, ret_from) && stage_server(st, arrow + 2, ret_to);
}

/* cut A B | A->B …: nothing gets through, nobody is told */
static bool set_cut(struct stage *st, char **words, size_t count, bool cut)
{
        int a, b;
        for (size_t i = 1; i < count; i++) {
                if (strstr(words[i], "->")) {
                        if (!stage_way(st, words[i], &a, &b))
                                return false;
                        world_cut(st->w, a, b, cut);
                        continue;
                }
                if (i + 1 == count)
                        return stage_fail(st, "cut between %s and whom?", words[i]);
                if (!stage_server(st, words[i], &a) || !stage_server(st, words[i + 1], &b))
                        return false;
                world_cut(st->w, a, b, cut);
                world_cut(st->w, b, a, cut);
                i++;
        }
        return true;
}

static bool cut(struct stage *st, char **words, size_t count)
{
        return set_cut(st, words, count, true);
}

static bool mend(struct stage *st, char **words, size_t count)
{
        return set_cut(st, words, count, false);
}

/* isolate SERVER…: from all the others, these among them */
static bool isolate(struct stage *st, char **words, size_t count)
{
        for (size_t i = 1; i < count; i++) {
                int sid;
                if (!stage_server(st, words[i], &sid))
                        return false;
                for (int other = 1; other <= st->w->count; other++)
                        if (other != sid) {
                                world_cut(st->w, sid, other, true);
                                world_cut(st->w, other, sid, true);
                        }
        }
        return true;
}

/* heal: no cut is left, nothing is held, nothing slow */
static bool heal(struct stage *st, char **words, size_t count)
{
        (void)words;
        (void)count;
        for (int a = 1; a <= st->w->count; a++)
                for (int b = 1; b <= st->w->count; b++) {
                        world_cut(st->w, a, b, false);
                        world_hold(st->w, a, b, 0);
                        world_blackhole(st->w, a, b, false);
                        world_slow_link(st->w, a, b, 0, 0);
                }
        world_slow_net(st->w, 0, 0);
        return true;
}

/* reset A B: their connections; what was under way arrives in part */
static bool reset(struct stage *st, char **words, size_t count)
{
        int a, b;
        (void)count;
        if (!stage_server(st, words[1], &a) || !stage_server(st, words[2], &b))
                return false;
        world_reset(st->w, a, b);
        return true;
}

/* hold PACKET A->B: it waits, and all behind it */
static bool hold(struct stage *st, char **words, size_t count)
{
        int32_t type = stage_packet(words[1]);
        if (!type)
                return stage_fail(st, "%s is no packet", words[1]);
        for (size_t i = 2; i < count; i++) {
                int a, b;
                if (!stage_way(st, words[i], &a, &b))
                        return false;
                world_hold(st->w, a, b, type);
        }
        return true;
}

static bool release(struct stage *st, char **words, size_t count)
{
        for (size_t i = 1; i < count; i++) {
                int a, b;
                if (!stage_way(st, words[i], &a, &b))
                        return false;
                world_hold(st->w, a, b, 0);
        }
        return true;
}

/* lose A->B: what is under way there never arrives, and the connections with it are reset */
static bool lose(struct stage *st, char **words, size_t count)
{
        for (size_t i = 1; i < count; i++) {
                int a, b;
                if (!stage_way(st, words[i], &a, &b))
                        return false;
                for (struct list *l = st->w->streams.next; l != &st->w->streams; l = l->next) {
                        struct world_stream *s = LIST_ENTRY(l, struct world_stream, link);
                        for (int k = 0; k < 2; k++) {
                                struct world_endpoint *end = &s->end[k];
                                if (end->sid != b || s->end[!k].sid != a || !end->open || !end->in.len)
                                        continue;
                                world__reset_stream(st->w, s);
                                end->in.len = 0;
                        }
                }
                world_hold(st->w, a, b, 0);
        }
        return true;
}

/* slow-net [delay=MS] [rate=BYTES]: of what servers send */
static bool slow_net(struct stage *st, char **words, size_t count)
{
        int64_t delay = 0, rate = 0;
        if (!stage_option_number(st, words, count, "delay", &delay) ||
            !stage_option_number(st, words, count, "rate", &rate))
                return false;
        world_slow_net(st->w, (uint32_t)delay, (uint32_t)rate);
        return true;
}

/* slow-link A->B [delay=MS] [rate=BYTES] */
static bool slow_link(struct stage *st, char **words, size_t count)
{
        int64_t delay = 0, rate = 0;
        int a, b;
        if (!stage_way(st, words[1], &a, &b) || !stage_option_number(st, words, count, "delay", &delay) ||
            !stage_option_number(st, words, count, "rate", &rate))
                return false;
        world_slow_link(st->w, a, b, (uint32_t)delay, (uint32_t)rate);
        return true;
}

/* black-hole A->B: dials get no answer; see-through A->B: they do */
static bool black_hole(struct stage *st, char **words, size_t count)
{
        int a, b;
        (void)count;
        if (!stage_way(st, words[1], &a, &b))
                return false;
        world_blackhole(st->w, a, b, true);
        return true;
}

static bool see_through(struct stage *st, char **words, size_t count)
{
        int a, b;
        (void)count;
        if (!stage_way(st, words[1], &a, &b))
                return false;
        world_blackhole(st->w, a, b, false);
        return true;
}

/* small-buffers BYTES: of sockets */
static bool small_buffers(struct stage *st, char **words, size_t count)
{
        int64_t bytes;
        (void)count;
        if (!stage_number(st, words[1], &bytes))
                return false;
        world_set_buffers(st->w, (size_t)bytes, st->w->peer_backlog_bytes, st->w->client_backlog_bytes);
        return true;
}

const struct stage_command stage_net_commands[] = {
        {"cut", 2, cut},
        {"mend", 2, mend},
        {"isolate", 2, isolate},
        {"heal", 1, heal},
        {"reset", 3, reset},
        {"hold", 3, hold},
        {"release", 2, release},
        {"lose", 2, lose},
        {"slow-link", 2, slow_link},
        {"black-hole", 2, black_hole},
        {"see-through", 2, see_through},
        {"small-buffers", 2, small_buffers},
        {"slow-net", 1, slow_net},
        {NULL, 0, NULL},
};
