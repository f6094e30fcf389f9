/* Text as Java sees it: what a Java server makes of bytes that are no UTF-8, and the hash that says in which order it
 * goes through a set. */
#ifndef BATON_JUTE_TEXT_H
#define BATON_JUTE_TEXT_H

#include "election/jute/jute.h"

/* Appends `text` without a length, each malformed part replaced by U+FFFD: as many of them as Java's decoder makes of
 * it (JDK 8 and later). What is appended is UTF-8. */
void text_put_repaired(struct jute_writer *w, struct jute_str text);
/* Java's String.hashCode(): over UTF-16 units. `text` is UTF-8; null hashes as empty. */
uint32_t text_java_hash(struct jute_str text);

#endif
