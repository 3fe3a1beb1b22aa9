"""Settings of the CLAP model that scores: the network's (kept with the weights) and those of one training stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ....harness.core.errors import CheckpointError
from ..pooling import pooling_name
from .shapes import Size


@dataclass(frozen=True)
class ClapMosConfig:
    """One network.

    Attributes:
        size: ``base``, or ``tiny`` for tests and demonstrations.
        pooling: How frames become one vector; a name of ``predictors/pooling``.
        segment_size, num_heads: Of poolings that have segments or heads.
        deviations: Whether the two multi-head poolings append standard deviations.
        zero_pad_remainder: Whether zeros that fill up the last segment count in its mean.
        projection: Whether a linear layer follows the pooling (the paper has none, the repository does). ``average``
            without it is MusicEval's baseline.
        frame_features: ``tokens64`` (both halves of the frequency axis) or ``freq_mean32`` (their mean). Which of
            them the paper pooled is not known; ``tokens64`` is what CLAP's own average takes.
        clap_input: ``as_is``: bring any clip to 16 kHz and feed it as if it were 48 kHz, so that 30 s fit into CLAP's
            window and sound three times as fast: the published figures were obtained so. ``resample``: 48 kHz; of
            longer clips the first 10 s count.
        head_activation: Between the layers of a head: ``none`` (the repositories), ``relu`` or ``gelu``.
        text: Whether dimensions that need the prompt (``ta``) are scored; ``False`` leaves them out, so that clips
            without prompts can be scored.
    """

    size: Size = "base"
    pooling: str = "drasp"
    segment_size: int = 4
    num_heads: int = 4
    deviations: bool = False
    zero_pad_remainder: bool = False
    projection: bool = True
    frame_features: Literal["tokens64", "freq_mean32"] = "tokens64"
    clap_input: Literal["as_is", "resample"] = "as_is"
    head_activation: Literal["none", "relu", "gelu"] = "none"
    text: bool = True

    def __post_init__(self) -> None:
        pooling_name(self.pooling)


@dataclass(frozen=True)
class ClapStage:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        pretrained: Where a fresh CLAP's weights come from (see ``layers/clap/pretrained.py``); not looked at when
            training starts from a checkpoint. ``None``: random weights.
        tokenizer: Folder with RoBERTa's tokenizer files, or ``FacebookAI/roberta-base``; ``None``: the start's, else
            the folder in ``$MOSHARNESS_ROBERTA``, else the hub's (bytes for ``tiny``).
        crop: With ``clap_input: resample``, of longer clips: ``random`` 10 s (CLAP's own way) or the ``first``, which
            dev clips are judged by in any case.
        batch_pad: Fill clips up with zeros to the longest of the batch before they are repeated, as the repositories
            do in training. A clip's scores then depend on its batch: for exact reproduction only.
        center: Start the heads of fresh weights at the mean label (ours; the repositories start near 0).
    """

    pretrained: str | None = None
    tokenizer: str | None = None
    crop: Literal["random", "first"] = "random"
    batch_pad: bool = False
    center: bool = False


def official_settings(state: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings that a state dict of the repositories tells: its pooling and projection.

    Raises:
        CheckpointError: If several poolings have these tensors and ``given`` names none.
    """
    if "pooling_proj.weight" not in state:
        return {"pooling": "average", "projection": False}
    outputs, inputs = state["pooling_proj.weight"].shape
    doubled = inputs == 2 * outputs
    if "pooling.alpha" in state:
        return {"pooling": "drasp" if doubled else "dual_resolution_attentive"}
    if "pooling.attention" not in state:
        return {"pooling": "statistics" if doubled else "average"}
    names = (
        ("attentive_statistics", "segmental_attentive_statistics") if doubled else ("attentive", "segmental_attentive")
    )
    chosen = pooling_name(str(given["pooling"])) if "pooling" in given else ""
    if chosen not in names:
        raise CheckpointError(
            f"{where}: its tensors are those of {names[0]} and of {names[1]} alike; say which with --set pooling=NAME"
        )
    return {"pooling": chosen}
