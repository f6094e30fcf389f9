#include "election/server/acl.h"

#include "election/base/hash.h"

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

/* Reads a decimal number, leading zeros allowed; returns false without one, or above max. */
static bool take_number(const uint8_t **at, const uint8_t *end, uint32_t max, uint32_t *ret)
{
        const uint8_t *start = *at;
        uint32_t value = 0;
        for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
                if (value <= max)
                        value = value * 10 + (uint32_t)(**at - '0');
        *ret = value;
        return *at > start && value <= max;
}

/* An IPv4 address with an optional prefix length: false when it is none. */
static bool ip_parse(struct jute_str text, uint32_t *ret_address, uint32_t *ret_bits)
{
        if (text.len <= 0)
                return false;
        const uint8_t *at = text.data, *end = text.data + text.len;
        uint32_t address = 0;
        for (int i = 0; i < 4; i++) {
                uint32_t octet;
                if ((i && (at == end || *at++ != '.')) || !take_number(&at, end, 255, &octet))
                        return false;
                address = address << 8 | octet;
        }
        *ret_bits = 32;
        if (at < end && (*at++ != '/' || !take_number(&at, end, 32, ret_bits)))
                return false;
        *ret_address = address;
        return at == end;
}

static bool ip_id_ok(struct jute_str id)
{
        uint32_t address, bits;
        return ip_parse(id, &address, &bits);
}

static bool ip_matches(struct jute_str id, struct jute_str rule)
{
        uint32_t a, b, a_bits, bits;
        if (!ip_parse(id, &a, &a_bits) || !ip_parse(rule, &b, &bits))
                return false;
        uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;
        return (a & mask) == (b & mask);
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
static int32_t put_authenticated(struct jute_vec ids, int32_t perms, struct jute_writer *w)
{
        struct jute_reader r = jute_vec_reader(&ids);
        int32_t count = 0;
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_acl entry = {.perms = perms};
                jute_get_id(&r, &entry.id);
                if (!jute_str_is(entry.id.scheme, "digest"))
                        continue;
                jute_put_acl(w, &entry);
                count++;
        }
        return count;
}

/* Writes one entry as stored; returns how many entries it became, 0 when it is not acceptable. */
static int32_t put_fixed(const struct jute_acl *entry, struct jute_vec ids, struct jute_writer *w)
{
        bool ok = false;
        if (jute_str_is(entry->id.scheme, "auth"))
                return put_authenticated(ids, entry->perms, w);
        if (jute_str_is(entry->id.scheme, "world"))
                ok = jute_str_is(entry->id.id, "anyone");
        else if (jute_str_is(entry->id.scheme, "digest"))
                ok = digest_id_ok(entry->id.id);
        else if (jute_str_is(entry->id.scheme, "ip"))
                ok = ip_id_ok(entry->id.id);
        if (ok)
                jute_put_acl(w, entry);
        return ok;
}

int acl_fixup(struct jute_vec acl, struct jute_vec ids, struct jute_writer *w)
{
        if (acl.count <= 0 || acl.count > ACL_ENTRIES_MAX)
                return ZK_INVALID_ACL;
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
                int32_t made = put_fixed(&entry, ids, w);
                if (!made)
                        return ZK_INVALID_ACL;
                count += made;
        }
        jute_patch_int(w, count_at, count);
        return ZK_OK;
}

/* ---- the check ---- */

static bool id_matches(const struct jute_id *id, const struct jute_id *rule)
{
        if (!jute_str_equal(id->scheme, rule->scheme))
                return false;
        if (jute_str_is(rule->scheme, "ip"))
                return ip_matches(id->id, rule->id);
        return jute_str_equal(id->id, rule->id);
}

static bool any_id_matches(struct jute_vec ids, const struct jute_id *rule)
{
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (id_matches(&id, rule))
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

bool acl_allows(struct jute_vec acl, int32_t needed, struct jute_vec ids)
{
        if (acl.count <= 0)
                return true;
        struct jute_reader r = jute_vec_reader(&acl);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if (!(entry.perms & needed))
                        continue;
                if (jute_str_is(entry.id.scheme, "world") && jute_str_is(entry.id.id, "anyone"))
                        return true;
                if (any_id_matches(ids, &entry.id))
                        return true;
        }
        return is_super(ids);
}
