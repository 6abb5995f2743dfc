import json
import math

import keras
import numpy as np
import pytest
from PIL import Image

from kerasae.errors import DataError, ModelError, RunError
from kerasae.generation import Aggregate, decode, generate, points_along, points_between, posteriors, prior_points
from kerasae.models import VariationalAutoencoder, build_model
from kerasae.recipes import recipe_from
from kerasae.training import load_run, train
from tests.conftest import smooth_images

SHAPE = (32, 32, 1)


def recipe_of(folder, kind="mlp_vae", **sizes):
    sizes = sizes or {"mlp_vae": {"hidden": [16], "latent_size": 5}}.get(kind, {})
    plain = {
        "model": {"kind": kind} | sizes,
        "data": {"source": "folder", "path": str(folder), "image_size": 32, "split": [0.5, 0.1, 0.4]},
        "training": {"epochs": 2, "batch_size": 8},
    }
    return recipe_from(plain, name=kind, origin="test")


@pytest.fixture
def run(image_folder, tmp_path):
    return train(recipe_of(image_folder), runs=tmp_path / "runs")


def test_latent_points_are_those_of_numpy_alone():
    first = prior_points(3, 4, seed=7)
    np.testing.assert_array_equal(prior_points(9, 4, seed=7)[:3], first)
    # The same numbers on every backend, and for as long as NumPy keeps PCG64.
    np.testing.assert_allclose(prior_points(1, 3, seed=0)[0], [1.117622, -1.3871249, -0.4265716], rtol=1e-5)
    assert (prior_points(3, 4, seed=8) != first).all()
    many = prior_points(20_000, 2, seed=1)
    np.testing.assert_allclose(many.mean(axis=0), 0, atol=4 / math.sqrt(20_000))
    np.testing.assert_allclose(many.std(axis=0), 1, rtol=0.03)


def test_points_between_are_evenly_on_the_line():
    first, second = np.array([0.0, 4.0]), np.array([1.0, -4.0])
    expected = [[0, 4], [0.25, 2], [0.5, 0], [0.75, -2], [1, -4]]
    np.testing.assert_allclose(points_between(first, second, 5), expected)


def test_the_aggregate_is_the_mixture_of_the_posteriors():
    random = np.random.default_rng(0)
    mean, variance = random.normal(size=(40, 3)), random.uniform(0.1, 2, size=(40, 3))
    aggregate = Aggregate.of(mean, variance, np.tile([1.0, 3.0, 2.0], (40, 1)), "test")
    drawn = mean[:, None] + np.sqrt(variance)[:, None] * random.normal(size=(40, 20_000, 3))
    np.testing.assert_allclose(aggregate.std, drawn.reshape(-1, 3).std(axis=0), rtol=0.01)
    np.testing.assert_allclose(aggregate.mean, mean.mean(axis=0))
    assert aggregate.most_active(2).tolist() == [1, 2]
    places = points_along(np.zeros(3), aggregate, 2, (-3, 0, 3))
    assert (places[:, :2] == 0).all()
    np.testing.assert_allclose(places[:, 2], aggregate.mean[2] + np.array([-3, 0, 3]) * aggregate.std[2])


@pytest.mark.parametrize("kind", ["mlp_vae", "conv_vae"])
def test_coding_in_batches_is_what_the_model_says(kind, images):
    model = build_model(recipe_of("nowhere", kind))
    images = np.concatenate([images] * 3)  # more than one batch
    mean, variance, kl = posteriors(model, images)
    by_model = [np.asarray(part) for part in model.encoder.predict(images.astype("float32") / 255, verbose=0)]
    np.testing.assert_allclose(mean, by_model[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, np.exp(by_model[1].astype("float64")), rtol=1e-4)
    np.testing.assert_allclose(kl, 0.5 * (mean**2 + variance - 1 - np.log(variance)), rtol=1e-3, atol=1e-6)
    decoded = decode(model, mean.reshape(2, 36, -1), SHAPE)
    assert decoded.shape == (2, 36, 32, 32, 1)
    expected = np.asarray(model.decoder.predict(mean.astype("float32"), verbose=0))
    np.testing.assert_allclose(decoded.reshape(expected.shape), expected, atol=1e-5)


def test_latents_may_have_any_rank_and_images_any_size():
    images, latents = keras.Input((None, None, 1)), keras.Input((None, None, 2))
    mean, log_variance = (keras.layers.Conv2D(2, 3, 4, padding="same", name=name)(images) for name in ("mean", "log"))
    decoder = keras.Model(latents, keras.layers.Conv2DTranspose(1, 3, 4, "same", activation="sigmoid")(latents))
    model = VariationalAutoencoder(keras.Model(images, [mean, log_variance]), decoder)
    oblong = smooth_images(3)[:, :24]
    mean, variance, kl = posteriors(model, oblong)
    assert mean.shape == variance.shape == kl.shape == (3, 6 * 8 * 2)
    decoded = decode(model, points_between(mean[0], mean[1], 5), oblong.shape[1:])
    np.testing.assert_allclose(decoded[0], np.asarray(model.predict(oblong[:1] / 255, verbose=0))[0], atol=1e-5)


def test_grids_hold_what_their_labels_say(run):
    model = run.load_model()
    samples, between, traversals = generate(run, count=11, seed=3, dimensions=3)
    assert [len(row) for row in samples.rows] == [8, 3]
    np.testing.assert_allclose(samples.rows[1][2], decode(model, prior_points(11, 5, seed=3), SHAPE)[10], atol=1e-6)

    # 24 images, 0.4 of them for the test: 10, of which 8 make four pairs.
    assert len(between.rows) == len(between.row_labels) == 4
    assert between.column_labels[0] == between.column_labels[-1] == "original"
    mean, _, _ = posteriors(model, np.round(255 * np.stack([between.rows[0][0], between.rows[0][-1]])).astype("uint8"))
    ends = decode(model, mean, SHAPE)
    np.testing.assert_allclose(between.rows[0][1], ends[0], atol=1e-5)
    np.testing.assert_allclose(between.rows[0][-2], ends[1], atol=1e-5)
    np.testing.assert_allclose(between.rows[0][4], decode(model, mean.mean(axis=0)[None], SHAPE)[0], atol=1e-5)

    assert len(traversals.rows) == 3
    kl = [float(label.split("KL ")[1].split()[0]) for label in traversals.row_labels]
    assert kl == sorted(kl, reverse=True)
    np.testing.assert_allclose(traversals.rows[1][0], ends[0], atol=1e-5)
    change = (traversals.rows[0][-2] - traversals.rows[0][1]).mean(axis=-1)
    factor = int(traversals.column_labels[-1].split("× ")[1])
    np.testing.assert_allclose(traversals.rows[0][-1], np.clip(factor * change, -1, 1), atol=1e-4)
    assert between.row_labels[0].split("\n")[0] in traversals.note


def test_the_same_seed_gives_the_same_and_another_gives_others(run):
    first, again, other = (generate(run, count=2, seed=seed) for seed in (0, 0, 1))
    assert first[1].row_labels == again[1].row_labels != other[1].row_labels
    np.testing.assert_array_equal(first[0].rows[0][0], again[0].rows[0][0])
    assert not np.array_equal(first[0].rows[0][0], other[0].rows[0][0])


def test_more_dimensions_than_there_are_gives_all(run):
    assert len(generate(run, dimensions=64)[2].rows) == 5


def test_a_single_test_image_cannot_be_paired(image_folder, tmp_path):
    for path in sorted(image_folder.glob("*.png"))[4:]:
        path.unlink()
    run = train(recipe_of(image_folder), runs=tmp_path / "runs")
    assert run.record.image_counts["test"] == 1
    with pytest.raises(DataError, match=r"has a single test image; name two files with --between"):
        generate(run)
    paths = [image_folder / "000.png", image_folder / "001.png"]
    assert generate(run, between=paths)[1].row_labels == ("000.png\nto 001.png",)


def test_other_models_are_refused_before_anything_is_loaded(image_folder, tmp_path):
    run = train(recipe_of(image_folder, "conv_autoencoder"), runs=tmp_path / "runs")
    (run.folder / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"is a conv_autoencoder: its latents have no distribution to draw from"):
        generate(run)


def test_an_unfinished_run_is_refused(run):
    (run.folder / "model.keras").unlink()
    with pytest.raises(RunError, match="has no trained model yet"):
        generate(run)


def test_the_command_writes_three_figures(kerasae, run, image_folder, tmp_path):
    code, out, err = kerasae("generate", "latest", "--count", 4)
    assert code == 0, err
    figures = load_run("latest", tmp_path / "runs").folder / "figures"
    names = ["prior_samples.png", "interpolations.png", "traversals.png"]
    assert out.split() == [str(figures / name) for name in names]

    folder = tmp_path / "drawn.v2"
    pair = [image_folder / "003.png", image_folder / "004.png"]
    code, out, err = kerasae("generate", "latest", "-o", folder, "--between", *pair, "--json")
    assert code == 0, err
    written = json.loads(out)
    assert [figure["file"] for figure in written["figures"]] == [str(folder / name) for name in names]
    assert written["figures"][1]["rows"] == ["003.png\nto 004.png"]
    for name in names:
        with Image.open(folder / name) as image:
            assert image.width > 300

    code, _, err = kerasae("generate", "latest", "-o", tmp_path / "one.png")
    assert code == 2
    assert "names a file; three figures are written, so give a folder" in err
