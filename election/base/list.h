/* Intrusive doubly linked ring. The head is a link too; an empty ring points at itself. */
#ifndef BATON_BASE_LIST_H
#define BATON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
        struct list *next;
        struct list *prev;
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
        l->next = l;
        l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
        return head->next == head;
}

/* Puts `l` at the end of the ring. */
static inline void list_push(struct list *head, struct list *l)
{
        l->next = head;
        l->prev = head->prev;
        head->prev->next = l;
        head->prev = l;
}

/* Takes `l` out of its ring; harmless on a link that is in none (initialised). */
static inline void list_remove(struct list *l)
{
        l->prev->next = l->next;
        l->next->prev = l->prev;
        list_init(l);
}

#endif
