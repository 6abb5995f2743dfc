"""train, compress and the rest with a learned codec, as a user runs them."""

import json

import numpy as np
import pytest
from keras import ops
from PIL import Image

from kerasae.codec import Codec, unpack
from kerasae.training import load_run
from tests.conftest import smooth_images

RECIPE = """
[model]
kind = "factorized_prior"
widths = [4, 6]
latent_channels = 5
[objective]
lambdas = [0.002, 0.01, 0.05]
[data]
image_size = 32
[training]
batch_size = 4
learning_rate = 5e-3
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    (folder / "images").mkdir()
    for number, image in enumerate(smooth_images(30)):
        Image.fromarray(image[..., 0]).save(folder / "images" / f"{number:02}.png")
    (folder / "learned.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def command(kerasae, place, monkeypatch):
    """The command line, with a run that the first call trains; what that said is kept beside it."""
    monkeypatch.setenv("KERASAE_RUNS", str(place / "runs"))
    if not (place / "said.txt").is_file():
        code, out, err = kerasae(
            "train", place / "learned.toml", "--data", f"folder:{place / 'images'}", "--epochs", 12
        )
        assert code == 0, err
        (place / "said.txt").write_text(out + err)
    return kerasae


def test_training_says_bits_per_pixel_and_psnr_and_keeps_them(command, place):
    said = (place / "said.txt").read_text()
    assert "bpp" in said
    assert "dB" in said
    run = load_run("latest", place / "runs")
    assert run.record.objective.startswith(
        "bits per pixel + λ · 255² · mean squared error, λ from 0.002 to 0.05 over 3"
    )
    rows = run.history()
    assert {"bits_per_pixel", "val_bits_per_pixel", "val_loss"} <= set(rows[0])
    best = min(rows, key=lambda row: row["val_loss"])
    assert run.record.best_epoch == best["epoch"]
    assert all(score.bits_per_pixel > 0 for score in run.scores())
    bottleneck = run.load_model().bottleneck
    np.testing.assert_allclose(ops.convert_to_numpy(bottleneck.centres), bottleneck.density_medians(), atol=1e-6)


def test_a_quality_picks_the_point_of_the_curve(command, place, tmp_path):
    sizes = []
    for quality in ("1", "2.5", "3"):
        code, out, err = command(
            "compress", "latest", place / "images", "-o", tmp_path / quality, "--quality", quality, "--json"
        )
        assert code == 0, err
        facts = json.loads(out)
        assert facts["quality"] == float(quality)
        assert facts["step"] == facts["coarsest_step"]
        sizes.append(facts["bytes"])
    assert sizes[0] < sizes[1] < sizes[2]
    _, out, _ = command("compress", "latest", place / "images", "-o", tmp_path / "more", "--quality", "2.5")
    assert "quality 2.5 of 1–3" in out
    assert command("decompress", tmp_path / "1", "-o", tmp_path / "back")[0] == 0
    codec = Codec.load("latest")
    data = (tmp_path / "1" / "03.kae").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back" / "03.png")), codec.decode(data)[..., 0])


def test_target_bytes_are_kept_by_each_file(command, place, tmp_path):
    codec = Codec.load("latest")
    images = [np.asarray(Image.open(path)) for path in sorted((place / "images").iterdir())]
    most = max(len(file) for file in codec.encode(images, quality=1)) + 4
    code, out, err = command(
        "compress", "latest", place / "images", "-o", tmp_path / "out", "--target-bytes", most, "--json"
    )
    assert code == 0, err
    files = sorted((tmp_path / "out").glob("*.kae"))
    assert len(files) == 30
    assert all(path.stat().st_size <= most for path in files)
    steps = {unpack(path.read_bytes()).step for path in files}
    facts = json.loads(out)
    assert (facts["step"], facts["coarsest_step"]) == (min(steps), max(steps))
    code, _, err = command("compress", "latest", place / "images", "-o", tmp_path / "few", "--target-bytes", 5)
    assert code == 2
    assert "error: 00 takes more than 5 bytes even at the coarsest step" in err


def test_target_psnr_is_reached_by_each_image(command, place, tmp_path):
    codec = Codec.load("latest")
    images = [np.asarray(Image.open(path)) for path in sorted((place / "images").iterdir())]

    def psnr(image, decoded):
        return -10 * np.log10(((image.astype(float) - decoded[..., 0]) ** 2).mean() / 255**2)

    finest = codec.decode(codec.encode(images, quality=3))
    least = round(min(map(psnr, images, finest)) - 0.1, 3)
    code, _, err = command("compress", "latest", place / "images", "-o", tmp_path / "out", "--target-psnr", least)
    assert code == 0, err
    files = sorted((tmp_path / "out").glob("*.kae"))
    decoded = codec.decode([path.read_bytes() for path in files])
    assert all(psnr(image, one) >= least for image, one in zip(images, decoded, strict=True))
    code, _, err = command("compress", "latest", place / "images", "-o", tmp_path / "far", "--target-psnr", 90)
    assert code == 2
    assert "00 stays below 90 dB even at the finest step" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quality", "2", "--step", "1"), "--step and --quality each decide the step; pass one of them"),
        (("--quality", "2", "--target-bytes", "99"), "--quality and --target-bytes each decide the step"),
        (("--target-bytes", "99", "--target-psnr", "30"), "--target-bytes and --target-psnr each decide the step"),
        (("--quality", "9"), "quality 9 is out of range"),
        (("--quality", "0.5"), "has qualities from 1 (fewest bits) to 3"),
        (("--target-bytes", "0"), "--target-bytes 0 holds no file; it is at least 1"),
        (("--step", "9"), "step 9 is out of range; the ladder goes from 0 (finest) to 8"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(command, place, tmp_path, options, message):
    code, _, err = command("compress", "latest", place / "images", "-o", tmp_path / "out", *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()[-1]) < 400
    assert not list(tmp_path.glob("out/*"))


def test_the_other_commands_know_a_learned_codec(command, place, tmp_path):
    code, out, err = command(
        "rate-distortion", "latest", "--codecs", "jpeg", "--qualities", "10,50,90", "--json", "-o", tmp_path / "rd"
    )
    assert code == 0, err
    mine = [row for row in json.loads(out)["points"] if row["codec"] == "learned"]
    assert [row["quality"] for row in mine] == [1, 2, 3]
    assert mine[0]["bits_per_pixel"] < mine[2]["bits_per_pixel"]
    code, out, err = command("freeze", "latest", "--json")
    assert code == 0, err
    assert [row["default"] for row in json.loads(out)].index(True) == 4
    code, out, err = command("evaluate", "latest", "--json")
    assert code == 0, err
    assert all(row["bits_per_pixel"] > 0 for row in json.loads(out))
    assert command("runs", "show", "latest")[0] == 0
    code, out, err = command("noise-sweep", "latest", "--sigmas", "0,0.1", "--json")
    assert code == 0, err
