/* The kinds of events that the journal tells apart: `journalctl MESSAGE_ID=…` finds all of one kind, monitoring can
 * wait for one. Each has its fields besides the standing ones (BATON_NODE; in workers BATON_PLUGIN and BATON_GROUP
 * too). A token is written in decimal. Numbers never change and are never used again. */
#ifndef BATON_COMMON_EVENTS_H
#define BATON_COMMON_EVENTS_H

/* X(kind, MESSAGE_ID, what has happened, its fields) */
#define LOG_EVENTS(X)                                                                                                  \
        X(CHILD_STARTED, "ec52d38b6dae4314b185bfde6054a675", "a process of the node was started",                      \
          "BATON_CHILD, BATON_PID")                                                                                    \
        X(CHILD_DIED, "3e7a9d3f2a774a779b5d90e365c145d5", "a process of the node has ended by itself",                 \
          "BATON_CHILD, BATON_PID, BATON_STATUS")                                                                      \
        X(CHILD_KILLED, "c37f5a926ecd48e0a9a5f2fdeded488e",                                                            \
          "a process of the node was killed: it did not answer, or overran its time",                                  \
          "BATON_CHILD, BATON_PID, BATON_REASON")                                                                      \
        X(MEMBER_JOINED, "4343225521e54f51a3504e17bad2dc08", "a node has become a member", "BATON_MEMBER")             \
        X(MEMBER_LEFT, "32e3f1413c404d828080340e5c12111f", "a node is no longer a member", "BATON_MEMBER")             \
        X(ROLE_CHANGED, "0e650bd84ca14964acafb20e5d7c7951", "this node's server has another role", "BATON_ROLE")       \
        X(GROUP_ACQUIRED, "c39a8337f8084d069bd8e680bc87767a", "this node has been granted a group",                    \
          "BATON_GROUP, BATON_TOKEN")                                                                                  \
        X(GROUP_ACTIVE, "aa54f1ab814843cfb9e243c0bf12f10b", "all plugins of a group are active on this node",          \
          "BATON_GROUP, BATON_TOKEN")                                                                                  \
        X(GROUP_STOPPED, "55fd164d9c45478d94cea2db0572ec3e", "all plugins of a group have stopped on this node",       \
          "BATON_GROUP, BATON_TOKEN")                                                                                  \
        X(GROUP_RELEASED, "8675e3428eeb47ac9e45ff1fddb8c049", "this node has let a group go in order",                 \
          "BATON_GROUP, BATON_TOKEN, BATON_REASON")                                                                    \
        X(GROUP_LOST, "bb4d7997f3f144e9bd21274484eca1ef",                                                              \
          "this node's grant of a group is gone: removed, or its session has expired",                                 \
          "BATON_GROUP, BATON_TOKEN, BATON_REASON")                                                                    \
        X(GROUP_GIVEN_UP, "fd73aaff86164f9da320895546252581", "this node can't run a group and leaves it to another",  \
          "BATON_GROUP, BATON_TOKEN, BATON_REASON")                                                                    \
        X(DEADLINE_REACHED, "a271d0979656449e9a25c1d0488df0e3",                                                        \
          "a grant was not renewed in time: its resource is being stopped", "BATON_GROUP, BATON_PLUGIN, BATON_TOKEN")  \
        X(RESOURCE_FOREIGN, "7e935c388b7b4b059930a4ee009a7903",                                                        \
          "a resource was found running that this node holds no grant for: it is being stopped",                       \
          "BATON_PLUGIN, BATON_GROUP")                                                                                 \
        X(RESOURCE_LEFT, "e24ae102c9dc4b0483ad8e1612eca47c",                                                           \
          "a resource could not be stopped in time: another node may start it while it runs here", "BATON_PLUGIN")     \
        X(RESOURCE_GUARDED, "7b832f8d7fe24e3bb51cb99a16016857",                                                        \
          "no supervisor has taken a grant up again by its deadline: the guard stops its resource", "BATON_PLUGIN")    \
        X(CONFIG_DELIVERED, "d5454191df2c4b4eac42b6d05bbd49e8", "a committed value was delivered to a plugin",         \
          "BATON_PLUGIN, BATON_PATH, BATON_ZXID")                                                                      \
        X(AUDIT, "4cff58713c504686a8d129e4636c68ce",                                                                   \
          "an entry of the audit log: a client's change, its authentication, or this server's start or end",           \
          "BATON_SESSION, BATON_USER, BATON_IP, BATON_OPERATION, BATON_ZNODE, BATON_ZNODE_TYPE, BATON_ACL, "           \
          "BATON_SCHEME, BATON_MORE, BATON_RESULT, BATON_ERROR")                                                       \
        X(RELOADED, "afebf1eb53124e308237ad834e0d3f37", "the configuration was read again and is in use", "-")         \
        X(RELOAD_REFUSED, "bda5746f7074473f98832e73276994b9",                                                          \
          "the configuration was read again and refused: the running one stays", "-")

#define LOG_EVENT_KIND(kind, id, what, fields) LOG_EVENT_##kind,
enum log_event_kind { LOG_EVENTS(LOG_EVENT_KIND) LOG_EVENT_COUNT };
#undef LOG_EVENT_KIND

/* The MESSAGE_ID for log_event(). */
const char *log_event_id(enum log_event_kind kind);
/* What has happened, and the fields that say more, for documentation. */
const char *log_event_what(enum log_event_kind kind);
const char *log_event_fields(enum log_event_kind kind);

#endif
