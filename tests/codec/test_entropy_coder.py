import numpy as np
import pytest

from kerasae.codec.entropy_coder import TOTAL, EntropyCoder, Tables, fit_tables, integer_frequencies
from kerasae.errors import CodecError
from tests.codec import reference_decoder


def laplacian(seed, positions, channels, images=40, scale=6.0):
    random = np.random.default_rng(seed)
    return np.rint(random.laplace(0, scale, (images, positions, channels))).astype(np.int32)


def with_outliers(integers, seed):
    random = np.random.default_rng(seed)
    spoiled = integers.copy()
    places = random.integers(0, integers.size, 5)
    spoiled.flat[places] = random.integers(-(2**22), 2**22, 5)
    return spoiled


@pytest.mark.parametrize("positions", [1, 2, 7, 64])
@pytest.mark.parametrize("channels", [1, 4, 33])
def test_what_is_encoded_comes_back(positions, channels):
    images = laplacian(positions * channels, positions, channels)
    coder = EntropyCoder(fit_tables(images[:30]))
    for place, image in enumerate(images):
        for integers in (image, with_outliers(image, place)):
            payload, escapes = coder.encode(integers)
            np.testing.assert_array_equal(coder.decode(payload, positions), integers)
            assert escapes >= (0 if integers is image else 1)


@pytest.mark.parametrize(("positions", "channels"), [(1, 12), (40, 3)])
def test_a_decoder_in_plain_integers_reads_the_same_bytes(positions, channels):
    images = laplacian(3, positions, channels)
    tables = fit_tables(images[:30])
    coder = EntropyCoder(tables)
    for place, image in enumerate(images[28:34]):
        integers = with_outliers(image, place)
        payload, _ = coder.encode(integers)
        decoded = reference_decoder.decode(payload, positions, tables.frequencies.tolist(), tables.lowest.tolist())
        assert decoded == integers.tolist()


def test_the_payload_is_the_information_and_less_than_a_byte():
    images = laplacian(5, 256, 4, images=60)
    tables = fit_tables(images)
    coder = EntropyCoder(tables)
    symbols = images - tables.lowest
    bits = tables.bits()[np.arange(4), symbols].sum(axis=(1, 2))
    payload = np.array([8 * len(coder.encode(image)[0]) for image in images])
    assert (payload - bits < 9).all()
    # The end may happen to be zeros, which are not written.
    assert (payload - bits > -33).all()
    assert abs((payload - bits).mean()) < 8


@pytest.mark.parametrize("share", [1 - 1e-6, 0.5, 1e-6])
def test_long_runs_of_one_symbol_come_back(share):
    tables = Tables(integer_frequencies(np.array([[share, 1 - share, 1e-9]])), np.zeros(1, np.int32))
    coder = EntropyCoder(tables)
    for symbol in (0, 1):
        integers = np.full((3000, 1), symbol, np.int32)
        payload, _ = coder.encode(integers)
        np.testing.assert_array_equal(coder.decode(payload, 3000), integers)


def test_carries_reach_back_over_many_words():
    # The likeliest symbol lies last: the interval's lower end climbs towards the next carry.
    tables = Tables(integer_frequencies(np.array([[1e-7, 1e-7, 1 - 2e-7]])), np.array([-5], np.int32))
    coder = EntropyCoder(tables)
    random = np.random.default_rng(0)
    for _ in range(200):
        integers = np.full((500, 1), -3, np.int32)
        integers[random.integers(0, 500, 3)] = random.integers(-5, -2, (3, 1))
        payload, _ = coder.encode(integers)
        np.testing.assert_array_equal(coder.decode(payload, 500), integers)


def test_a_payload_that_is_too_short_is_refused_before_anything_is_allocated():
    coder = EntropyCoder(fit_tables(laplacian(1, 16, 2)))
    with pytest.raises(CodecError, match="the payload of 10 bytes is shorter than any image of its size"):
        coder.decode(bytes(10), 2**24)


def test_a_payload_that_encode_does_not_write_is_told_by_writing_it_again():
    images = laplacian(2, 16, 2)
    coder = EntropyCoder(fit_tables(images))
    payload, _ = coder.encode(images[0])
    assert coder.encode(coder.decode(payload, 16))[0] == payload
    for damaged in (payload + b"\1", payload[:-1] + bytes([payload[-1] ^ 0x55])):
        try:
            integers = coder.decode(damaged, 16)
        except CodecError:
            continue
        assert coder.encode(integers)[0] != damaged


def test_frequencies_are_integers_that_sum_to_the_total():
    random = np.random.default_rng(0)
    frequencies = integer_frequencies(random.exponential(size=(50, 300)) ** 8)
    assert frequencies.dtype == np.int32
    assert (frequencies >= 1).all()
    assert (frequencies.sum(axis=1) == TOTAL).all()
