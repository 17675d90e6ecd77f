"""Networks of the second codec: pixels <-> latents at any of several rates, and latents -> table choices.

As in the first codec, pixels and latents are joined by a linear block transform plus convolutional branches that
started at zero (`layers`). One model serves all rates: *gains* scale the latents before they are rounded and back after
(Cui et al., "Asymmetric gained deep image compression", CVPR 2021), interpolated between a few trained anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from vsearch.models.dyadic_reader import FIRST_LAYOUT, Layout
from vsearch.models.entropy import CONTEXT_LIMIT
from vsearch.models.exact import StepPlan, step_plans
from vsearch.models.layers import BLOCK, N_SCALES, Residual, squash, start_at_zero
from vsearch.models.motion import FLAGS, UNMOVED
from vsearch.models.whole import FEATURE_STEPS, FLAG_STEPS, INPUT_STEPS, LIMIT, rounded, stepped, weight_steps

LEVELS = 49  # what a chunk can say: 0 is the coarsest
LEVELS_AN_ANCHOR = 16

UNSHUFFLED = 4  # pixels down and across that are one place of the encoder's first layer


@dataclass(frozen=True, slots=True)
class DyadicShape:
    """Widths of the codec. groups: the latent channels in coding order; anchors: rates that were trained; predicted:
    of how many channels the prediction's neighbourhood is looked at; decoder_depths: residual blocks at 1/16, 1/8 and
    1/4 of the size; whole: whether the prediction network computes in whole numbers (`whole`), or in float64 (`exact`);
    spread: whether it sees how far apart two sources of a prediction are; layers: hidden ones of each step; layout:
    of chunks.
    """

    groups: tuple[int, ...] = (8, 16, 40, 64)
    context_width: int = 64
    predicted: int = 48
    anchors: int = 4
    encoder_widths: tuple[int, int, int] = (48, 96, 128)
    decoder_widths: tuple[int, int, int] = (128, 96, 64)
    decoder_depths: tuple[int, int, int] = (2, 1, 0)
    whole: bool = False
    spread: bool = False
    layers: int = 1
    layout: Layout = FIRST_LAYOUT

    @property
    def channels(self) -> int:
        return sum(self.groups)


def anchor_weights(quality: Tensor, anchors: int) -> Tensor:
    """quality: (N,) in [0, anchors - 1] -> (N, anchors) weights of linear interpolation."""
    return (1 - (quality[:, None] - torch.arange(anchors, device=quality.device)).abs()).clamp_min(0)


class Interpolated(nn.Module):
    """A value a channel, trained at the anchors and interpolated between them."""

    def __init__(self, anchors: int, width: int) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.zeros(anchors, width))

    def forward(self, weights: Tensor) -> Tensor:
        """(N, width, 1, 1)."""
        out: Tensor = (weights @ self.at)[:, :, None, None]
        return out


class GainedEncoder(nn.Module):
    """Pixels in [-0.5, 0.5], (N, 3, H, W) -> real-valued latents (N, C, H/16, W/16), before their gains."""

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        a, b, c = shape.encoder_widths
        self.linear = nn.Conv2d(3, shape.channels, BLOCK, stride=BLOCK)
        self.branch = nn.Sequential(
            nn.PixelUnshuffle(UNSHUFFLED),
            nn.Conv2d(3 * UNSHUFFLED**2, a, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            Residual(b),
            nn.LeakyReLU(0.1),
            nn.Conv2d(b, c, 3, stride=2, padding=1),
            Residual(c),
            Residual(c),
            nn.LeakyReLU(0.1),
            start_at_zero(nn.Conv2d(c, shape.channels, 1)),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.autocast(pixels.device.type, enabled=False):  # large numbers need all their bits
            linear: Tensor = self.linear(pixels.float())
        first = self.branch[1]
        assert isinstance(first, nn.Conv2d)
        branch: Tensor = self.branch[2:](of_pixels(first, pixels.to(first.weight.dtype), UNSHUFFLED)).float()
        return linear + branch


def of_pixels(layer: nn.Conv2d, pixels: Tensor, factor: int) -> Tensor:
    """A 3x3 convolution of pixels (N, C, factor * h, factor * w) that are unshuffled by `factor`, as one convolution of
    the pixels themselves: 0.2 ms a frame on a CPU instead of 0.6.
    """
    taps = layer.weight.reshape(layer.out_channels, -1, factor, factor, 3, 3)
    kernel = taps.permute(0, 1, 4, 2, 5, 3).reshape(layer.out_channels, -1, 3 * factor, 3 * factor)
    return F.conv2d(pixels, kernel, layer.bias, stride=factor, padding=factor)


class GainedDecoder(nn.Module):
    """Latents after their gains, (N, C, h, w) -> pixels about [-0.5, 0.5], (N, 3, 16h, 16w)."""

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        a, b, c = shape.decoder_widths
        self.linear = nn.ConvTranspose2d(shape.channels, 3, BLOCK, stride=BLOCK)
        self.first = nn.Conv2d(shape.channels, a, 3, padding=1)
        self.scale = Interpolated(shape.anchors, a)
        self.shift = Interpolated(shape.anchors, a)
        at_16, at_8, at_4 = shape.decoder_depths
        self.branch = nn.Sequential(
            *(Residual(a) for _ in range(at_16)),
            nn.LeakyReLU(0.1),
            nn.Conv2d(a, 4 * b, 1),
            nn.PixelShuffle(2),
            *(Residual(b) for _ in range(at_8)),
            nn.LeakyReLU(0.1),
            nn.Conv2d(b, 4 * c, 1),
            nn.PixelShuffle(2),
            nn.Conv2d(c, c, 3, padding=1),
            *(Residual(c) for _ in range(at_4)),
            nn.LeakyReLU(0.1),
            start_at_zero(nn.Conv2d(c, 48, 3, padding=1)),
            nn.PixelShuffle(4),
        )

    def forward(self, latents: Tensor, weights: Tensor) -> Tensor:
        """weights: (N, anchors), the rate that the latents were quantised for."""
        features = self.first(latents * 0.25) * (1 + self.scale(weights)) + self.shift(weights)
        with torch.autocast(latents.device.type, enabled=False):  # large numbers need all their bits
            linear = as_blocks(self.linear, latents.float())
        branch: Tensor = self.branch(features).float()
        return linear + branch


def branch_places(depths: tuple[int, int, int]) -> dict[tuple[str, int], int]:
    """Where each module of `GainedDecoder.branch` stands: ("at 16", 0) is the first residual block at 1/16."""
    at_16, at_8, at_4 = depths
    counts = {"at 16": at_16, "to 8": 3, "at 8": at_8, "to 4": 4, "at 4": at_4, "to pixels": 3}
    names = [(name, number) for name, count in counts.items() for number in range(count)]
    return {name: place for place, name in enumerate(names)}


def as_blocks(linear: nn.ConvTranspose2d, latents: Tensor) -> Tensor:
    """What a transposed convolution whose stride is its size makes of latents, as one product of matrices: a fifth of
    the time on a CPU.
    """
    n, c, h, w = latents.shape
    size = linear.stride[0]
    blocks = latents.permute(0, 2, 3, 1).reshape(-1, c) @ linear.weight.reshape(c, -1)
    pixels = blocks.view(n, h, w, -1, size, size).permute(0, 3, 1, 4, 2, 5).reshape(n, -1, h * size, w * size)
    return pixels if linear.bias is None else pixels + linear.bias[:, None, None]


class Gains(nn.Module):
    """Logarithms of the factors before rounding (up) and after it (down)."""

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        self.up = Interpolated(shape.anchors, shape.channels)
        self.down = Interpolated(shape.anchors, shape.channels)

    def forward(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        return torch.exp(self.up(weights)), torch.exp(self.down(weights))


class PredictionStep(nn.Module):
    """Table choices of one coding step's channels."""

    def __init__(self, shape: DyadicShape, plan: StepPlan) -> None:
        super().__init__()
        width, out = shape.context_width, plan.end - plan.start
        self.whole = shape.whole
        self.from_half = nn.Conv2d(out, width, 3, padding=1, bias=False) if plan.half == 1 else None
        self.from_neighbours = nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False) if plan.half == 1 else None
        self.hidden = nn.Conv2d(width, width, 1)
        self.more = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(shape.layers - 1))
        self.choose = nn.Conv2d(width, 2 * out, 1)
        self.trust = nn.Parameter(torch.full((out,), 0.8))
        nn.init.normal_(self.choose.weight, std=0.01)
        with torch.no_grad():
            for bias in list(self.choose.parameters())[1:]:
                bias.copy_(torch.cat([torch.zeros(out), torch.full((out,), 0.3 * N_SCALES)]))
        if self.from_neighbours is not None:
            nn.init.zeros_(self.from_neighbours.weight)

    def forward(
        self, features: Tensor, predicted: Tensor, unmoved: Tensor, half: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """features: (N, width, h, w) before their clamp; predicted: (N, out, h, w); unmoved: (N, 1, h, w), 1 where the
        prediction is to be taken as it is; half: what the checkerboard's first half holds, zero elsewhere, less its
        prediction. -> means, scale indices.
        """
        linear = torch.where(unmoved > 0, predicted, predicted * self.trust[:, None, None])
        if self.from_half is not None and self.from_neighbours is not None and half is not None:
            features = features + self.from_half(_input(half, self.whole))
            linear = linear + self.from_neighbours(half)
        clamped = _whole_squash if self.whole else squash
        hidden = clamped(self.hidden(clamped(features)))
        for layer in self.more:
            hidden = clamped(layer(hidden))
        chosen = self.choose(hidden)
        out = predicted.shape[1]
        return chosen[:, :out] + linear, chosen[:, out:]


def _input(x: Tensor, whole: bool) -> Tensor:
    """What hidden features see of predictions and latents."""
    limit = LIMIT / INPUT_STEPS if whole else CONTEXT_LIMIT
    return torch.clamp(x, -limit, limit)


def _whole_squash(x: Tensor) -> Tensor:
    """`squash` in the steps in which `whole` keeps features."""
    return torch.clamp(stepped(x, FEATURE_STEPS), 0.0, LIMIT / FEATURE_STEPS)


class PredictionNetwork(nn.Module):
    """What is known -> which probability table each latent is coded with.

    Features begin with the frame's prediction and gather each group of channels as it becomes known; add, multiply and
    clamp alone, so that rounding errors can be bounded, or that there are none (`as_read`).
    """

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        width = shape.context_width
        self.shape = shape
        self.plans = step_plans(shape.groups)
        self.near = nn.Conv2d(shape.predicted + FLAGS, width, 3, padding=1)
        self.rest = nn.Conv2d(shape.channels - shape.predicted, width, 1, bias=False)
        self.spread = nn.Conv2d(shape.channels, width, 1, bias=False) if shape.spread else None
        self.rate = Interpolated(shape.anchors, width)
        self.finer = Interpolated(shape.anchors, shape.channels)
        self.gather = nn.ModuleList(nn.Conv2d(group, width, 3, padding=1, bias=False) for group in shape.groups[:-1])
        self.steps = nn.ModuleList(PredictionStep(shape, plan) for plan in self.plans)

    def forward(
        self, latents: Tensor, predicted: Tensor, flags: Tensor, weights: Tensor, spread: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Means and scale indices (N, C, h, w) of latents that are known already. predicted, spread (None: nowhere
        two sources): the same shape; flags: (N, FLAGS, h, w); weights: (N, anchors).
        """
        seen = _input(predicted, self.shape.whole)
        if self.shape.whole:
            flags = flags * (FLAG_STEPS / INPUT_STEPS)
        near, rest = seen[:, : self.shape.predicted], seen[:, self.shape.predicted :]
        features = [self.near(torch.cat([near, flags], 1)) + self.rest(rest) + self.rate(weights)]
        if self.spread is not None and spread is not None:
            features[0] = features[0] + self.spread(_input(spread, self.shape.whole))
        start = 0
        for group, gather in zip(self.shape.groups, self.gather, strict=False):
            known = _input(latents[:, start : start + group], self.shape.whole)
            features.append(features[-1] + gather(known))
            start += group
        even = checkerboard_like(latents)
        means, scales = torch.zeros_like(latents), torch.zeros_like(latents)
        for plan, step in zip(self.plans, self.steps, strict=True):
            part = slice(plan.start, plan.end)
            half = (latents[:, part] - predicted[:, part]) * even if plan.half == 1 else None
            unmoved = flags[:, UNMOVED : UNMOVED + 1]
            mean, scale = step(features[plan.after + 1], predicted[:, part], unmoved, half)
            where = torch.ones_like(even) if plan.half is None else even if plan.half == 0 else 1 - even
            means = means + F.pad(mean * where, (0, 0, 0, 0, plan.start, self.shape.channels - plan.end))
            scales = scales + F.pad(scale * where, (0, 0, 0, 0, plan.start, self.shape.channels - plan.end))
        return means, scales + self.finer(weights)

    def as_read(
        self, latents: Tensor, predicted: Tensor, flags: Tensor, weights: Tensor, spread: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like `forward`, with the weights of products as a reader has them; gradients pass as if they had not been
        rounded. Biases and what predictions are multiplied by are not: a mean may be off by a step of an eighth.
        """
        inputs = (latents, predicted, flags, weights, spread)
        outputs: tuple[Tensor, Tensor] = functional_call(self, self.rounded(), inputs)
        return outputs

    def rounded(self) -> dict[str, Tensor]:
        """The weights that a reader has in whole numbers, on their grids: none where there are none."""
        if not self.shape.whole:
            return {}
        weights = {name: p for name, p in self.named_parameters() if p.ndim == 4 and "from_neighbours" not in name}
        alone = [name for name in weights if ".more." in name or name.endswith(("hidden.weight", "choose.weight"))]
        together = [name for name in weights if name not in alone]
        found: dict[str, Tensor] = {}
        for names in (together, *([name] for name in alone)):
            steps = weight_steps([weights[name] for name in names])
            found |= {name: rounded(weights[name], step) for name, step in zip(names, steps, strict=True)}
        return found


def checkerboard_like(latents: Tensor) -> Tensor:
    """(1, 1, h, w): 1 where row and column add up to an even number."""
    rows = torch.arange(latents.shape[-2], device=latents.device)[:, None]
    columns = torch.arange(latents.shape[-1], device=latents.device)[None, :]
    return ((rows + columns) % 2 == 0).to(latents.dtype)[None, None]


class DyadicNetworks(nn.Module):
    """The networks that make a codec."""

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = GainedEncoder(shape)
        self.decoder = GainedDecoder(shape)
        self.gains = Gains(shape)
        self.prediction = PredictionNetwork(shape)
