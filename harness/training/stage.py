"""One stage from its start, or from where it was interrupted, to its best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import DataError, PredictionError
from ..recipes.recipe import Stage
from ..stats.metrics import LEVELS, shown_metrics
from .data import StageData
from .example import Example
from .loader import BatchLoader, LocalBatch
from .log import TrainingLog, shown
from .monitor import Figures, Judgement, check_monitor, evaluate, judge, loss_on_dev
from .optimisers import make_optimizer, rate_at
from .pace import Pace
from .plan import generator, plan_epoch, windows
from .processes import from_main, share_object
from .randomness import global_generators_kept, seed_everything
from .state import Kept, Position, load_state, load_weights, save_state, save_weights
from .terms import as_dict, batch_terms, in_float32, total_loss

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from ...predictors.training import StageFacts, Training

STATE = "state.safetensors"
LAST = "last.safetensors"
Plan = list[tuple[tuple[int, ...], ...]]


class StageRun:
    """The loop of one stage.

    Args:
        training: Of the predictor with the weights to start from; :meth:`run` leaves the best ones in it.
        stage: The stage, sources and starts resolved.
        data: Its clips.
        seed: Of the run.
        folder: Of this stage's state and kept weights.
        identity: What resuming must agree on.
        accelerator: Of the run.
        log: Where events go.
        workers: Decoding threads.
    """

    def __init__(
        self,
        training: Training,
        stage: Stage,
        data: StageData,
        *,
        seed: int,
        folder: Path,
        identity: Mapping[str, Any],
        accelerator: Accelerator,
        log: TrainingLog,
        workers: int | None = None,
    ) -> None:
        self.training, self.predictor = training, training.predictor
        self.stage, self.data, self.seed = stage, data, seed
        self.folder, self.identity, self.log, self.workers = folder, identity, log, workers
        self.accelerator = accelerator
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes
        self.position = Position()
        self.durations = [one.duration_s for one in data.train]
        self.rates = [one.sample_rate for one in data.train]

    # -- the whole ------------------------------------------------------------------------------------------------

    def run(self, *, resume: bool = False) -> Position:
        """Train to the end of the stage.

        Args:
            resume: Go on from the state in the folder, if there is one.

        Raises:
            MosharnessError: What is wrong with recipe, data or stored state, or that the loss is no number.
        """
        check_monitor(self.stage, self.data.dev)
        with global_generators_kept():
            self.prepare()
            stored = load_state(self.folder / STATE, self.identity) if resume else None
            if stored is not None:
                stored.restore_network(self.predictor.network)
            self.optimizer = make_optimizer(self.training)
            self._bases = [group["lr"] for group in self.optimizer.param_groups]
            self.scaler = self._make_scaler()
            if stored is not None:
                stored.restore_optimizer(self.predictor.network, self.optimizer)
                self.training.restore(stored.facts.get("stage", {}))
                self.scaler.load_state_dict(stored.facts["scaler"])
                self.position = stored.position
            if resume:
                self.log.rewind(self.stage.name, self.position.step if stored is not None else -1)
            if stored is None:
                self._write("stage", step=0, clips=len(self.data.train), dev=[one.name for one in self.data.dev])
            self.model = self.accelerator.prepare_model(_step_module(self.training))
            self._train()
            self._finish()
        return self.position

    def prepare(self) -> None:
        """Make the network what this stage trains, with the weights that it starts from."""
        predictor, stage = self.predictor, self.stage
        seed_everything(self.seed, stage.name, "begin")
        predictor.network.train(False)
        self.training.begin_stage(stage, _facts(self.data.train))
        predictor.network.to(self.accelerator.device)
        predictor.weights_changed()

    def _make_scaler(self) -> torch.amp.grad_scaler.GradScaler:
        import torch

        kind = self.accelerator.device.type
        return torch.amp.grad_scaler.GradScaler(kind, enabled=self.stage.precision == "float16")

    # -- the loop -------------------------------------------------------------------------------------------------

    def _plan(self, epoch: int) -> Plan:
        batches = plan_epoch(
            self.durations, self.rates, self.stage.batch, seed=self.seed, stage=self.stage.name, epoch=epoch
        )
        return windows(batches, self.stage.accumulate)

    def _total_steps(self) -> int:
        """Optimiser steps of the whole stage."""
        stage = self.stage
        if stage.epochs and (stage.batch.seconds or stage.batch.same_rate):  # the count differs between epochs
            total = 0
            for epoch in range(stage.epochs):
                total += len(self._plan(epoch))
                if stage.steps and total >= stage.steps:
                    break
        else:
            total = stage.epochs * len(self._plan(0))
        return min(total or stage.steps, stage.steps or total)

    def _train(self) -> None:
        stage, position = self.stage, self.position
        self.total = self._total_steps()
        self.log.start(f"{self.predictor.card.name} {stage.name}", self.total, position.step)
        self.loader = BatchLoader(
            self.training,
            self.data.train,
            seed=self.seed,
            rank=self.rank,
            processes=self.processes,
            workers=self.workers,
            failed=dict(position.failed),
        )
        self._saved = time.monotonic()
        per_epoch = len(self._plan(position.epoch))
        every = stage.evaluate_steps or per_epoch
        self.pace = Pace(
            self.total, position.step, per_epoch, every, lambda text: self.log.say(f"{stage.name}: {text}")
        )
        while not self._over():
            self.training.train_mode()
            _optimizer_mode(self.optimizer, "train")
            self._epoch()
        self.log.stop()

    def _over(self) -> bool:
        position, patience = self.position, self.stage.stop.patience
        return position.step >= self.total or position.finished or bool(patience and position.stale >= patience)

    def _epoch(self) -> None:
        """Train to the end of the epoch of ``position``, or of the stage, evaluating where it is due."""
        position, stage = self.position, self.stage
        plan = self._plan(position.epoch)
        ahead = self.loader.windows(position.epoch, plan[position.window :])
        try:
            for shares in ahead:
                clock = time.perf_counter()
                self._step(shares)
                self.pace.step()
                position.window += 1
                position.step += 1
                position.seconds += time.perf_counter() - clock
                ended = position.window == len(plan)
                if ended:
                    self._end_epoch()
                due = position.step % stage.evaluate_steps == 0 if stage.evaluate_steps else ended
                if due or position.step >= self.total:
                    self.pace.step(done=False)
                    self._evaluate()
                    self.pace.evaluated()
                    self._save()
                    if self._over():
                        return
                    self.training.train_mode()
                    _optimizer_mode(self.optimizer, "train")
                elif self._save_is_due():
                    self._save()
        finally:
            ahead.close()  # type: ignore[attr-defined]  # a generator: ends its threads

    def _end_epoch(self) -> None:
        position = self.position
        parts = share_object(dict(self.loader.failed))
        position.failed = {name: why for part in parts for name, why in part.items()}
        if len(position.failed) > self.stage.allow_failed:
            name, why = next(iter(position.failed.items()))
            raise DataError(
                f"stage {self.stage.name}: {len(position.failed)} clips cannot be used ({self.stage.allow_failed} "
                f"allowed; first: {name}: {why})"
            )
        means = {name: value / max(1, position.clips) for name, value in position.sums.items()}
        position.train_loss = means.get("total")
        self._write(
            "epoch",
            step=position.step,
            epoch=position.epoch,
            clips=position.clips,
            failed=len(position.failed),
            losses=means,
        )
        position.epoch += 1
        position.window = position.clips = 0
        position.sums = {}
        self.training.end_epoch()

    # -- one optimiser step ---------------------------------------------------------------------------------------

    def _step(self, shares: Sequence[LocalBatch]) -> None:
        """Forward and backward over one window of batches, then one optimiser step.

        The gradient is that of the mean over all usable clips of the window, however they are spread over batches.
        """
        stage, position = self.stage, self.position
        everywhere = share_object([one.places for one in shares])
        places = [[own[at] for own in everywhere] for at in range(len(shares))]
        counts = [sum(map(len, one)) for one in places]
        used = [at for at, count in enumerate(counts) if count]
        rates = [rate_at(stage.schedule, base, position.step, self.total) for base in self._bases]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, float] = {}
        for at in used:
            last = at == used[-1]
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                terms = self._backward(shares[at], places[at], counts[at] / sum(counts), at)
            for name, value in terms.items():
                losses[name] = losses.get(name, 0.0) + value * counts[at] / sum(counts)
        if not used:
            return
        norm = self._update([name for one in shares for name in self._names(one)])
        for name, value in losses.items():
            position.sums[name] = position.sums.get(name, 0.0) + value * sum(counts)
        position.clips += sum(counts)
        self.log.advance(shown(losses))
        if (position.step + 1) % stage.log_steps == 0:
            facts = {"lr": rates[0], "gradient_norm": norm, "clips": sum(counts), "losses": losses}
            self._write("step", step=position.step + 1, epoch=position.epoch, **facts)

    def _update(self, names: list[str]) -> float:
        """Unscale, clip and step; returns the gradient norm before clipping."""
        import torch

        self.scaler.unscale_(self.optimizer)
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.stage.clip_norm or math.inf))
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise PredictionError(self._not_finite("gradient", norm, names))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norm

    def _backward(self, own: LocalBatch, places: Sequence[Sequence[int]], weight: float, at: int) -> dict[str, float]:
        """One batch; returns its losses. ``weight`` is its part of the window's clips."""
        import torch

        from ...predictors.trainable import autocast, to_device

        stage, device = self.stage, self.accelerator.device
        seed_everything(self.seed, stage.name, self.position.step, at, self.rank)
        self.training.begin_batch(generator(self.seed, stage.name, self.position.step, at, "batch"))
        examples = self._examples(own)
        targets = torch.tensor([one.targets for one in examples], dtype=torch.float32, device=device)
        batch = to_device(self.training.collate(own.items), device)
        factor, partners = 1.0, None
        if stage.mixup:
            mixing = generator(self.seed, stage.name, self.position.step, at, "mixup")
            factor = float(mixing.beta(stage.mixup, stage.mixup))
            drawn = torch.from_numpy(mixing.permutation(len(examples))).to(device)
            batch = self.training.mix(batch, factor, drawn)
            partners = targets[drawn]
        with autocast(device, stage.precision):
            outputs = self.model(batch)
        outputs = in_float32(as_dict(outputs))
        terms = batch_terms(self.training, outputs, targets, places, self.rank)
        if partners is not None:
            other = batch_terms(self.training, outputs, partners, places, self.rank)
            terms = {name: factor * terms[name] + (1.0 - factor) * other[name] for name in terms}
        total = total_loss(self.training, terms)
        if not math.isfinite(float(total.detach())):
            raise PredictionError(self._not_finite("loss", float(total.detach()), self._names(own)))
        self.accelerator.backward(self.scaler.scale(total * weight))
        return {**{name: float(one.detach()) for name, one in terms.items()}, "total": float(total.detach())}

    def _examples(self, own: LocalBatch) -> list[Example]:
        chosen = own.places or [0]  # a stand-in's label is not looked at
        return [self.data.train[own.batch[place]] for place in chosen]

    def _names(self, own: LocalBatch) -> list[str]:
        return [self.data.train[at].name for at in own.batch]

    def _not_finite(self, what: str, value: float, names: Sequence[str]) -> str:
        listed = ", ".join(names[:32]) + (f" and {len(names) - 32} more" if len(names) > 32 else "")
        return (
            f"stage {self.stage.name}: the {what} is {value} at step {self.position.step + 1}, epoch "
            f"{self.position.epoch}. Clips of this step: {listed}. Lower the learning rate, set train.clip_norm, or "
            "look at these clips; --resume goes on from the last saved state"
        )

    # -- evaluation and saving ------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        position, stage = self.position, self.stage
        self.predictor.network.eval()
        _optimizer_mode(self.optimizer, "eval")
        self.predictor.weights_changed()
        clock = time.perf_counter()
        figures: Figures = {}
        if self.rank == 0:
            figures = evaluate(self.predictor, stage, self.data.dev, workers=self.workers)
        figures = from_main(figures)
        if stage.stop.monitor == "loss" and "loss" not in figures:
            figures["loss"] = loss_on_dev(
                self.training,
                self.data.dev,
                seed=self.seed,
                device=self.accelerator.device,
                failed=self.loader.failed,
                workers=self.workers,
            )
        done = position.clips or None
        running = position.sums.get("total", 0.0) / done if done else position.train_loss
        figures["train_loss"] = running if running is not None else math.nan
        position.evaluations += 1
        judgement = judge(figures, stage.stop)
        self._keep(judgement, figures)
        seconds = time.perf_counter() - clock
        position.seconds += seconds
        self._write("evaluation", step=position.step, epoch=position.epoch, dev=figures, stale=position.stale)
        summary = [f"{level}/{metric.name}" for metric in shown_metrics(detail="summary") for level in LEVELS[::-1]]
        names = dict.fromkeys([stage.stop.monitor, *summary, "loss"])  # what decides comes first
        shown_figures = {name: figures[name] for name in names if name in figures and name != "train_loss"}
        best = _how_good(figures.get(stage.stop.monitor, math.nan), stage, position)
        self.log.say(
            f"{stage.name}: epoch {position.epoch}, step {position.step}: "
            f"{shown({'train_loss': figures['train_loss'], **shown_figures})} ({best})"
        )

    def _keep(self, judgement: Judgement, figures: Figures) -> None:
        """Keep these weights if they are among the best; the file is written before the state names it."""
        position, maximise = self.position, self.stage.stop.maximise
        place = 0
        for one in position.best:
            if judgement.beats(Judgement(one.value, one.mse), maximise):
                break
            place += 1
        position.stale = 0 if place == 0 else position.stale + 1
        if place >= self.stage.keep:
            return
        name = f"step-{position.step:08d}.safetensors"
        kept = Kept(name, position.step, position.epoch, judgement.value, judgement.mse, dict(figures))
        position.best.insert(place, kept)
        if self.rank == 0:
            save_weights(self.folder / name, self.predictor.network)

    def _save_is_due(self) -> bool:
        stage = self.stage
        by_steps = bool(stage.save_steps) and self.position.step % stage.save_steps == 0
        by_time = bool(stage.save_seconds) and time.monotonic() - self._saved > stage.save_seconds
        return bool(from_main(by_steps or by_time)) if stage.save_steps or stage.save_seconds else False

    def _save(self) -> None:
        """Write the state, then delete weights that it no longer names."""
        position = self.position
        dropped = position.best[self.stage.keep :]
        del position.best[self.stage.keep :]
        position.finished = self._over()
        position.failed.update(dict(self.loader.failed))  # copied first: threads may be adding to it
        if self.rank == 0:
            _optimizer_mode(self.optimizer, "train")
            path = self.folder / STATE
            facts = {"scaler": self.scaler.state_dict(), "stage": self.training.state()}
            save_state(path, self.predictor.network, self.optimizer, position, self.identity, facts)
            for one in dropped:
                with suppress(FileNotFoundError):
                    (self.folder / one.file).unlink()
        self.accelerator.wait_for_everyone()
        self._saved = time.monotonic()

    def _finish(self) -> None:
        """Store the last weights; the best ones into the network, in eval mode."""
        if self.rank == 0:
            _optimizer_mode(self.optimizer, "eval")
            save_weights(self.folder / LAST, self.predictor.network)
        self.accelerator.wait_for_everyone()
        load_weights(self.folder / self.position.best[0].file, self.predictor.network)
        self.predictor.network.eval()
        for parameter in self.predictor.network.parameters():
            parameter.grad = None
        self.predictor.weights_changed()
        self.training.end_stage()

    def _write(self, event: str, **values: Any) -> None:
        self.log.write(event, stage=self.stage.name, **values)

    def report(self) -> dict[str, Any]:
        """What is worth keeping of the stage."""
        position = self.position
        best = asdict(position.best[0])
        return {
            "stage": self.stage.name,
            "clips": len(self.data.train),
            "steps": position.step,
            "epochs": position.epoch,
            "best": {key: best[key] for key in ("step", "epoch", "metrics")},
            "monitor": self.stage.stop.monitor,
            "failed": dict(position.failed),
            "absent": list(self.data.absent),
            "data": self.data.digest,
        }


def _how_good(value: float, stage: Stage, position: Position) -> str:
    """How an evaluation stands among those so far; where what is monitored has no value, that the error decides."""
    if math.isfinite(value):
        return "best so far" if not position.stale else f"best was step {position.best[0].step}"
    lowest = "lowest error so far" if not position.stale else f"step {position.best[0].step} is kept"
    return f"{stage.stop.monitor} has no value; {lowest}"


def _facts(clips: Sequence[Example]) -> StageFacts:
    """What training may know of its clips before it begins."""
    from ...predictors.training import StageFacts

    rated = any(math.isfinite(value) for clip in clips for value in clip.targets)
    return StageFacts(
        np.array([clip.targets for clip in clips]) if rated else None,
        [(clip.domain, listener) for clip in clips for listener in clip.listeners],
        sorted({clip.database for clip in clips}),
    )


def _step_module(training: Training) -> Any:
    """A module whose forward is the training forward, so that distributed training hooks into it."""
    import torch

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = training.network

        def forward(self, batch: Any) -> Any:
            return training.forward(batch)

    return Step()


def _optimizer_mode(optimizer: torch.optim.Optimizer, mode: str) -> None:
    """Schedule-free optimisers keep two sets of weights and are told which one is wanted."""
    switch = getattr(optimizer, mode, None)
    if callable(switch):
        switch()
