/* Messages for tests: any type with anything in it. */
#ifndef BATON_TESTS_RANDOM_MESSAGE_H
#define BATON_TESTS_RANDOM_MESSAGE_H

#include "daemon/common/message.h"
#include "election/base/hash.h"

/* What a random message points to. */
struct random_message {
        struct message m;
        char text[64], path[64], data[4096];
        struct message_member members[20];
};

/* Fills in every field, whether its type has it or not; fd stays -1. */
void random_message(struct prng *p, enum message_type type, struct random_message *ret);
/* Asserts that what `type` carries is the same in both; descriptors are not compared. */
void assert_message_equal(const struct message *a, const struct message *b);

#endif
