"""Epochs on the device: what a step does, whatever a call holds; Keras' callbacks; patience, averages, a start."""

import keras
import numpy as np
import pytest

from kerasae.data.batches import DeviceFeed, Feed
from kerasae.errors import RunError
from kerasae.recipes import recipe_from
from kerasae.training import Reporter, build_trainer, train
from kerasae.training.callbacks import EpochLoop, wants_batches
from kerasae.training.given import recipe_of_model
from kerasae.training.trainer import averaged
from tests.conftest import BACKEND, batches_of, smooth_images
from tests.training.test_resume import assert_same, recipe_of

KINDS = {
    "conv_autoencoder": {"filters": [4, 2]},
    "mlp_vae": {"hidden": [16], "latent_size": 4},
    "factorized_prior": {"widths": [4, 6], "latent_channels": 5},
}


def trainer_of(kind, **training):
    plain = {
        "model": {"kind": kind} | KINDS[kind],
        "data": {"image_size": 16},
        "noise": {"sigma": 0.1},
        "regularizer": {"l2": 1e-3},
        "training": {"batch_size": 8, "flip": True, "shift": 2, "epochs": 4} | training,
    }
    return build_trainer(recipe_from(plain, name=kind, origin="here"), steps_per_epoch=4)


IMAGES = smooth_images(29, size=16)


def feed(count=29):
    return Feed(IMAGES, np.arange(count), batch_size=8, seed=5)


def weights_after(name, *, epochs=2, count=29, steps_per_call=None, callbacks=(), **on_device):
    trainer = trainer_of(name)
    feeds = DeviceFeed(feed(count), **on_device), DeviceFeed(feed(count))
    EpochLoop(trainer, *feeds, steps_per_call=steps_per_call).run(epochs=epochs, callbacks=callbacks)
    return trainer.get_weights()


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_trains_what_fit_trains_step_by_step(kind):
    trainer = trainer_of(kind)
    for epoch in range(2):
        for batch in batches_of(feed(), epoch):
            trainer.train_on_batch(batch)
        # A VAE draws samples in validation too.
        for batch in batches_of(feed(), 0):
            trainer.test_on_batch(batch)
    for mine, theirs in zip(weights_after(kind), trainer.get_weights(), strict=True):
        if BACKEND == "torch":
            np.testing.assert_array_equal(mine, theirs)
        else:  # what compiles a loop may add up in another order than what compiles a step
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_the_steps_of_a_call_nor_parts_nor_the_pipeline_change_a_bit(kind, monkeypatch):
    wanted = weights_after(kind, steps_per_call=1)
    for steps_per_call in (2, 100):
        for mine, theirs in zip(weights_after(kind, steps_per_call=steps_per_call), wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    monkeypatch.setattr("kerasae.data.batches.free_memory", lambda: 0)
    for kind_of_feed in ("numpy", "tf.data"):
        if kind_of_feed == "tf.data":
            pytest.importorskip("tensorflow")
        parts = weights_after(kind, kind=kind_of_feed, part_bytes=2 * 8 * 256)
        for mine, theirs in zip(parts, wanted, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX alone draws the number at a place whatever the array's shape")
@pytest.mark.parametrize("kind", KINDS)
def test_what_fills_the_last_batch_up_changes_nothing(kind):
    for mine, theirs in zip(weights_after(kind, fill=1), weights_after(kind), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX alone has two kinds of program")
@pytest.mark.parametrize("kind", KINDS)
def test_the_program_of_many_steps_that_accelerators_have_trains_the_same(kind, monkeypatch):
    wanted = weights_after(kind)
    monkeypatch.setattr("kerasae.models.steps.jax.xla_on_cpu", lambda: False)
    found = [weights_after(kind, steps_per_call=steps) for steps in (1, 100)]
    for mine, other, theirs in zip(*found, wanted, strict=True):
        np.testing.assert_array_equal(mine, other)
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's step alone works in parts")
@pytest.mark.parametrize("filled", [0, 5], ids=["whole", "filled_up"])
def test_a_batch_in_parts_has_the_gradients_of_one_piece(filled, monkeypatch):
    # 3 is no divisor of 12, and 4 too many.
    for most, parts in ((3, 4), (4, 3), (5, 3), (7, 2), (11, 2), (12, 1)):
        monkeypatch.setattr("kerasae.models.base._PIXELS_OF_A_PART", most * 256)
        assert trainer_of("conv_autoencoder").parts(IMAGES[:12]) == parts
        assert trainer_of("mlp_vae").parts(IMAGES[:12]) == 1
    found = []
    weights = np.array([1] * (12 - filled) + [0] * filled, "float32")
    for most in (12, 4):
        monkeypatch.setattr("kerasae.models.base._PIXELS_OF_A_PART", most * 256)
        trainer = trainer_of("conv_autoencoder")
        gradients, terms = trainer.gradients(IMAGES[:12], None, weights if filled else None)
        found.append((gradients, [terms[name] for name in sorted(terms)]))
    for whole, in_parts in zip(*found, strict=True):
        for one, other in zip(whole, in_parts, strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=2e-5, atol=1e-7)


class Hooked(keras.callbacks.Callback):
    """Notes what it is told."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append((batch, logs["loss"]))


class Notes(Reporter):
    """Keeps what is said."""

    def __init__(self):
        self.said = []
        self.steps = []

    def note(self, message):
        self.said.append(message)

    def step(self, epoch, step, terms):
        self.steps.append((epoch, step))


def run_loop(*callbacks, epochs=3, **training):
    trainer = trainer_of("conv_autoencoder", **training)
    notes = Notes()
    loop = EpochLoop(trainer, DeviceFeed(feed()), DeviceFeed(feed(8)))
    loop.run(epochs=epochs, callbacks=callbacks, reporter=notes)
    return trainer, notes


def test_a_callback_with_hooks_for_batches_gets_each_step_and_the_log_says_so():
    hooked = Hooked()
    _, notes = run_loop(hooked)
    assert [step for step, _ in hooked.steps] == [0, 1, 2, 3] * 3
    assert all(np.isfinite(loss) for _, loss in hooked.steps)
    assert notes.said == ["one step at a time, which is slower, for what Hooked does between batches"]
    _, notes = run_loop()
    assert notes.said == []
    assert notes.steps[-1] == (3, 4)


def test_which_callbacks_want_batches(tmp_path):
    named = keras.callbacks
    assert not wants_batches(named.EarlyStopping())
    assert not wants_batches(named.ReduceLROnPlateau())
    assert not wants_batches(named.CSVLogger(tmp_path / "log.csv"))
    assert not wants_batches(named.LambdaCallback(on_epoch_end=lambda epoch, logs: None))
    assert wants_batches(named.LambdaCallback(on_train_batch_end=lambda batch, logs: None))
    assert not wants_batches(named.ModelCheckpoint(tmp_path / "best.keras"))
    assert wants_batches(named.ModelCheckpoint(tmp_path / "best.keras", save_freq=3))


def test_keras_own_callbacks_work(tmp_path):
    trainer, _ = run_loop(
        keras.callbacks.EarlyStopping("val_mse", mode="min", patience=1, min_delta=10.0),
        keras.callbacks.ReduceLROnPlateau("val_mse", mode="min", factor=0.1, patience=1, min_delta=10.0),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        epochs=20,
    )
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert {"epoch", "loss", "val_mse"} <= {*lines[0].split(",")}
    # The second is no better than the first by ten, which nothing is.
    assert len(lines) == 3
    assert float(keras.ops.convert_to_numpy(trainer.optimizer.learning_rate)) == pytest.approx(1e-4)


def test_a_callback_changes_how_training_goes_on():
    def halve(epoch, logs):
        trainer.optimizer.learning_rate = 0.0

    trainer = trainer_of("conv_autoencoder")
    loop, seen = EpochLoop(trainer, DeviceFeed(feed()), DeviceFeed(feed(8))), []
    keep = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(trainer.get_weights()))
    loop.run(epochs=3, callbacks=[keep, keras.callbacks.LambdaCallback(on_epoch_end=halve)])
    trained = slice(0, len(trainer.trainable_variables))
    assert any((one != other).any() for one, other in zip(seen[0][trained], seen[1][trained], strict=True))
    for one, other in zip(seen[1][trained], seen[2][trained], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, 0.05),
        ({"learning_rate": 0.01}, 0.01),
        ({"schedule": "cosine"}, 0.0),
        ({"ema": 0.9, "clip_norm": 2.0}, 0.05),
    ],
    ids=["nothing", "rate", "schedule", "average"],
)
def test_a_model_s_own_optimizer_does_what_the_recipe_asks_besides(changes, rate):
    model = trainer_of("conv_autoencoder").autoencoder
    model.compile(keras.optimizers.SGD(0.05, momentum=0.7))
    recipe = recipe_of_model(model, None, "photos", {"epochs": 4} | changes, None, (), None)
    optimizer = build_trainer(recipe, steps_per_epoch=4, model=model).optimizer
    assert optimizer is not model.optimizer
    assert type(optimizer) is type(model.optimizer)
    assert optimizer.momentum == 0.7
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(rate)
    assert optimizer.use_ema == ("ema" in changes)
    assert optimizer.global_clipnorm == changes.get("clip_norm")


def test_averages_are_what_is_validated_and_steps_go_on_from_the_weights():
    class Follow(keras.callbacks.Callback):
        """Averages the weights after each step, by hand."""

        average = None

        def on_train_batch_end(self, batch, logs=None):
            weights = [keras.ops.convert_to_numpy(one.value) for one in trainer.trainable_variables]
            if self.average is None:
                self.average = weights
            self.average = [0.9 * mean + 0.1 * one for mean, one in zip(self.average, weights, strict=True)]

    trainer, follow = trainer_of("conv_autoencoder", ema=0.9), Follow()
    EpochLoop(trainer, DeviceFeed(feed()), DeviceFeed(feed(8))).run(epochs=2, callbacks=[follow])
    own = trainer.get_weights()
    with averaged(trainer):
        for mine, mean in zip(trainer.trainable_variables, follow.average, strict=True):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(mine.value), mean, rtol=1e-4, atol=1e-7)
    for mine, before in zip(trainer.get_weights(), own, strict=True):
        np.testing.assert_array_equal(mine, before)
    # The steps themselves are those without an average.
    plain = weights_after("conv_autoencoder")
    for mine, other in zip(own[: len(trainer.trainable_variables)], plain, strict=False):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_the_average_is_kept_and_a_resumed_run_ends_with_the_same_bits(image_folder, tmp_path):
    recipe = recipe_of("vae", image_folder, ema=0.9)
    whole = train(recipe, runs=tmp_path / "whole")
    plain = train(recipe_of("vae", image_folder), runs=tmp_path / "whole")
    assert whole.history()[0]["loss"] == plain.history()[0]["loss"]
    assert whole.history()[0]["val_mse"] != plain.history()[0]["val_mse"]

    class Interrupt(Reporter):
        def epoch(self, row):
            if row["epoch"] == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path / "parts", reporter=Interrupt())
    assert_same(train(recipe, runs=tmp_path / "parts"), whole)


def test_patience_ends_training_where_no_epoch_is_better(image_folder, tmp_path):
    # A rate so small that nothing changes: the first epoch stays the best.
    recipe = recipe_of("noisy_autoencoder", image_folder, epochs=50, learning_rate=1e-12, patience=3, flip=False)
    notes = Notes()
    run = train(recipe, runs=tmp_path, reporter=notes)
    assert run.is_finished
    best = run.record.best_epoch
    assert run.record.epochs_done == len(run.history()) == best + 3 < 50
    assert notes.said[-1] == f"no better epoch since {best}: training ends"


def test_training_starts_from_the_weights_of_another_run(image_folder, tmp_path):
    first = train(recipe_of("noisy_autoencoder", image_folder), runs=tmp_path)
    still = {"learning_rate": 1e-12, "schedule": "constant"}
    second = train(
        recipe_of("noisy_autoencoder", image_folder, epochs=1, start_from=first.name, **still), runs=tmp_path
    )
    for mine, theirs in zip(second.load_model().get_weights(), first.load_model().get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)
    with pytest.raises(RunError) as refused:
        train(recipe_of("vae", image_folder, start_from=first.name), runs=tmp_path)
    assert str(refused.value).startswith(f"{first.name} cannot be started from: where this model has ")
    assert str(refused.value).endswith("start from a run with the same [model] and data.channels")
    with pytest.raises(RunError, match="there is no run 'nobody'"):
        train(recipe_of("vae", image_folder, start_from="nobody"), runs=tmp_path)
