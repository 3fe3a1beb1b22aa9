"""The convolutional body: EfficientNetV2-S as TensorFlow lays it out, under timm's parameter names.

Source: Tan and Le, "EfficientNetV2" (arXiv 2104.00298), and timm's ``tf_efficientnetv2_s``: "SAME" padding, batch norm
with eps 1e-3. torchvision's network of that name pads symmetrically and gives other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import Stage

BN_EPS = 1e-3
BN_MOMENTUM = 0.1


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis so that the output has ``ceil(size / stride)`` values; the smaller half first.

    Example:
        >>> same_padding(512, 3, 2), same_padding(45, 3, 2)
        ((0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with "SAME" padding."""

    def forward(self, input: Tensor) -> Tensor:
        (top, bottom), (left, right) = (
            same_padding(size, kernel, stride)
            for size, kernel, stride in zip(input.shape[-2:], self.kernel_size, self.stride, strict=True)
        )
        if (top, left) == (bottom, right):
            padding: tuple[int, int] = (top, left)
        else:
            input, padding = functional.pad(input, (left, right, top, bottom)), (0, 0)
        return functional.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def convolution(entering: int, leaving: int, kernel: int, stride: int = 1, groups: int = 1) -> SameConv2d:
    """A bias-free convolution."""
    return SameConv2d(entering, leaving, kernel, stride, groups=groups, bias=False)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with the settings of the TensorFlow weights."""
    return nn.BatchNorm2d(channels, eps=BN_EPS, momentum=BN_MOMENTUM)


def activate(x: Tensor) -> Tensor:
    """SiLU, in place where no gradient is kept."""
    return functional.silu(x, inplace=not torch.is_grad_enabled())


class SqueezeExcite(nn.Module):
    """Channel weights from the channels' means."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.conv_expand(activate(self.conv_reduce(x.mean((2, 3), keepdim=True)))).sigmoid()
        return x * weights if torch.is_grad_enabled() else x.mul_(weights)


class Block(nn.Module):
    """What the three kinds share: the input is added where shapes allow."""

    def __init__(self, entering: int, leaving: int, stride: int) -> None:
        super().__init__()
        self.has_skip = entering == leaving and stride == 1

    def body(self, x: Tensor) -> Tensor:
        """The block without its skip connection."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        changed = self.body(x)
        if not self.has_skip:
            return changed
        return x + changed if torch.is_grad_enabled() else changed.add_(x)


class ConvBnAct(Block):
    """3x3 convolution, norm, SiLU."""

    def __init__(self, entering: int, stride: int, expand: int, leaving: int) -> None:
        super().__init__(entering, leaving, stride)
        self.conv = convolution(entering, leaving, 3, stride)
        self.bn1 = norm(leaving)

    def body(self, x: Tensor) -> Tensor:
        return activate(self.bn1(self.conv(x)))


class EdgeResidual(Block):
    """3x3 expansion, norm, SiLU, 1x1 projection, norm."""

    def __init__(self, entering: int, stride: int, expand: int, leaving: int) -> None:
        super().__init__(entering, leaving, stride)
        self.conv_exp = convolution(entering, entering * expand, 3, stride)
        self.bn1 = norm(entering * expand)
        self.conv_pwl = convolution(entering * expand, leaving, 1)
        self.bn2 = norm(leaving)

    def body(self, x: Tensor) -> Tensor:
        x = self.conv_pwl(activate(self.bn1(self.conv_exp(x))))
        projected: Tensor = self.bn2(x)
        return projected


class InvertedResidual(Block):
    """1x1 expansion, 3x3 per channel, channel weights, 1x1 projection; a norm after each convolution."""

    def __init__(self, entering: int, stride: int, expand: int, leaving: int) -> None:
        super().__init__(entering, leaving, stride)
        width = entering * expand
        self.conv_pw = convolution(entering, width, 1)
        self.bn1 = norm(width)
        self.conv_dw = convolution(width, width, 3, stride, groups=width)
        self.bn2 = norm(width)
        self.se = SqueezeExcite(width, entering // 4)
        self.conv_pwl = convolution(width, leaving, 1)
        self.bn3 = norm(leaving)

    def body(self, x: Tensor) -> Tensor:
        x = activate(self.bn1(self.conv_pw(x)))
        x = activate(self.bn2(self.conv_dw(x)))
        projected: Tensor = self.bn3(self.conv_pwl(self.se(x)))
        return projected


BLOCKS: dict[str, type[ConvBnAct | EdgeResidual | InvertedResidual]] = {
    "cn": ConvBnAct,
    "er": EdgeResidual,
    "ir": InvertedResidual,
}


class EfficientNet(nn.Module):
    """Pictures ``(n, 1 or 3, height, width)`` to features ``(n, head, height / 32, width / 32)`` in the base size.

    A picture with one channel counts as three equal ones.
    """

    def __init__(self, stem: int, stages: Sequence[Stage], head: int) -> None:
        super().__init__()
        self.conv_stem = convolution(3, stem, 3, 2)
        self.bn1 = norm(stem)
        self.blocks = nn.Sequential()
        channels = stem
        for stage in stages:
            blocks = nn.Sequential()
            for at in range(stage.repeats):
                stride = stage.stride if at == 0 else 1
                blocks.append(BLOCKS[stage.block](channels, stride, stage.expand, stage.out_channels))
                channels = stage.out_channels
            self.blocks.append(blocks)
        self.conv_head = convolution(channels, head, 1)
        self.bn2 = norm(head)

    def forward(self, pictures: Tensor) -> Tensor:
        if pictures.shape[1] == 1 and self.conv_stem.in_channels == 3:
            pictures = pictures.expand(-1, 3, -1, -1)
        x = activate(self.bn1(self.conv_stem(pictures)))
        features: Tensor = activate(self.bn2(self.conv_head(self.blocks(x))))
        return features
