"""What is timed: a plain PyTorch loop, and kerasae; each in a process of its own.

No tricks, and none left out on purpose: images are floats in memory, the batches come from a ``DataLoader``, and the
metrics of each image from scikit-image. PyTorch is imported inside functions: it may not be installed.

``python -m kerasae.bench.contenders NAME IMAGES.npy BATCH_SIZE`` reads requests from standard input and answers each
on standard output, both as one line of JSON, until the input ends::

    {"do": "prepare", "model": "ae"}                        → {"parameters": 741, "device": "cpu"}
    {"do": "measure", "task": "train", "seconds": 8.0}      → {"images_per_second": 1204.2}

``prepare`` builds the model and runs every task, so that nothing is compiled while the clock runs. A contender is a
class with ``build(model)``, which returns the number of parameters, ``describe()``, which returns the device, and
``train(seconds)`` and ``evaluate(seconds)``, which go over all images once at least and for at least ``seconds``, and
return images per second.
"""

import json
import os
import sys

import numpy as np

from kerasae.bench.speed import PLAIN, TASKS, images_per_second
from kerasae.runtime import choose_backend

# That of ``kerasae evaluate``; this loop too is faster with it than with 128.
EVALUATION_BATCH_SIZE = 64


class PlainTorch:
    """The ``plain`` contender."""

    def __init__(self, images: np.ndarray, batch_size: int):
        import torch

        self.torch = torch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        dataset = torch.utils.data.TensorDataset(self.images)
        self.loader = torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True)
        self.ordered = torch.utils.data.DataLoader(dataset, batch_size=EVALUATION_BATCH_SIZE)

    def describe(self) -> str:
        """Return the device."""
        return "cpu" if self.device.type == "cpu" else f"gpu: {self.torch.cuda.get_device_name()}"

    def build(self, model: str) -> int:
        """Make ``model`` and its optimiser; return the number of parameters."""
        self.is_variational = model == "vae"
        shape = tuple(self.images.shape[1:])
        self.model = (_vae(shape) if self.is_variational else _autoencoder(shape[0])).to(self.device)
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=1e-3)
        return sum(weights.numel() for weights in self.model.parameters())

    def train(self, seconds: float) -> float:
        """Train whole epochs; return images per second."""
        self.model.train()
        return images_per_second(self._train_an_epoch, len(self.images), seconds)

    def evaluate(self, seconds: float) -> float:
        """Score all images, of the VAE the decoded mean and a decoded sample, as kerasae does; return images/s."""
        self.model.eval()
        return images_per_second(self._score_all, len(self.images), seconds)

    def _train_an_epoch(self):
        total = 0.0
        for (batch,) in self.loader:
            batch = batch.to(self.device)
            self.optimizer.zero_grad()
            loss = self.loss(batch)
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

    def loss(self, batch):
        """Return the loss of a batch ``(batch, channels, height, width)`` in [0, 1]."""
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


def answer(contender, request: dict) -> dict:
    """Return the answer of ``contender`` to one request."""
    if request["do"] == "measure":
        return {"images_per_second": getattr(contender, request["task"])(request["seconds"])}
    parameters = contender.build(request["model"])
    for task in TASKS:
        # Twice: what is compiled at the first call may still be tuned at the second.
        for _ in range(2):
            getattr(contender, task)(1e-9)
    return {"parameters": parameters, "device": contender.describe()}


def _contender_class(name: str):
    if name == PLAIN:
        return PlainTorch
    # Before Keras is loaded, which the plain loop's process never does.
    choose_backend()
    from kerasae.bench.keras_contender import KerasContender

    return KerasContender


def main() -> None:
    """Answer requests until there are no more."""
    name, path, batch_size = sys.argv[1:]
    # Answers go to the standard output this process was given; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contender = _contender_class(name)(np.load(path), int(batch_size))
        for line in sys.stdin:
            print(json.dumps(answer(contender, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
