# SPDX-License-Identifier: Apache-2.0
"""How many rounds a race is run: HOY_ROUNDS (100), at most HOY_ROUNDS_SECONDS of them in one run.

With HOY_ROUNDS_KEPT=FILE what was run is kept there, for each race and each build of the program, and
the next run goes on from there: a hundred thousand rounds are more than one night.
"""
import hashlib
import os
import time

from fixture import tap

ROUNDS = int(os.environ.get("HOY_ROUNDS", "100"))
SECONDS = float(os.environ.get("HOY_ROUNDS_SECONDS", "0"))
KEPT = os.environ.get("HOY_ROUNDS_KEPT", "")
SAVE_EVERY = 50


def kept():
    """{name and program: rounds that passed}"""
    try:
        with open(KEPT, encoding="ascii") as f:
            return {name: int(count) for name, count in (line.split("\t") for line in f)}
    except FileNotFoundError:
        return {}


def keep(key, count):
    table = dict(kept(), **{key: count})
    with open(KEPT + ".new", "w", encoding="ascii") as f:
        f.writelines("%s\t%d\n" % row for row in sorted(table.items()))
    os.rename(KEPT + ".new", KEPT)


def rounds(name, program):
    """The numbers of the rounds that are to be run now. One counts once the next is asked for."""
    if KEPT:
        with open(program, "rb") as f:
            key = "%s %s" % (name, hashlib.sha256(f.read()).hexdigest()[:12])
    first = done = kept().get(key, 0) if KEPT else 0
    end = time.monotonic() + SECONDS
    try:
        while done < ROUNDS and (not SECONDS or time.monotonic() < end):
            yield done
            done += 1
            if KEPT and done % SAVE_EVERY == 0:
                keep(key, done)
    finally:
        if KEPT:
            keep(key, done)
        if KEPT or SECONDS:
            tap.note("%s: %d rounds now, %d of %d in all" % (name, done - first, done, ROUNDS))
