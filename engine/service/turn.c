/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of starts. Runs in engine main, pure; must never nest: whoever fails at once leaves
 * within its own go(), and a thousand of them must not stand on one stack.
 */
#include "engine/service/turn.h"

#include <stddef.h>
#include <string.h>

void turns_init(struct turns *turns, uint32_t most)
{
	memset(turns, 0, sizeof(*turns));
	turns->most = most;
}

static void hand_out(struct turns *turns)
{
	if (turns->handing)
		return;
	turns->handing = true;
	while (turns->first && turns->taken < turns->most) {
		struct turn *turn = turns->first;

		turns->first = turn->next;
		if (!turns->first)
			turns->last = NULL;
		turn->next = NULL;
		turn->waits = false;
		turn->taken = true;
		turns->taken++;
		turn->go(turn);
	}
	turns->handing = false;
}

void turn_take(struct turns *turns, struct turn *turn, void (*go)(struct turn *turn), void *owner)
{
	if (turn->waits || turn->taken)
		return;
	*turn = (struct turn){ .waits = true, .go = go, .owner = owner };
	if (turns->last)
		turns->last->next = turn;
	else
		turns->first = turn;
	turns->last = turn;
	hand_out(turns);
}

static void unlink_turn(struct turns *turns, struct turn *turn)
{
	struct turn *before = NULL;

	for (struct turn *t = turns->first; t && t != turn; t = t->next)
		before = t;
	if (before)
		before->next = turn->next;
	else
		turns->first = turn->next;
	if (turns->last == turn)
		turns->last = before;
	turn->next = NULL;
	turn->waits = false;
}

void turn_leave(struct turns *turns, struct turn *turn)
{
	if (turn->waits)
		unlink_turn(turns, turn);
	if (!turn->taken)
		return;
	turn->taken = false;
	turns->taken--;
	hand_out(turns);
}

bool turn_moved(struct turn *turn, uint32_t mark)
{
	bool moved = turn->mark != mark;

	turn->mark = mark;
	return moved;
}
