import numpy as np

from kerasae.codec.entropy_coder import fit_tables


def bits_under(tables, integers):
    symbols = integers - tables.lowest
    assert ((symbols >= 0) & (symbols < tables.escape)).all()
    return tables.bits()[np.arange(integers.shape[-1]), symbols].mean()


def entropy_of_rounded_normal(deviation):
    from scipy.stats import norm

    edges = np.arange(-60, 61)
    shares = np.diff(norm.cdf(edges - 0.5, scale=deviation))
    shares = shares[shares > 0]
    return -(shares * np.log2(shares)).sum()


def rounded_normal(seed, images, positions, deviation=5.0):
    return np.rint(np.random.default_rng(seed).normal(0, deviation, (images, positions, 3))).astype(np.int32)


def test_with_many_samples_the_cost_is_the_entropy():
    tables = fit_tables(rounded_normal(0, 200, 400))
    held_out = np.clip(rounded_normal(1, 200, 400), -20, 20)
    np.testing.assert_allclose(bits_under(tables, held_out), entropy_of_rounded_normal(5.0), rtol=2e-3)


def test_with_few_samples_smoothing_costs_less_than_the_histogram():
    few, held_out = rounded_normal(2, 60, 1, 15.0), np.clip(rounded_normal(3, 2000, 1, 15.0), -40, 40)
    tables = fit_tables(few)
    width = tables.escape
    histogram = np.stack(
        [np.bincount(few[:, 0, channel] - tables.lowest[channel], minlength=width) for channel in range(3)]
    )
    plain = histogram + 1.0
    plain = plain / plain.sum(axis=1, keepdims=True)
    plain_bits = -np.log2(plain[np.arange(3), held_out - tables.lowest]).mean()
    smooth_bits = bits_under(tables, held_out)
    assert smooth_bits < plain_bits - 0.1
    assert smooth_bits < entropy_of_rounded_normal(15.0) + 0.12


def test_what_was_never_seen_is_an_escape_and_not_impossible():
    tables = fit_tables(np.zeros((10, 4, 2), np.int32))
    assert (tables.bits()[:, tables.escape] < 8).all()
    assert tables.bits()[0, -tables.lowest[0]] < 0.1


def test_a_wide_channel_keeps_a_table_of_bounded_size():
    wide = np.random.default_rng(0).integers(-(2**20), 2**20, (50, 40, 1)).astype(np.int32)
    assert fit_tables(wide).frequencies.shape[1] <= 2049
