/* Who a client is: the identities of its connection (zookeeper/client-protocol.md 4.4, 8.1).
 *
 * They begin with its address; auth packets add to them, nothing takes any away, and they end with the connection. A
 * request is judged by those there were when it was read, however long it waits. */
#include "election/server/clients_internal.h"

#include "election/jute/text.h"
#include "election/server/audit.h"
#include "election/server/digest_scheme.h"

#include <assert.h>
#include <string.h>

/* ---- a set of identities ---- */

struct jute_vec client__ids(const struct blob *ids)
{
        struct jute_reader r;
        jute_reader_init(&r, ids->data, ids->len, INT32_MAX);
        int32_t count = jute_get_int(&r);
        return (struct jute_vec){.data = r.at, .size = jute_left(&r), .count = count};
}

/* What a Java server goes by when it lists its set of them, before the table's size is taken into account. */
static uint32_t identity_hash(const struct jute_id *id)
{
        uint32_t hash = (17 * 37 + text_java_hash(id->scheme)) * 37 + text_java_hash(id->id);
        return (hash ^ hash >> 16) & INT32_MAX;
}

/* Slots of a Java set that has grown to `count` one by one. */
static uint32_t set_slots(int32_t count)
{
        uint32_t slots = 16;
        while ((uint32_t)count >= slots - slots / 4)
                slots *= 2;
        return slots;
}

struct placed {
        struct jute_id id;
        uint32_t slot;
};

/* Puts it behind those of the same and earlier slots. */
static void place(struct placed *set, int32_t count, const struct jute_id *id, uint32_t slots)
{
        struct placed it = {.id = *id, .slot = identity_hash(id) & (slots - 1)};
        int32_t at = count;
        for (; at > 0 && set[at - 1].slot > it.slot; at--)
                set[at] = set[at - 1];
        set[at] = it;
}

static bool identities_have(struct jute_vec ids, const struct jute_id *id)
{
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id known;
                jute_get_id(&r, &known);
                if (jute_str_equal(known.scheme, id->scheme) && jute_str_equal(known.id, id->id))
                        return true;
        }
        return false;
}

/* The set with one more. In the order of Java's set: `auth` in an access list becomes one entry for each, and is to
 * become the same list whichever server the client is connected to. */
static struct blob *identities_with(struct jute_vec ids, const struct jute_id *id)
{
        struct placed set[CLIENT_IDENTITIES_MAX];
        struct jute_reader r = jute_vec_reader(&ids);
        const uint32_t slots = set_slots(ids.count + 1);
        struct jute_writer w;
        assert(ids.count < CLIENT_IDENTITIES_MAX);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id known;
                jute_get_id(&r, &known);
                place(set, i, &known, slots);
        }
        place(set, ids.count, id, slots);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, ids.count + 1);
        for (int32_t i = 0; i <= ids.count; i++)
                jute_put_id(&w, &set[i].id);
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        return b;
}

struct blob *client__first_identity(const char *address)
{
        char text[ACL_IP_TEXT_MAX];
        acl_ip_identity(address, text);
        const struct jute_id id = {.scheme = jute_cstr("ip"), .id = jute_cstr(text)};
        return identities_with((struct jute_vec){.count = 0}, &id);
}

/* False: it would be one too many. */
static bool client_identify(struct client *k, const char *scheme, struct jute_str text)
{
        const struct jute_id id = {.scheme = jute_cstr(scheme), .id = text};
        struct jute_vec ids = client__ids(k->ids);
        if (identities_have(ids, &id))
                return true;
        if (ids.count >= CLIENT_IDENTITIES_MAX ||
            ids.size + 8 + strlen(scheme) + (size_t)text.len > CLIENT_IDENTITIES_BYTES_MAX)
                return false;
        struct blob *more = identities_with(ids, &id);
        blob_unref(k->ids);
        k->ids = more;
        return true;
}

/* ---- auth ---- */

static bool auth_digest(struct client *k, struct jute_str data)
{
        struct clients *c = k->all;
        struct jute_writer w;
        if (c->config->acl.digest_off || data.len < 0)
                return false;
        jute_writer_init(&w, SIZE_MAX);
        bool ok = digest_scheme_identify(c->config->digest_algorithm, data, &w);
        struct jute_str id = jute_str_of(w.data, w.len);
        if (ok && c->config->super_digest[0] && jute_str_is(id, c->config->super_digest))
                ok = client_identify(k, "super", jute_cstr(""));
        ok = ok && client_identify(k, "digest", id);
        jute_writer_done(&w);
        return ok;
}

static bool auth_accepts(struct client *k, const struct jute_auth_packet *p)
{
        if (jute_str_is(p->scheme, "ip"))
                return true; /* it has that identity */
        return jute_str_is(p->scheme, "digest") && auth_digest(k, p->auth);
}

void client__auth(struct client *k, const struct event *e, int32_t xid, struct jute_str body, struct effects *fx)
{
        struct jute_reader r;
        struct jute_auth_packet packet;
        jute_reader_init(&r, body.data, (size_t)body.len, k->all->item_max);
        jute_get_auth_packet(&r, &packet);
        if (r.error) {
                client__reject(k, fx);
        } else if (auth_accepts(k, &packet)) {
                audit_auth(k, packet.scheme, ZK_OK, fx);
                client__reply_error(k, e, xid, 0, ZK_OK, e->now.mono_ns, fx);
        } else {
                audit_auth(k, packet.scheme, ZK_AUTH_FAILED, fx);
                k->all->stats.auth_failed++;
                client__refuse(k, e, xid, 0, ZK_AUTH_FAILED, fx);
        }
}

/* As a server without SASL does: it has nothing to say, and the client goes on without. */
void client__sasl(struct client *k, const struct event *e, int32_t xid, struct jute_str body, struct effects *fx)
{
        struct jute_reader r;
        struct jute_sasl request;
        jute_reader_init(&r, body.data, (size_t)body.len, k->all->item_max);
        jute_get_sasl(&r, &request);
        if (r.error || request.token.len < 0) { /* no token at all: likewise, observed on 3.9.5 */
                client__reject(k, fx);
                return;
        }
        jute_put_cstr(client__reply_begin(k, xid, 0, ZK_OK), NULL);
        client__reply_end(k, e, e->now.mono_ns, fx);
}

/* ---- what follows from it ---- */

static bool scheme_suffices(const struct server_config *f, struct jute_str scheme)
{
        for (size_t i = 0; i < f->enforced_scheme_count; i++)
                if (jute_str_is(scheme, f->enforced_schemes[i]))
                        return true;
        return false;
}

bool client__admitted(const struct client *k)
{
        const struct server_config *f = k->all->config;
        struct jute_vec ids = client__ids(k->ids);
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; f->enforced_scheme_count && i < ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (scheme_suffices(f, id.scheme))
                        return true;
        }
        return f->enforced_scheme_count == 0;
}

struct jute_str client__user_of(const struct jute_id *id)
{
        const uint8_t *colon = NULL;
        if (jute_str_is(id->scheme, "digest") && id->id.len > 0)
                colon = memchr(id->id.data, ':', (size_t)id->id.len);
        return colon ? jute_str_of(id->id.data, (size_t)(colon - id->id.data)) : id->id;
}

void client__put_who(const struct blob *ids, struct jute_writer *w)
{
        struct jute_vec all = client__ids(ids);
        struct jute_reader r = jute_vec_reader(&all);
        jute_put_int(w, all.count);
        for (int32_t i = 0; i < all.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                id.id = client__user_of(&id);
                jute_put_id(w, &id);
        }
}
