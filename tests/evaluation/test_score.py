"""Scores of runs; KL per latent and ELBO against closed forms in NumPy, from the encoder's own numbers."""

import json
import math

import keras
import numpy as np
import pytest

from kerasae.data import ImageSet
from kerasae.errors import DataError, RunError
from kerasae.evaluation import evaluate
from kerasae.evaluation.score import chosen_indexes, latent_record, own_splits, score_run
from kerasae.evaluation.scorer import Scorer, fixed_noise, measure
from kerasae.models import VariationalAutoencoder, build_model
from kerasae.recipes import recipe_from
from kerasae.records import LatentRecord
from kerasae.training import Run
from tests.conftest import smooth_images
from tests.reports.made_up import record

KINDS = {"mlp_vae": {"hidden": [16], "latent_size": 5}, "conv_vae": {"widths": [6, 8], "latent_size": 5}}


def recipe_of(kind="mlp_vae", **objective):
    plain = {"model": {"kind": kind} | KINDS.get(kind, {}), "data": {"image_size": 32}}
    return recipe_from(plain | ({"objective": objective} if objective else {}), name="r", origin="test")


@pytest.fixture(scope="module")
def image_set():
    return ImageSet.of(smooth_images(23), [f"image {place}" for place in range(23)], None, label="here", card="folder")


@pytest.fixture(scope="module", params=KINDS)
def case(request, image_set):
    """The recipe's kind, what was measured, and by NumPy: means, variances, KL and samples' errors of each image."""
    model = build_model(recipe_of(request.param))
    images = image_set.images.astype("float32") / 255
    mean, log_variance = (np.asarray(part, "float64") for part in model.encoder.predict(images, verbose=0))
    epsilon = fixed_noise(image_set.names, (5,), seed=0, purpose="sample")
    samples = (mean + np.exp(log_variance / 2) * epsilon).astype("float32")
    errors = ((np.asarray(model.decoder.predict(samples, verbose=0), "float64") - images) ** 2).sum(axis=(1, 2, 3))
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
    # A batch that does not divide the images: the padding must not count.
    return request.param, measure(Scorer(model), image_set, np.arange(23), batch_size=10), mean, kl, errors


def test_kl_and_variance_of_each_latent(case):
    kind, measured, mean, kl, _ = case
    record = latent_record(measured, recipe_of(kind), split="test", numbers=1024)
    np.testing.assert_allclose(record.kl_nats, kl.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(record.mean_variance, mean.var(axis=0), rtol=1e-4)
    assert sum(record.kl_nats) == pytest.approx(measured.kl.mean(), rel=1e-5)
    assert (record.split, record.images, record.active_threshold) == ("test", 23, 0.01)
    assert record.active_units == int((mean.var(axis=0) > 0.01).sum())


@pytest.mark.parametrize(("weight", "variance"), [(1.0, 0.5), (4.0, 2.0)])
def test_elbo_under_the_unit_objective_s_own_gaussian(case, weight, variance):
    kind, measured, _, kl, errors = case
    record = latent_record(measured, recipe_of(kind, likelihood="unit", rate_weight=weight), split="test", numbers=1024)
    log_p = -0.5 * 1024 * math.log(2 * math.pi * variance) - errors / (2 * variance)
    assert record.log_likelihood_nats == pytest.approx(log_p.mean(), rel=1e-5)
    assert record.elbo_nats == pytest.approx((log_p - kl.sum(axis=1)).mean(), rel=1e-5)
    assert f"variance {variance:g}, implied by the objective" in record.likelihood
    # Up to a constant and the weight, this is what training minimised.
    objective = (errors + weight * kl.sum(axis=1)).mean()
    constant = 0.5 * 1024 * math.log(math.pi * weight)
    assert -record.elbo_nats * weight == pytest.approx(objective + weight * constant, rel=1e-5)


def test_elbo_under_the_calibrated_variance_is_the_best_of_all_variances(case):
    kind, measured, _, kl, errors = case
    record = latent_record(measured, recipe_of(kind, likelihood="calibrated"), split="test", numbers=1024)
    variance = errors.mean() / 1024

    def elbo(variance):
        return (-0.5 * 1024 * math.log(2 * math.pi * variance) - errors / (2 * variance) - kl.sum(axis=1)).mean()

    assert record.elbo_nats == pytest.approx(elbo(variance), rel=1e-4)
    assert record.elbo_nats > max(elbo(0.9 * variance), elbo(1.1 * variance))
    assert f"variance {variance:.3g}: the mean squared error of the samples" in record.likelihood


def test_a_weight_of_zero_implies_no_variance(case):
    kind, measured, *_ = case
    assert (
        "implies no variance"
        in latent_record(measured, recipe_of(kind, rate_weight=0), split="test", numbers=1024).likelihood
    )


def a_run(folder, recipe):
    from kerasae.recipes import to_toml

    folder.mkdir()
    (folder / "recipe.toml").write_text(to_toml(recipe))
    return Run(folder)


def test_evaluation_saves_the_record_of_the_clean_test_images(image_set, tmp_path):
    recipe = recipe_of()
    run = a_run(tmp_path / "run", recipe)
    assert run.latents() is None
    evaluation = evaluate(run, images=image_set, model=build_model(recipe), splits=["test"], sigmas=[0.0, 0.2])
    evaluation.save(run.folder)
    record = run.latents()
    assert record == evaluation.latents
    clean = next(score for score in evaluation.scores if (score.split, score.sigma) == ("test", 0))
    assert record.images == clean.count
    assert record.active_units == clean.active_units
    assert sum(record.kl_nats) == pytest.approx(clean.kl_nats, rel=1e-5)
    assert LatentRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("conv_autoencoder", {"splits": ["test"]}),
        ("mlp_vae", {"splits": ["validation"]}),
        ("mlp_vae", {"splits": ["test"], "sigmas": [0.1]}),
    ],
)
def test_there_is_no_record_without_latents_or_clean_test_images(kind, options, image_set, tmp_path):
    recipe = recipe_of(kind)
    evaluation = evaluate(a_run(tmp_path / "run", recipe), images=image_set, model=build_model(recipe), **options)
    assert evaluation.latents is None
    evaluation.save(tmp_path / "run")
    assert not (tmp_path / "run" / "latents.json").exists()


# === What a run is scored on ===


def test_an_array_is_scored_as_all_of_it(image_set, tmp_path):
    recipe = recipe_of("conv_autoencoder")
    run, model = a_run(tmp_path / "run", recipe), build_model(recipe)
    floats = image_set.images / np.float32(255)
    [score], [other] = (evaluate(run, images=images, model=model).scores for images in (image_set.images, floats))
    assert (score.split, score.count, score.data) == ("all", 23, "array")
    assert other.metrics == score.metrics
    [same] = evaluate(run, images=image_set, model=model).scores
    assert same.metrics == score.metrics


def test_a_run_goes_by_its_name_too(image_set, tmp_path, monkeypatch):
    run = a_run(tmp_path / "vae-0", recipe_of())
    run.write_record(record("vae-0"))
    monkeypatch.setattr(Run, "load_model", lambda self: build_model(self.recipe))
    for name in ("latest", "vae", run.folder):
        assert evaluate(name, images=image_set.images, runs=tmp_path).scores[0].run == "vae-0"
    with pytest.raises(RunError, match="there is no run 'no-such'"):
        evaluate("no-such", runs=tmp_path)


def test_splits_without_images_are_left_out_unless_they_are_asked_for(image_set, tmp_path):
    recipe = recipe_of()
    given = {"train": range(15), "validation": range(15, 23)}
    images = ImageSet.from_array(image_set.images, splits=given)
    assert own_splits(images, recipe.data) == ["validation"]
    assert list(chosen_indexes(images, recipe.data, None)) == ["validation"]
    with pytest.raises(DataError, match=r"array has no test images; there are images in all, train, validation"):
        chosen_indexes(images, recipe.data, ["test"])
    with pytest.raises(DataError, match="'tests' is not a split; it is one of train, validation, test, all"):
        chosen_indexes(images, recipe.data, ["tests"])
    run, model = a_run(tmp_path / "run", recipe), build_model(recipe)
    score_run(run, images, model)
    assert {score.split for score in run.scores()} == {"validation"}
    assert {example.split for example in run.examples()} == {"validation"}
    assert run.latents().split == "validation"


def test_models_need_not_be_square_and_may_take_any_size(tmp_path):
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(3, 3, 2, padding="same")(images)
    encoder = keras.Model(images, [x, keras.layers.Conv2D(3, 1)(x)])
    latents = keras.Input((None, None, 3))
    decoder = keras.Model(latents, keras.layers.Conv2DTranspose(1, 3, 2, "same", activation="sigmoid")(latents))
    model = VariationalAutoencoder(encoder, decoder)
    run = a_run(tmp_path / "run", recipe_of())
    oblong = smooth_images(6)[:, :24]
    evaluation = evaluate(run, images=oblong, model=model, sigmas=[0.0, 0.1])
    assert [(score.decoded_from, score.sigma) for score in evaluation.scores] == [
        (way, sigma) for sigma in (0.0, 0.1) for way in ("mean", "sample")
    ]
    measured = evaluation.measured["all", 0.0]
    assert measured.kl_per_latent.shape == measured.means.shape == (6, 12 * 16 * 3)
    np.testing.assert_allclose(measured.kl_per_latent.sum(axis=1), measured.kl, rtol=1e-4)
    assert (measured.metrics["mean"]["mse"] != measured.metrics["sample"]["mse"]).all()
    with pytest.raises(DataError, match=r"shape \(24, 32, 3\).* the model takes \(any, any, 1\)"):
        evaluate(run, images=np.repeat(oblong, 3, axis=-1), model=model)
    with pytest.raises(DataError, match=r"23×32 pixels; the model takes sides that are multiples of 2"):
        evaluate(run, images=oblong[:, :23], model=model)
