"""What training starts from: a published model with its first kernel fitted, its teacher, earlier stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...harness.core.errors import UsageError
from ...harness.core.files import read_json
from ...harness.recipes.needs import Need
from ..empty import empty_weights
from ..layers.sfi.conv import SfiConv1d
from ..layers.sfi.fit import FitReport, fit_kernel
from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.needs import ssl_need
from ..layers.ssl.pretrained import load_pretrained
from .config import StageSettings

FIRST = "feature_extractor.conv_layers.0.conv."
FIRST_WEIGHT, FIRST_BIAS = FIRST + "weight", FIRST + "bias"


def plain_backbone(name: str, layers: int | None, source: str, setting: str = "pretrained") -> SslBackbone:
    """A model with its own first layer: published weights, or drawn ones for ``random``."""
    kind, _, size = name.partition("-")
    backbone = SslBackbone(kind, size, layers=layers)  # type: ignore[arg-type]
    if source != "random":
        load_pretrained(backbone, source, f"train.settings.{setting}")
    return backbone.eval()


def published_need(name: str, layers: int | None, source: str, setting: str) -> Need:
    """Whether the weights that :func:`plain_backbone` would load are at hand."""
    kind, _, size = name.partition("-")
    with empty_weights():
        backbone = SslBackbone(kind, size, layers=layers)  # type: ignore[arg-type]
    return ssl_need(source, setting, backbone)


def take_over(student: SslBackbone, plain: SslBackbone, settings: StageSettings) -> FitReport | None:
    """Copy a model's weights into the student, and fit the student's filters to its first kernel.

    Returns:
        How close the filters came; ``None`` where nothing was fitted.
    """
    state, source = student.model.state_dict(), plain.model.state_dict()
    state.update({name: value for name, value in source.items() if name in state})
    student.model.load_state_dict(state)
    layer = student.model.feature_extractor.conv_layers[0].conv
    if not isinstance(layer, SfiConv1d) or settings.first == "random":
        return None
    return fit_kernel(layer, source[FIRST_WEIGHT][:, 0], steps=settings.fit_steps)


def make_teacher(name: str, layers: int | None, settings: StageSettings, start: SslBackbone | None) -> SslBackbone:
    """The frozen teacher of a distillation.

    Raises:
        UsageError: If no teacher is named, or it is to be the start and there is none.
    """
    if settings.teacher is None or (settings.teacher == "start" and start is None):
        raise UsageError(
            "the loss distill needs a teacher: set settings.teacher to its weights (facebook/hubert-base-ls960, say), "
            "or to start together with settings.pretrained"
        )
    teacher = start
    if settings.teacher != "start" or teacher is None:
        teacher = plain_backbone(settings.teacher_backbone or name, layers, settings.teacher, "teacher")
    teacher.requires_grad_(False)
    return teacher.eval()


def settings_of(folder: str | Path) -> dict[str, Any]:
    """The network's settings in a stored checkpoint folder; empty where there are none."""
    path = Path(folder) / "config.json"
    saved: Any = read_json(path) if path.is_file() else {}
    return dict(saved.get("config", {}))
