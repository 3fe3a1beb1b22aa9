"""A score depends on nothing but its clip: not on the batch, the order, the padding or the threads."""

from __future__ import annotations

import numpy as np

from .subject import Fault, Subject, same, speech_like


def output(subject: Subject) -> str:
    scores = subject.predict(subject.waves)
    wanted = (len(subject.waves), len(subject.predictor.dimensions))
    if scores.shape != wanted or scores.dtype != np.float64:
        raise Fault(f"predict gives {scores.dtype} {scores.shape} instead of float64 {wanted}")
    if not np.isfinite(scores).all():
        raise Fault("scores that are not finite")
    if float(np.ptp(subject.scores, axis=0).max()) == 0.0:
        raise Fault(f"six different sounds all score {subject.scores[0].tolist()}")
    return f"{', '.join(subject.predictor.dimensions)}: {scores.min():.2f} to {scores.max():.2f}"


def repeatable(subject: Subject) -> str:
    first = subject.predict(subject.waves)
    subject.predict([speech_like(1.5, subject.rate, 99)])
    return same(subject.predict(subject.waves), first, "the same call again, after another clip", 0.0)


def batch(subject: Subject) -> str:
    planned = same(subject.predict(subject.waves), subject.scores, "together instead of alone")
    batching = subject.predictor.card.batching
    if batching == "single":
        return f"{planned}; scores one clip at a time"
    waves, scores = subject.waves, subject.scores
    if batching == "equal_length":
        shortest = min(wave.size for wave in waves)
        waves = [wave[:shortest] for wave in waves]
        scores = np.concatenate([subject.predict([wave]) for wave in waves])
    order = np.random.default_rng(0).permutation(len(waves))
    together = subject.score_together([waves[at] for at in order])
    return same(together, scores[order], "in one shuffled batch instead of alone")


def order(subject: Subject) -> str:
    backwards = subject.predict(subject.waves[::-1])[::-1]
    detail = same(backwards, subject.scores, "in the opposite order")
    if subject.predictor.card.batching == "padded":
        backwards = subject.score_together(subject.waves[::-1])[::-1]
        return same(backwards, subject.score_together(subject.waves), "in one batch in the opposite order")
    return detail


def workers(subject: Subject) -> str:
    alone = subject.predict(subject.waves, workers=1)
    return same(subject.predict(subject.waves, workers=4), alone, "with 4 threads instead of 1")


def padding(subject: Subject) -> str:
    if subject.predictor.card.batching != "padded":
        return "does not pad"
    at = int(np.argmin([wave.size for wave in subject.waves]))
    noise = 0.3 * np.random.default_rng(5).standard_normal(round(max(subject.lengths) * subject.rate))
    beside = subject.score_together([subject.waves[at], noise.astype(np.float32)])[:1]
    return same(beside, subject.scores[at : at + 1], "beside a longer, louder clip")
