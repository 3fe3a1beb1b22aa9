"""GPT-SoVITS's generator and the HuBERT under its codebook: where they are published, and how they are fetched."""

from __future__ import annotations

from pathlib import Path

from ...harness.recipes.needs import HubFiles, Need, hub_need

VARIABLE = "MOSHARNESS_GPTSOVITS"
"""Names the folder ``pretrained_models`` of GPT-SoVITS, for recipes that name no codebook or HuBERT."""
PUBLISHED = (
    "s2G488k.pth",
    "gsv-v2final-pretrained/s2G2333k.pth",
    "s2Gv3.pth",
    "gsv-v4-pretrained/s2Gv4.pth",
    "v2Pro/s2Gv2Pro.pth",
    "v2Pro/s2Gv2ProPlus.pth",
)
"""Generator files in that folder, v1 first; the first that is there is taken. All hold a codebook of the same form."""
CHINESE_HUBERT = "chinese-hubert-base"
GPTSOVITS = "lj1995/GPT-SoVITS"
GPTSOVITS_COMMIT = "336b2ec4e8d4ac74740798dd40af44e74659ecaf"
GENERATOR_FILES: dict[str, str | None] = {PUBLISHED[0]: None}
HUBERT_FILES: dict[str, str | None] = {
    f"{CHINESE_HUBERT}/config.json": "c3e5060a1277e0f078cc6be9da4528a605dba6ece93018981fe2c820e5c7b103",
    f"{CHINESE_HUBERT}/pytorch_model.bin": "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
}
HUBERT_BYTES = 188_811_417 + 1_449
"""Commit, digests and bytes of the repository on the hub, as public projects that use it record them; we know no digest
of the generator."""


def fetched(source: str, stage: str) -> str:
    """A local path for what is named by the repository of GPT-SoVITS; anything else as it is."""
    if source not in (of_hub(PUBLISHED[0]), of_hub(CHINESE_HUBERT)):
        return source
    folder = gptsovits_need(source, stage).fetch(f"set {VARIABLE} to the folder that holds it")
    return str(Path(folder or "") / source.partition(":")[2])


def of_hub(name: str) -> str:
    return f"{GPTSOVITS}@{GPTSOVITS_COMMIT}:{name}"


def gptsovits_need(source: str, stage: str) -> Need:
    """The generator or the HuBERT of GPT-SoVITS on the hub."""
    generator = source == of_hub(PUBLISHED[0])
    files, key = (GENERATOR_FILES, "vq") if generator else (HUBERT_FILES, "hubert")
    setting = f"train.{stage}.settings.{key}"
    instead = f"set {VARIABLE} to the folder with {PUBLISHED[0]} and {CHINESE_HUBERT}, or {setting} to a local one"
    if generator:
        where = f"train.{stage}.settings"
        instead += (
            f", or take the substitute of `mosharness apgmos codebook`: {where}.vq_source=kmeans {where}.vq=FOLDER"
        )
    return hub_need(
        "codebook in GPT-SoVITS's generator" if generator else f"{CHINESE_HUBERT} of GPT-SoVITS",
        HubFiles(GPTSOVITS, GPTSOVITS_COMMIT, files),
        setting,
        license="MIT",
        bytes=None if generator else HUBERT_BYTES,
        instead=instead,
    )
