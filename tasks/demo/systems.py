"""The systems of the demo task and the design of its splits: no system and no speaker is in two splits."""

from __future__ import annotations

from typing import NamedTuple

PACKAGE = "mosharness.tasks.demo"


class System(NamedTuple):
    """One degradation: a function of ``degrade.py`` and the number it is given."""

    family: str
    level: float


class Split(NamedTuple):
    """Who speaks in a split, and which systems every clip of these speakers goes through."""

    speakers: tuple[str, ...]
    systems: tuple[str, ...]


def _names(*alone: str, **levels: tuple[int, ...]) -> tuple[str, ...]:
    """``"clean", white=(45, 35)`` gives ``("clean", "white_45", "white_35")``."""
    return (*alone, *(f"{family}_{level}" for family, numbers in levels.items() for level in numbers))


# Levels go from mild to strong; units are in the docstrings of degrade.py. Families that no other split has: hum and
# echo in dev; pink, muffled, overdrive and repeat in test.
SPLITS = {
    "train": Split(
        speakers=("rms", "kal", "ked", "espeak_us_f"),
        systems=_names(
            "clean",
            white=(45, 35, 25, 15),
            clipping=(3, 8, 15),
            lowpass=(5000, 2500),
            loss=(1, 5, 15),
            bits=(11, 8),
            codec=(40, 26),
            reverb=(12,),
            mnru=(32, 18),
            telephone=(7,),
        ),
    ),
    "dev": Split(
        speakers=("espeak_gb_m", "espeak_sc_f"),
        systems=_names(
            white=(40, 20),
            clipping=(6, 12),
            lowpass=(6000, 3500),
            loss=(3, 10),
            bits=(9,),
            codec=(34, 22),
            reverb=(18, 6),
            mnru=(25,),
            hum=(40, 25, 15),
            echo=(24,),
        ),
    ),
    "test": Split(
        speakers=("slt", "awb", "espeak_us_m"),
        systems=_names(
            white=(30,),
            clipping=(5,),
            lowpass=(4000, 1500),
            loss=(2, 8),
            bits=(10,),
            codec=(46, 30),
            mnru=(38, 22),
            telephone=(5,),
            pink=(45, 35, 20),
            muffled=(30,),
            overdrive=(3,),
            repeat=(6,),
        ),
    ),
}


def _system(name: str) -> System:
    family, _, level = name.partition("_")
    return System(family, float(level or 0))


SYSTEMS = {name: _system(name) for split in SPLITS.values() for name in split.systems}
