"""How fast is our UTMOSv2? Full size with random weights, float32, one repetition, files on disk.

    python benchmarks/utmosv2.py                 # CPU: 8 clips, and one training step
    python benchmarks/utmosv2.py --device cuda   # GPU: 256 clips at several batch sizes, and the training stages

The naive way takes one file after the other through the same network: each branch reads and resamples the file for
itself, each of the 16 mel pictures is made on the CPU with numpy, with its own filter bank and a dense product, and
copied to three channels before it is resized. Both sides use the same crops, and the scores are compared.
Prints processor seconds beside wall seconds: on a shared machine only the former mean much. Exits with 1 when scores
differ by more than 1e-4, or, on a GPU, when ours is less than 10 times as fast.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from mosharness.harness.audio.read import read_audio
from mosharness.harness.recipes.recipe import read_recipe
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.mel import hann, mel_bank
from mosharness.predictors.trainable import autocast, exact, to_device
from mosharness.predictors.training_clip import training_clip
from mosharness.predictors.utmosv2 import Prepared, Utmosv2
from mosharness.predictors.utmosv2.config import Spectrogram
from mosharness.predictors.utmosv2.losses import total_loss
from mosharness.predictors.utmosv2.training import Utmosv2Training

TOLERANCE = 1e-4
REQUIRED_ON_GPU = 10.0


def make_files(folder: Path, count: int) -> list[Path]:
    """Clips of 2 to 12 s at 24 kHz."""
    paths = []
    for number, seconds in enumerate(np.random.default_rng(0).uniform(2.0, 12.0, count)):
        paths.append(folder / f"{number:03d}.wav")
        soundfile.write(paths[-1], speech_like(float(seconds), 24_000, number), 24_000, subtype="PCM_16")
    return paths


def make_predictor(device: str, precision: Any = "float32") -> Utmosv2:
    """The full size with random weights that keep the signal alive."""
    torch.manual_seed(0)
    predictor = Utmosv2({}, device="cpu", precision=precision if device != "cpu" else "float32")
    with torch.no_grad():
        for module in predictor.network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.normal_(0, 1.17 / module.weight[0].numel() ** 0.5)
    if device != "cpu":
        moved = Utmosv2({}, device=device, precision=precision)
        moved.load_tensors(predictor.tensors())
        return moved
    return predictor


# -- the naive way ------------------------------------------------------------------------------------------------


def naive_picture(samples: np.ndarray, spectrogram: Spectrogram) -> np.ndarray:
    """One mel picture with numpy."""
    half, size = spectrogram.n_fft // 2, spectrogram.win_length
    window = np.pad(hann(size), (spectrogram.n_fft - size) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, half), spectrogram.n_fft)
    power = np.abs(np.fft.rfft(frames[:: spectrogram.hop_length] * window)) ** 2
    mel = power.astype(np.float32) @ mel_bank(16_000, spectrogram.n_fft, spectrogram.n_mels, 8000.0)
    decibels = 10 * np.log10(np.maximum(mel, 1e-10)) - 10 * np.log10(max(float(mel.max()), 1e-10))
    picture: np.ndarray = (np.maximum(decibels, -80.0).T + 80.0) / 80.0
    return picture.astype(np.float32)


def naive_scores(predictor: Utmosv2, paths: list[Path]) -> np.ndarray:
    """One file at a time, as a straightforward program would."""
    sizes = predictor.sizes
    scores = []
    for path in paths:
        wave = torch.from_numpy(predictor.prepare_clip(read_audio(path)).crops[0].wave)[None]
        crops = predictor.prepare_clip(read_audio(path)).crops[0]
        images = []
        for frame in range(sizes.frames):
            for at, spectrogram in enumerate(sizes.spectrograms):
                weight = crops.factor[frame, at]
                mixed = weight * naive_picture(crops.first[frame], spectrogram)
                mixed += (1 - weight) * naive_picture(crops.second[frame, at], spectrogram)
                three = torch.from_numpy(mixed).expand(3, -1, -1)[None]
                size = (sizes.height, sizes.width)
                images.append(torch.nn.functional.interpolate(three, size=size, mode="bilinear", antialias=True)[0])
        pictures = torch.stack(images)[None, :, 0]  # the network copies the channel three times
        with torch.inference_mode(), exact(predictor.device):
            by_domain = predictor.network(wave.to(predictor.device), pictures.to(predictor.device))
        scores.append(float(by_domain[0, predictor.config.domains.index("sarulab")]))
    return np.array(scores)


# -- measurements -------------------------------------------------------------------------------------------------


def timed(work: Callable[[], Any], device: str = "cpu") -> tuple[Any, float, float]:
    """Result, processor seconds of all threads, wall seconds."""
    if device != "cpu":
        torch.cuda.synchronize()
    processor, wall = time.process_time(), time.perf_counter()
    result = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return result, time.process_time() - processor, time.perf_counter() - wall


def on_cpu(count: int) -> int:
    """Scoring of a few clips, taking turns, then one training step in a process of its own."""
    predictor = make_predictor("cpu")
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), count)
        predictor.predict(paths[:1])
        naive_scores(predictor, paths[:1])
        expected, naive_cpu, naive_wall = timed(lambda: naive_scores(predictor, paths))
        scores, cpu, wall = timed(lambda: predictor.predict(paths)[:, 0])
    difference = float(np.abs(scores - expected).max())
    print(f"{count} clips on the CPU, {torch.get_num_threads()} threads (processor s / wall s per clip)")
    print(f"  one file at a time  {naive_cpu / count:.2f} / {naive_wall / count:.2f}")
    print(f"  ours                {cpu / count:.2f} / {wall / count:.2f}")
    print(f"  ratio               {naive_cpu / cpu:.2f} / {naive_wall / wall:.2f}; largest difference {difference:.1e}")
    child = [sys.executable, __file__, "--part", "train-step"]
    step = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    print(
        f"training step (stage 3, batch 1): {step['cpu']:.1f} / {step['wall']:.1f} s, peak memory of the process "
        f"{step['peak_gib']:.1f} GiB ({step['start_gib']:.1f} GiB with weights and no optimiser)"
    )
    print("GPU: not measured" if not torch.cuda.is_available() else "GPU: run with --device cuda")
    return int(difference > TOLERANCE)


def training_batch(training: Utmosv2Training, size: int) -> Any:
    """A batch of random speech-like clips."""
    items: list[Prepared] = []
    for at in range(size):
        clip = training_clip(read_clip(at), utterance_id=str(at), domain="sarulab")
        items.append(training.prepare(clip, np.random.default_rng(at)))
    return to_device(training.collate(items), training.predictor.device)


def read_clip(seed: int) -> Any:
    """A clip in memory."""
    from mosharness.harness.audio.read import clip_from_array

    return clip_from_array(speech_like(5.0, 16_000, seed), 16_000)


def training_step(training: Utmosv2Training, optimizer: Any, batch: Any, precision: str) -> float:
    """Forward, backward and one step of the optimiser."""
    optimizer.zero_grad(set_to_none=True)
    with autocast(training.predictor.device, precision):
        scores = training.forward(batch)[:, 0].float()
    loss = total_loss(scores, torch.linspace(1, 5, len(scores), device=scores.device))
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def one_step() -> None:
    """One step of stage 3 at batch 1, as JSON."""
    predictor = make_predictor("cpu")
    stage = read_recipe("utmosv2-paper", "utmosv2").stage("stage3")
    training = Utmosv2Training(predictor)
    training.begin_stage(stage)
    training.train_mode()
    start = peak_gib()
    optimizer = torch.optim.AdamW(training.parameter_groups(), lr=1e-5)
    batch = training_batch(training, 1)
    _, cpu, wall = timed(lambda: training_step(training, optimizer, batch, "float32"))
    print(json.dumps({"cpu": cpu, "wall": wall, "start_gib": start, "peak_gib": peak_gib()}))


def peak_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def on_gpu(device: str, count: int, sizes: list[int]) -> int:
    """Clips per second by batch size and precision, shares of the time, and steps per second of each stage."""
    predictor = make_predictor(device)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), count)
        predictor.predict(paths[:4])
        naive_scores(predictor, paths[:1])
        expected, _, naive_wall = timed(lambda: naive_scores(predictor, paths[:32]), device)
        naive_rate = 32 / naive_wall
        print(f"one file at a time, front end on the CPU: {naive_rate:.1f} clips/s")
        best, reference = 0.0, np.zeros(0)
        for precision in ("float32", "bfloat16"):
            predictor = make_predictor(device, precision)
            for size in sizes:
                predictor.max_clips = predictor.rows = size
                predictor.predict(paths[:size])
                scores, _, wall = timed(lambda one=predictor: one.predict(paths)[:, 0], device)
                print(f"  {precision}, batch {size}: {count / wall:.1f} clips/s")
                if precision == "float32":
                    best = max(best, count / wall)
                    reference = scores
            if precision == "float32":
                print_shares(predictor, paths, max(sizes), device)
            else:
                print(f"  largest difference float32 to bfloat16: {np.abs(scores - reference).max():.1e}")
    difference = float(np.abs(reference[:32] - expected).max())
    print(f"ratio {best / naive_rate:.1f} (at least {REQUIRED_ON_GPU:.0f} wanted); difference {difference:.1e}")
    print_stages(device)
    return int(difference > TOLERANCE or best < REQUIRED_ON_GPU * naive_rate)


def print_shares(predictor: Utmosv2, paths: list[Path], size: int, device: str) -> None:
    """How the time of one batch is spent."""
    items, _, decode = timed(lambda: [predictor.prepare_clip(read_audio(path)) for path in paths[:size]])
    batch = to_device(predictor.collate(items), device)
    rows = {name: values[:, 0] for name, values in batch.items()}
    with torch.inference_mode(), exact(device):
        predictor.pictures(rows)
        pictures, _, front = timed(lambda: predictor.pictures(rows), device)
        network = predictor._scoring_networks()[0]
        _, _, model = timed(lambda: network(rows["wave"], pictures), device)
    total = decode + front + model
    parts = {"decoding (one thread)": decode, "front end": front, "network": model}
    print("  " + ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in parts.items()) + f" at batch {size}")


def print_stages(device: str) -> None:
    """Steps per second of every stage of the recipe, at its batch size and precision."""
    training = Utmosv2Training(make_predictor(device))
    for stage in read_recipe("utmosv2-paper", "utmosv2").stages:
        settings = {name: value for name, value in stage.settings.items() if name == "part"}
        ready = type(stage)(**{**vars(stage), "settings": settings})
        training.begin_stage(ready)
        training.train_mode()
        optimizer = torch.optim.AdamW(training.parameter_groups(), lr=1e-5)
        batch = training_batch(training, ready.batch.size)
        training_step(training, optimizer, batch, ready.precision)
        arguments = (training, optimizer, batch, ready.precision)
        _, _, wall = timed(lambda given=arguments: [training_step(*given) for _ in range(5)], device)
        print(f"  {ready.name}: {5 / wall:.2f} steps/s at batch {ready.batch.size}, {ready.precision}")


def main() -> int:
    """Parse options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clips", type=int, default=0, help="8 on the CPU, 256 on a GPU")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 16, 32, 64])
    parser.add_argument("--part", choices=["all", "train-step"], default="all")
    options = parser.parse_args()
    if options.part == "train-step":
        one_step()
        return 0
    if options.device == "cpu":
        return on_cpu(options.clips or 8)
    return on_gpu(options.device, options.clips or 256, options.batch)


if __name__ == "__main__":
    sys.exit(main())
