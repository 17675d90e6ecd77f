"""HDR to SDR by one curve, the same for library and queries. Pure numpy.

A PQ or HLG signal becomes display light in cd/m2 (HLG by BT.2100's OOTF for a display of 1000 cd/m2), is compressed
from 1000 cd/m2 to 203 cd/m2 (the reference white of BT.2408) by the roll-off of BT.2390 applied to the largest of
R, G, B so that hues stay, converted from BT.2020 to BT.709 primaries, clipped, and written with BT.1886's display
gamma of 2.4. Light below about 95 cd/m2 passes unchanged.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SOURCE_PEAK = 1000.0  # cd/m2: what HDR is usually graded to, and HLG's nominal display
TARGET_PEAK = 203.0  # cd/m2: SDR white

_BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_STEPS = 4096  # of the tables: finer than the 10 bits that sources have


def tone_mapped(picture: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """BT.709 (H, W, 3) uint8 RGB of a full-range BT.2020 signal (H, W, 3) uint16; `transfer`: FFmpeg's name of it."""
    codes = picture >> 4
    if transfer == "smpte2084":
        light = _pq_table()[codes]
    else:
        scene = _hlg_table()[codes]
        light = scene * (SOURCE_PEAK * np.maximum(scene @ _BT2020_LUMA, 1e-6)[..., None] ** np.float32(0.2))
    peak = light.max(axis=-1, keepdims=True)
    light *= np.interp(peak, *_roll_off()).astype(np.float32)
    linear = np.clip(light @ (_BT2020_TO_BT709.T / np.float32(TARGET_PEAK)), 0, 1)
    return np.asarray(linear ** np.float32(1 / 2.4) * 255 + np.float32(0.5), np.uint8)


def pq_to_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """cd/m2 of a PQ signal in [0, 1] (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return np.asarray(10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def light_to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The PQ signal in [0, 1] of cd/m2."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (light / 10000) ** m1
    return np.asarray(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


@cache
def _pq_table() -> NDArray[np.float32]:
    return pq_to_light(np.arange(_STEPS) / (_STEPS - 1)).astype(np.float32)


@cache
def _hlg_table() -> NDArray[np.float32]:
    """Scene light in [0, 1] of an HLG signal (ARIB STD-B67)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.arange(_STEPS) / (_STEPS - 1)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@cache
def _roll_off() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(light, factor) points of BT.2390's roll-off: factor 1 below the knee, 203 cd/m2 as the result from 1000 on."""
    top = light_to_pq(np.array([SOURCE_PEAK]))[0]
    signal = np.linspace(0, 1, 1024)
    light = pq_to_light(signal)
    e1 = np.minimum(signal / top, 1)
    target = light_to_pq(np.array([TARGET_PEAK]))[0] / top
    knee = 1.5 * target - 0.5
    t = np.maximum(e1 - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * target
    mapped = pq_to_light(np.where(e1 < knee, e1, spline) * top)
    return light, np.where(e1 < knee, 1.0, mapped / np.maximum(light, 1e-9))
