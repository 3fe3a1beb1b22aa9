"""A task, its card and a loaded split as one line."""

from __future__ import annotations

from mosharness.tasks import load_task


def test_a_task_its_card_and_a_split_are_one_readable_line() -> None:
    task = load_task("demo")
    assert repr(task) == "<Task demo: mos; splits train (252), dev (72), test (162)>"
    assert repr(task.card) == "<TaskCard demo v1: mos on 1 to 5, not human ratings; splits train, dev, test>"
    assert repr(task.open("dev", audio=False)) == "<TaskSplit demo/dev: 72 clips of 18 systems; mos>"


def test_options_that_differ_from_the_defaults_are_shown() -> None:
    task = load_task("folder")
    assert "=" not in repr(task)
    name, default = next(iter(task.options.items()))
    changed = type(task)(**{name: f"{default}x"})
    assert f"; {name}='{default}x'>" in repr(changed)
