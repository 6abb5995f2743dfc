"""The codecs that come with kerasae: small, free of this machine's traces, the same on every backend and for ever."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasae.codec import Codec, unpack
from kerasae.codec.files import SHIPPED
from kerasae.data import read_image, write_image
from kerasae.data.photos import PHOTOGRAPHS, read_photograph
from kerasae.recipes import load_recipe
from kerasae.training import train
from kerasae.training.run import shipped_runs

GOLDEN = Path(__file__).parents[1] / "golden" / "shipped"
RUNS = shipped_runs()


def picture(codec):
    """Return a part of a photograph of scikit-image, of sides that divide by nothing."""
    chosen = next(one for one in PHOTOGRAPHS if one.name == ("coffee" if codec.channels == 3 else "camera"))
    return read_photograph(chosen, codec.channels)[100:231, 150:347]


def write_golden(name):
    """Write what this version codes: python -c "from tests.codec.test_shipped import *; write_golden('photos')"."""
    for run in (one for one in RUNS if one.name == name):
        codec = Codec.load(run)
        files = {quality: codec.encode(picture(codec), quality=quality) for quality in (1, 4, 8)}
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / f"{run.name}.json").write_text(json.dumps({str(one): file.hex() for one, file in files.items()}))
        np.savez_compressed(GOLDEN / f"{run.name}.npz", **{str(one): codec.decode(file) for one, file in files.items()})


@pytest.fixture(params=RUNS, ids=lambda run: run.name)
def run(request):
    return request.param


@pytest.fixture
def codec(run):
    return Codec.load(run)


def test_there_is_one_for_colour_and_one_for_gray():
    assert {run.name for run in RUNS} == {*SHIPPED}


def test_together_they_take_at_most_20_megabytes():
    folder = RUNS[0].folder.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 20e6


def test_a_codec_has_a_card_credits_and_no_path_of_the_machine_it_was_trained_on(run):
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    for word in ("Trained on", "CREDITS.csv", "Limits", "Licence", "CPU"):
        assert word in card, word
    # All are trained on the same photographs.
    with (run.folder.parent / "CREDITS.csv").open(encoding="utf-8", newline="") as file:
        credits = list(csv.DictReader(file))
    assert len(credits) == sum(run.record.image_counts.values()) // run.recipe.data.patches_per_image
    assert all(row["licence"] for row in credits)
    for name in ("run.json", "recipe.toml"):
        assert not re.search(r"[\"' ]/\w", (run.folder / name).read_text(encoding="utf-8")), name


def test_the_recipe_that_made_it_ships_too(run):
    recipe, made_by = load_recipe(run.name), run.recipe
    assert recipe.model == made_by.model
    assert recipe.objective == made_by.objective
    kept = {"channels", "fit", "image_size", "patches_per_image", "reduce", "split", "split_seed"}
    assert {key: getattr(recipe.data, key) for key in kept} == {key: getattr(made_by.data, key) for key in kept}


def test_files_that_it_wrote_once_are_read_for_ever(run, codec):
    files = json.loads((GOLDEN / f"{run.name}.json").read_text())
    with np.load(GOLDEN / f"{run.name}.npz") as pixels:
        for quality, content in files.items():
            decoded = codec.decode(bytes.fromhex(content))
            assert np.abs(decoded.astype(int) - pixels[quality]).max() <= 1, quality


def test_keras_reads_what_onnx_runtime_writes_and_the_other_way_round(codec):
    by_keras, image = Codec(codec.model, codec.frozen), picture(codec)
    for quality in (1, 4.5, 8):
        one, other = codec.encode(image, quality=quality), by_keras.encode(image, quality=quality)
        np.testing.assert_array_equal(codec.integers(unpack(one)), by_keras.integers(unpack(one)))
        # Two float paths may round a symbol in a million apart.
        assert abs(len(one) - len(other)) <= 4
        for file in (one, other):
            assert np.abs(codec.decode(file).astype(int) - by_keras.decode(file)).max() <= 1


def test_quality_rises_and_so_do_bytes(codec):
    image = picture(codec)
    files = [codec.encode(image, quality=quality) for quality in (1, 2.5, 4, 5.5, 7, 8)]
    errors = [((codec.decode(file).astype(float) - image) ** 2).mean() for file in files]
    assert sorted(map(len, files)) == [len(file) for file in files]
    assert sorted(errors, reverse=True) == errors
    assert len(files[0]) < image[..., 0].size / 25


def write_photographs(folder, count, side):
    """Write colour pictures of scikit-image's coffee as PNG files into a new folder."""
    folder.mkdir()
    coffee = read_photograph(next(one for one in PHOTOGRAPHS if one.name == "coffee"), 3)
    for place in range(count):
        left = 10 * place
        write_image(folder / f"{place:02}.png", coffee[left : left + side, left : left + side])
    return folder


def test_a_photograph_is_compressed_and_decompressed_without_keras(tmp_path):
    source = write_photographs(tmp_path / "in", 1, 96) / "00.png"
    program = (
        "import sys; from kerasae.cli.app import app\n"
        "try:\n    app(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules), 'Keras was loaded'"
    )
    for ask in (("compress", source, "-o", "x.kae"), ("decompress", "x.kae", "-o", "x.png")):
        subprocess.run([sys.executable, "-c", program, *map(str, ask)], check=True, cwd=tmp_path)
    assert read_image(tmp_path / "x.png").shape == (96, 96, 3)


def test_training_goes_on_from_it(run, tmp_path):
    data = f"folder:{write_photographs(tmp_path / 'own', 30, 64)}"
    changes = ["data.image_size=64", "data.patches_per_image=1", f"training.start_from={run.name}"]
    started = train(load_recipe(run.name, data=data, epochs=1, set=changes), runs=tmp_path / "runs")
    assert started.is_finished
