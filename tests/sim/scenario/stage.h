/* Where a scenario is played: the world (or the fleet) that it asked for, its clients, what has been seen of it since
 * the last command. Internal to the folder. */
#ifndef BATON_TESTS_SIM_SCENARIO_STAGE_H
#define BATON_TESTS_SIM_SCENARIO_STAGE_H

#include "tests/sim/oracle/oracle.h"
#include "tests/sim/scenario/script.h"
#include "tests/sim/world/world_state.h"

/* Clients by name. */
#define STAGE_CLIENTS_MAX 16
/* Variables of loops. */
#define STAGE_VARIABLES_MAX 4
/* How long something is awaited where nothing else is said. */
#define STAGE_AWAIT_MS 10000
/* Longest names of clients and variables. */
#define STAGE_NAME_BYTES 16

struct actor;
struct played;
struct fleet;
struct scene;

/* Something seen, by whom: servers by sid, then clients, then machines. */
struct stage_saying {
        int rank;
        size_t order;
        char *text;
};

struct stage_variable {
        char name[STAGE_NAME_BYTES];
        int64_t value;
};

struct stage {
        const char *path;
        int line;            /* of the command that is carried out */
        struct world *w;     /* NULL before the scenario has asked for an ensemble */
        struct fleet *f;     /* NULL where there are only servers */
        struct scene *scene; /* of the fleet; it has the world */
        struct text story;   /* what the fleet has said, tidied */
        size_t story_read;
        int64_t token;         /* of note-token */
        struct oracle *oracle; /* looks on */
        struct verdict verdict;
        bool lies; /* a server is played by hand: what the oracle finds then is not the product's doing */
        struct actor *actors[STAGE_CLIENTS_MAX];
        size_t actor_count;
        struct played *played[WORLD_SERVERS_MAX + 1];
        struct text logs[WORLD_SERVERS_MAX + 1]; /* what each server has said since its last start, tidied */
        struct stage_saying *sayings;
        size_t saying_count, saying_capacity;
        bool shows_all; /* phases, too, and connections */
        int muted;      /* inside loops nothing is shown */
        uint64_t marked_ms;
        struct stage_variable variables[STAGE_VARIABLES_MAX];
        size_t variable_count;
        struct memory_storage *kept[WORLD_SERVERS_MAX + 1]; /* copies of disks */
        /* A loop over the operations of a disk: which one, and what happens there. */
        uint64_t die_skip, die_at;
        bool die_after, die_power;
        int die_sid; /* armed for this server */
        struct text failure;
};

void stage_init(struct stage *st, const char *path);
/* Ends the world, the clients and all; the failure stays. */
void stage_clear(struct stage *st);
void stage_done(struct stage *st);

/* The first one is kept. Always returns false. */
bool stage_fail(struct stage *st, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line for the transcript. */
void stage_say(struct stage *st, int rank, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Takes what has been seen since the last call, ordered by who, and by when for each. */
void stage_take(struct stage *st, struct text *ret);
void stage_forget(struct stage *st);
#define STAGE_RANK_CLIENT  100
#define STAGE_RANK_MACHINE 200

/* A text that a server has said, as a person reads it: zxids as pairs, sessions by their client, no durations. */
void stage_tidy(struct stage *st, const char *from, char *to, size_t size);

/* A world of so many servers. */
void stage_begin(struct stage *st, int voters, int observers, uint64_t seed);
/* The end of a world: where all is well the oracle compares trees and disks with what they must be. */
bool stage_conclude(struct stage *st);
/* Somebody has tampered with this server's disk. */
void stage_tampered(struct stage *st, int sid);
/* One millisecond of everything. */
void stage_step(struct stage *st);
void stage_run(struct stage *st, uint64_t ms);

/* Words. Each says what is wrong and returns false. */
bool stage_server(struct stage *st, const char *word, int *ret);
bool stage_number(struct stage *st, const char *word, int64_t *ret);
bool stage_zxid(struct stage *st, const char *word, int64_t *ret);
bool stage_duration(struct stage *st, const char *word, uint64_t *ret_ms);
/* "key=value" among the words: the value, or NULL. */
const char *stage_option(char **words, size_t count, const char *key);
/* The same as a number; `ret` keeps its value where the key is not there. */
bool stage_option_number(struct stage *st, char **words, size_t count, const char *key, int64_t *ret);
/* A packet of the quorum port by its name, 0 for none; WORLD_PACKET_ANY for "anything". */
int32_t stage_packet(const char *name);
const char *stage_packet_name(int32_t type);
/* "1->2" */
bool stage_way(struct stage *st, const char *word, int *ret_from, int *ret_to);
/* The word stands there by itself. */
bool stage_has(char **words, size_t count, const char *word);

/* condition.c: whether it holds now, with what is the case instead. False when it can't be judged. */
bool stage_condition(struct stage *st, char **words, size_t count, bool *ret, struct text *instead);

/* ---- commands: command.c has the table ---- */
typedef bool stage_command_fn(struct stage *st, char **words, size_t count);
struct stage_command {
        const char *name;
        size_t words_min; /* the name among them */
        stage_command_fn *fn;
};
/* Tables end with a NULL name. */
extern const struct stage_command stage_server_commands[];
extern const struct stage_command stage_advance_commands[];
extern const struct stage_command stage_net_commands[];
extern const struct stage_command stage_disk_commands[];
extern const struct stage_command stage_client_commands[];
extern const struct stage_command stage_peer_commands[];
extern const struct stage_command stage_fleet_commands[];

/* Carries out the lines from..to-1. */
bool stage_play(struct stage *st, struct script *s, size_t from, size_t to);

/* ---- clients (client.c) ---- */
struct actor *stage_actor(struct stage *st, const char *name);
bool stage_actor_command(struct stage *st, struct actor *a, char **words, size_t count);
void stage_actors_turn(struct stage *st);
void stage_actor_free(struct actor *a);
const char *stage_actor_of_session(struct stage *st, int64_t session);
/* Whether what clients were told has been done is there at server `sid`. */
bool stage_nothing_lost(struct stage *st, int sid, struct text *instead);
bool stage_actor_connected(const struct actor *a);
bool stage_actor_pending(const struct actor *a);

/* ---- machines (cmd_fleet.c) ---- */
bool stage_machine(struct stage *st, const char *word, int *ret);
/* "group=NAME" among the words: its index; the first one where nothing is said. */
bool stage_group(struct stage *st, char **words, size_t count, size_t *ret);
/* Takes what the fleet has said. */
void stage_fleet_turn(struct stage *st);
void stage_fleet_free(struct stage *st);
void stage_scene_free(struct stage *st);

/* ---- servers played by hand (peer.c) ---- */
bool stage_peer_command(struct stage *st, int sid, char **words, size_t count);
void stage_peers_turn(struct stage *st);
void stage_played_free(struct stage *st, int sid);

#endif
