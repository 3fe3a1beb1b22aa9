"""Distillation: the student at any rate is to have the hidden states that the teacher has at 16 kHz."""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import resample

from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.pooling import frame_mask


def at_rate(waves: Tensor, lengths: Tensor, source: int, target: int) -> tuple[Tensor, Tensor]:
    """A padded batch resampled (torchaudio's default, as the official training), and its lengths."""
    if source == target:
        return waves, lengths
    return resample(waves, source, target), (lengths * target + source - 1) // source


def state_errors(student: list[Tensor], teacher: list[Tensor], counts: Tensor | None) -> Tensor:
    """Mean squared difference per clip over all states, frames and channels, ``(n,)``.

    Args:
        student, teacher: One tensor ``(n, frames, channels)`` per state; cut to the shorter number of frames.
        counts: Valid frames per clip; ``None`` counts every frame.
    """
    frames = min(student[0].shape[1], teacher[0].shape[1])
    total = torch.zeros(len(student[0]), frames, device=student[0].device)
    for own, wanted in zip(student, teacher, strict=True):
        total = total + (own[:, :frames].float() - wanted[:, :frames].float()).square().mean(-1)
    total = total / len(student)
    if counts is None:
        return total.mean(1)
    valid = counts.clamp(max=frames)
    return total.masked_fill(~frame_mask(valid, frames), 0.0).sum(1) / valid


def distillation(
    student: SslBackbone,
    teacher: SslBackbone,
    waves: Tensor,
    lengths: Tensor,
    *,
    source_rate: int,
    student_rate: int,
    teacher_rate: int = 16_000,
    masked: bool = True,
) -> Tensor:
    """The error of the student's states per clip, ``(n,)``.

    Args:
        student: Trained.
        teacher: Not trained; in eval mode.
        waves, lengths: ``(n, samples)`` at ``source_rate``, zeros behind each clip's end, and true lengths.
        source_rate, student_rate, teacher_rate: In Hz.
        masked: Leave padding out. The official training lets both models see zeros and compares all frames.
    """
    with torch.no_grad():
        for_student = at_rate(waves, lengths, source_rate, student_rate)
        for_teacher = at_rate(waves, lengths, source_rate, teacher_rate)
        wanted, wanted_counts = teacher.states(for_teacher[0], for_teacher[1] if masked else None)
    states, counts = student.states(for_student[0], for_student[1] if masked else None, student_rate)
    return state_errors(states, wanted, counts.minimum(wanted_counts) if masked else None)
