"""How SFI-SSL is trained: distillation, then ratings of single listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ...harness.core.errors import UsageError
from ..base import LONGEST_S
from ..layers.ssl.shapes import SAMPLE_RATE
from ..scale import from_mos, to_mos
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from .config import StageSettings
from .distill import distillation
from .items import SCORE, Prepared
from .listeners import listener_key, with_listeners
from .starts import make_teacher, plain_backbone, published_need, settings_of, take_over

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Waveform
    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage
    from ..layers.sfi.fit import FitReport
    from ..layers.ssl.backbone import SslBackbone
    from . import SfiSsl

DISTILL, RATINGS = "distill", "ratings"
SCHEDULE_FREE = "schedulefree_radam"


class SfiSslTraining(Training):
    """Trains a network on two losses of its own.

    ``distill`` is the mean squared error of the student's hidden states, ``ratings`` the mean squared error of single
    ratings, each by its listener's row, on the scale -1 to 1 of the network. The official training has a row of data
    per rating; here a clip passes the model once and its listeners share it.

    Attributes:
        fit_report: How close the filters came to the first kernel of the published model, once they were fitted.
        teacher: Of a distillation, not trained; ``None`` in every other stage.
    """

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: SfiSsl
    settings: StageSettings

    def __init__(self, predictor: SfiSsl) -> None:
        super().__init__(predictor)
        self.fit_report: FitReport | None = None
        self.teacher: SslBackbone | None = None
        self._student_rate = SAMPLE_RATE

    # -- the start of a stage -------------------------------------------------------------------------------------

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The published model that the student starts from, and the teacher of a distillation."""
        settings, config = self.settings_of(stage), self.predictor.config
        setting, found = f"train.{stage.name}.settings.", []
        if fresh and settings.pretrained not in (None, "random"):
            found.append(published_need(config.backbone, config.layers, settings.pretrained, setting + "pretrained"))
        if DISTILL in {term.name for term in stage.losses} and settings.teacher not in (None, "start", "random"):
            name = settings.teacher_backbone or config.backbone
            found.append(published_need(name, config.layers, settings.teacher, setting + "teacher"))
        return found

    def check_stage(self, stage: Stage) -> None:
        """Refuse a distillation that makes no sense."""
        super().check_stage(stage)
        losses = {term.name for term in stage.losses}
        if DISTILL in losses and (len(losses) > 1 or self.predictor.config.first_layer != "sfi"):
            raise UsageError(f"stage {stage.name}: distill stands alone among the losses and is for first_layer sfi")
        rate = self.settings_of(stage).teacher_rate
        if rate != SAMPLE_RATE:
            raise UsageError(f"stage {stage.name}: teachers take {SAMPLE_RATE} Hz, not {rate}")

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Load what the stage starts from, or a published model; make the teacher; give listeners rows; freeze."""
        super().begin_stage(stage, facts)
        start = self._take_published_model()
        self.teacher = None
        if DISTILL in {term.name for term in stage.losses}:
            config = self.predictor.config
            self.teacher = make_teacher(config.backbone, config.layers, self.settings, start)
        self._student_rate = self.settings.student_rates[0]
        self._give_rows(tuple(sorted({listener_key(*who) for who in facts.listeners})))
        self._set_rates(self.settings.rates)
        self.predictor.weights_changed()

    def mark_trained(self) -> None:
        self.freeze()
        self.freeze_backbone(self.settings.freeze)

    def _take_published_model(self) -> SslBackbone | None:
        """The model that ``pretrained`` names, its weights taken over by the network; for the first stage alone."""
        stage, settings, config = self.stage, self.settings, self.predictor.config
        if not (settings.pretrained and self.starts_fresh()):
            return None
        if config.first_layer == "sfi" and config.design != "frequency" and settings.first == "fit":
            raise UsageError(
                f"stage {stage.name}: filters are fitted by their frequency response; with the design {config.design} "
                f"({config.filters} filters) set settings.first: random"
            )
        published = plain_backbone(config.backbone, config.layers, settings.pretrained)
        self.fit_report = take_over(self.network.backbone, published, settings)
        return published

    def _give_rows(self, listeners: Sequence[str]) -> None:
        """Rows for new listeners; scores are the mean over those of this stage, by row 0 where it has none.

        A distillation has no say in this: it keeps the rows that it found.
        """
        config = self.predictor.config
        known, rows = config.listeners, config.score_rows
        for folder in self.stage.starts.values():
            saved = settings_of(folder)
            known, rows = tuple(saved.get("listeners", ())), tuple(saved.get("score_rows", ()))
        everyone = with_listeners(known, listeners, config.listener_rows)
        if self.teacher is None:
            rows = tuple(everyone.index(key) + 1 for key in listeners)
        self.predictor.config = replace(config, listeners=everyone, score_rows=rows)

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

    def train_mode(self) -> None:
        """Frozen parts stay in eval mode: their dropout would only add noise."""
        self.network.train()
        eval_where_frozen(self.network)

    def make_optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer | None:
        """``schedulefree_radam`` (Defazio et al. 2024, the package ``schedulefree``); anything else is the engine's."""
        stage = self.stage
        chosen = stage.optimizer
        if chosen.name != SCHEDULE_FREE:
            return None
        if chosen.weight_decay or stage.schedule.name != "constant" or stage.schedule.warmup:
            raise UsageError(f"stage {stage.name}: {SCHEDULE_FREE} takes neither weight_decay nor a schedule")
        from schedulefree import RAdamScheduleFree

        optimizer: torch.optim.Optimizer = RAdamScheduleFree(groups, lr=chosen.lr, betas=chosen.betas, eps=chosen.eps)
        return optimizer

    # -- clips ----------------------------------------------------------------------------------------------------

    def limits(self) -> AudioLimits:
        """A distillation cuts clips, and so takes any that the harness takes; otherwise as in scoring."""
        limits = self.predictor.limits()
        return limits if self.teacher is None else replace(limits, max_seconds=LONGEST_S)

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Prepared:
        """The wave, cut at random for a distillation; otherwise with its ratings."""
        if self.teacher is not None:
            return self._cut(clip, generator)
        item: Prepared = self.predictor.prepare_clip(clip)
        ratings: tuple[float, ...] = getattr(clip, "ratings", ())
        rows = self._rows(clip, len(ratings), 0)
        if self.settings.ratings == "one" and ratings:
            chosen = int(generator.integers(len(ratings)))
            rows, ratings = rows[chosen : chosen + 1], ratings[chosen : chosen + 1]
        return replace(item, rows=rows, ratings=ratings)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> Prepared:
        """With all ratings, whatever ``ratings`` says: a dev loss of one drawn rating per clip would be noise.

        Row 0 may never have been trained. Ratings by someone without a row, and means of clips without single ratings,
        are held against the score that the clip would get, the mean over the listeners of the stage (ours).
        """
        if self.teacher is not None:
            return self._cut(clip, generator)
        item: Prepared = self.predictor.prepare_clip(clip)
        ratings: tuple[float, ...] = getattr(clip, "ratings", ())
        return replace(item, rows=self._rows(clip, len(ratings), SCORE), ratings=ratings, otherwise=SCORE)

    def _cut(self, clip: Waveform, generator: np.random.Generator) -> Prepared:
        longest = int(self.settings.crop_seconds * clip.sample_rate)
        if len(clip.samples) > longest:
            start = int(generator.integers(0, len(clip.samples) - longest + 1))
            clip = replace(clip, samples=clip.samples[start : start + longest])
        item: Prepared = self.predictor.prepare_clip(clip)
        return item

    def _rows(self, clip: Waveform, count: int, otherwise: int) -> tuple[int, ...]:
        """Rows of a clip's listeners; ``otherwise`` for those that are not known."""
        names: tuple[str, ...] = getattr(clip, "listeners", ())
        if len(names) != count:
            return (otherwise,) * count
        domain = getattr(clip, "domain", "")
        places = {key: at for at, key in enumerate(self.predictor.config.listeners, start=1)}
        return tuple(places.get(listener_key(domain, name), otherwise) for name in names)

    def collate(self, items: Sequence[Prepared]) -> dict[str, Any]:
        """A batch to score, and the ratings of its clips.

        Of the ratings of all clips ``owners`` ``(m,)`` says whose they are, ``rows`` by which listener, ``ratings``
        what. ``rated`` ``(n,)`` says which clips have any, ``otherwise`` ``(n,)`` the rows of the others. ``by_score``
        tells whether any of these is no row but the score.
        """
        rated = [
            (at, row, rating)
            for at, item in enumerate(items)
            for row, rating in zip(item.rows, item.ratings, strict=True)
        ]
        return {
            **self.predictor.collate(items),
            "owners": torch.tensor([at for at, _, _ in rated], dtype=torch.long),
            "rows": torch.tensor([row for _, row, _ in rated], dtype=torch.long),
            "ratings": torch.tensor([rating for _, _, rating in rated], dtype=torch.float32),
            "rated": torch.tensor([bool(item.rows) for item in items]),
            "otherwise": torch.tensor([item.otherwise for item in items]),
            "by_score": any(SCORE in (*item.rows, item.otherwise) for item in items),
        }

    # -- forward and losses ---------------------------------------------------------------------------------------

    def begin_batch(self, generator: np.random.Generator) -> None:
        """Draw the rate at which the student hears a batch of a distillation: one in all processes."""
        if self.teacher is not None:
            rates = self.settings.student_rates
            self._student_rate = rates[int(generator.integers(len(rates)))]

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """``distill`` ``(n,)`` of a distillation; else ``scores`` ``(n, 1)``, ``errors`` and ``rated`` ``(n,)``."""
        settings = self.settings
        masked = settings.padding == "masked"
        if self.teacher is not None:
            errors = distillation(
                self.network.backbone,
                self.teacher.to(batch["waves"].device),
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
        rated, scale = batch["rated"].float(), self.predictor.config.scale
        unrated = (~batch["rated"]).nonzero()[:, 0]
        owners = torch.cat([batch["owners"], unrated])
        rows = torch.cat([batch["rows"], batch["otherwise"][unrated]])
        said = self.network.judge(frames[owners], counts[owners], rows.clamp(min=0))
        if batch["by_score"]:
            strangers = rows == SCORE
            clips, places = torch.unique(owners[strangers], return_inverse=True)
            scores = self.network.mean_score(frames[clips], counts[clips], self.predictor.score_rows(rows.device))
            said[strangers] = scores[places].to(said.dtype)
        shares = torch.zeros_like(rated).index_add(0, owners, torch.ones_like(said))
        means = torch.zeros_like(rated).index_add(0, owners, said) / shares
        wrong = (said[: len(batch["rows"])] - (to_mos(batch["ratings"], scale) - 3.0) / 2.0).square()
        errors = torch.zeros_like(rated).index_add(0, batch["owners"], wrong) / shares
        scores = from_mos(2.0 * means[:, None] + 3.0, scale)
        return {"scores": scores, "errors": errors, "rated": rated}

    def losses(self, outputs: Tensor | dict[str, Tensor], targets: Tensor) -> dict[str, Tensor] | None:
        """``distill``, or ``ratings``: of clips without single ratings the error of the mean."""
        if not isinstance(outputs, dict):
            return None
        if DISTILL in outputs:
            return {DISTILL: outputs[DISTILL].mean()}
        if RATINGS not in {term.name for term in self.stage.losses}:
            return None
        labelled = ~targets[:, 0].isnan()
        low, high = self.predictor.config.scale
        plain = ((outputs["scores"][:, 0] - targets[:, 0].nan_to_num()) * 2.0 / (high - low)).square() * labelled
        errors = outputs["rated"] * outputs["errors"] + (1.0 - outputs["rated"]) * plain
        counted = ((outputs["rated"] > 0) | labelled).sum().clamp(min=1)
        return {RATINGS: errors.sum() / counted}

    def end_stage(self) -> None:
        """Let go of the teacher."""
        self.teacher = None
