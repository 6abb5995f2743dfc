"""Thirty-odd things a user may get wrong: one clear sentence each, exit code 2, nothing that looks finished."""

import re

import pytest

from kerasae.training import list_runs

HEAD = '[model]\nkind = "conv_autoencoder"\n'


def recipe(text):
    return lambda tmp_path, folder: ["train", _file(tmp_path, text)]


def change(assignment, name="ae_baseline"):
    return lambda tmp_path, folder: ["train", name, "--set", assignment]


def on_folder(spoil, *options):
    """Train on the image folder after ``spoil`` has done something to it."""

    def command(tmp_path, folder):
        spoil(folder)
        return ["train", "ae_baseline", "--data", f"folder:{folder}", "--set", "data.image_size=32", *options]

    return command


def _file(tmp_path, text):
    path = tmp_path / "broken.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _empty(folder):
    for path in folder.iterdir():
        path.unlink()


GROUP = ("--set", "data.group_column=person")
BAD = {
    "no such recipe": (lambda *_: ["train", "ae_l22"], "there is no recipe 'ae_l22'"),
    "recipe is a folder": (
        lambda tmp_path, folder: ["train", folder],
        "is a folder; a recipe is a TOML file or a name",
    ),
    "not TOML": (recipe("[model\n"), "is not valid TOML"),
    "not text": (recipe(b"\xff\xfe\x00"), "is not a text file in UTF-8"),
    "empty file": (recipe(""), r"a recipe needs a \[model\] section"),
    "no kind": (recipe("[model]\n"), "model.kind is missing"),
    "unknown kind": (change('model.kind="vq"'), "model.kind = 'vq' is not a choice"),
    "misspelt key": (change("training.epoch=3"), "did you mean 'epochs'"),
    "misspelt section": (change("trainig.epochs=3"), "did you mean 'training'"),
    "wrong type": (change("training.epochs=many"), "must be a whole number"),
    "epochs 0": (lambda *_: ["train", "ae_l2", "--epochs", "0"], "training.epochs = 0 is out of range"),
    "negative sigma": (change("noise.sigma=-0.1"), "noise.sigma = -0.1 is out of range"),
    "split sums to 1.1": (change("data.split=[0.7,0.2,0.2]"), "sums to 1.1"),
    "size off the stride": (change("data.image_size=130"), "does not divide by the stride 4"),
    "size off the vae's stride": (change("data.image_size=120", "conv_vae"), "does not divide by the stride 16"),
    "negative l1": (change("regularizer.l1=-1"), "must be at least 0"),
    "objective for an autoencoder": (change("objective.likelihood=unit"), "is for variational models"),
    "a sweep as a recipe": (lambda *_: ["train", "noise_sweep"], "run it with: kerasae noise-sweep"),
    "unknown source": (lambda *_: ["train", "ae_l2", "--data", "fotos"], "names no source of images"),
    "folder not there": (lambda *_: ["train", "ae_l2", "--data", "folder:nowhere"], "nowhere"),
    "folder without images": (on_folder(_empty), "no (PNG|image)"),
    "broken image": (on_folder(lambda f: (f / "003.png").write_bytes(b"no image")), "003.png"),
    "truncated image": (on_folder(lambda f: (f / "004.png").write_bytes((f / "004.png").read_bytes()[:60])), "004.png"),
    "no labels": (on_folder(lambda f: (f / "labels.csv").unlink(), *GROUP), "labels.csv"),
    "no such column": (on_folder(lambda f: None, "--set", "data.group_column=persn"), "persn.*person"),
    "image without a group": (
        on_folder(lambda f: (f / "zzz.png").write_bytes((f / "001.png").read_bytes()), *GROUP),
        "zzz.png",
    ),
    "one group only": (
        on_folder(
            lambda f: (f / "labels.csv").write_text("file,person\n" + "".join(f"{i:03}.png,p\n" for i in range(24))),
            *GROUP,
        ),
        "group",
    ),
    "ffhq not there": (lambda *_: ["train", "ae_l2", "--data", "ffhq:nowhere"], "nowhere"),
    "ffhq without thumbnails": (
        lambda tmp_path, folder: ["train", "ae_l2", "--data", f"ffhq:{tmp_path}"],
        "FFHQ|thumbnails",
    ),
    "tfds not prepared": (
        lambda tmp_path, folder: ["train", "ae_l2", "--data", "tfds:lfw", "--set", f'data.data_dir="{tmp_path}"'],
        "lfw",
    ),
    "crops too large": (change("data.image_size=2048"), "2048"),
    "resume nothing": (lambda *_: ["train", "--resume", "latest"], "holds no runs"),
    "evaluate nothing": (lambda *_: ["evaluate", "no_such_run"], "there is no run 'no_such_run'"),
    "sweep nothing": (lambda *_: ["noise-sweep", "no_such"], "is neither a run nor a recipe"),
    "sweep with no numbers": (lambda *_: ["noise-sweep", "ae_l2", "--sigmas", "0,x"], "is not a list of numbers"),
    "sweep out of range": (lambda *_: ["noise-sweep", "ae_l2", "--sigmas", "0,2"], "out of range"),
    "no such card": (lambda *_: ["data", "show", "fotos"], "fotos"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gives_one_sentence_and_exit_code_2(name, kerasae, tmp_path, image_folder):
    build, message = BAD[name]
    code, out, err = kerasae(*build(tmp_path, image_folder))
    assert code == 2, err
    # Progress lines may come before; the error is the last line, and one line.
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: "), err
    assert re.search(message, last), err
    assert "Traceback" not in err + out
    assert not [run for run in list_runs(tmp_path / "runs") if run.is_finished]


def test_a_backend_that_is_none_is_named(kerasae, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    code, _, err = kerasae("train", "ae_l2")
    assert code == 2
    assert "KERAS_BACKEND='theano' is not a backend kerasae runs on; it is one of tensorflow, jax, torch" in err
