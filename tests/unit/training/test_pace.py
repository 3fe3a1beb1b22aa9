"""The time that a stage takes is said after its first steps."""

from __future__ import annotations

from mosharness.harness.training.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(total: int, per_epoch: int, evaluation: int = 0) -> tuple[Pace, Clock, list[str]]:
    clock = Clock()
    said: list[str] = []
    return Pace(total, 0, per_epoch, evaluation or per_epoch, said.append, clock), clock, said


def test_said_once_after_three_steps_without_the_warm_up() -> None:
    pace, clock, said = watched(1000, 100)
    for seconds in (30.0, 2.0, 2.0, 2.0):
        if seconds == 30.0:
            clock.now = 10.0
        else:
            clock.now += seconds
        pace.step()
    assert said == ["about 33 min at most for 997 more steps of 2 s, an epoch of 100 in 3 min; evaluations come on top"]


def test_slow_steps_are_said_at_once_and_short_stages_not_at_all() -> None:
    pace, clock, said = watched(250 * 5, 5)
    clock.now = 90.0
    pace.step()
    assert said == [
        "about 31 h 14 min at most for 1249 more steps of 2 min, an epoch of 5 in 8 min; evaluations come on top"
    ]
    pace, clock, said = watched(2, 2)
    pace.step()
    pace.step()
    assert not said


def test_an_evaluation_that_weighs_is_said() -> None:
    pace, clock, said = watched(100, 10)
    for _ in range(10):
        clock.now += 1.0
        pace.step()
    clock.now += 5.0
    pace.evaluated()
    assert said[1:] == ["about 2 min at most, with 9 evaluations of 5 s"]
    for _ in range(10):
        clock.now += 1.0
        pace.step()
    clock.now += 50.0
    pace.evaluated()
    assert len(said) == 2
