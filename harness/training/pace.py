"""How long a stage is going to take, said after its first steps and again once evaluations are known."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_STEPS, FIRST_S = 3, 20.0
"""The first word comes after so many steps, or after so many seconds where steps are slow."""


class Pace:
    """Watches the steps of a stage.

    Args:
        total: Optimiser steps of the stage.
        done: Steps that were done before.
        per_epoch: Steps of an epoch.
        per_evaluation: Steps between evaluations.
        say: Takes a line for the user.
        clock: Seconds; for tests.
    """

    def __init__(
        self,
        total: int,
        done: int,
        per_epoch: int,
        per_evaluation: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.left, self.per_epoch, self.per_evaluation = total - done, per_epoch, max(1, per_evaluation)
        self.say, self.clock = say, clock
        self._began = self._last = clock()
        self._first_s = self._steps_s = 0.0
        self._steps = 0
        self._said = 0.0
        self._again = True

    def step(self, done: bool = True) -> None:
        """One step is done; its share of waiting for clips counts, the evaluations between do not."""
        now = self.clock()
        if done:
            self.left -= 1
            self._steps += 1
            if self._steps == 1:
                self._first_s = now - self._last
            else:
                self._steps_s += now - self._last
            early = self._steps >= FIRST_STEPS or now - self._began >= FIRST_S
            if early and not self._said and self.left > 0:
                self._said = self.left * self.step_s
                per_epoch = f", an epoch of {self.per_epoch} in {duration(self.per_epoch * self.step_s)}"
                many = per_epoch if self.per_epoch < self.left + self._steps else ""
                steps = f"{self.left} more steps of {duration(self.step_s)}{many}"
                self.say(f"about {duration(self._said)} at most for {steps}; evaluations come on top")
        self._last = now

    @property
    def step_s(self) -> float:
        """Seconds of a step; the first one, which also warms up, counts only while it is alone."""
        return self._steps_s / (self._steps - 1) if self._steps > 1 else self._first_s

    def evaluated(self) -> None:
        """An evaluation is done: said once, where it changes what was said by a fifth or more."""
        now = self.clock()
        seconds, self._last = now - self._last, now
        if not self._said or not self._again or self.left <= 0:
            return
        whole = self.left * self.step_s + self.left // self.per_evaluation * seconds
        if whole > 1.2 * self._said or whole < 0.8 * self._said:
            each = f"{self.left // self.per_evaluation} evaluations of {duration(seconds)}"
            self.say(f"about {duration(whole)} at most, with {each}")
            self._again = False


def duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration(0.31), duration(42), duration(700), duration(7500), duration(200_000)
        ('0.31 s', '42 s', '12 min', '2 h 5 min', '2 d 7 h')
    """
    if seconds < 1:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 36:
        return f"{hours} h {rest} min"
    return f"{hours // 24} d {hours % 24} h"
