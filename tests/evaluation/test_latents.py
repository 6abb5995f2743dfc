"""KL per latent and ELBO against closed forms in NumPy, from the encoder's own numbers."""

import json
import math

import numpy as np
import pytest

from kerasae.data import ImageSet
from kerasae.evaluation import evaluate
from kerasae.evaluation.examples import save_evaluation
from kerasae.evaluation.score import fixed_noise, latent_record, measure
from kerasae.evaluation.scorer import Scorer
from kerasae.models import build_model
from kerasae.recipes import recipe_from
from kerasae.records import LatentRecord
from kerasae.training import Run
from tests.conftest import smooth_images

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
    record = latent_record(measured, recipe_of(kind), split="test")
    np.testing.assert_allclose(record.kl_nats, kl.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(record.mean_variance, mean.var(axis=0), rtol=1e-4)
    assert sum(record.kl_nats) == pytest.approx(measured.kl.mean(), rel=1e-5)
    assert (record.split, record.images, record.active_threshold) == ("test", 23, 0.01)
    assert record.active_units == int((mean.var(axis=0) > 0.01).sum())


@pytest.mark.parametrize(("weight", "variance"), [(1.0, 0.5), (4.0, 2.0)])
def test_elbo_under_the_unit_objective_s_own_gaussian(case, weight, variance):
    kind, measured, _, kl, errors = case
    record = latent_record(measured, recipe_of(kind, likelihood="unit", rate_weight=weight), split="test")
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
    record = latent_record(measured, recipe_of(kind, likelihood="calibrated"), split="test")
    variance = errors.mean() / 1024

    def elbo(variance):
        return (-0.5 * 1024 * math.log(2 * math.pi * variance) - errors / (2 * variance) - kl.sum(axis=1)).mean()

    assert record.elbo_nats == pytest.approx(elbo(variance), rel=1e-4)
    assert record.elbo_nats > max(elbo(0.9 * variance), elbo(1.1 * variance))
    assert f"variance {variance:.3g}: the mean squared error of the samples" in record.likelihood


def test_a_weight_of_zero_implies_no_variance(case):
    kind, measured, *_ = case
    assert "implies no variance" in latent_record(measured, recipe_of(kind, rate_weight=0), split="test").likelihood


def a_run(folder, recipe):
    from kerasae.recipes import to_toml

    folder.mkdir()
    (folder / "recipe.toml").write_text(to_toml(recipe))
    return Run(folder)


def test_evaluation_saves_the_record_of_the_clean_test_images(image_set, tmp_path):
    recipe = recipe_of()
    run = a_run(tmp_path / "run", recipe)
    assert run.latents() is None
    evaluation = evaluate(run, images=image_set, model=build_model(recipe), sigmas=[0.0, 0.2])
    save_evaluation(run.folder, evaluation)
    record = run.latents()
    assert record == evaluation.latents
    clean = next(score for score in evaluation.scores if (score.split, score.sigma) == ("test", 0))
    assert record.images == clean.count
    assert record.active_units == clean.active_units
    assert sum(record.kl_nats) == pytest.approx(clean.kl_nats, rel=1e-5)
    assert LatentRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record


@pytest.mark.parametrize(
    ("kind", "options"),
    [("conv_autoencoder", {}), ("mlp_vae", {"splits": ["validation"]}), ("mlp_vae", {"sigmas": [0.1]})],
)
def test_there_is_no_record_without_latents_or_clean_test_images(kind, options, image_set, tmp_path):
    recipe = recipe_of(kind)
    evaluation = evaluate(a_run(tmp_path / "run", recipe), images=image_set, model=build_model(recipe), **options)
    assert evaluation.latents is None
    save_evaluation(tmp_path / "run", evaluation)
    assert not (tmp_path / "run" / "latents.json").exists()
