"""What a predictor says it is: its card, its weights before and after saving, its fingerprint."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np

from ...harness.core.files import NAME, dump_json
from ..card import PredictorCard
from ..identity import UNIDENTIFIED
from .subject import Fault, Subject, predict, same

IDENTITY = ("predictor", "package", "config_digest", "weights")
"""What every fingerprint must say."""

UNKNOWN_WEIGHTS = (
    "nothing says which weights these are, so that scores of other weights would pass for its own: give the weights in "
    "tensors(), or name their files in identity_files(checkpoint); a formula says needs_weights=False in its card"
)


def card(subject: Subject) -> str:
    from ...harness.audio.resample import METHODS

    card, faults = subject.predictor.card, []
    if not isinstance(card, PredictorCard):
        raise Fault(f"card is {type(card).__name__}, not a PredictorCard")
    if not NAME.fullmatch(card.name):
        faults.append(f"name {card.name!r} is not lower-case letters, digits, '.', '_', '-'")
    faults += [f"{name} is empty" for name in ("title", "paper", "license_code") if not getattr(card, name)]
    for whose, names in (("card", card.dimensions), ("instance", subject.predictor.dimensions)):
        if not names or len(set(names)) != len(names):
            faults.append(f"the dimensions of the {whose} are {names!r}")
    if not card.scale[0] < card.scale[1]:
        faults.append(f"scale {card.scale} does not ascend")
    if not 0 <= card.min_seconds < (card.max_seconds or np.inf):
        faults.append(f"min_seconds {card.min_seconds} and max_seconds {card.max_seconds} leave no clip")
    if card.sample_rates is not None and (not card.sample_rates or min(card.sample_rates) <= 0):
        faults.append(f"sample_rates {card.sample_rates!r}: use None for any rate")
    if card.resampler not in METHODS:
        faults.append(f"resampler {card.resampler!r} is none of {', '.join(METHODS)}")
    batchings = get_args(get_type_hints(PredictorCard)["batching"])
    if card.batching not in batchings:
        faults.append(f"batching {card.batching!r} is none of {', '.join(batchings)}")
    tensors = len(subject.predictor.tensors())
    if card.needs_weights and subject.predictor.weights_identity() == UNIDENTIFIED:
        faults.append("it has no tensors: say needs_weights=False if it is a formula, or name them in tensors()")
    if not card.needs_weights and tensors:
        faults.append(f"needs_weights is False, but it has {tensors} tensors, which nothing would load")
    if faults:
        raise Fault("; ".join(faults))
    return f"{card.name} version {card.version}, {card.batching}"


def round_trip(subject: Subject) -> str:
    predictor = subject.predictor
    wanted = subject.predict(subject.waves)
    with tempfile.TemporaryDirectory() as folder:
        predictor.save_pretrained(folder)
        again = type(predictor).from_folder(Path(folder), {}, device=subject.device, precision=predictor.precision)
        again.identify(Path(folder))
    by_files = not predictor.tensors() and subject.card.needs_weights  # files may be written in another form
    for name in ("config_digest", "dimensions") if by_files else ("weights", "config_digest", "dimensions"):
        before, after = predictor.fingerprint()[name], again.fingerprint()[name]
        if before != after:
            raise Fault(f"{name} changes from {before} to {after} by saving and loading")
    if again.trained_on != predictor.trained_on:
        raise Fault(f"trained_on changes from {predictor.trained_on} to {again.trained_on} by saving and loading")
    found = predict(again, subject.waves, subject.rate)
    return same(found, wanted, "after saving and loading", 0.0 if subject.device == predictor.device else 1e-3)


def fingerprint(subject: Subject) -> str:
    from ..base import tensors_digest

    predictor = subject.predictor
    fingerprint = predictor.fingerprint()
    json.loads(dump_json(fingerprint))
    missing = [name for name in IDENTITY if not fingerprint.get(name)]
    if missing or fingerprint["weights"] == UNIDENTIFIED:
        raise Fault(UNKNOWN_WEIGHTS if not missing else f"the fingerprint lacks {', '.join(missing)}")
    subject.predict(subject.waves[:2])
    tensors = predictor.tensors()
    if tensors and tensors_digest(tensors) != fingerprint["weights"]:
        raise Fault("scoring changed the weights, or the fingerprint is of other weights")
    files = fingerprint.get("files") or {}
    if not tensors and not files and "(not installed)" in fingerprint["weights"]:
        raise Fault(f"{fingerprint['weights']}: its code has no file and no version; put it into a module or a package")
    names = f"; files: {', '.join(sorted(files))}" if files else ""
    return f"{fingerprint['weights'] if not tensors else fingerprint['weights'][:19]}{names}"
