/* Addresses and networks as ZooKeeper 3.9.5 reads them (observed there): what one server takes into an access list,
 * every other must understand alike, also where Java's number parser is more generous than one would be.
 *
 * IPv4: four decimal numbers. IPv6: eight groups of up to four digits, "::" once for those that are 0; no dotted
 * tail and no scope. Each number may have a sign, of which only the sense within its range counts: "+8" is 8, "-0"
 * is 0, and a group "-1" is ffff. */
#include "election/server/acl_internal.h"

#include "election/server/acl.h"

#include <stdio.h>
#include <string.h>

#define IP4_BYTES      4
#define IP6_BYTES      16
#define IP6_GROUPS     8
#define IP6_GROUP_SIZE 4

struct text {
        const uint8_t *at, *end;
};

static struct text text_of(struct jute_str s)
{
        const uint8_t *at = s.len > 0 ? s.data : NULL;
        return (struct text){.at = at, .end = at ? at + s.len : at};
}

static bool has(struct text t, char c)
{
        return t.at != t.end && memchr(t.at, c, (size_t)(t.end - t.at));
}

/* Cuts off what stands before the first `c` and returns it; without one, all is cut off and `*ret_last` says so. */
static struct text cut(struct text *t, char c, bool *ret_last)
{
        const uint8_t *found = has(*t, c) ? memchr(t->at, c, (size_t)(t->end - t->at)) : NULL;
        struct text part = {.at = t->at, .end = found ? found : t->end};
        *ret_last = !found;
        t->at = found ? found + 1 : t->end;
        return part;
}

static int digit_of(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 99;
}

/* A number as Java's Integer.parseInt() takes it. */
static bool number(struct text t, int base, int32_t *ret)
{
        int64_t value = 0;
        bool negative = t.at != t.end && *t.at == '-';
        if (t.at != t.end && (*t.at == '-' || *t.at == '+'))
                t.at++;
        if (t.at == t.end)
                return false;
        for (; t.at != t.end; t.at++) {
                int digit = digit_of(*t.at);
                if (digit >= base)
                        return false;
                value = value * base + digit;
                if (value > (int64_t)INT32_MAX + negative)
                        return false;
        }
        *ret = (int32_t)(negative ? -value : value);
        return true;
}

static bool parse_ip4(struct text t, uint8_t ret[IP4_BYTES])
{
        bool last = false;
        for (int i = 0; i < IP4_BYTES; i++) {
                int32_t octet;
                if (last || !number(cut(&t, '.', &last), 10, &octet) || octet < 0 || octet > 255)
                        return false;
                ret[i] = (uint8_t)octet;
        }
        return last;
}

/* Reads groups up to the end, at most `max` of them. Returns how many, or -1. */
static int parse_groups(struct text t, uint16_t *ret, int max)
{
        bool last = false;
        int count = 0;
        while (!last) {
                struct text group = cut(&t, ':', &last);
                int32_t value;
                if (count == max || group.end - group.at > IP6_GROUP_SIZE || !number(group, 16, &value))
                        return -1;
                ret[count++] = (uint16_t)value;
        }
        return count;
}

/* Where the first "::" is, or NULL. */
static const uint8_t *gap_of(struct text t)
{
        for (; t.end - t.at >= 2; t.at++)
                if (t.at[0] == ':' && t.at[1] == ':')
                        return t.at;
        return NULL;
}

static bool parse_ip6(struct text t, uint8_t ret[IP6_BYTES])
{
        uint16_t groups[IP6_GROUPS] = {0}, tail[IP6_GROUPS];
        const uint8_t *gap = gap_of(t);
        int head_count = 0, tail_count = 0;
        if (!gap) {
                if (parse_groups(t, groups, IP6_GROUPS) != IP6_GROUPS)
                        return false;
        } else {
                struct text before = {.at = t.at, .end = gap}, after = {.at = gap + 2, .end = t.end};
                if (before.at != before.end)
                        head_count = parse_groups(before, groups, IP6_GROUPS - 1);
                if (after.at != after.end)
                        tail_count = parse_groups(after, tail, IP6_GROUPS - 1);
                if (head_count < 0 || tail_count < 0 || head_count + tail_count >= IP6_GROUPS)
                        return false;
                memcpy(groups + IP6_GROUPS - tail_count, tail, (size_t)tail_count * sizeof *tail);
        }
        for (int i = 0; i < IP6_GROUPS; i++) {
                ret[2 * i] = (uint8_t)(groups[i] >> 8);
                ret[2 * i + 1] = (uint8_t)groups[i];
        }
        return true;
}

/* Returns how many bytes the address has, 0 for none. */
static size_t parse_address(struct text t, uint8_t ret[IP6_BYTES])
{
        if (has(t, ':'))
                return parse_ip6(t, ret) ? IP6_BYTES : 0;
        return has(t, '.') && parse_ip4(t, ret) ? IP4_BYTES : 0;
}

/* The same for a network; `*ret_bits` of its address count. */
static size_t parse_network(struct jute_str rule, uint8_t ret[IP6_BYTES], size_t *ret_bits)
{
        struct text t = text_of(rule);
        bool whole;
        struct text address = cut(&t, '/', &whole);
        size_t size = parse_address(address, ret);
        int32_t bits = (int32_t)size * 8;
        if (!size || (!whole && (!number(t, 10, &bits) || bits < 0 || (size_t)bits > size * 8)))
                return 0;
        *ret_bits = (size_t)bits;
        return size;
}

bool acl__ip_ok(struct jute_str rule)
{
        uint8_t address[IP6_BYTES];
        size_t bits;
        return parse_network(rule, address, &bits) != 0;
}

bool acl__ip_matches(struct jute_str address, struct jute_str rule)
{
        uint8_t a[IP6_BYTES], b[IP6_BYTES];
        size_t bits;
        size_t size = parse_network(rule, b, &bits);
        if (!size || parse_address(text_of(address), a) != size || memcmp(a, b, bits / 8) != 0)
                return false;
        if (bits % 8 == 0)
                return true;
        const uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
        return (a[bits / 8] & mask) == (b[bits / 8] & mask);
}

/* Java writes an IPv6 address out in full, where inet_ntop(), whose text this is, shortens it. */
void acl_ip_identity(const char *address, char ret[ACL_IP_TEXT_MAX])
{
        uint8_t bytes[IP6_BYTES];
        if (!strchr(address, ':') || !parse_ip6(text_of(jute_cstr(address)), bytes)) {
                (void)snprintf(ret, ACL_IP_TEXT_MAX, "%s", address);
                return;
        }
        for (size_t i = 0, at = 0; i < IP6_GROUPS; i++)
                at += (size_t)snprintf(ret + at, ACL_IP_TEXT_MAX - at, "%s%x", i ? ":" : "",
                                       (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]));
}
