"""A small classical baseline: signal features of one clip and a ridge regression, trained in seconds without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...harness.core.errors import AudioError, CheckpointError, DataError, PredictionError, UsageError
from ...harness.engine.scorer import BatchScorer
from ..base import Predictor, PredictorCard, check_tensors

if TYPE_CHECKING:
    import numpy as np

    from ...harness.audio.read import AudioLimits, Waveform
    from ...tasks.base import TaskSplit
    from .ridge import Ridge

FEWEST_CLIPS = 10


class Dsp(Predictor):
    """Signal features and ridge regression.

    It has no weights of its own: :meth:`fit` makes them from any task, with one regression per dimension. What it
    learns is the damage it was shown; its place is that of a floor that every learnt predictor should clear.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="dsp",
        title="classical baseline: signal features and ridge regression",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="part of mosharness",
        stages=("fit",),
        batching="padded",
        note="Has no published weights; train it on the task at hand. Dimensions are those of that task.",
    )
    max_clips = 64
    needs_torch = False
    takes_dimensions = True
    ridge: Ridge | None = None

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The features of the clip, float64 ``(features,)``."""
        import numpy as np

        from .features import FEATURES, extract

        features = extract(clip.samples, clip.sample_rate)
        if not np.isfinite(features).all():
            bad = [name for name, value in zip(FEATURES, features, strict=True) if not np.isfinite(value)]
            raise AudioError("not_finite", f"the features {', '.join(bad)} cannot be computed", clip.path)
        return features

    def score(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        import numpy as np

        if self.ridge is None:
            raise PredictionError(
                "predictor dsp is not trained: mosharness train --task TASK --predictor dsp, or pass --checkpoint"
            )
        return self.ridge.predict(np.stack(batch))

    def fit(self, train: TaskSplit, dev: Sequence[TaskSplit], *, seed: int = 0, show: bool = False) -> dict[str, Any]:
        """Fit on ``train``. ``dev`` is only reported on, and nothing is random, so ``seed`` changes nothing.

        Raises:
            DataError: If fewer than ten clips can be used.
        """
        import numpy as np

        from .ridge import fit_ridge

        if self.dimensions != train.card.dimensions:
            raise UsageError(
                f"this dsp is for {', '.join(self.dimensions)}; {train.card.name} is rated for "
                f"{', '.join(train.card.dimensions)}: make it with dimensions={train.card.dimensions!r}"
            )
        features, targets, groups, failed = self._table(train, show)
        if len(features) < FEWEST_CLIPS:
            raise DataError(
                f"{train.card.name}/{train.split}: {len(features)} clips can be used to fit dsp, {FEWEST_CLIPS} are "
                f"needed (failed: {len(failed)}{'; first: ' + failed[0] if failed else ''})"
            )
        self.ridge, report = fit_ridge(features, targets, groups)
        self.weights_trained([f"{train.card.name}/{train.split}"])
        figures = {}
        for split in dev:
            inputs, wanted, _, lost = self._table(split, show)
            error = np.square(self.ridge.predict(inputs) - wanted).mean(axis=0) if len(inputs) else []
            mse = dict(zip(self.dimensions, map(float, error), strict=False))
            figures[split.split] = {"mse": mse, "clips": len(inputs), "failed": lost}
        return {
            "clips": len(features),
            "systems": len(set(groups)),
            "failed": failed,
            "seed": seed,
            **{name: dict(zip(self.dimensions, values, strict=True)) for name, values in report.items()},
            "dev": figures,
        }

    def _table(self, split: TaskSplit, show: bool) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
        """Features, targets and systems of the clips that can be used, and why the others cannot."""
        import numpy as np

        from ...harness.core.clip import Clip
        from ...harness.core.progress import progress_bar
        from ...harness.engine.pipeline import plan_batches, score_batches
        from .features import FEATURES

        rows = [row for row in split.rows if row["audio_path"]]
        failed = [f"{row['utterance_id']}: no audio file" for row in split.rows if not row["audio_path"]]
        items = [Clip(row["utterance_id"], row["audio_path"]) for row in rows]
        batches = plan_batches([0.0] * len(items), [item.utterance_id for item in items], max_clips=32, max_seconds=1e9)
        found: dict[int, tuple[float, ...]] = {}
        with progress_bar(f"features of {split.card.name}/{split.split}", total=len(items), show=show) as advance:
            for batch, done in zip(
                batches, score_batches(_Extractor(self), items, batches, content=False), strict=True
            ):
                for at, one in zip(batch, done, strict=True):
                    if one.status == "failed":
                        failed.append(f"{one.utterance_id}: {one.reason}")
                    else:
                        found[at] = one.scores
                advance(len(batch))
        used = sorted(found)
        targets = [[float(rows[at][name]) for name in split.card.dimensions] for at in used]
        features = np.array([found[at] for at in used]).reshape(-1, len(FEATURES))
        return features, np.array(targets), [rows[at]["system_id"] for at in used], failed

    def tensors(self) -> dict[str, Any]:
        from .features import FEATURES

        if self.ridge is None:
            return {}
        return {
            "mean": self.ridge.mean,
            "scale": self.ridge.scale,
            "coefficients": self.ridge.coefficients,
            "intercept": self.ridge.intercept,
            "features": _text(FEATURES),
        }

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        import numpy as np

        from .features import FEATURES
        from .ridge import Ridge

        size, dimensions = len(FEATURES), len(self.dimensions)
        expected = {
            "mean": np.empty(size),
            "scale": np.empty(size),
            "coefficients": np.empty((size, dimensions)),
            "intercept": np.empty(dimensions),
        }
        given = {name: np.asarray(tensor) for name, tensor in tensors.items()}
        names = given.pop("features", None)
        if names is None or not np.array_equal(names, _text(FEATURES)):
            raise CheckpointError("predictor dsp: the weights are for another set of features; train it again")
        check_tensors(expected, given, "predictor dsp")
        self.ridge = Ridge(**{name: tensor.astype(np.float64) for name, tensor in given.items()})


class _Extractor(BatchScorer):
    """Gives the pipeline the features of a clip in place of its scores."""

    def __init__(self, predictor: Dsp) -> None:
        self.predictor = predictor

    @property
    def dimensions(self) -> tuple[str, ...]:
        from .features import FEATURES

        return FEATURES

    def limits(self) -> AudioLimits:
        return self.predictor.limits()

    def prepare_clip(self, clip: Waveform) -> Any:
        return self.predictor.prepare_clip(clip)

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        import numpy as np

        return np.stack(batch)


def _text(names: Iterable[str]) -> np.ndarray:
    import numpy as np

    return np.frombuffer("\n".join(names).encode(), np.uint8)
