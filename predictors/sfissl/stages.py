"""How SFI-SSL is trained: distillation, then ratings of single listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...harness.core.config import build_config
from ...harness.core.errors import UsageError
from ..base import LONGEST_S
from ..layers.ssl.shapes import SAMPLE_RATE
from ..trainable import Trainable, eval_where_frozen
from .config import SfiSslConfig, StageSettings
from .items import SCORE, Prepared
from .listeners import listener_key, with_listeners

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Waveform
    from ...harness.recipes.recipe import Stage
    from ..layers.sfi.fit import FitReport
    from ..layers.ssl.backbone import SslBackbone
    from .networks import SfiSslNetwork

DISTILL, RATINGS = "distill", "ratings"
SCHEDULE_FREE = "schedulefree_radam"


class StagedTraining(Trainable):
    """The part of the predictor that training uses.

    Two losses of its own: ``distill``, the mean squared error of the student's hidden states, and ``ratings``, the mean
    squared error of single ratings, each by its listener's row, on the scale -1 to 1 of the network. The official
    training has a row of data per rating; here a clip passes the model once and its listeners share it.

    Attributes:
        fit_report: How close the filters came to the first kernel of the published model, once they were fitted.
    """

    config: SfiSslConfig
    network: SfiSslNetwork
    fit_report: FitReport | None = None
    _first: str = ""
    _teacher: SslBackbone | None = None
    _seen: tuple[str, ...] = ()
    _student_rate: int = SAMPLE_RATE

    def build(self) -> None:
        """Make the network; the next stage is then the first one."""
        self._first = ""
        super().build()

    # -- the start of a stage -------------------------------------------------------------------------------------

    def see_listeners(self, listeners: Sequence[tuple[str, str]], stage: Stage) -> None:
        """Keep the stage's listeners; :meth:`begin_stage` gives them rows."""
        self._seen = tuple(sorted({listener_key(*one) for one in listeners}))

    def begin_stage(self, stage: Stage) -> None:
        """Load what the stage starts from, or a published model; make the teacher; give listeners rows; freeze."""
        settings = self._settings(stage)
        losses = {term.name for term in stage.losses}
        if DISTILL in losses and (len(losses) > 1 or self.config.first_layer != "sfi"):
            raise UsageError(f"stage {stage.name}: distill stands alone among the losses and is for first_layer sfi")
        if any(rate != SAMPLE_RATE for rate in (settings.teacher_rate,)):
            raise UsageError(f"stage {stage.name}: teachers take {SAMPLE_RATE} Hz, not {settings.teacher_rate}")
        super().begin_stage(stage)
        start = None
        fresh = self.checkpoint.kind == "fresh" and self._first in ("", stage.name)
        self._first = self._first or stage.name
        if settings.pretrained and not stage.starts and fresh:
            from .starts import plain_backbone, take_over

            if self.config.first_layer == "sfi" and self.config.design != "frequency" and settings.first == "fit":
                raise UsageError(
                    f"stage {stage.name}: filters are fitted by their frequency response; with the design "
                    f"{self.config.design} ({self.config.filters} filters) set settings.first: random"
                )
            start = plain_backbone(self.config.backbone, self.config.layers, settings.pretrained)
            self.fit_report = take_over(self.network.backbone, start, settings)
        self._teacher = None
        if DISTILL in losses:
            from .starts import make_teacher

            self._teacher = make_teacher(self.config.backbone, self.config.layers, settings, start)
        self._student_rate = settings.student_rates[0]
        self._give_rows(stage)
        self._set_rates(settings.rates)
        fixed = [one for one in self.network.parameters() if not one.requires_grad]  # by the patterns of the stage
        self.network.backbone.freeze(settings.freeze)
        for parameter in fixed:
            parameter.requires_grad_(False)
        self.weights_changed()

    def _give_rows(self, stage: Stage) -> None:
        """Rows for new listeners; scores are the mean over those of this stage, by row 0 where it has none.

        A distillation has no say in this: it keeps the rows that it found.
        """
        from .starts import settings_of

        known, rows = self.config.listeners, self.config.score_rows
        for folder in stage.starts.values():
            saved = settings_of(folder)
            known, rows = tuple(saved.get("listeners", ())), tuple(saved.get("score_rows", ()))
        everyone = with_listeners(known, self._seen, self.config.listener_rows)
        if self._teacher is None:
            rows = tuple(everyone.index(key) + 1 for key in self._seen)
        self.config = replace(self.config, listeners=everyone, score_rows=rows)

    def _set_rates(self, used: bool) -> None:
        """Zeros, not trained, for a stage without the rate embedding; fresh vectors for the first stage with it."""
        if self.network.rates is None:
            return
        table = self.network.rates.weight
        if not used:
            table.data.zero_()
            table.requires_grad_(False)
        elif not bool(table.any()):
            self.network.rates.reset_parameters()

    def train_mode(self, stage: Stage) -> None:
        """Frozen parts stay in eval mode: their dropout would only add noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def make_optimizer(self, groups: list[dict[str, Any]], stage: Stage) -> torch.optim.Optimizer | None:
        """``schedulefree_radam``; anything else is the engine's."""
        chosen = stage.optimizer
        if chosen.name != SCHEDULE_FREE:
            return None
        if chosen.weight_decay or stage.schedule.name != "constant" or stage.schedule.warmup:
            raise UsageError(f"stage {stage.name}: {SCHEDULE_FREE} takes neither weight_decay nor a schedule")
        from .optimiser import ScheduleFreeRAdam

        return ScheduleFreeRAdam(groups, lr=chosen.lr, betas=chosen.betas, eps=chosen.eps)

    # -- clips ----------------------------------------------------------------------------------------------------

    def training_limits(self, stage: Stage) -> AudioLimits:
        """A distillation cuts clips, and so takes any that the harness takes; otherwise as in scoring."""
        limits = self.limits()
        return limits if self._teacher is None else replace(limits, max_seconds=LONGEST_S)

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Prepared:
        """The wave, cut at random for a distillation; otherwise with its ratings."""
        if self._teacher is not None:
            return self._cut(clip, stage, generator)
        item: Prepared = self.prepare_clip(clip)
        ratings: tuple[float, ...] = getattr(clip, "ratings", ())
        rows = self._rows(clip, len(ratings), 0)
        if self._settings(stage).ratings == "one" and ratings:
            chosen = int(generator.integers(len(ratings)))
            rows, ratings = rows[chosen : chosen + 1], ratings[chosen : chosen + 1]
        return replace(item, rows=rows, ratings=ratings)

    def prepare_dev(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Prepared:
        """With all ratings, whatever ``ratings`` says: a dev loss of one drawn rating per clip would be noise.

        Row 0 may never have been trained. Ratings by someone without a row, and means of clips without single ratings,
        are held against the score that the clip would get, the mean over the listeners of the stage (ours).
        """
        if self._teacher is not None:
            return self._cut(clip, stage, generator)
        item: Prepared = self.prepare_clip(clip)
        ratings: tuple[float, ...] = getattr(clip, "ratings", ())
        return replace(item, rows=self._rows(clip, len(ratings), SCORE), ratings=ratings, otherwise=SCORE)

    def _cut(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Prepared:
        longest = int(self._settings(stage).crop_seconds * clip.sample_rate)
        if len(clip.samples) > longest:
            start = int(generator.integers(0, len(clip.samples) - longest + 1))
            clip = replace(clip, samples=clip.samples[start : start + longest])
        item: Prepared = self.prepare_clip(clip)
        return item

    def _rows(self, clip: Waveform, count: int, otherwise: int) -> tuple[int, ...]:
        """Rows of a clip's listeners; ``otherwise`` for those that are not known."""
        names: tuple[str, ...] = getattr(clip, "listeners", ())
        if len(names) != count:
            return (otherwise,) * count
        domain = getattr(clip, "domain", "")
        places = {key: at for at, key in enumerate(self.config.listeners, start=1)}
        return tuple(places.get(listener_key(domain, name), otherwise) for name in names)

    # -- forward and losses ---------------------------------------------------------------------------------------

    def begin_batch(self, stage: Stage, generator: np.random.Generator) -> None:
        """Draw the rate at which the student hears a batch of a distillation: one in all processes."""
        if self._teacher is not None:
            rates = self._settings(stage).student_rates
            self._student_rate = rates[int(generator.integers(len(rates)))]

    def training_forward(self, batch: Mapping[str, Any], stage: Stage) -> dict[str, Tensor]:
        """``distill`` ``(n,)`` of a distillation; else ``scores`` ``(n, 1)``, ``errors`` and ``rated`` ``(n,)``."""
        import torch

        settings = self._settings(stage)
        masked = settings.padding == "masked"
        if self._teacher is not None:
            from .distill import distillation

            errors = distillation(
                self.network.backbone,
                self._teacher.to(batch["waves"].device),
                batch["waves"],
                batch["lengths"],
                source_rate=batch["sample_rate"],
                student_rate=self._student_rate,
                teacher_rate=settings.teacher_rate,
                masked=masked,
            )
            return {DISTILL: errors}
        lengths = batch["lengths"] if masked else None
        frames, counts = self.network.frames(batch["waves"], lengths, batch["sample_rate"], batch["native_rates"])
        rated = batch["rated"].float()
        unrated = (~batch["rated"]).nonzero()[:, 0]
        owners = torch.cat([batch["owners"], unrated])
        rows = torch.cat([batch["rows"], batch["otherwise"][unrated]])
        said = self.network.judge(frames[owners], counts[owners], rows.clamp(min=0))
        if batch["by_score"]:
            strangers = rows == SCORE
            clips, places = torch.unique(owners[strangers], return_inverse=True)
            scores = self.network.mean_score(frames[clips], counts[clips], self._score_rows(rows.device))
            said[strangers] = scores[places].to(said.dtype)
        shares = torch.zeros_like(rated).index_add(0, owners, torch.ones_like(said))
        means = torch.zeros_like(rated).index_add(0, owners, said) / shares
        wrong = (said[: len(batch["rows"])] - (batch["ratings"] - 3.0) / 2.0).square()
        errors = torch.zeros_like(rated).index_add(0, batch["owners"], wrong) / shares
        return {"scores": 2.0 * means[:, None] + 3.0, "errors": errors, "rated": rated}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor, stage: Stage) -> dict[str, Tensor] | None:
        """``distill``, or ``ratings``: of clips without single ratings the error of the mean."""
        if not isinstance(outputs, dict):
            return None
        if DISTILL in outputs:
            return {DISTILL: outputs[DISTILL].mean()}
        if RATINGS not in {term.name for term in stage.losses}:
            return None
        labelled = ~targets[:, 0].isnan()
        plain = ((outputs["scores"][:, 0] - targets[:, 0].nan_to_num()) / 2.0).square() * labelled
        errors = outputs["rated"] * outputs["errors"] + (1.0 - outputs["rated"]) * plain
        counted = ((outputs["rated"] > 0) | labelled).sum().clamp(min=1)
        return {RATINGS: errors.sum() / counted}

    def _score_rows(self, device: torch.device) -> Tensor:
        """Rows whose mean is the score."""
        import torch

        return torch.tensor(self.config.score_rows or (0,), device=device)

    def _settings(self, stage: Stage) -> StageSettings:
        return build_config(StageSettings, stage.settings, f"stage {stage.name}: settings")
