"""Published benchmarks as task files: a YAML file each, and a few lines of code where a layout needs them.

``index.json`` holds their cards and the groups of ``groups.yaml``, so that listing reads one file. ``python -m
mosharness.tasks.benchmarks`` writes it anew, and a test holds it to the YAML files.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
INDEX = HERE / "index.json"
GROUPS = HERE / "groups.yaml"
WITH_CODE = {
    "brspeechmos": "mosharness.tasks.benchmarks.brspeechmos:BrSpeechMos",
    "hablamos": "mosharness.tasks.benchmarks.hablamos:HablaMos",
    "vmc24_zoomed": "mosharness.tasks.benchmarks.vmc24_zoomed:Vmc24Zoomed",
}
"""Those whose layout a description cannot say."""
DESCRIBED = (
    "bc19",
    "bc23_hub",
    "bc23_spoke",
    "chime7_udase",
    "pstn",
    "qualispeech",
    "singmos",
    "svcc23",
    "tcd_voip",
    "tencent",
    "tmhint_qi",
    "tmhint_qi_s",
    "ttsds2",
    "urgent2024_mos",
    "vmc24_track3",
)
ENTRIES: dict[str, str | Path] = {**{name: HERE / f"{name}.yaml" for name in DESCRIBED}, **WITH_CODE}
"""Name to its task file, or to the class that a module makes of it."""
