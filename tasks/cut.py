"""Cutting clips without splits into train, dev and test: by system or by clip, drawn by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ..harness.core.choices import CutBy
from ..harness.core.errors import DataError, UsageError


@dataclass(frozen=True)
class Cut:
    """How to cut.

    Attributes:
        by: ``system``: all clips of a system go to the same side, so that the test systems are new ones; ``clip``:
            each clip goes to a side of its own, so that every system is on all sides.
        dev, test: Shares of the systems or clips; the rest is train. 0 makes no such split.
        seed: Of the draw.
    """

    by: CutBy
    dev: float = 0.1
    test: float = 0.2
    seed: int = 0

    def __str__(self) -> str:
        return f"split_by={self.by} dev={self.dev:g} test={self.test:g} split_seed={self.seed}"


def cut_of(options: dict[str, Any]) -> Cut | None:
    """The cut that a task's options ask for; ``None`` where they ask for none.

    Raises:
        UsageError: If a value makes no sense, or shares stand without ``split_by``.
    """
    by, shares = options["split_by"], {name: options[name] for name in ("dev", "test")}
    seed = options["split_seed"]
    if not by:
        given = [name for name, value in (*shares.items(), ("split_seed", seed)) if value is not None]
        if given:
            raise UsageError(f"option {given[0]} goes with split_by (--split-by system or clip)")
        return None
    if by not in get_args(CutBy):
        raise UsageError(f"option split_by: {by!r} will not do; cut by {' or '.join(get_args(CutBy))}")
    found = {}
    for name, value in shares.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise UsageError(f"option {name}: {value!r} will not do; give a share from 0 to below 1, such as 0.1")
        found[name] = float(value)
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise UsageError(f"option split_seed: {seed!r} will not do; give a whole number from 0 on")
    cut = Cut(by, **found, seed=seed or 0)
    if cut.dev + cut.test >= 1:
        raise UsageError(f"options dev and test: {cut.dev:g} and {cut.test:g} leave nothing to train on")
    return cut


def cut_clips(cut: Cut, clips: Sequence[tuple[str, str]], where: str) -> list[str]:
    """The split of each clip.

    Systems or clips are ranked by a digest of the seed and their name: neither the order of the rows nor the labels
    count, and a row that is added moves few others. The first ranks are test, the next dev.

    Args:
        cut: How.
        clips: Name and system of each.
        where: The file, for messages.

    Raises:
        DataError: If clips have no system to cut by, or there are too few for every side to have one.

    Example:
        >>> cut_clips(Cut("clip", dev=0.25, test=0.25), [("a", ""), ("b", ""), ("c", ""), ("d", "")], "x.csv")
        ['train', 'train', 'test', 'dev']
    """
    units = [system if cut.by == "system" else name for name, system in clips]
    without = sum(not unit for unit in units)
    if without:
        raise DataError(f"{where}: {without} clips have no system_id to cut by; fill it in, or cut by clip")
    ranked = sorted(set(units), key=lambda unit: (hashlib.sha256(f"{cut.seed}\x1f{unit}".encode()).digest(), unit))
    tests, devs = (max(1, round(share * len(ranked))) if share else 0 for share in (cut.test, cut.dev))
    if tests + devs >= len(ranked):
        raise DataError(
            f"{where}: {len(ranked)} {cut.by}s cannot be cut into train, dev {cut.dev:g} and test {cut.test:g}: every "
            f"side needs one at least{'; cut by clip' if cut.by == 'system' else ''}"
        )
    sides = {unit: "test" if at < tests else "dev" if at < tests + devs else "train" for at, unit in enumerate(ranked)}
    return [sides[unit] for unit in units]
