"""What is timed: a plain PyTorch loop, and kerasae; each in a process of its own.

No tricks, and none left out on purpose: images are floats in memory, the batches come from a ``DataLoader``, and the
metrics of each image from scikit-image. PyTorch is imported inside functions: it may not be installed.

It reads requests from standard input and answers each on standard output, both as one line of JSON::

    {"do": "prepare", "model": "ae"}                        → {"parameters": 741, "device": "cpu"}
    {"do": "measure", "task": "train", "seconds": 8.0}      → {"images_per_second": 1204.2}

``prepare`` builds the model and runs every task once, so that nothing is compiled while the clock runs. A contender
is a class with ``build(model)``, ``train(seconds)``, ``evaluate(seconds)`` and ``describe()``. The end of standard
input ends it.
"""

import json
import os
import sys
import time

import keras
import numpy as np

from kerasae import recipes as recipes
from kerasae.bench.run import PLAIN, TASKS, images_per_second
from kerasae.data import ImageSet
from kerasae.data.batches import TrainingFeed
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.runtime import describe_device
from kerasae.training import build_trainer

# That of ``kerasae evaluate``; this loop too is faster with it than with 128.
EVALUATION_BATCH_SIZE = 64


class PlainTorch:
    """The ``plain`` contender; see ``contender`` for the contract."""

    def __init__(self, images: np.ndarray, batch_size: int):
        import torch

        self.torch = torch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        self.batch_size = batch_size

    def describe(self) -> str:
        """Return the device."""
        return "cpu" if self.device.type == "cpu" else f"gpu: {self.torch.cuda.get_device_name()}"

    def build(self, model: str) -> int:
        """Make ``model`` and its optimiser; return the number of parameters."""
        torch = self.torch
        self.is_variational = model == "vae"
        _, channels, height, width = self.images.shape
        made = _vae((channels, height, width)) if self.is_variational else _autoencoder(channels)
        self.model = made.to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        dataset = torch.utils.data.TensorDataset(self.images)
        self.loader = torch.utils.data.DataLoader(dataset, batch_size=self.batch_size, shuffle=True)
        self.ordered = torch.utils.data.DataLoader(dataset, batch_size=EVALUATION_BATCH_SIZE)
        return sum(weights.numel() for weights in self.model.parameters())

    def train(self, seconds: float) -> float:
        """Train whole epochs, one at least, for at least ``seconds``; return images per second."""
        self.model.train()
        return images_per_second(self._train_an_epoch, len(self.images), seconds)

    def evaluate(self, seconds: float) -> float:
        """Score all images, once at least, for at least ``seconds``; return images per second.

        Of the VAE, the decoded mean and a decoded sample are both scored, as kerasae does it.
        """
        self.model.eval()
        return images_per_second(self._score_all, len(self.images), seconds)

    def _train_an_epoch(self):
        total = 0.0
        for (batch,) in self.loader:
            batch = batch.to(self.device)
            self.optimizer.zero_grad()
            loss = self._loss(batch)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(batch)
        return total / len(self.images)

    def _score_all(self):
        from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

        scores = []
        for (batch,) in self.ordered:
            for reconstructions in self._reconstruct(batch.to(self.device)):
                for clean, other in zip(batch.numpy(), reconstructions.cpu().numpy(), strict=True):
                    mse = mean_squared_error(clean, other)
                    psnr = peak_signal_noise_ratio(clean, other, data_range=1)
                    ssim = structural_similarity(clean, other, data_range=1, channel_axis=0)
                    scores.append((mse, psnr, ssim))
        return scores

    def _loss(self, batch):
        functional = self.torch.nn.functional
        if not self.is_variational:
            return functional.mse_loss(self.model(batch), batch)
        reconstruction, mean, log_variance = self.model(batch)
        squared = functional.mse_loss(reconstruction, batch, reduction="sum")
        kl = -0.5 * self.torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return (squared + kl) / len(batch)

    def _reconstruct(self, batch):
        with self.torch.no_grad():
            if not self.is_variational:
                return [self.model(batch)]
            sample, mean, _ = self.model(batch)
            return [self.model.decode(mean), sample]


def _autoencoder(channels: int):
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 8, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, channels, 3, stride=2, padding=1, output_padding=1),
        nn.Sigmoid(),
    )


def _vae(shape: tuple[int, int, int], hidden: int = 512, latents: int = 200):
    import torch
    from torch import nn

    pixels = shape[0] * shape[1] * shape[2]

    class Vae(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(pixels, hidden)
            self.mean = nn.Linear(hidden, latents)
            self.log_variance = nn.Linear(hidden, latents)
            self.second = nn.Linear(latents, hidden)
            self.last = nn.Linear(hidden, pixels)

        def decode(self, z):
            return torch.sigmoid(self.last(torch.relu(self.second(z)))).view(-1, *shape)

        def forward(self, images):
            h = torch.relu(self.first(images.flatten(1)))
            mean, log_variance = self.mean(h), self.log_variance(h)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            return self.decode(z), mean, log_variance

    return Vae()


_KINDS = {"ae": "conv_autoencoder", "vae": "mlp_vae"}
# More than any bench gets through; the clock ends training.
_EPOCHS = 1_000_000


class KerasContender:
    """A backend as a contender; see ``contender`` for the contract."""

    def __init__(self, images: np.ndarray, batch_size: int):
        names = [f"{index:06}" for index in range(len(images))]
        self.images = ImageSet.of(images, names, None, label="bench", card="photos")
        self.batch_size = batch_size

    def describe(self) -> str:
        """Return the device."""
        return describe_device()

    def build(self, model: str) -> int:
        """Make ``model``, its optimiser and its scorer; return the number of parameters."""
        _, size, _, channels = self.images.images.shape
        recipe = recipes.Recipe(
            data=recipes.PhotosData(image_size=size, channels=channels),
            model={"kind": _KINDS[model]},
            training=recipes.Training(batch_size=self.batch_size),
        )
        self.trainer = build_trainer(recipe, steps_per_epoch=self._feed().steps_per_epoch)
        self.scorer = Scorer(self.trainer.autoencoder)
        return self.trainer.autoencoder.count_params()

    def train(self, seconds: float) -> float:
        """Train whole epochs, one at least, for at least ``seconds``; return images per second."""
        feed, clock = self._feed(), _Clock(seconds)
        self.trainer.fit(
            feed.dataset("auto"),
            epochs=_EPOCHS,
            steps_per_epoch=feed.steps_per_epoch,
            shuffle=False,
            verbose=0,
            callbacks=[clock],
        )
        return clock.epochs * len(feed.indexes) / clock.elapsed

    def evaluate(self, seconds: float) -> float:
        """Score all images, once at least, for at least ``seconds``; return images per second."""
        indexes = np.arange(len(self.images.names))

        def score_all():
            measure(self.scorer, self.images, indexes)

        return images_per_second(score_all, len(indexes), seconds)

    def _feed(self) -> TrainingFeed:
        indexes = np.arange(len(self.images.names))
        return TrainingFeed(
            self.images.images, indexes, batch_size=self.batch_size, seed=0, first_epoch=0, epochs=_EPOCHS
        )


class _Clock(keras.callbacks.Callback):
    """Stops training after the first epoch that ends past ``seconds``; the start of ``fit`` is not counted."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.began = None
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        if self.began is None:
            self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.elapsed = time.perf_counter() - self.began
        self.epochs += 1
        self.model.stop_training = self.elapsed >= self.seconds


def answer(contender, request: dict) -> dict:
    """Return the answer of ``contender`` to one request."""
    if request["do"] == "prepare":
        parameters = contender.build(request["model"])
        for task in TASKS:
            # Twice: what is compiled at the first call may still be tuned at the second.
            for _ in range(2):
                getattr(contender, task)(1e-9)
        return {"parameters": parameters, "device": contender.describe()}
    return {"images_per_second": getattr(contender, request["task"])(request["seconds"])}


def _make(name: str, images: np.ndarray, batch_size: int):
    if name == PLAIN:
        return PlainTorch(images, batch_size)
    from kerasae.runtime import choose_backend

    choose_backend()

    return KerasContender(images, batch_size)


def main() -> None:
    """Answer requests until there are no more."""
    name, path, batch_size = sys.argv[1:]
    # Answers go to the standard output this process was given; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contender = _make(name, np.load(path), int(batch_size))
        for line in sys.stdin:
            print(json.dumps(answer(contender, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
