/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOY_ENGINE_SERVICE_TURN_H
#define HOY_ENGINE_SERVICE_TURN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Who may start now: at most `most` at once, the others one after the other in the order in which
 * they asked. A thousand starts at once would each wait for the others' calls and descriptors, and
 * all fail; like this each one costs what it costs alone. Pure, and allocates nothing.
 */
struct turn {
	struct turn *next; /* of those that wait */
	bool waits, taken;
	uint32_t mark; /* of turn_moved() */
	void (*go)(struct turn *turn);
	void *owner;
};

struct turns {
	struct turn *first, *last; /* wait */
	uint32_t taken, most;
	bool handing; /* go() is running: whoever leaves within it lets nobody in by itself */
};

void turns_init(struct turns *turns, uint32_t most);
/* Calls go() once it is its turn, perhaps from within; nothing for one that waits or has it. */
void turn_take(struct turns *turns, struct turn *turn, void (*go)(struct turn *turn), void *owner);
/* It is done, or no longer wants it: the next may go. Accepts one that never asked. */
void turn_leave(struct turns *turns, struct turn *turn);
/* Whether who has the turn got on since the last time this was asked: mark is a number that changes
 * with each of its steps. */
bool turn_moved(struct turn *turn, uint32_t mark);

#endif
