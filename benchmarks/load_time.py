"""Time to load a checkpoint folder: ours, against a network with random weights that are then replaced.

``python benchmarks/load_time.py [--dimensions mi,ta] [--backbone wav2vec2-base] [--rounds 5] [--folder DIR]``

Both are timed in one process, alternating, and the medians and their ratio printed. The reference makes a fresh
network, reads the file, checks and hashes it, and copies the weights in: what loading did before networks were built
empty. Digests are waited for in both. With ``--only-load`` nothing but ``load_predictor`` is used, so that the same
file also times older versions of the package.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mosharness.predictors import load_predictor


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimensions", default="mos")
    parser.add_argument("--backbone", default="wav2vec2-base")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="Kept, and used if it is there.")
    parser.add_argument("--only-load", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "config.json").is_file():
            save(folder, options.backbone, tuple(options.dimensions.split(",")))
        ways: dict[str, Callable[[], Any]] = {"ours": partial(loaded, folder)}
        if not options.only_load:
            ways["reference"] = partial(fresh_then_loaded, folder)
        for way in ways.values():  # imports, and the file into memory
            way()
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                times[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"sslmos {options.backbone}, {options.dimensions}, median of {options.rounds}")
    for name, seconds in medians.items():
        print(f"  {name}: {seconds:.3f} s")
    if not options.only_load:
        print(f"  ratio: {medians['reference'] / medians['ours']:.1f}")


def save(folder: Path, backbone: str, dimensions: tuple[str, ...]) -> None:
    """A folder with random weights."""
    from mosharness.predictors.sslmos import SslMos

    SslMos({"backbone": backbone}, dimensions=dimensions, device="cpu").save_pretrained(folder)


def loaded(folder: Path) -> Any:
    """Our way; the fingerprint waits for the digests."""
    return load_predictor("sslmos", folder, "cpu").fingerprint()


def fresh_then_loaded(folder: Path) -> Any:
    """A fresh network whose weights are replaced; file and tensors are hashed one after the other."""
    from mosharness.harness.core.files import file_sha256, read_json
    from mosharness.predictors.sslmos import SslMos
    from mosharness.predictors.weights import load_tensors, tensors_digest

    settings, card = read_json(folder / "config.json"), read_json(folder / "card.json")
    predictor = SslMos(settings["config"], dimensions=card["dimensions"], device="cpu")
    predictor.load_tensors(dict(load_tensors(folder / "model.safetensors")))
    return file_sha256(folder / "model.safetensors"), tensors_digest(predictor.tensors())


if __name__ == "__main__":
    main()
