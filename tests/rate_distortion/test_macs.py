import keras
import pytest

from kerasae.models import ConvAutoencoder, MlpVae
from kerasae.rate_distortion.compare import macs_per_pixel


def test_the_reference_autoencoder_s_decoder_has_36_per_pixel():
    # 32·32 positions · 9 taps · 4·8 and 64·64 positions · 9 taps · 8·1 products, over 128·128 pixels.
    assert macs_per_pixel(ConvAutoencoder().decoder, 128**2) == 36
    # 64·64 · 9 · 8 and 32·32 · 9 · 8 · 4.
    assert macs_per_pixel(ConvAutoencoder().encoder, 128**2) == 36


def test_dense_layers_and_models_inside_models():
    model = MlpVae(image_size=16, hidden=(12,), latent_size=5)
    assert macs_per_pixel(model.decoder, 256) == pytest.approx((5 * 12 + 12 * 256) / 256)
    outer = keras.Sequential([keras.Input((5,)), model.decoder])
    assert macs_per_pixel(outer, 256) == macs_per_pixel(model.decoder, 256)
