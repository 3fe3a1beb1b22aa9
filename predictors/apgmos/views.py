"""What the model sees and where its queries look, for one clip: Figure 5 of the paper."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ...harness.audio.read import Waveform
from ...harness.core.errors import UsageError
from ..inspection import Inspection, Panel, time_extent
from ..layers.ssl.shapes import HOP, SHORTEST
from ..trainable import exact
from .auditory.config import FRAME_RATE, FrontEndConfig
from .auditory.make import make_front_end
from .config import SAMPLE_RATE
from .items import cut


class Model(Protocol):
    """What these views use of the predictor; arrays as its class documents them."""

    config: Any
    network: Any
    semantic: Any

    @property
    def device(self) -> str: ...
    @property
    def front_end(self) -> Any: ...
    def resampled(self, clip: Waveform) -> Waveform: ...
    def stated_settings(self) -> str: ...
    def positions(self, waves: torch.Tensor, lengths: Any, semantics: bool = ...) -> Any: ...
    def to_scale(self, scores: Any) -> Any: ...
    def _embedding(self, waves: torch.Tensor, lengths: Any) -> Any: ...


FRAME_S = HOP / SAMPLE_RATE
FRAME_START_S = (SHORTEST - HOP) / 2 / SAMPLE_RATE
"""Where the first wav2vec 2.0 frame begins, if each stands for one hop around the middle of its 25 ms."""


def inspect_clip(model: Model, clip: Waveform) -> Inspection:
    """Pictures and numbers of the first chunk of a clip.

    Args:
        model: Loaded. Without its semantic branch (``queries: pruned``) the attention of the auditory tokens alone.
        clip: As decoded.

    Returns:
        Arrays ``mel``, ``cochleagram`` ``(bands, frames)`` with their ``*_times_s`` and centre frequencies, and where
        there is cross-attention ``attention_first`` and ``attention_last`` ``(queries, frames)``, means over heads,
        those of each head under ``*_heads``, ``query_times_s`` (NaN for auditory tokens), ``attention_times_s``, and
        ``position_scores``.
    """
    ready = model.resampled(clip)
    waves = cut(ready.samples, model.config.chunk_seconds, ready.path).waves
    wave = torch.from_numpy(waves[0])[None].to(model.device)
    arrays: dict[str, NDArray[Any]] = {}
    panels = []
    with torch.no_grad(), exact(model.device):
        panels += _pictures(model, wave, arrays)
        panels += _attention(model, wave, arrays)
        score = _score(model, wave)
    values: dict[str, Any] = {"score": round(score, 6), "seconds": waves[0].size / SAMPLE_RATE}
    notes = [model.stated_settings()]
    if clip.duration_s < 1.0:
        notes.append("the clip is under 1 s and was repeated to 1 s")
    if len(waves) > 1:
        notes.append(f"the first of {len(waves)} chunks")
    return Inspection(arrays, tuple(panels), "; ".join(notes), values)


def _score(model: Model, wave: torch.Tensor) -> float:
    queries = model.config.queries
    lengths = torch.tensor([wave.shape[1]], device=wave.device)
    positions = model.positions(wave, lengths, semantics=queries != "pruned")
    return float(model.to_scale(positions.mean(queries, model.config.balance_queries))[0])


def _pictures(model: Model, wave: torch.Tensor, arrays: dict[str, NDArray[Any]]) -> list[Panel]:
    bands = make_front_end(FrontEndConfig("mel")).to(model.device)(wave)[0][0]
    arrays["mel"] = bands.float().cpu().numpy().T
    extent = time_extent(arrays["mel"].shape[1], 1 / FRAME_RATE)
    panels = [
        Panel("Mel spectrogram", "mel", y_label="band", x_extent=extent, colour_label="ln power"),
    ]
    front = model.front_end
    if front.config.front_end != "mel":
        arrays["cochleagram"] = front(wave)[0][0].float().cpu().numpy().T
        arrays["centre_frequencies_hz"] = np.asarray(front.centre_frequencies, np.float64)
        panels.append(
            Panel(
                "Cochleagram",
                "cochleagram",
                y_label="centre frequency (Hz)",
                x_extent=extent,
                y_centres="centre_frequencies_hz",
                colour_label="response",
            )
        )
    arrays["picture_times_s"] = (np.arange(arrays["mel"].shape[1]) + 0.5) / FRAME_RATE
    return panels


def _attention(model: Model, wave: torch.Tensor, arrays: dict[str, NDArray[Any]]) -> list[Panel]:
    """Attention of all queries that can be computed; nothing where the model has no cross-attention."""
    network: Any = model.network
    if "fusion" not in network.parts:
        return []
    lengths = [wave.shape[1]]
    embedding = model._embedding(wave, lengths) if "auditory" in network.parts else None
    found = model.semantic(wave, lengths) if model.semantic is not None else None
    if embedding is None and found is None:
        raise UsageError(f"{model.config.variant} without its semantic branch has no queries to show")
    frames, counts = network.w2v(wave, lengths)
    residual, semantic_counts = (None, None) if found is None else (found.residual, found.counts)
    queries, tokens, semantic_counts = network.queries(embedding, residual, semantic_counts, 1)
    mask = network.mask(tokens, semantic_counts.to(frames.device), counts, queries.shape[1] - tokens, frames.shape[1])
    attended = network.fusion.with_attention(queries, frames.float(), mask)
    scores = model.to_scale(network.decode("decoder", attended.queries))[0]
    for name, attention in (("attention_first", attended.first), ("attention_last", attended.last)):
        heads = attention[0].float().cpu().numpy()
        arrays[f"{name}_heads"], arrays[name] = heads, heads.mean(0)
    rows, columns = arrays["attention_first"].shape
    semantic_s = FRAME_START_S + (np.arange(rows - tokens) + 0.5) * (columns / max(1, rows - tokens)) * FRAME_S
    arrays["query_times_s"] = np.concatenate([np.full(tokens, np.nan), semantic_s])
    arrays["attention_times_s"] = FRAME_START_S + (np.arange(columns) + 0.5) * FRAME_S
    arrays["position_scores"] = scores.float().cpu().numpy()
    marks = [(0, "auditory")] if tokens else []
    marks += [(tokens, "semantic")] if rows > tokens else []
    return [
        Panel(
            f"Attention of layer {layer}",
            name,
            y_label="query",
            x_extent=time_extent(columns, FRAME_S, FRAME_START_S),
            y_down=True,
            y_marks=tuple(marks),
            colour_label="mean over heads",
        )
        for layer, name in ((1, "attention_first"), (model.config.L, "attention_last"))
    ]
