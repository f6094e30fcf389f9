/* The clients of a life: connections, sessions, and whose turn it is. */
#include "tests/sim/load/load_internal.h"

#include "election/base/alloc.h"
#include "tests/sim/world/world_state.h"

#include <inttypes.h>
#include <string.h>

/* One frame that is larger was never asked for. */
#define FRAME_BYTES_MAX (8u << 20)
#define TAKE_BYTES      4096
/* Tell the draws of quotas, and of questions that few clients ask, from all others. */
#define QUOTA_DRAW     0x71756f7461
#define QUESTION_DRAW  0x61736b73
#define READ_ONLY_DRAW 0x726561646f6e
/* So long clients put up with a server in read-only mode, at most. */
#define READ_ONLY_MS 1500

uint64_t load__draw(struct load_client *a, uint64_t below)
{
        return prng_next(&a->prng) % below;
}

/* Two things of one millisecond happen one after the other all the same. */
uint64_t load__us(struct load *l)
{
        uint64_t us = world_now(l->world) * 1000;
        l->last_us = us > l->last_us ? us : l->last_us + 1;
        return l->last_us;
}

uint64_t load__client_ms(const struct load_client *a)
{
        return a->clock_offset_ms + world_now(a->load->world) * a->clock_permille / 1000;
}

/* ---- habits ---- */

/* From a stream of its own, so that lives without guarded nodes go as they did before there were any. */
static void draw_guarded(struct load_habits *h, uint64_t seed)
{
        struct prng p = {.state = hash_u64(seed ^ hash_u64(LOAD_GUARDED))};
        h->guarded = prng_next(&p) % 3 == 0;
        h->weights[ACT_GUARDED] = h->guarded ? 10 + (uint32_t)(prng_next(&p) % 120) : 0;
        h->weights[ACT_GUARDED_READ] = h->guarded ? 10 + (uint32_t)(prng_next(&p) % 120) : 0;
        h->weights[ACT_AUTH] = h->guarded ? 2 + (uint32_t)(prng_next(&p) % 20) : 0;
}

/* Likewise. */
static void draw_questions(struct load_habits *h, uint64_t seed)
{
        struct prng p = {.state = hash_u64(seed ^ QUESTION_DRAW)};
        const bool asks = prng_next(&p) % 2;
        for (int i = ACT_CHECK_WATCH; i <= ACT_WHO; i++)
                h->weights[i] = asks ? 1 + (uint32_t)(prng_next(&p) % 40) : 0;
}

static bool is_drawn_apart(int action)
{
        return action == ACT_GUARDED || action == ACT_GUARDED_READ || action == ACT_AUTH ||
               (action >= ACT_CHECK_WATCH && action <= ACT_WHO);
}

static void draw_habits(struct load_habits *h, struct prng *p)
{
        static const uint32_t pauses[] = {4, 10, 30, 80}, names[] = {2, 5, 20};
        h->pause_ms = pauses[prng_next(p) % 4];
        h->depth = 1 + (uint32_t)(prng_next(p) % LOAD_DEPTH_MAX);
        h->names = names[prng_next(p) % 3];
        h->restores_watches = prng_next(p) % 4;
        h->bulky = !(prng_next(p) % 8);
        for (int i = 0; i < ACT_MAX; i++) {
                if (is_drawn_apart(i))
                        continue;
                uint32_t most = i < ACT_CLOSE ? 90 : 6;
                bool on = prng_next(p) % 4;
                uint32_t weight = 1 + (uint32_t)(prng_next(p) % most);
                h->weights[i] = on ? weight : 0;
        }
        /* Something must happen, and be looked at. */
        h->weights[ACT_SET] += 20;
        h->weights[ACT_GET] += 10;
        h->weights[ACT_SET_BULK] = h->bulky ? 2 : 0;
}

static void name_nodes(struct load *l)
{
        char path[LOAD_PATH_BYTES];
        struct history *h = l->history;
        for (int i = 0; i < LOAD_HOT; i++) {
                (void)snprintf(path, sizeof path, "/h%d", i);
                l->hot[i] = history_cstr(h, path);
        }
        for (int i = 0; i < LOAD_PARENTS; i++) {
                (void)snprintf(path, sizeof path, "/u%d", i);
                l->plain[i] = history_cstr(h, path);
                (void)snprintf(path, sizeof path, "/s%d", i);
                l->sequential[i] = history_cstr(h, path);
                (void)snprintf(path, sizeof path, "/e%d", i);
                l->ephemeral[i] = history_cstr(h, path);
        }
        for (int i = 0; i < LOAD_BULK_NODES; i++) {
                (void)snprintf(path, sizeof path, "/b%d", i);
                l->bulk[i] = history_cstr(h, path);
        }
        for (int i = 0; i < LOAD_GUARDED; i++) {
                (void)snprintf(path, sizeof path, "/r%d", i);
                l->guarded[i] = history_cstr(h, path);
        }
        l->container = history_cstr(h, "/c");
}

/* Those that some lives have. */
static bool special_setup(const struct load *l, size_t n, text_id *ret)
{
        const size_t bulk = l->habits.bulky ? LOAD_BULK_NODES : 0;
        if (n < bulk)
                *ret = l->bulk[n];
        else if ((n -= bulk) < LOAD_GUARDED && l->habits.guarded)
                *ret = l->guarded[n];
        else if ((n -= l->habits.guarded ? LOAD_GUARDED : 0) < LOAD_QUOTAS * LOAD_QUOTA_NODES && l->habits.quotas)
                *ret = l->quota[n / LOAD_QUOTA_NODES][n % LOAD_QUOTA_NODES];
        else
                return false;
        return true;
}

/* Parents of sequential nodes and of ephemerals get a hard limit that their clients will meet; one with children of
 * children, and one whose data all change, are counted only. Drawn apart, so that lives without quotas stay what they
 * were. */
static void name_quotas(struct load *l, uint64_t seed)
{
        static const char *const names[LOAD_QUOTA_NODES] = {"", "/zookeeper_limits", "/zookeeper_stats"};
        const text_id of[LOAD_QUOTAS] = {l->sequential[0], l->ephemeral[0], l->plain[0], l->hot[0]};
        struct prng p = {.state = hash_u64(seed ^ QUOTA_DRAW)};
        char text[LOAD_PATH_BYTES];
        l->habits.quotas = prng_next(&p) % 3 == 0;
        for (int i = 0; i < LOAD_QUOTAS; i++) {
                for (int k = 0; k < LOAD_QUOTA_NODES; k++) {
                        (void)snprintf(text, sizeof text, "/zookeeper/quota%s%s", history_string(l->history, of[i]),
                                       names[k]);
                        l->quota[i][k] = history_cstr(l->history, text);
                }
                (void)snprintf(text, sizeof text, i < 2 ? "count=-1,bytes=-1=;countHardLimit=%u" : "count=%u",
                               2 + (unsigned)(prng_next(&p) % 30));
                l->limits[i] = history_cstr(l->history, text);
        }
}

text_id load__setup_data(const struct load *l, text_id path)
{
        for (int i = 0; i < LOAD_QUOTAS; i++)
                if (path == l->quota[i][1])
                        return l->limits[i];
        return TEXT_ABSENT;
}

bool load__setup(const struct load *l, size_t n, text_id *ret)
{
        if (n < LOAD_HOT)
                *ret = l->hot[n];
        else if ((n -= LOAD_HOT) < LOAD_PARENTS)
                *ret = l->plain[n];
        else if ((n -= LOAD_PARENTS) < LOAD_PARENTS)
                *ret = l->sequential[n];
        else if ((n -= LOAD_PARENTS) < LOAD_PARENTS)
                *ret = l->ephemeral[n];
        else if ((n -= LOAD_PARENTS) < 1)
                *ret = l->container;
        else
                return special_setup(l, n - 1, ret);
        return true;
}

struct load *load_new(struct world *w, struct history *h, struct verdict *v, uint64_t seed)
{
        struct load *l = mem_zalloc(sizeof *l);
        struct prng p = {.state = hash_u64(seed)};
        l->world = w;
        l->history = h;
        l->verdict = v;
        draw_habits(&l->habits, &p);
        draw_guarded(&l->habits, seed);
        draw_questions(&l->habits, seed);
        name_nodes(l);
        name_quotas(l, seed);
        l->client_count = 2 + (size_t)(prng_next(&p) % (LOAD_CLIENTS_MAX - 1));
        for (size_t i = 0; i < l->client_count; i++) {
                struct load_client *a = &l->clients[i];
                a->load = l;
                a->number = (uint32_t)i + 1;
                a->prng.state = prng_next(&p);
                a->patience_ms = 300 + load__draw(a, 1200);
                a->wish_ms = 600 + (int32_t)load__draw(a, 2400);
                a->clock_offset_ms = load__draw(a, 100000);
                a->clock_permille = 900 + (uint32_t)load__draw(a, 201);
                a->next_xid = 1;
        }
        return l;
}

void load_bend(struct load *l, enum load_bent bent)
{
        struct load_habits *h = &l->habits;
        uint32_t *w = h->weights;
        switch (bent) {
        case LOAD_SYNCS:
                h->pause_ms = 4;
                h->depth += 2;
                w[ACT_SYNC] += 120;
                w[ACT_SET] += 60;
                w[ACT_GET] += 60;
                w[ACT_GET_WATCH] += 120; /* mostly of what all work on */
                w[ACT_MOVE] += 20;
                for (size_t i = 0; i < l->client_count; i++) {
                        l->clients[i].patience_ms += 700;
                        l->clients[i].only_reads = i > 0;
                }
                break;
        case LOAD_BULK:
                h->bulky = h->bulk_at_once = true;
                h->pause_ms = h->pause_ms < 10 ? h->pause_ms : 10;
                h->depth += 2;
                w[ACT_SET_BULK] = 2;
                break;
        case LOAD_AS_DRAWN:
                break;
        }
}

void load_allow_read_only(struct load *l)
{
        struct prng p = {.state = hash_u64(l->clients[0].prng.state ^ READ_ONLY_DRAW)};
        for (size_t i = 0; i < l->client_count; i++)
                l->clients[i].takes_read_only = prng_next(&p) % 3 > 0;
}

static void link_free(struct load_link *k)
{
        for (size_t i = 0; i < k->count; i++)
                mem_free(k->pending[i]);
        if (k->wire)
                world_wire_close(k->wire);
        mem_free(k->in);
}

void load_free(struct load *l)
{
        if (!l)
                return;
        for (size_t i = 0; i < l->client_count; i++) {
                link_free(&l->clients[i].link);
                link_free(&l->clients[i].ghost);
        }
        mem_free(l);
}

/* ---- connecting ---- */

static void lose(struct load_client *a)
{
        load__link_over(a, &a->link);
        a->state = STATE_DOWN;
        a->retry_ms = load__client_ms(a) + load__draw(a, 60);
        if (a->closing) {
                /* Whether it was closed is not known: it expires if it wasn't. Some try to go on with it. */
                a->closing = false;
                a->session = load__draw(a, 2) ? a->session : 0;
        }
        if (!a->session || !a->load->habits.restores_watches)
                a->watch_count = 0;
        if (a->setup_asked)
                a->setup_asked = false;
}

static void forget_session(struct load_client *a)
{
        a->session = 0;
        a->local = false;
        a->watch_count = 0;
        load__link_over(a, &a->ghost);
}

/* Whoever is to make what all work on, or only finishes, needs a server that does everything. */
static bool takes_read_only(const struct load_client *a)
{
        return a->takes_read_only && a->load->set_up && a->load->busy;
}

static void dial(struct load_client *a)
{
        struct load *l = a->load;
        static const uint8_t none[16] = {0};
        /* By chance; one after the other when it is only to finish, so that no dead one is tried for ever. */
        int sid = l->busy ? 1 + (int)load__draw(a, (uint64_t)l->world->count) : a->tried_sid % l->world->count + 1;
        a->tried_sid = sid;
        a->leaderless |= a->session && !world_leader(l->world);
        struct world_wire *wire = world_wire_open(l->world, sid);
        if (!wire) {
                a->retry_ms = load__client_ms(a) + 1 + load__draw(a, 60);
                return;
        }
        if (!a->session)
                a->seen = 0;
        uint8_t passwd[16];
        memcpy(passwd, a->session ? a->passwd : none, sizeof passwd);
        a->pretends = a->pretends && a->session;
        if (a->pretends)
                passwd[load__draw(a, 16)] ^= 1;
        struct jute_connect_request q = {.timeout = a->wish_ms,
                                         .session_id = a->session,
                                         .last_zxid_seen = a->seen,
                                         .passwd = jute_str_of(passwd, sizeof passwd),
                                         .read_only = takes_read_only(a),
                                         .has_read_only = true};
        struct jute_writer body;
        a->link = (struct load_link){.wire = wire, .conn = ++l->conns, .session = a->session, .sid = sid};
        a->call_us = load__us(l);
        a->said_seen = a->seen;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_connect_request(&body, &q);
        load__send(&a->link, &body);
        jute_writer_done(&body);
        a->state = STATE_CONNECTING;
        a->heard_ms = load__client_ms(a);
}

static struct history_entry connect_entry(struct load_client *a, enum history_kind kind, int64_t session)
{
        struct history_entry e = history_blank(kind);
        e.call_us = a->call_us;
        e.return_us = load__us(a->load);
        e.conn = a->link.conn;
        e.client = a->number;
        e.session = session;
        e.server = a->link.sid;
        e.wrong = a->pretends;
        return e;
}

static void refused(struct load_client *a)
{
        struct history_entry e = connect_entry(a, HISTORY_REFUSE, a->session);
        history_add(a->load->history, &e);
        if (!a->session)
                verdict_break(a->load->verdict, world_now(a->load->world), "S1", "client %u: a new session was refused",
                              a->number);
        bool pretended = a->pretends;
        a->pretends = false;
        lose(a);
        if (pretended) {
                a->load->tally.refused_passwords++;
                return;
        }
        a->load->tally.expired += !a->local;
        a->load->tally.read_only_over += a->local;
        forget_session(a);
}

static void accepted(struct load_client *a, const struct jute_connect_response *reply)
{
        struct load_tally *t = &a->load->tally;
        bool resumed = a->session != 0;
        if (resumed && reply->session_id != a->session)
                verdict_break(a->load->verdict, world_now(a->load->world), "S1",
                              "client %u: its session was resumed as another", a->number);
        struct history_entry e = connect_entry(a, resumed ? HISTORY_RESUME : HISTORY_OPEN, reply->session_id);
        e.timeout_ms = reply->timeout;
        e.seen = a->said_seen;
        e.has_seen = resumed;
        e.read_only = reply->read_only;
        history_add(a->load->history, &e);
        a->pretends = false;
        a->session = a->link.session = reply->session_id;
        a->timeout_ms = reply->timeout;
        memcpy(a->passwd, reply->passwd.data, sizeof a->passwd);
        a->link.open = true;
        a->link.read_only = reply->read_only;
        a->local = reply->read_only;
        a->enough_ms = load__client_ms(a) + load__draw(a, READ_ONLY_MS);
        a->state = STATE_OPEN;
        t->read_only += reply->read_only;
        t->sessions += !resumed;
        t->resumed += resumed;
        t->moved += resumed && a->last_sid != a->link.sid;
        t->moved_meanwhile += resumed && a->last_sid != a->link.sid && a->leaderless;
        a->leaderless = false;
        a->last_sid = a->link.sid;
        a->sent_ms = load__client_ms(a);
        if (a->watch_count)
                load__set_watches(a);
}

static void connected(struct load_client *a, struct jute_reader *r)
{
        struct jute_connect_response reply;
        jute_get_connect_response(r, &reply);
        if (r->error || (reply.timeout > 0 && reply.passwd.len != 16))
                verdict_break(a->load->verdict, world_now(a->load->world), "WIRE",
                              "client %u: a connect response that can't be read", a->number);
        else if (reply.timeout <= 0)
                refused(a);
        else
                accepted(a, &reply);
}

/* ---- hearing ---- */

static void take_bytes(struct load_link *k)
{
        uint8_t bytes[TAKE_BYTES];
        for (size_t n; (n = world_wire_take(k->wire, bytes, sizeof bytes)) > 0;) {
                k->in = mem_grow(k->in, &k->in_capacity, k->in_len + n, 1);
                memcpy(k->in + k->in_len, bytes, n);
                k->in_len += n;
        }
}

/* The length of the frame at `at`, 0 when it is not whole. */
static size_t frame_at(struct load_client *a, const struct load_link *k, size_t at)
{
        if (k->in_len - at < 4)
                return 0;
        const uint8_t *p = k->in + at;
        uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (len > FRAME_BYTES_MAX || len < 4)
                verdict_break(a->load->verdict, world_now(a->load->world), "WIRE", "client %u: a frame of %u bytes",
                              a->number, len);
        return k->in_len - at - 4 < len ? 0 : len;
}

/* Whatever was heard is done with when the connection is given up in the middle. */
static void hear(struct load_client *a, struct load_link *k)
{
        struct load *l = a->load;
        if (!k->wire)
                return;
        take_bytes(k);
        size_t at = 0;
        uint32_t conn = k->conn;
        for (size_t len; !verdict_broken(l->verdict) && (len = frame_at(a, k, at)) > 0;) {
                struct jute_reader r;
                jute_reader_init(&r, k->in + at + 4, len, INT32_MAX);
                a->heard_ms = k == &a->link ? load__client_ms(a) : a->heard_ms;
                if (k->open)
                        load__frame(a, k, &r);
                else
                        connected(a, &r);
                if (k->conn != conn)
                        return;
                at += 4 + len;
        }
        if (at) {
                memmove(k->in, k->in + at, k->in_len - at);
                k->in_len -= at;
        }
}

/* ---- one millisecond ---- */

/* The node asked for last is there, whoever made it: go on with the next. */
static void set_up(struct load_client *a)
{
        struct load *l = a->load;
        text_id path;
        if (a->link.count)
                return;
        a->setup_at += a->setup_asked;
        a->setup_asked = false;
        if (load__setup(l, a->setup_at, &path))
                load__setup_next(a);
        else
                l->set_up = true;
}

/* Of a session that only this server knows some are told elsewhere that it is over. */
static void look_further(struct load_client *a)
{
        lose(a);
        if (load__draw(a, 2))
                forget_session(a);
}

static void open_step(struct load_client *a, bool busy)
{
        struct load *l = a->load;
        uint64_t now = load__client_ms(a), since = a->heard_ms > a->sent_ms ? a->heard_ms : a->sent_ms;
        if (a->link.count && now - since > a->patience_ms) {
                lose(a);
        } else if (a->closing) {
                return;
        } else if (a->link.read_only && !a->link.count && (!busy || now > a->enough_ms)) {
                look_further(a);
        } else if (!l->set_up && a->number == 1) {
                set_up(a);
        } else if (busy && l->set_up && a->link.count < l->habits.depth && !load__draw(a, l->habits.pause_ms)) {
                load__act(a);
        } else if (a->ghost.wire && a->ghost.open && a->ghost_left && a->ghost.count < LOAD_DEPTH_MAX &&
                   !load__draw(a, 20)) {
                load__ghost_speaks(a);
        } else if (!a->link.count && now - a->sent_ms > (uint64_t)a->timeout_ms / 3) {
                load__ping(a);
        }
}

/* One that takes read-only mode may rather have a session of that than wait for somebody who knows its own. */
static void turned_away(struct load_client *a)
{
        const bool gives_up = a->state == STATE_CONNECTING && a->session && takes_read_only(a) && !load__draw(a, 4);
        lose(a);
        if (!gives_up)
                return;
        a->load->tally.abandoned++;
        forget_session(a);
}

/* An acknowledged closeSession ends it. */
static bool was_closed(const struct load_client *a)
{
        return a->closing && a->link.open && !a->link.count;
}

static void client_step(struct load_client *a, bool busy)
{
        uint64_t now = load__client_ms(a);
        hear(a, &a->link);
        hear(a, &a->ghost);
        if (was_closed(a)) {
                a->load->tally.closed++;
                lose(a);
                forget_session(a);
        }
        if (a->link.wire && world_wire_ended(a->link.wire))
                turned_away(a);
        if (a->ghost.wire && (world_wire_ended(a->ghost.wire) || (!a->ghost_left && !a->ghost.count)))
                load__link_over(a, &a->ghost);
        if (a->state == STATE_DOWN && now >= a->retry_ms)
                dial(a);
        else if (a->state == STATE_CONNECTING && now - a->heard_ms > a->patience_ms)
                lose(a);
        else if (a->state == STATE_OPEN)
                open_step(a, busy);
}

void load_step(struct load *l, bool busy)
{
        l->busy = busy;
        for (size_t i = 0; i < l->client_count && !verdict_broken(l->verdict); i++)
                client_step(&l->clients[i], busy);
}

bool load_idle(const struct load *l)
{
        bool idle = l->set_up;
        for (size_t i = 0; i < l->client_count; i++)
                idle = idle && l->clients[i].state == STATE_OPEN && !l->clients[i].link.count &&
                       !l->clients[i].link.auths &&   /* a refused one still ends the connection */
                       !l->clients[i].link.read_only; /* it is about to go elsewhere, for a session of the ensemble's */
        return idle;
}

void load_settle(struct load *l)
{
        for (size_t i = 0; i < l->client_count; i++) {
                struct load_client *a = &l->clients[i];
                a->stand = (struct load_stand){.session = a->session, .conn = a->link.conn};
        }
}

static void check_stand(const struct load_client *a)
{
        const struct load *l = a->load;
        const struct load_stand *s = &a->stand;
        uint64_t now = world_now(l->world);
        if (a->session != s->session)
                verdict_break(l->verdict, now, "LIVE",
                              "client %u has lost its session 0x%" PRIx64 " with nothing amiss", a->number,
                              (uint64_t)s->session);
        else if (s->answered && s->err)
                verdict_break(l->verdict, now, "LIVE",
                              "the last write of client %u, in session 0x%" PRIx64 ", is refused with %d", a->number,
                              (uint64_t)s->session, s->err);
        else if (!s->answered)
                verdict_break(l->verdict, now, "LIVE",
                              "the last write of client %u, in session 0x%" PRIx64 ", is not answered", a->number,
                              (uint64_t)s->session);
        else if (a->link.conn != s->conn)
                verdict_break(l->verdict, now, "LIVE", "client %u has lost its connection with nothing amiss",
                              a->number);
}

void load_check_settled(struct load *l)
{
        for (size_t i = 0; i < l->client_count && !verdict_broken(l->verdict); i++)
                check_stand(&l->clients[i]);
}

void load_look(struct load *l)
{
        for (size_t i = 0; i < l->client_count; i++)
                if (l->clients[i].state == STATE_OPEN && !l->clients[i].link.count)
                        load__look(&l->clients[i]);
}

void load_finish(struct load *l)
{
        for (size_t i = 0; i < l->client_count; i++) {
                load__link_over(&l->clients[i], &l->clients[i].ghost);
                load__link_over(&l->clients[i], &l->clients[i].link);
                l->clients[i].state = STATE_DOWN;
        }
}

const struct load_tally *load_tally(const struct load *l)
{
        return &l->tally;
}

bool load_is_bulky(const struct load *l)
{
        return l->habits.bulky;
}
