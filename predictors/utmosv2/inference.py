"""The network as it is used for scoring: the same function with less work."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from .efficientnet import ConvBnAct, EdgeResidual, EfficientNet, InvertedResidual, SameConv2d
from .network import Scorer, SslEncoder


def for_inference(network: Scorer) -> Scorer:
    """A copy that shares all weights but those it changes.

    Batch norms are folded into the convolutions before them, the first convolution sums the weights of its three equal
    input channels, convolution weights lie channels last, and the positional convolution of wav2vec2 keeps the weight
    that it would compute anew from direction and length for every batch. Scores move by rounding only.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    fast = copy.deepcopy(network, dict(shared)).eval()
    for module in list(fast.modules()):
        if isinstance(module, EfficientNet):
            _fold(module)
        elif isinstance(module, SslEncoder):
            embedding: Any = module.model.encoder.pos_conv_embed
            embedding.conv = _without_norm(embedding.conv)
    return fast


def _without_norm(convolution: nn.Conv1d) -> nn.Conv1d:
    """A convolution under weight norm with its weight as it stands."""
    padding: Any = convolution.padding
    new = nn.Conv1d(1, 1, convolution.kernel_size[0], padding=padding)  # sizes follow from the weight
    new.in_channels, new.out_channels, new.groups = (
        convolution.in_channels,
        convolution.out_channels,
        convolution.groups,
    )
    new.weight, new.bias = nn.Parameter(convolution.weight.detach().clone(), requires_grad=False), convolution.bias
    return new


PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    EfficientNet: (("conv_stem", "bn1"), ("conv_head", "bn2")),
    ConvBnAct: (("conv", "bn1"),),
    EdgeResidual: (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
    InvertedResidual: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}


def _fold(body: EfficientNet) -> None:
    for module in list(body.modules()):
        for convolution, norm in PAIRS.get(type(module), ()):
            setattr(module, convolution, _folded(getattr(module, convolution), getattr(module, norm)))
            setattr(module, norm, nn.Identity())
    stem = body.conv_stem
    single = SameConv2d(1, stem.out_channels, stem.kernel_size[0], stem.stride[0])
    single.weight = nn.Parameter(_channels_last(stem.weight.sum(1, keepdim=True)), requires_grad=False)
    single.bias = stem.bias
    body.conv_stem = single


@torch.no_grad()
def _folded(convolution: SameConv2d, norm: nn.BatchNorm2d) -> SameConv2d:
    """The convolution with the norm's scale and shift, computed in float64."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = norm.bias.double() - norm.running_mean.double() * scale
    groups = convolution.groups
    new = SameConv2d(1, 1, convolution.kernel_size[0], convolution.stride[0])  # sizes follow from the weight
    new.in_channels, new.out_channels, new.groups = convolution.in_channels, convolution.out_channels, groups
    weight = (convolution.weight.double() * scale[:, None, None, None]).to(convolution.weight.dtype)
    new.weight = nn.Parameter(_channels_last(weight), requires_grad=False)
    new.bias = nn.Parameter(shift.to(convolution.weight.dtype), requires_grad=False)
    return new


def _channels_last(weight: torch.Tensor) -> torch.Tensor:
    return weight.contiguous(memory_format=torch.channels_last)
