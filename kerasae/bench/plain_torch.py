"""The yardstick: the reference study's two models in plain PyTorch, as one would write them in an afternoon.

No tricks, and none left out on purpose: images are floats in memory, the batches come from a ``DataLoader``, and the
metrics of each image from scikit-image. PyTorch is imported inside functions: it may not be installed.
"""

import numpy as np

from kerasae.bench.clock import images_per_second

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
