"""What training says of itself off a terminal."""

import io

from rich.console import Console

from kerasae.console import TrainingProgress


def said(*rows):
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    progress = TrainingProgress(console, "title")
    progress.begin(epochs=len(rows), epochs_done=0, steps_per_epoch=5, images=40)
    for epoch, row in enumerate(rows, start=1):
        progress.epoch({"epoch": epoch, "images_per_second": 1234.0} | row)
    progress.close()
    return console.file.getvalue().splitlines()


CODEC = {"loss": 0.9, "distortion": 65.0, "rate": 200.0, "bits_per_pixel": 0.28179, "penalty": 0.0, "mse": 1e-3}


def test_a_learned_codec_s_line_has_rate_and_psnr():
    validation = {"val_bits_per_pixel": 0.3, "val_mse": 10**-3.25, "val_loss": 0.71239}
    first, last = said(CODEC, CODEC | validation)
    assert first == "epoch 1/2  0.282 bpp · 30.00 dB  1,234 images/s"
    assert last == "epoch 2/2  0.282 bpp · 30.00 dB · val 0.300 bpp · 32.50 dB · val loss 0.7124  1,234 images/s"


def test_a_perfect_picture_has_a_finite_psnr():
    assert "100.00 dB" in said(CODEC | {"mse": 0.0})[0]


def test_other_models_keep_their_distortion_and_rate():
    [line] = said({"distortion": 0.00312, "rate": 51.26, "penalty": 0.0, "mse": 0.00312, "val_mse": 0.00401})
    assert line == "epoch 1/1  distortion 0.00312 · rate 51.26 nats · val MSE 0.00401  1,234 images/s"
