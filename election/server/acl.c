#include "election/server/acl.h"

#include "election/base/hash.h"
#include "election/server/acl_internal.h"

#include <assert.h>
#include <string.h>

/* ---- well-formed ids (client-protocol.md 8.3.3) ---- */

/* Exactly two parts at ':', the second not empty, as Java's split() counts them: empty parts at the end
 * are none, so that "a:b:" is well formed (observed on 3.8.0). */
static bool digest_id_ok(struct jute_str id)
{
        size_t len = id.len > 0 ? (size_t)id.len : 0, colons = 0;
        while (len > 0 && id.data[len - 1] == ':')
                len--;
        for (size_t i = 0; i < len; i++)
                colons += id.data[i] == ':';
        return colons == 1;
}

/* ---- fix-up ---- */

/* The entries met so far, by the hash of their bytes. Equal entries are encoded alike, and no entry's
 * bytes begin another's; one met before lies before, so that as many bytes follow it. At most half of the
 * slots in use are taken. */
struct seen {
        const uint8_t *slots[2 * ACL_ENTRIES_MAX];
        size_t mask;
};

static_assert((ACL_ENTRIES_MAX & (ACL_ENTRIES_MAX - 1)) == 0, "the slots are a power of two");

static void seen_init(struct seen *s, int32_t count)
{
        s->mask = 1;
        while (s->mask < 2 * (size_t)count - 1)
                s->mask = s->mask * 2 + 1;
        memset(s->slots, 0, (s->mask + 1) * sizeof s->slots[0]);
}

/* Whether the entry was met before; it has been met now. */
static bool seen_before(struct seen *s, const uint8_t *entry, size_t len)
{
        size_t i = (size_t)hash_bytes(entry, len, 0) & s->mask;
        for (; s->slots[i]; i = (i + 1) & s->mask)
                if (memcmp(s->slots[i], entry, len) == 0)
                        return true;
        s->slots[i] = entry;
        return false;
}

/* One entry per identity that authentication gave; returns how many. */
static int32_t put_authenticated(const struct acl_policy *policy, struct jute_vec ids, int32_t perms,
                                 struct jute_writer *w)
{
        struct jute_reader r = jute_vec_reader(&ids);
        int32_t count = 0;
        for (int32_t i = 0; i < ids.count && !policy->digest_off; i++) {
                struct jute_acl entry = {.perms = perms};
                jute_get_id(&r, &entry.id);
                if (!jute_str_is(entry.id.scheme, "digest"))
                        continue;
                jute_put_acl(w, &entry);
                count++;
        }
        return count;
}

/* Writes one entry as stored and counts what it became. A null id is an unexpected exception to ZooKeeper wherever it
 * is looked at, and no unacceptable list. */
static int put_fixed(const struct acl_policy *policy, const struct jute_acl *entry, struct jute_vec ids,
                     struct jute_writer *w, int32_t *count)
{
        bool ok = false;
        if (jute_str_is(entry->id.scheme, "auth")) {
                int32_t made = put_authenticated(policy, ids, entry->perms, w);
                *count += made;
                return made ? ZK_OK : ZK_INVALID_ACL;
        }
        if (jute_str_is(entry->id.scheme, "world"))
                ok = jute_str_is(entry->id.id, "anyone");
        else if (jute_str_is(entry->id.scheme, "digest") && !policy->digest_off)
                ok = digest_id_ok(entry->id.id);
        else if (jute_str_is(entry->id.scheme, "ip"))
                ok = acl__ip_ok(entry->id.id);
        else
                return ZK_INVALID_ACL;
        if (!ok)
                return entry->id.id.len < 0 ? ZK_MARSHALLING_ERROR : ZK_INVALID_ACL;
        jute_put_acl(w, entry);
        (*count)++;
        return ZK_OK;
}

/* Whether a Java server's search for duplicates fails on the entry numbered `n`: it compares what is not there as
 * soon as all before it is equal (perms, scheme, id; observed on 3.9.5). */
static bool stumbles(struct jute_vec acl, int32_t n, const struct jute_acl *entry)
{
        struct jute_reader r = jute_vec_reader(&acl);
        bool schemeless = entry->id.scheme.len < 0;
        for (int32_t i = 0; i < n; i++) {
                struct jute_acl other;
                jute_get_acl(&r, &other);
                if (other.perms == entry->perms && (schemeless || jute_str_equal(other.id.scheme, entry->id.scheme)))
                        return true;
        }
        return false;
}

static bool any_stumbles(struct jute_vec acl)
{
        struct jute_reader r = jute_vec_reader(&acl);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if ((entry.id.scheme.len < 0 || entry.id.id.len < 0) && stumbles(acl, i, &entry))
                        return true;
        }
        return false;
}

int acl_fixup(const struct acl_policy *policy, struct jute_vec acl, struct jute_vec ids, struct jute_writer *w)
{
        if (acl.count <= 0 || acl.count > ACL_ENTRIES_MAX)
                return ZK_INVALID_ACL;
        if (any_stumbles(acl))
                return ZK_MARSHALLING_ERROR;
        struct jute_reader r = jute_vec_reader(&acl);
        struct seen seen;
        size_t count_at = w->len;
        int32_t count = 0;
        seen_init(&seen, acl.count);
        jute_put_int(w, 0);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                const uint8_t *at = r.at;
                jute_get_acl(&r, &entry);
                if (seen_before(&seen, at, (size_t)(r.at - at)))
                        continue;
                int err = put_fixed(policy, &entry, ids, w, &count);
                if (err)
                        return err;
                if (count > ACL_ENTRIES_MAX) /* `auth` became many */
                        return ZK_INVALID_ACL;
        }
        jute_patch_int(w, count_at, count);
        return ZK_OK;
}

/* ---- the check ---- */

/* An identity of a scheme that nobody here authenticates came with a request that another server forwarded, which
 * does know it. */
static bool id_matches(const struct acl_policy *policy, const struct jute_id *id, const struct jute_id *rule)
{
        if (!jute_str_equal(id->scheme, rule->scheme))
                return false;
        if (jute_str_is(rule->scheme, "ip"))
                return acl__ip_matches(id->id, rule->id);
        if (policy->digest_off && jute_str_is(rule->scheme, "digest"))
                return false;
        return jute_str_equal(id->id, rule->id);
}

/* Identities that are read once for a whole list; with more, each is read for each entry. */
#define ASKER_IDS_MAX 64

/* Who asks. A list of a thousand entries is compared with dozens of identities for every node that a request names, and
 * for every watch that an event meets: most of what differs is found out by one number. */
struct asker {
        struct jute_vec ids;
        bool read;
        int32_t count, addresses; /* the first ones of `id` are addresses */
        struct jute_id id[ASKER_IDS_MAX];
        uint64_t hashes[ASKER_IDS_MAX]; /* of the others, at their places */
};

static uint64_t id_hash(struct jute_str id)
{
        return hash_bytes(id.data, id.len > 0 ? (size_t)id.len : 0, 0);
}

static void asker_read(struct asker *a)
{
        struct jute_reader r = jute_vec_reader(&a->ids);
        a->read = true;
        for (; a->count < a->ids.count; a->count++) {
                struct jute_id id;
                int32_t at = a->count;
                jute_get_id(&r, &id);
                if (jute_str_is(id.scheme, "ip")) {
                        if (a->addresses < at) {
                                a->id[at] = a->id[a->addresses];
                                a->hashes[at] = a->hashes[a->addresses];
                        }
                        at = a->addresses++;
                }
                a->id[at] = id;
                a->hashes[at] = id_hash(id.id);
        }
}

/* An address matches many rules; all else only itself. */
static bool read_id_matches(const struct acl_policy *policy, const struct asker *a, const struct jute_id *rule)
{
        const bool ip = jute_str_is(rule->scheme, "ip");
        const uint64_t hash = ip ? 0 : id_hash(rule->id);
        for (int32_t i = ip ? 0 : a->addresses; i < (ip ? a->addresses : a->count); i++)
                if ((ip || a->hashes[i] == hash) && id_matches(policy, &a->id[i], rule))
                        return true;
        return false;
}

static bool any_id_matches(const struct acl_policy *policy, struct asker *a, const struct jute_id *rule)
{
        struct jute_reader r = jute_vec_reader(&a->ids);
        if (a->ids.count <= ASKER_IDS_MAX) {
                if (!a->read)
                        asker_read(a);
                return read_id_matches(policy, a, rule);
        }
        for (int32_t i = 0; i < a->ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (id_matches(policy, &id, rule))
                        return true;
        }
        return false;
}

static bool is_super(struct jute_vec ids)
{
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (jute_str_is(id.scheme, "super"))
                        return true;
        }
        return false;
}

bool acl_allows(const struct acl_policy *policy, struct jute_vec acl, int32_t needed, struct jute_vec ids)
{
        if (policy->skip || acl.count <= 0)
                return true;
        struct jute_reader r = jute_vec_reader(&acl);
        struct asker asker;
        asker.ids = ids;
        asker.read = false;
        asker.count = asker.addresses = 0;
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if (!(entry.perms & needed))
                        continue;
                if (jute_str_is(entry.id.scheme, "world") && jute_str_is(entry.id.id, "anyone"))
                        return true;
                if (any_id_matches(policy, &asker, &entry.id))
                        return true;
        }
        return is_super(ids);
}
