"""What is timed: a plain PyTorch loop and its faster kin, and kerasae; each in a process of its own.

No tricks, and none left out on purpose: images are floats in memory, the batches come from a ``DataLoader``, and the
metrics of each image from scikit-image. PyTorch is imported inside functions: it may not be installed.

``python -m kerasae.bench.contenders NAME IMAGES.npy`` reads requests from standard input and answers each on standard
output, both as one line of JSON, until the input ends::

    {"do": "prepare", "model": "ae", "batch_size": 128}     → {"parameters": 741, "device": "cpu", …}
    {"do": "measure", "task": "train", "seconds": 8.0}      → {"images_per_second": 1204.2}

``prepare`` builds the model and runs every task, so that nothing is compiled while the clock runs. A contender is a
class with ``tasks``; ``build(model, batch_size)``, which returns what is known of the model, its ``parameters`` at
least; ``describe()``, which returns the device; and for each task a method of its name, which goes over all images once
at least and for at least so many ``seconds``, and returns images per second.
"""

import json
import os
import sys
import time

import numpy as np

from kerasae.bench.speed import COMPILED, GRAPH, PLAIN, images_per_second
from kerasae.runtime import choose_backend

# That of ``kerasae evaluate``; this loop too is faster with it than with 128.
EVALUATION_BATCH_SIZE = 64


class PlainTorch:
    """The ``plain`` contender."""

    tasks = ("train", "evaluate")

    def __init__(self, images: np.ndarray):
        import torch

        self.torch = torch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    def describe(self) -> str:
        """Return the device."""
        return "cpu" if self.device.type == "cpu" else f"gpu: {self.torch.cuda.get_device_name()}"

    def build(self, model: str, batch_size: int) -> dict:
        """Make ``model`` and its optimiser; return the number of parameters."""
        data = self.torch.utils.data
        dataset = data.TensorDataset(self.images)
        self.loader = data.DataLoader(dataset, batch_size=batch_size, shuffle=True)
        self.ordered = data.DataLoader(dataset, batch_size=EVALUATION_BATCH_SIZE)
        self.is_variational = model == "vae"
        shape = tuple(self.images.shape[1:])
        self.model = (_vae(shape) if self.is_variational else _autoencoder(shape[0])).to(self.device)
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=1e-3)
        return {"parameters": sum(weights.numel() for weights in self.model.parameters())}

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


class CompiledTorch(PlainTorch):
    """The same loop, its model under ``torch.compile``."""

    tasks = ("train",)

    def build(self, model: str, batch_size: int) -> dict:
        """Make ``model`` and its optimiser; return the number of parameters."""
        facts = super().build(model, batch_size)
        self.model = self.torch.compile(self.model)
        return facts


class GraphTorch(PlainTorch):
    """A step recorded once as a CUDA graph and played again; the images stay on the GPU as uint8."""

    tasks = ("train",)

    def build(self, model: str, batch_size: int) -> dict:
        """Make ``model`` and its optimiser, record a step; return the number of parameters."""
        torch = self.torch
        facts = super().build(model, batch_size)
        self.resident = (self.images * 255).round().to(torch.uint8).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, capturable=True)
        self.batch = self.resident[:batch_size].clone()
        self.total = torch.zeros((), device=self.device)
        self.model.train()
        # What PyTorch asks for: a few steps on a stream of their own before one is recorded.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self._step()
        return facts

    def _step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.batch.float() / 255)
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach()

    def _train_an_epoch(self):
        self.total.zero_()
        # The last, smaller batch is left out: a graph has one shape.
        order = self.torch.randperm(len(self.resident), device=self.device)
        for chosen in order[: len(order) // len(self.batch) * len(self.batch)].view(-1, len(self.batch)):
            self.torch.index_select(self.resident, 0, chosen, out=self.batch)
            self.graph.replay()
        return float(self.total)


class Bounds:
    """What the device can do at most: a copy, and a product of matrices in float32, of which nothing is left out."""

    def __init__(self, images: np.ndarray):
        import torch

        self.torch = torch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def measure(self, seconds: float) -> dict[str, float]:
        """Return ``bytes_per_second``, read and written, and ``flops_per_second``, the best of several tries each."""
        on_gpu = self.device.type == "cuda"
        source = self.torch.ones(2**29 if on_gpu else 2**26, dtype=self.torch.uint8, device=self.device)
        target = self.torch.empty_like(source)
        side = 8192 if on_gpu else 1024
        matrix = self.torch.ones((side, side), device=self.device)
        return {
            "bytes_per_second": self._rate(lambda: target.copy_(source), 2 * source.numel(), seconds),
            "flops_per_second": self._rate(lambda: matrix @ matrix, 2 * side**3, seconds),
        }

    def _rate(self, work, amount: float, seconds: float) -> float:
        def tries():
            began = time.perf_counter()
            for _ in range(10):
                work()
            if self.device.type == "cuda":
                self.torch.cuda.synchronize()
            return 10 * amount / (time.perf_counter() - began)

        tries()
        until = time.perf_counter() + seconds
        best = tries()
        while time.perf_counter() < until:
            best = max(best, tries())
        return best


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


# Seconds from the start of this process until its contender was ready to be asked.
LOADING = 0.0


def answer(contender, request: dict) -> dict:
    """Return the answer of ``contender`` to one request."""
    if request["do"] == "bounds":
        return contender.measure(request["seconds"])
    if request["do"] == "measure":
        return {"images_per_second": getattr(contender, request["task"])(request["seconds"])}
    began = time.perf_counter() - LOADING
    facts = contender.build(request["model"], request["batch_size"])
    for task in contender.tasks:
        # Twice: what is compiled at the first call may still be tuned at the second.
        for _ in range(2):
            getattr(contender, task)(1e-9)
            facts.setdefault("first_epoch_seconds", time.perf_counter() - began)
    return facts | {"device": contender.describe(), "tasks": contender.tasks}


def _contender_class(name: str):
    if name in _WITHOUT_KERAS:
        return _WITHOUT_KERAS[name]
    # Before Keras is loaded, which the plain loop's process never does.
    choose_backend()
    from kerasae.bench.keras_contender import KerasContender

    return KerasContender


_WITHOUT_KERAS = {PLAIN: PlainTorch, COMPILED: CompiledTorch, GRAPH: GraphTorch, "bounds": Bounds}


def main() -> None:
    """Answer requests until there are no more."""
    name, path = sys.argv[1:]
    # Answers go to the standard output this process was given; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contender = _contender_class(name)(np.load(path))
        global LOADING
        LOADING = time.time() - float(os.environ["KERASAE_BENCH_BEGAN"])
        for line in sys.stdin:
            print(json.dumps(answer(contender, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
