import numpy as np
import pytest
from scipy.stats import ttest_ind

from kerasae.rate_distortion.compare import bd_rate, bd_rate_over_seeds
from kerasae.records import RatePoint


def curve(name, rates, psnr, ssim=None):
    return [
        RatePoint(
            codec=name, quality=place, images=1, bytes_per_image=rate, bits_per_pixel=rate,
            payload_bits_per_pixel=rate - 0.02, estimated_bits_per_pixel=None,
            metrics={"psnr": value, "psnr_of_mean_mse": value, "ssim": None if ssim is
            None else ssim[place]}, encode_images_per_second=1.0, decode_images_per_second=1.0, settings={},
        )
        for place, (rate, value) in enumerate(zip(rates, psnr, strict=True))
    ]  # fmt: skip


RATES = np.geomspace(0.1, 2.0, 8)
PSNR = 30 + 6 * np.log2(RATES)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.7])
def test_a_constant_factor_in_rate_is_what_is_found(factor):
    other = curve("other", RATES, PSNR)
    found = bd_rate(curve("mine", factor * RATES, PSNR), other, "psnr")
    assert found.bd_rate_percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert found.overlap == pytest.approx((PSNR[0], PSNR[-1]))


def test_headers_count_in_files_and_not_in_payloads():
    # 0.02 bits per pixel of header beside both; the payloads differ by half.
    mine, other = curve("mine", 0.5 * (RATES - 0.02) + 0.02, PSNR), curve("other", RATES, PSNR)
    assert bd_rate(mine, other, "psnr", counted="payload").bd_rate_percent == pytest.approx(-50, abs=1e-6)
    assert -50 < bd_rate(mine, other, "psnr").bd_rate_percent < -40


def test_ssim_is_compared_by_its_distance_from_one():
    ssim = 1 - 0.3 * RATES**-0.7 / 10
    mine, other = curve("mine", 0.6 * RATES, PSNR, ssim), curve("other", RATES, PSNR, ssim)
    found = bd_rate(mine, other, "ssim")
    assert found.bd_rate_percent == pytest.approx(-40, abs=1e-6)
    assert found.overlap == pytest.approx((ssim[0], ssim[-1]))


def test_a_straight_line_s_closed_form():
    # log2-rate against quality of slopes 1/6 and 1/5 dB: the mean difference over the overlap is that of two lines.
    steeper = 30 + 5 * np.log2(RATES)
    found = bd_rate(curve("mine", RATES, steeper), curve("other", RATES, PSNR), "psnr")
    low, high = max(steeper[0], PSNR[0]), min(steeper[-1], PSNR[-1])
    middle = (low + high) / 2 - 30
    assert found.bd_rate_percent == pytest.approx(100 * (2 ** (middle / 5 - middle / 6) - 1), rel=1e-6)


def test_points_that_cost_more_and_show_no_more_are_left_out():
    worse = np.insert(PSNR, 4, PSNR[3] - 3)
    rates = np.insert(RATES, 4, (RATES[3] + RATES[4]) / 2)
    found = bd_rate(curve("mine", rates, worse), curve("other", RATES, PSNR), "psnr")
    assert found.bd_rate_percent == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        (curve("mine", RATES[:5], PSNR[:5]), "mine has 5 points that rise with rate; at least 6 are needed"),
        (curve("mine", RATES, PSNR + 40), "the curves share 0.0 dB"),
        (curve("mine", RATES, PSNR + 22), "at least 1.5 dB with 3 points each are needed"),
    ],
)
def test_too_few_points_or_too_little_overlap_is_refused(mine, message):
    found = bd_rate(mine, curve("other", RATES, PSNR), "psnr")
    assert found.bd_rate_percent is None
    assert message in found.message


# === Over seeds ===


def trainings(name, factors):
    return [curve(name, factor * RATES, PSNR) for factor in factors]


def test_over_seeds_the_interval_is_that_of_welch_s_test_of_the_logarithms():
    mine, other = np.array([0.70, 0.74, 0.69]), np.array([1.0, 1.05, 0.97, 1.01])
    found = bd_rate_over_seeds(trainings("mine", mine), trainings("other", other), "psnr")
    expected = ttest_ind(np.log(mine), np.log(other), equal_var=False).confidence_interval(0.95)
    ratio = np.exp(np.log(mine).mean() - np.log(other).mean())
    assert found.bd_rate_percent == pytest.approx(100 * (ratio - 1), abs=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(100 * (np.exp(bound) - 1) for bound in expected), abs=1e-6)
    assert (found.codec, found.against, found.seeds, found.counted) == ("mine", "other", 3, "files")
    assert found.overlap == pytest.approx((PSNR[0], PSNR[-1]))


def test_against_a_codec_that_is_not_trained_only_the_trained_side_spreads():
    factors = np.array([0.8, 0.9, 0.85])
    found = bd_rate_over_seeds(trainings("mine", factors), trainings("jpeg", [1.0]), "psnr")
    logs = np.log(factors)
    half = 4.302653 * logs.std(ddof=1) / 3**0.5
    bounds = tuple(100 * (np.exp(logs.mean() + sign * half) - 1) for sign in (-1, 1))
    assert (found.low, found.high) == pytest.approx(bounds, abs=1e-4)


def test_one_seed_has_no_interval_and_a_refused_pair_refuses_all():
    alone = bd_rate_over_seeds(trainings("mine", [0.8]), trainings("other", [1.0]), "psnr")
    assert (alone.bd_rate_percent, alone.low, alone.high, alone.seeds) == (pytest.approx(-20), None, None, 1)
    some = [*trainings("mine", [0.8]), curve("mine", RATES[:5], PSNR[:5])]
    refused = bd_rate_over_seeds(some, trainings("other", [1.0]), "psnr")
    assert refused.bd_rate_percent is None
    assert "at least 6 are needed" in refused.message
