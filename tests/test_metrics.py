"""The measures against values computed by hand, by scipy and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch import metrics


def picture(seed: int, shape: tuple[int, int, int] = (3, 96, 120)) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=(3, shape[1] // 8 + 2, shape[2] // 8 + 2)).repeat(8, 1).repeat(8, 2)
    return np.asarray(np.clip(128 + 50 * smooth[:, : shape[1], : shape[2]], 0, 255), np.uint8)


def noisy(frame: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(0, sigma, frame.shape)
    return np.asarray(np.clip(frame + noise, 0, 255), np.uint8)


def test_recall_at_k_counts_queries_with_a_right_answer_early_enough() -> None:
    found = [["a", "b"], ["x", "c"], [], ["d"]]
    wanted = [{"a"}, {"c"}, {"z"}, {"d", "e"}]
    assert metrics.recall_at_k(found, wanted, 1) == 0.5
    assert metrics.recall_at_k(found, wanted, 2) == 0.75


def test_recall_refuses_queries_that_want_nothing() -> None:
    with pytest.raises(ValueError, match="want something"):
        metrics.recall_at_k([["a"]], [set()], 1)


def test_ann_recall_ignores_order_and_padding() -> None:
    exact = np.array([[1, 2, 3], [4, 5, -1]])
    assert metrics.ann_recall_at_k(np.array([[3, 2, 9], [5, -1, -1]]), exact) == pytest.approx(3 / 5)


def test_micro_average_precision_by_hand() -> None:
    # precision 1/1 at the first right one, 2/3 at the second; a third one was never found
    assert metrics.micro_average_precision([0.9, 0.8, 0.7], [True, False, True], 3) == pytest.approx((1 + 2 / 3) / 3)


@settings(deadline=None)  # the first call imports a large package
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_micro_average_precision_agrees_with_sklearn_and_ignores_the_order_of_ties(
    predictions: list[tuple[int, bool]], random: object
) -> None:
    from sklearn.metrics import average_precision_score

    scores, correct = zip(*predictions, strict=True)
    if not any(correct):
        assert metrics.micro_average_precision(scores, correct, 1) == 0.0
        return
    expected = average_precision_score(correct, scores)
    assert metrics.micro_average_precision(scores, correct, sum(correct)) == pytest.approx(expected)
    shuffled = list(predictions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    scores, correct = zip(*shuffled, strict=True)
    assert metrics.micro_average_precision(scores, correct, sum(correct)) == pytest.approx(expected)


def test_micro_average_precision_refuses_more_right_answers_than_exist() -> None:
    with pytest.raises(ValueError, match="cannot exist"):
        metrics.micro_average_precision([1.0, 0.5], [True, True], 1)


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [((0, 10), (0, 10), 1.0), ((0, 10), (5, 15), 1 / 3), ((0, 1), (2, 3), 0.0), ((3, 3), (3, 3), 0.0)],
)
def test_temporal_iou_by_hand(a: metrics.Range, b: metrics.Range, iou: float) -> None:
    assert metrics.temporal_iou(a, b) == pytest.approx(iou)


def test_segment_precision_and_recall_multiply_the_shares_of_both_axes() -> None:
    truth = [(0.0, 10.0, 100.0, 110.0)]
    assert metrics.segment_precision_recall(truth, truth) == (1.0, 1.0)
    # half of the prediction lies on the truth along each axis, and covers half of it
    assert metrics.segment_precision_recall([(5.0, 15.0, 105.0, 115.0)], truth) == (0.25, 0.25)
    assert metrics.segment_f1([(5.0, 15.0, 105.0, 115.0)], truth) == 0.25


def test_segments_that_split_the_truth_still_recall_it() -> None:
    truth = [(0.0, 10.0, 0.0, 10.0)]
    halves = [(0.0, 5.0, 0.0, 5.0), (5.0, 10.0, 5.0, 10.0)]
    assert metrics.segment_precision_recall(halves, truth) == (1.0, 1.0)


def test_segments_without_a_counterpart_have_their_conventional_values() -> None:
    one = [(0.0, 1.0, 0.0, 1.0)]
    assert metrics.segment_precision_recall([], one) == (1.0, 0.0)
    assert metrics.segment_precision_recall(one, []) == (0.0, 1.0)
    assert metrics.segment_f1([], one) == 0.0
    assert metrics.segment_precision_recall(one, [(2.0, 3.0, 0.0, 1.0)]) == (0.0, 0.0)


def test_psnr_of_a_known_error() -> None:
    a = np.zeros((3, 4, 4), np.uint8)
    assert metrics.psnr(a, a + np.uint8(5)) == pytest.approx(10 * np.log10(255**2 / 25))
    assert metrics.psnr(a, a) == float("inf")
    with pytest.raises(ValueError, match="one shape"):
        metrics.psnr(a, a[:, :2])


def test_ssim_agrees_with_the_definition_computed_by_scipy() -> None:
    from scipy.ndimage import gaussian_filter

    a, b = picture(0), noisy(picture(0), 20)
    x, y = metrics.luma(a), metrics.luma(b)

    def window(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(values, 1.5, radius=5))[5:-5, 5:-5]

    mx, my = window(x), window(y)
    vx, vy, cov = window(x * x) - mx**2, window(y * y) - my**2, window(x * y) - mx * my
    c1, c2 = 2.55**2, 7.65**2
    expected = np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_similarity_of_a_picture_with_itself_is_one_and_falls_with_noise() -> None:
    a = picture(2)
    for measure in (metrics.ssim, metrics.ms_ssim):
        values = [measure(a, noisy(a, sigma)) for sigma in (0, 5, 20, 60)]
        assert values[0] == pytest.approx(1.0)
        assert values == sorted(values, reverse=True)


def test_ms_ssim_with_one_scale_is_ssim() -> None:
    a = picture(3)
    b = noisy(a, 10)
    assert metrics.ms_ssim(a, b, scales=1) == pytest.approx(metrics.ssim(a, b))


def test_both_similarities_in_one_pass_are_the_single_ones() -> None:
    a = picture(4)
    b = noisy(a, 15)
    assert metrics.ssim_and_ms_ssim(a, b) == (metrics.ssim(a, b), metrics.ms_ssim(a, b))


def test_luma_psnr_of_a_grey_error_is_that_of_its_channels() -> None:
    a = np.zeros((3, 4, 4), np.uint8)
    assert metrics.luma_psnr(a, a + np.uint8(5)) == pytest.approx(metrics.psnr(a, a + np.uint8(5)))
    assert metrics.luma_psnr(a, a) == float("inf")


def test_ms_ssim_names_the_least_size() -> None:
    with pytest.raises(ValueError, match="at least 88"):
        metrics.ms_ssim(picture(0, (3, 80, 120)), picture(1, (3, 80, 120)))


def test_percentiles_are_interpolated() -> None:
    assert metrics.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert metrics.percentile([1.0, 2.0], 0.25) == 1.25
    assert metrics.percentile([5.0], 0.95) == 5.0


@pytest.mark.parametrize("shape", [(3, 144, 256), (3, 16, 16), (3, 96, 120), (3, 400, 80)])
def test_frames_compared_fast_give_the_same_figures(shape: tuple[int, int, int]) -> None:
    dark = np.zeros(shape, np.uint8)
    originals = np.stack([picture(4, shape), picture(5, shape), noisy(picture(6, shape), 40), dark, picture(7, shape)])
    shown = np.stack([noisy(picture(4, shape), 3), picture(8, shape), picture(6, shape), noisy(dark, 2), originals[4]])
    psnr_db, ssim = metrics.compare_frames(originals, shown)
    for i, (a, b) in enumerate(zip(originals, shown, strict=True)):
        assert psnr_db[i] == pytest.approx(min(metrics.PSNR_CAP_DB, metrics.psnr(a, b)), abs=1e-4)
        assert ssim[i] == pytest.approx(metrics.ssim(a, b), abs=1e-4)
    assert psnr_db[4] == metrics.PSNR_CAP_DB


def test_no_frames_compare_to_no_figures() -> None:
    none = np.zeros((0, 3, 16, 16), np.uint8)
    assert [len(values) for values in metrics.compare_frames(none, none)] == [0, 0]


def test_frames_of_other_shapes_or_too_small_ones_are_not_compared() -> None:
    frames = np.zeros((2, 3, 16, 16), np.uint8)
    for shown in (frames[:1], frames[:, :, :10, :10], frames.astype(np.int16)):
        with pytest.raises(ValueError, match="frames must"):
            metrics.compare_frames(frames if shown.shape[2] == 16 else shown, shown)


def test_bpp_by_hand() -> None:
    assert metrics.bpp(461, frames=1, height=144, width=256) == pytest.approx(0.1, rel=0.01)


def test_bd_rate_of_a_curve_shifted_in_bytes_is_that_shift() -> None:
    anchor = [(500, 28.0), (1000, 31.0), (2000, 33.5), (4000, 36.0)]
    half = [(n_bytes / 2, quality) for n_bytes, quality in anchor]
    assert metrics.bd_rate(anchor, half) == pytest.approx(-50)
    assert metrics.bd_rate(half, anchor) == pytest.approx(100)
    assert metrics.bd_rate(anchor, anchor) == 0


@settings(deadline=None)  # the first call imports a large package
@given(
    st.lists(st.floats(0.01, 2), min_size=1, max_size=5),
    st.lists(st.floats(0.01, 2), min_size=1, max_size=5),
    st.floats(-1, 1),
)
def test_bd_rate_agrees_with_scipys_interpolation(steps_a: list[float], steps_t: list[float], shift: float) -> None:
    from scipy.interpolate import PchipInterpolator

    def curve(steps: list[float], start: float) -> list[tuple[float, float]]:
        quality = 30 + start + np.cumsum([0.0, *steps])
        n_bytes = 500 * np.exp(np.cumsum([0.0, *[step**1.5 for step in steps]]))
        return list(zip(n_bytes.tolist(), quality.tolist(), strict=True))

    anchor, test = curve(steps_a, 0.0), curve(steps_t, shift)
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    if high - low < 1e-6:
        return
    integrals = []
    for points in (anchor, test):
        n_bytes, quality = np.array(points).T
        if len(points) == 2:
            x = np.array([low, high])
            y = np.interp(x, quality, np.log(n_bytes))
            integrals.append(float(np.trapezoid(y, x)))
        else:
            integrals.append(float(PchipInterpolator(quality, np.log(n_bytes)).integrate(low, high)))
    expected = 100 * np.expm1((integrals[1] - integrals[0]) / (high - low))
    assert metrics.bd_rate(anchor, test) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_bd_rate_refuses_curves_that_do_not_meet() -> None:
    with pytest.raises(ValueError, match="share no range"):
        metrics.bd_rate([(1, 20), (2, 25)], [(1, 30), (2, 35)])
