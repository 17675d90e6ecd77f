"""Networks of the first codec and head: pixels <-> latents, latents -> table choices, latents -> vectors.

Two rules shape them. Pixels and latents are joined by a *linear* block transform (16x16x3 pixels <-> C numbers,
initialised with the Karhunen-Loeve basis of the training frames) plus a convolutional branch that starts at zero:
training begins as a plain transform coder and only has to learn what such a coder cannot do. The network between bytes
and latents (`ContextNetwork`) uses add, multiply and clamp alone, so that its rounding error can be bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vsearch.models.entropy import CONTEXT_LIMIT, MAX_ACTIVATION

BLOCK = 16
N_SCALES = 40
LEAST_SCALE, SCALE_STEP = 0.06, 5.95 / (N_SCALES - 1)  # of Laplace densities: the first, and the logarithm of a ratio


@dataclass(frozen=True, slots=True)
class CodecShape:
    """Widths of the codec. `groups` splits the C latent channels in coding order."""

    groups: tuple[int, ...] = (8, 16, 40)
    context_width: int = 32
    encoder_widths: tuple[int, int, int] = (48, 96, 128)
    decoder_widths: tuple[int, int, int] = (128, 96, 64)

    @property
    def channels(self) -> int:
        return sum(self.groups)


Network = TypeVar("Network", bound=nn.Module)


def placed(network: Network, device: torch.device) -> Network:
    """The network on `device`, its convolution weights channels-last (measured up to a third faster on a CPU)."""
    network.to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def start_at_zero(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights and bias zero, so that its branch begins by adding nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class Residual(nn.Module):
    """x + conv(relu(conv(x))), 3x3; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        start_at_zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.1)), 0.1))
        return out


class Encoder(nn.Module):
    """Pixels in [-0.5, 0.5], (N, 3, H, W) -> real-valued latents (N, C, H/16, W/16)."""

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        a, b, c = shape.encoder_widths
        self.linear = nn.Conv2d(3, shape.channels, BLOCK, stride=BLOCK)
        self.branch = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, a, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            Residual(b),
            nn.LeakyReLU(0.1),
            nn.Conv2d(b, c, 3, stride=2, padding=1),
            Residual(c),
            nn.LeakyReLU(0.1),
            start_at_zero(nn.Conv2d(c, shape.channels, 1)),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.linear(pixels) + self.branch(pixels)
        return out


class Decoder(nn.Module):
    """Integer latents (N, C, h, w) -> pixels about [-0.5, 0.5], (N, 3, 16h, 16w)."""

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        a, b, c = shape.decoder_widths
        self.linear = nn.ConvTranspose2d(shape.channels, 3, BLOCK, stride=BLOCK)
        self.branch = nn.Sequential(
            nn.Conv2d(shape.channels, a, 3, padding=1),
            Residual(a),
            nn.LeakyReLU(0.1),
            nn.Conv2d(a, 4 * b, 1),
            nn.PixelShuffle(2),
            Residual(b),
            nn.LeakyReLU(0.1),
            nn.Conv2d(b, 4 * c, 1),
            nn.PixelShuffle(2),
            nn.Conv2d(c, c, 3, padding=1),
            nn.LeakyReLU(0.1),
            start_at_zero(nn.Conv2d(c, 48, 3, padding=1)),
            nn.PixelShuffle(4),
        )

    def forward(self, latents: Tensor) -> Tensor:
        out: Tensor = self.linear(latents) + self.branch(latents * 0.25)
        return out


def checkerboard(latents: Tensor) -> Tensor:
    """(1, 1, h, w) mask of the positions coded first: those whose row and column add up to an even number."""
    rows = torch.arange(latents.shape[-2], device=latents.device)[:, None]
    columns = torch.arange(latents.shape[-1], device=latents.device)[None, :]
    return ((rows + columns) % 2 == 0).to(latents.dtype)[None, None]


def squash(x: Tensor) -> Tensor:
    """Clamp to [0, MAX_ACTIVATION]: the only nonlinearity between bytes and latents."""
    return torch.clamp(x, 0.0, MAX_ACTIVATION)


class Step(nn.Module):
    """One coding step: table choices of `out` channels from what is known before it.

    Means are predicted by a linear filter over the same channels of the previous frame (and, in the second half of the
    checkerboard, over their coded neighbours) plus what the hidden features add; scales by the hidden features alone.
    """

    def __init__(self, *, known: int, out: int, width: int, same: bool) -> None:
        super().__init__()
        self.known = nn.Conv2d(known, width, 3, padding=1, bias=False) if known else None
        self.hidden = nn.Conv2d(width, width, 1)
        self.choose = nn.Conv2d(width, 2 * out, 1)
        self.previous = nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False)
        self.same = nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False) if same else None
        self.out = out
        nn.init.zeros_(self.previous.weight)
        with torch.no_grad():
            self.previous.weight[:, :, 1, 1] = 0.7
        nn.init.normal_(self.choose.weight, std=0.01)
        with torch.no_grad():
            for bias in list(self.choose.parameters())[1:]:
                bias.copy_(torch.cat([torch.zeros(out), torch.full((out,), 0.4 * N_SCALES)]))
        if self.same is not None:
            nn.init.zeros_(self.same.weight)

    def forward(
        self, temporal: Tensor, known: Tensor | None, previous: Tensor, same: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """temporal: (N, width, h, w) features before their clamp; known, previous, same: latents. -> means, scale
        indices.
        """
        features = temporal
        if self.known is not None and known is not None:
            features = features + self.known(torch.clamp(known, -CONTEXT_LIMIT, CONTEXT_LIMIT))
        chosen = self.choose(squash(self.hidden(squash(features))))
        means = chosen[:, : self.out] + self.previous(previous)
        if self.same is not None and same is not None:
            means = means + self.same(same)
        return means, chosen[:, self.out :]


class ContextNetwork(nn.Module):
    """What is known -> which probability table each latent is coded with.

    Four steps a frame: the first group of channels at the first half of a checkerboard, then at the other half, then
    the
    other groups, each knowing all the steps before it and the previous frame of the chunk (zeros before its first).
    """

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        width = shape.context_width
        first, second, third = shape.groups
        self.shape = shape
        self.temporal = nn.Conv2d(shape.channels + 1, width, 3, padding=1)
        # What each step knows and codes: channels known from earlier steps, first and last of its own, and whether
        # half of its own positions are known already.
        self._spans = (
            (0, 0, first, False),
            (first, 0, first, True),
            (first, first, first + second, False),
            (first + second, first + second, first + second + third, False),
        )
        self.steps = nn.ModuleList(
            Step(known=known, out=end - start, width=width, same=same) for known, start, end, same in self._spans
        )

    def features(self, previous: Tensor, has_previous: Tensor) -> Tensor:
        """Temporal features of the previous frame (N, C, h, w); has_previous: (N, 1, 1, 1), 1 or 0."""
        flag = has_previous.expand(-1, 1, *previous.shape[-2:])
        features: Tensor = self.temporal(torch.cat([torch.clamp(previous, -CONTEXT_LIMIT, CONTEXT_LIMIT), flag], 1))
        return features

    def step(self, number: int, temporal: Tensor, previous: Tensor, coded: Tensor) -> tuple[Tensor, Tensor]:
        """Means and scale indices of step `number`'s channels, (N, out, h, w) each.

        coded: (N, C, h, w), of which only what earlier steps coded is used (for step 1: the first group, zero where the
        checkerboard's first half is not).
        """
        known, start, end, same = self._spans[number]
        outputs: tuple[Tensor, Tensor] = self.steps[number](
            temporal,
            coded[:, :known] if known else None,
            previous[:, start:end],
            coded[:, start:end] if same else None,
        )
        return outputs

    def forward(self, latents: Tensor, previous: Tensor, has_previous: Tensor) -> tuple[Tensor, Tensor]:
        """All steps at once, for latents that are known already: means and scale indices (N, C, h, w)."""
        temporal = self.features(previous, has_previous)
        anchors = checkerboard(latents)
        first = self.shape.groups[0]
        half = latents[:, :first] * anchors
        mean0, scale0 = self.step(0, temporal, previous, latents)
        mean1, scale1 = self.step(1, temporal, previous, half)
        mean2, scale2 = self.step(2, temporal, previous, latents)
        mean3, scale3 = self.step(3, temporal, previous, latents)
        means = torch.cat([mean0 * anchors + mean1 * (1 - anchors), mean2, mean3], 1)
        scales = torch.cat([scale0 * anchors + scale1 * (1 - anchors), scale2, scale3], 1)
        return means, scales


def scale_of_index(index: Tensor) -> Tensor:
    """The Laplace scale b of a (real-valued) scale index: 0.06 at 0, about 23 at N_SCALES - 1, in even ratios."""
    return LEAST_SCALE * torch.exp(index * SCALE_STEP)


def scale_index(size: NDArray[Any] | float) -> NDArray[np.int64]:
    """The scale index, 1 to N_SCALES - 1, of Laplace densities for numbers of such a size."""
    index = np.rint(np.log(np.maximum(size, LEAST_SCALE) / LEAST_SCALE) / SCALE_STEP)
    return np.asarray(np.clip(index, 1, N_SCALES - 1), np.int64)
