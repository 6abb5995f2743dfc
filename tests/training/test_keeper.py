"""When the clock of an epoch stops."""

import keras
import numpy as np
import pytest

from kerasae import recipes as recipes
from kerasae.data.batches import DeviceFeed, Feed
from kerasae.models.kinds import ConvAutoencoder
from kerasae.training import build_trainer
from kerasae.training.callbacks import CheckpointCallback, EpochLoop, Progress


class Watched(CheckpointCallback):
    """Notes whether every weight was computed when the clock had stopped."""

    finished = None

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        self.finished = all(variable.value.is_ready() for variable in self.model.trainable_variables)


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="JAX alone takes steps on before it has done them on a CPU"
)
def test_images_per_second_are_of_steps_that_are_done(tmp_path):
    images = np.zeros((512, 64, 64, 1), "uint8")
    recipe = recipes.Recipe(
        data=recipes.PhotosData(image_size=64, channels=1),
        model=ConvAutoencoder(kind="conv_autoencoder"),
        training=recipes.Training(epochs=1, batch_size=64, checkpoint_seconds=1000),
    )
    feed = DeviceFeed(Feed(images, range(512), batch_size=64, seed=0))
    trainer = build_trainer(recipe, steps_per_epoch=feed.steps)
    checkpointing = Watched(Progress(), best_by="val_mse", path=tmp_path / "c.npz", checkpoint_seconds=1000, images=512)
    validation = DeviceFeed(Feed(images, range(64), batch_size=64))
    EpochLoop(trainer, feed, validation).run(epochs=1, callbacks=[checkpointing])
    assert checkpointing.finished
