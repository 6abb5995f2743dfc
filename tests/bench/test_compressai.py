import json
import os
import stat
import sys
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from kerasae.bench.compressai import CompressaiResult, compressai_table, measure_compressai, read_result
from kerasae.errors import BackendError, DataError
from tests.conftest import smooth_images

OTHER_PYTHON = os.environ.get("KERASAE_COMPRESSAI_PYTHON")
RESULT = CompressaiResult(
    lmbda=0.02,
    threads=1,
    seed=0,
    learning_rate=1e-3,
    training_seconds=900.25,
    training_steps=2250,
    training_images_per_second=40.0,
    parameters=751_297,
    test_images=500,
    bits_per_pixel=0.3331,
    estimated_bits_per_pixel=0.3312,
    psnr=33.04,
    psnr_of_mean_mse=32.1,
    encode_images_per_second=300.0,
    decode_images_per_second=200.0,
    encode_images_per_second_single=278.0,
    decode_images_per_second_single=181.0,
    versions={"compressai": "1.2.8"},
)


def pretend_python(tmp_path, probe, work):
    """Return a program that exits with ``probe`` when asked for CompressAI and runs ``work`` as the worker."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nif [ "$2" = -c ]; then exit {probe}; fi\n{work}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def launch(python, train=None, test=None, **settings):
    train = smooth_images(4) if train is None else train
    test = smooth_images(2) if test is None else test
    return measure_compressai(python, train, test, **{"lmbda": 0.02, "seconds": 1.0} | settings)


def test_an_interpreter_that_is_not_there(tmp_path):
    with pytest.raises(BackendError, match=r"/python9 is not a Python that can be run; give the interpreter that has"):
        launch(tmp_path / "python9")


def test_an_interpreter_without_compressai():
    # kerasae's own environment never has it.
    with pytest.raises(BackendError, match=r"has no CompressAI; make an environment for it alone: python -m venv DIR"):
        launch(sys.executable)


def test_a_program_that_is_no_python(tmp_path):
    with pytest.raises(BackendError, match=r"exit code 7 when asked for CompressAI; is it a Python\?"):
        launch(pretend_python(tmp_path, 7, ""))


def test_a_worker_that_fails_says_why(tmp_path):
    python = pretend_python(tmp_path, 0, "echo 'ImportError: no nms' >&2; exit 1")
    with pytest.raises(BackendError, match=r"ended with exit code 1; it last wrote: ImportError: no nms; see that"):
        launch(python)


def test_what_the_worker_is_told_and_what_it_says(tmp_path):
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(asdict(RESULT)))
    # $1 -I, $2 the worker, $3 images, $4 result, $5 settings.
    work = f'cp "$3" {tmp_path}/images.npz; cp {saved} "$4"; test -f "$2" && echo "$1 $OMP_NUM_THREADS"; echo "$5"'
    said = []
    train, test = smooth_images(4), smooth_images(2, seed=1)
    found = launch(pretend_python(tmp_path, 0, work), train, test, seed=3, threads=2, on_progress=said.append)
    assert found == RESULT
    assert said[0] == "-I 2"
    assert json.loads(said[1]) == {"lmbda": 0.02, "seconds": 1.0, "threads": 2, "seed": 3, "learning_rate": 1e-3}
    with np.load(tmp_path / "images.npz") as images:
        np.testing.assert_array_equal(images["train"], train)
        np.testing.assert_array_equal(images["test"], test)


@pytest.mark.parametrize("setting", ["lmbda", "seconds", "threads", "learning_rate"])
@pytest.mark.parametrize("value", [0, float("nan"), float("inf")])
def test_settings_are_above_nothing(setting, value):
    with pytest.raises(BackendError, match=f"CompressAI's {setting} is {value}; it is a number above 0"):
        launch(sys.executable, **{setting: value})


def test_images_that_do_not_fit(tmp_path):
    python = pretend_python(tmp_path, 0, "exit 1")
    with pytest.raises(DataError, match="images of 30×30 do not fit CompressAI's model: sides are multiples of 16"):
        launch(python, test=smooth_images(2, size=30))
    with pytest.raises(DataError, match=r"train images are float32 \(4, 32, 32, 1\); give uint8"):
        launch(python, train=smooth_images(4).astype("float32"))
    with pytest.raises(DataError, match=r"test images are uint8 \(0, 32, 32, 1\)"):
        launch(python, test=smooth_images(2)[:0])
    with pytest.raises(DataError, match="train images have 1 channels and test images 3"):
        launch(python, test=smooth_images(2, channels=3))


def test_a_result_is_read_whole_or_refused(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(BackendError, match="left no readable result"):
        read_result(path)
    path.write_text('{"lmbda": 0.0')
    with pytest.raises(BackendError, match="left no readable result"):
        read_result(path)
    plain = asdict(RESULT)
    path.write_text(json.dumps(plain))
    assert read_result(path) == RESULT
    del plain["psnr"]
    path.write_text(json.dumps(plain | {"ssim": 0.9}))
    with pytest.raises(BackendError, match="result with psnr missing and ssim unknown"):
        read_result(path)


def test_the_table_shows_both_averages():
    console = Console(width=180)
    with console.capture() as capture:
        console.print(compressai_table([RESULT], "CompressAI"))
    row = next(line for line in capture.get().splitlines() if "0.3331" in line)
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells == ["0.02", "0.3331", "0.3312", "33.04", "32.10", "40", "300", "200", "278", "181"]
    assert "751,297 weights, 900 s of training on 1 thread; 500 test images" in capture.get()


def test_the_command_line(kerasae, image_folder, tmp_path):
    options = ["--data", f"folder:{image_folder}", "--set", "data.image_size=32"]
    code, _, error = kerasae("bench", "--compressai", sys.executable, *options)
    assert code == 2
    assert "has no CompressAI" in error
    assert "Traceback" not in error
    code, _, error = kerasae("bench", "--compressai", sys.executable, *options, "--lambdas", "much")
    assert code == 2
    assert "--lambdas 'much' is not a list of numbers" in error
    (tmp_path / "saved.json").write_text(json.dumps(asdict(RESULT)))
    python = pretend_python(tmp_path, 0, f'cp {tmp_path}/saved.json "$4"; echo "$5"')
    code, output, error = kerasae("bench", "--compressai", python, *options, "--lambdas", "0.006,0.02", "--json")
    assert code == 0, error
    assert json.loads(output) == [asdict(RESULT)] * 2
    assert [json.loads(line)["lmbda"] for line in error.splitlines() if line.startswith("{")] == [0.006, 0.02]


@pytest.mark.skipif(not OTHER_PYTHON, reason="KERASAE_COMPRESSAI_PYTHON names no interpreter with CompressAI")
@pytest.mark.parametrize(("channels", "parameters"), [(1, 751_297), (3, 757_699)])
def test_it_trains_for_real(channels, parameters):
    train, test = smooth_images(32, channels=channels), smooth_images(5, channels=channels, seed=1)
    found = launch(OTHER_PYTHON, train, test, seconds=3.0)
    assert found.parameters == parameters
    assert found.training_seconds >= 3.0
    assert found.training_steps >= 1
    assert found.test_images == 5
    # Strings carry the information, each in whole words of 32 bits and with coder losses on 32×32 pixels.
    assert found.estimated_bits_per_pixel < found.bits_per_pixel < 1.1 * found.estimated_bits_per_pixel + 64 / 1024
    # The mean over images is never below that of the mean MSE.
    assert 5 < found.psnr_of_mean_mse <= found.psnr < 60
    assert found.versions["compressai"]
