"""Clips of every kind: rates, lengths, channels, broken ones, files and arrays."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...harness.audio.read import clip_from_array
from .subject import FAULTS, RATES, TEXT, Fault, Subject, same, speech_like


def rates(subject: Subject) -> str:
    scored, refused = [], []
    seconds = max(2.0, subject.predictor.card.min_seconds * 1.05)
    for rate in sorted({*RATES, *(subject.card.sample_rates or ())}):
        (row,) = subject.rows([speech_like(min(seconds, max(subject.lengths)), rate, 3)], rate)
        if row.status != "failed":
            scored.append(rate)
        elif row.code in FAULTS:
            raise Fault(f"at {rate} Hz: {row.reason}")
        else:
            refused.append(f"{rate} Hz ({row.reason})")
    if not {subject.rate, 16_000, 48_000} <= set(scored):
        raise Fault("refuses " + ", ".join(refused))
    return f"scores {', '.join(map(str, scored))} Hz" + (f"; refuses {', '.join(refused)}" if refused else "")


def short(subject: Subject) -> str:
    lengths = (0.002, 0.02, 0.1, 0.3)
    waves = [speech_like(length, subject.rate, 7) for length in lengths]
    waves.append(np.full(1, 0.5, np.float32))
    told = []
    for length, row in zip((*lengths, 1 / subject.rate), subject.rows(waves, subject.rate), strict=True):
        if row.status == "failed" and row.code in FAULTS:
            raise Fault(f"{length:.4g} s: {row.reason}; raise AudioError('too_short', ...) in prepare instead")
        told.append(f"{length:.4g} s {'refused' if row.status == 'failed' else 'scored'}")
    return ", ".join(told)


def long(subject: Subject) -> str:
    limit = subject.predictor.limits().max_seconds
    if limit is None or limit > 120:
        return f"limit {'none' if limit is None else f'{limit:g} s'}, not tried"
    (row,) = subject.rows([speech_like(limit + 1.0, subject.rate, 8)], subject.rate)
    if row.status != "failed" or row.code != "too_long":
        raise Fault(f"a clip over the limit of {limit:g} s: {row.status} ({row.reason})")
    return f"longer than {limit:g} s is refused"


def channels(subject: Subject) -> str:
    stereo = [np.stack([wave, wave], axis=1) for wave in subject.waves[:2]]
    return same(subject.predict(stereo), subject.scores[:2], "as two equal channels")


def bad_neighbour(subject: Subject) -> str:
    broken = np.full(subject.rate, np.nan, np.float32)
    rows = subject.rows([subject.waves[0], broken, subject.waves[1]], subject.rate)
    if rows[1].status != "failed" or not rows[1].reason:
        raise Fault(f"a clip of NaN samples is {rows[1].status} with the reason {rows[1].reason!r}")
    return same(np.array([rows[0].scores, rows[2].scores]), subject.scores[:2], "beside a clip that fails")


def untouched(subject: Subject) -> str:
    wave = subject.waves[0].copy()
    subject.predict([wave])
    clip = replace(clip_from_array(wave, subject.rate, limits=subject.predictor.limits()), text=TEXT)
    subject.predictor.prepare_clip(clip)
    if not np.array_equal(wave, subject.waves[0]) or not np.array_equal(clip.samples, subject.waves[0]):
        raise Fault("the samples that were passed in are changed; copy before writing")
    return "left as they were"


def file_or_array(subject: Subject) -> str:
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.wav")
        soundfile.write(path, subject.waves[0], subject.rate, subtype="FLOAT")
        return same(subject.predict([path]), subject.scores[:1], "from a file instead of an array")
