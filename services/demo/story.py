"""What happened at the demo organisation in the last months: the same at every call, only the dates move along."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.demo.content import (
    ADMIN,
    COLLEAGUES,
    COMMENTS,
    MODERATOR,
    OPENINGS,
    REPORTED,
    VALUES,
    Colleague,
)

SEED = 5
RECOGNITIONS = 320
DAYS = 180
MOST_HI5S_OF_ONE = 9
HI5S = 140


@dataclass(frozen=True, slots=True)
class Thanks:
    """Somebody thanked a colleague; `key` keeps it from being told twice."""

    key: str
    given_by: Colleague
    given_for: Colleague
    core_value: str
    text: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Applause:
    """A hi5 on one of the thanks."""

    thanks: Thanks
    given_by: Colleague
    comment: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """`reported` are the thanks that somebody will complain about: the first of all, in the order of their texts."""

    thanks: Sequence[Thanks]
    applause: Sequence[Applause]
    reported: Sequence[Thanks]

    def untouched_by(self, person: Colleague) -> Thanks:
        """The newest thanks that a person may still applaud."""
        taken = {one.thanks for one in self.applause if one.given_by == person} | set(self.reported)
        free = [one for one in self.thanks if one not in taken and person not in (one.given_by, one.given_for)]
        return max(free, key=lambda one: one.given_at)


def tell(now: datetime) -> Story:
    """Up to half a year before `now`."""
    chance = random.Random(SEED)  # noqa: S311
    reported = [_thanks(chance, now, place, text) for place, text in enumerate(REPORTED)]
    others = [_thanks(chance, now, place, None) for place in range(len(REPORTED), RECOGNITIONS)]
    newest = sorted(others, key=lambda one: one.given_at, reverse=True)
    return Story([*reported, *others], _applause(chance, [*newest[: RECOGNITIONS // 3], *reported]), reported)


def _thanks(chance: random.Random, now: datetime, place: int, text: str | None) -> Thanks:
    outside = (ADMIN, MODERATOR)
    people = [one for one in COLLEAGUES if text is None or one not in outside]
    given_by, given_for = chance.sample(people, 2)
    value = chance.choice(VALUES)
    # More of it lately than long ago; and in working hours, as seen from the middle of Europe.
    day = int(DAYS * chance.random() ** 1.5) + 1
    moment = (now - timedelta(days=day)).replace(hour=chance.randrange(7, 17), minute=chance.randrange(60), second=0)
    said = text or chance.choice(OPENINGS) + chance.choice(value.thanks)
    return Thanks(f"demo:{place}", given_by, given_for, value.text, said, moment.replace(microsecond=0))


def _applause(chance: random.Random, thanks: Sequence[Thanks]) -> list[Applause]:
    """Nobody claps for what they received, twice for the same, or more often than a month allows."""
    left = dict.fromkeys(COLLEAGUES, MOST_HI5S_OF_ONE)
    clapped: dict[tuple[str, Colleague], Applause] = {}
    while len(clapped) < HI5S:
        one = thanks[int(len(thanks) * chance.random() ** 2)]
        giver = chance.choice([person for person in COLLEAGUES if left[person]])
        if giver != one.given_for and (one.key, giver) not in clapped:
            clapped[one.key, giver] = Applause(one, giver, chance.choice(COMMENTS))
            left[giver] -= 1
    return list(clapped.values())
