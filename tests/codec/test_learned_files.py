"""A learned codec's files, as a user makes them: qualities and targets, handed on, without a run of one's own."""

import json

import numpy as np
import pytest
from keras import ops
from PIL import Image

from kerasae.codec import Codec, unpack
from kerasae.recipes import load_recipe
from kerasae.training import load_run, train
from tests.conftest import smooth_images, write_images

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
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    write_images(folder / "images", smooth_images(30))
    (folder / "learned.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def coded(kerasae, learned, monkeypatch):
    """The command line, with a run that the first call trains; what that said is kept beside it."""
    monkeypatch.setenv("KERASAE_RUNS", str(learned / "runs"))
    if not (learned / "said.txt").is_file():
        code, out, err = kerasae(
            "train", learned / "learned.toml", "--data", f"folder:{learned / 'images'}", "--epochs", 12
        )
        assert code == 0, err
        (learned / "said.txt").write_text(out + err)
    return kerasae


def test_training_says_bits_per_pixel_and_psnr_and_keeps_them(coded, learned):
    said = (learned / "said.txt").read_text()
    assert "bpp" in said
    assert "dB" in said
    run = load_run("latest", learned / "runs")
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


def test_a_quality_picks_the_point_of_the_curve(coded, learned, tmp_path):
    sizes = []
    for quality in ("1", "2.5", "3"):
        code, out, err = coded(
            "compress", "latest", learned / "images", "-o", tmp_path / quality, "--quality", quality, "--json"
        )
        assert code == 0, err
        facts = json.loads(out)
        assert facts["quality"] == float(quality)
        assert facts["lowest_quality"] == facts["quality"]
        sizes.append(facts["bytes"])
    assert sizes[0] < sizes[1] < sizes[2]
    _, out, _ = coded("compress", "latest", learned / "images", "-o", tmp_path / "more", "--quality", "2.5")
    assert "quality 2.5 of 1–3" in out
    assert coded("decompress", tmp_path / "1", "-o", tmp_path / "back")[0] == 0
    codec = Codec.load("latest")
    data = (tmp_path / "1" / "003.kae").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back" / "003.png")), codec.decode(data)[..., 0])


def test_target_bytes_are_kept_by_each_file(coded, learned, tmp_path):
    codec = Codec.load("latest")
    images = [np.asarray(Image.open(path)) for path in sorted((learned / "images").glob("*.png"))]
    most = max(len(file) for file in codec.encode(images, quality=1)) + 4
    code, out, err = coded(
        "compress", "latest", learned / "images", "-o", tmp_path / "out", "--target-bytes", most, "--json"
    )
    assert code == 0, err
    files = sorted((tmp_path / "out").glob("*.kae"))
    assert len(files) == 30
    assert all(path.stat().st_size <= most for path in files)
    taken = {codec.frozen.qualities[unpack(path.read_bytes()).step] for path in files}
    facts = json.loads(out)
    assert (facts["lowest_quality"], facts["quality"]) == (min(taken), max(taken))
    code, _, err = coded("compress", "latest", learned / "images", "-o", tmp_path / "few", "--target-bytes", 5)
    assert code == 2
    assert "error: 000 takes more than 5 bytes even at the lowest quality" in err


def test_target_psnr_is_reached_by_each_image(coded, learned, tmp_path):
    codec = Codec.load("latest")
    images = [np.asarray(Image.open(path)) for path in sorted((learned / "images").glob("*.png"))]

    def psnr(image, decoded):
        return -10 * np.log10(((image.astype(float) - decoded[..., 0]) ** 2).mean() / 255**2)

    finest = codec.decode(codec.encode(images, quality=3))
    least = round(min(map(psnr, images, finest)) - 0.1, 3)
    code, _, err = coded("compress", "latest", learned / "images", "-o", tmp_path / "out", "--target-psnr", least)
    assert code == 0, err
    files = sorted((tmp_path / "out").glob("*.kae"))
    decoded = codec.decode([path.read_bytes() for path in files])
    assert all(psnr(image, one) >= least for image, one in zip(images, decoded, strict=True))
    code, _, err = coded("compress", "latest", learned / "images", "-o", tmp_path / "far", "--target-psnr", 90)
    assert code == 2
    assert "000 stays below 90 dB even at the highest quality" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--quality", "2", "--target-bytes", "99"), "--quality and --target-bytes each decide the quality"),
        (("--target-bytes", "99", "--target-psnr", "30"), "--target-bytes and --target-psnr each decide the quality"),
        (("--quality", "9"), "quality 9 is out of range"),
        (("--quality", "0.5"), "has qualities from 1 (fewest bits) to 3"),
        (("--target-bytes", "0"), "--target-bytes 0 holds no file; it is at least 1"),
    ],
)
def test_qualities_that_are_not_there_are_one_sentence_and_write_nothing(coded, learned, tmp_path, options, message):
    code, _, err = coded("compress", "latest", learned / "images", "-o", tmp_path / "out", *options)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()[-1]) < 400
    assert not list(tmp_path.glob("out/*"))


def test_the_other_commands_know_a_learned_codec(coded, learned, tmp_path):
    code, out, err = coded(
        "rate-distortion", "latest", "--codecs", "jpeg", "--qualities", "10,50,90", "--json", "-o", tmp_path / "rd"
    )
    assert code == 0, err
    mine = [row for row in json.loads(out)["points"] if row["codec"] == "learned"]
    assert [row["quality"] for row in mine] == [1, 2, 3]
    assert mine[0]["bits_per_pixel"] < mine[2]["bits_per_pixel"]
    code, out, err = coded("freeze", "latest", "--json")
    assert code == 0, err
    assert [row["default"] for row in json.loads(out)].index(True) == 4
    code, out, err = coded("evaluate", "latest", "--json")
    assert code == 0, err
    assert all(row["bits_per_pixel"] > 0 for row in json.loads(out))
    assert coded("runs", "show", "latest")[0] == 0
    code, out, err = coded("noise-sweep", "latest", "--sigmas", "0,0.1", "--json")
    assert code == 0, err


def test_a_run_to_hand_on_is_small_and_its_files_are_those_of_its_own_float16_weights(coded, learned, tmp_path):
    small = tmp_path / "small"
    code, _, err = coded("export", "latest", "-o", small, "--format", "run")
    assert code == 0, err
    handed, run = load_run(small), load_run("latest")
    for name in ("model.keras", "encoder.onnx", "decoder.onnx"):
        assert (small / name).stat().st_size < 0.75 * (run.folder / name).stat().st_size, name
    # Where the images lie is nobody else's business.
    for path in small.iterdir():
        assert str(learned).encode() not in path.read_bytes(), path.name
    weights = handed.load_model().get_weights()
    for weight, before in zip(weights, run.load_model().get_weights(), strict=True):
        np.testing.assert_array_equal(weight, before.astype(np.float16).astype(before.dtype))
    codec = Codec.load(small)
    by_keras = Codec(codec.model, codec.frozen)
    images = list(smooth_images(4, seed=9))
    files = codec.encode(images)
    assert files == by_keras.encode(images)
    for one, other in zip(codec.decode(files), by_keras.decode(files), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    started = train(load_recipe(run.folder / "recipe.toml", epochs=1, set=[f"training.start_from={small}"]), runs=small)
    assert started.is_finished


def test_without_a_run_the_shipped_codecs_are_taken_that_for_gray_where_all_is_gray(
    coded, learned, tmp_path, monkeypatch
):
    monkeypatch.setattr("kerasae.training.run.shipped_folder", lambda name: tmp_path / name)
    image = next((learned / "images").iterdir())
    ask = ("compress", image, "-o", tmp_path / "out", "--json", "--force", "--runs", tmp_path / "no")
    code, _, err = coded(*ask)
    assert code == 2
    assert "no run is named, and no codec comes with this kerasae; name a run before the images" in err
    assert coded("export", "latest", "-o", tmp_path / "codecs" / "photos", "--format", "run")[0] == 0
    assert json.loads(coded(*ask)[1])["run"] == "photos"
    assert coded("export", "latest", "-o", tmp_path / "codecs" / "photos_gray", "--format", "run")[0] == 0
    assert json.loads(coded(*ask)[1])["run"] == "photos_gray"
    code, _, err = coded("decompress", tmp_path / "out", "-o", tmp_path / "back", "--runs", tmp_path / "no")
    assert code == 0, err
    assert (tmp_path / "back" / f"{image.stem}.png").is_file()
    Image.new("RGB", (24, 24), "red").save(tmp_path / "colour.png")
    # It is of a gray model too here, and says so.
    code, _, err = coded("compress", tmp_path / "colour.png", image, "-o", tmp_path / "new", "--runs", tmp_path / "no")
    assert code == 2
    assert "colour" in err
    code, _, err = coded("compress", image, image.parent, "-o", tmp_path / "out", "--runs", tmp_path / "no")
    assert code == 2
    assert f"would both be called {image.stem!r}" in err
