/* What the files of the four-letter words share (zookeeper/client-protocol.md 10):
 *
 *   server_words.c       which word may be answered, and by whom
 *   words_text.c         lines, averages, dates, the bound on an answer
 *   words_server.c       srvr stat conf envi dirs hash gtmk stmk srst
 *   words_connections.c  cons crst dump, and the lists of stat
 *   words_watches.c      wchs wchc wchp
 *   words_mntr.c         mntr
 *
 * Answers have ZooKeeper's layout to the letter, since tools parse them. They are made at once, in memory; a list
 * that would make one longer than SERVER_WORD_BYTES_MAX is cut, and says so. */
#ifndef BATON_SERVER_WORDS_H
#define BATON_SERVER_WORDS_H

#include "election/server/server_internal.h"

/* No list goes on in an answer as long as this: the loop stands still while one is made. */
#define SERVER_WORD_BYTES_MAX (8u << 20)
/* Sessions and connections that dump sorts for its lists. */
#define WORDS_SORTED_MAX 65536
/* What `gtmk` shows before anybody has set it: ZooKeeper's. */
#define WORDS_TRACE_MASK_DEFAULT 306
/* Bytes of `stmk` after its name. */
#define WORDS_TRACE_MASK_BYTES 8
/* "Mon Nov 30 01:09:52 UTC 2026", and room for a year beyond 9999. */
#define WORDS_DATE_MAX 48

/* ---- words_text.c ---- */
void words__put(struct jute_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* sum / count / divisor with at most four decimals and at least one, as Java prints a double; 0.0 for none. */
void words__average(struct jute_writer *w, uint64_t sum, uint64_t count, uint64_t divisor);
/* As Java prints a Date, in UTC. */
void words__date(char ret[WORDS_DATE_MAX], int64_t wall_ms);
/* Whether a list must end here. */
bool words__full(const struct jute_writer *w);

/* ---- answers ---- */
/* standalone, leader, follower, observer, read-only or looking. */
const char *words__mode(const struct server *s);
void words__srvr(struct server *s, struct jute_writer *w);
void words__stat(struct server *s, struct jute_writer *w);
void words__conf(struct server *s, struct jute_writer *w);
void words__envi(struct server *s, struct jute_writer *w);
void words__dirs(struct server *s, struct jute_writer *w);
void words__hash(struct server *s, struct jute_writer *w);
void words__gtmk(struct server *s, struct jute_writer *w);
void words__srst(struct server *s, struct jute_writer *w);
void words__cons(struct server *s, struct jute_writer *w);
void words__crst(struct server *s, struct jute_writer *w);
void words__dump(struct server *s, struct jute_writer *w);
void words__wchs(struct server *s, struct jute_writer *w);
void words__wchc(struct server *s, struct jute_writer *w);
void words__wchp(struct server *s, struct jute_writer *w);
void words__mntr(struct server *s, struct jute_writer *w);
/* One line per connection, without what `cons` tells of its session. */
void words__clients(const struct server *s, struct jute_writer *w);

#endif
