"""Recipes as frozen and checked data."""

import math
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from kerasae.recipes.section import CodeModel, GivenModel, ModelSettings, Section, model_settings
from kerasae.recipes.sources import ArrayData, Data, PhotosData

# Every number has an upper bound, so that a slip of the keyboard is refused and not begun. This one is float32's reach.
MOST = 1e30
Lambda = Annotated[float, Field(gt=0, le=MOST)]
Lambdas = Annotated[tuple[Lambda, ...], Field(strict=False, min_length=1, max_length=32)]


class Objective(Section):
    """What a model with a rate minimises besides its weight penalty.

    **Variational models:** ``distortion + rate_weight · rate``. ``unit``: the squared error summed over pixels, as the
    reference study has it. ``calibrated``: the negative log-likelihood in nats under a Gaussian whose variance is the
    batch's own mean squared error (σ-VAE, Rybkin et al. 2021). The rate is the KL divergence to N(0, 1) in nats, summed
    over latents; both are averaged over the batch.

    **Learned codecs:** ``bits per pixel + λ · distortion``. Distortion ``mse`` is 255² times the mean squared error of
    intensities in [0, 1]; ``ssim`` is 1 − SSIM. ``lambdas`` has one λ per quality level, rising; all levels are trained
    at once, each image at a quality of its own. One λ alone gives a codec of a single rate. ``quantization`` is how
    rounding takes part in training: the rate is always that of latents with uniform noise; the decoder is given
    rounded latents (``mixed``) or the noisy ones (``noise``).
    """

    likelihood: Literal["unit", "calibrated"] = "unit"
    rate_weight: float = Field(1.0, ge=0, le=MOST)
    lambdas: Lambdas = (0.0012, 0.002, 0.0034, 0.0056, 0.0094, 0.016, 0.026, 0.044)
    distortion: Literal["mse", "ssim"] = "mse"
    quantization: Literal["mixed", "noise"] = "mixed"

    # Which keys are for which models.
    variational_keys: ClassVar[frozenset[str]] = frozenset({"likelihood", "rate_weight"})
    codec_keys: ClassVar[frozenset[str]] = frozenset({"lambdas", "distortion", "quantization"})

    @field_validator("lambdas")
    @classmethod
    def _rise(cls, lambdas: tuple[float, ...]) -> tuple[float, ...]:
        if any(after <= before for before, after in pairwise(lambdas)):
            raise ValueError("does not rise; give the lambdas from the lowest quality to the highest")
        return lambdas

    @property
    def levels(self) -> int:
        """Quality levels of a learned codec."""
        return len(self.lambdas)

    @property
    def step_span(self) -> float:
        """Ratio of the quantizer's steps at both ends to start from: where bits are many, the error goes as step²."""
        return math.sqrt(self.lambdas[-1] / self.lambdas[0])


class Regularizer(Section):
    """Penalty on every kernel: ``l1 · Σ|w| + l2 · Σw²``, as Keras defines it; both together are the elastic net."""

    l1: float = Field(0.0, ge=0, le=MOST)
    l2: float = Field(0.0, ge=0, le=MOST)


class Noise(Section):
    """Gaussian noise on the input, drawn anew in every step and clipped to [0, 1]; the target stays clean."""

    sigma: float = Field(0.0, ge=0, le=1)


class Training(Section):
    """How long and how fast.

    ``weight_decay`` is decoupled (AdamW), as Keras does it. ``schedule``: ``constant``, or ``cosine``: up from 0 over
    the first twentieth of the training, then down to a hundredth (Loshchilov & Hutter 2017). The slow start matters: in
    full stride, the first steps of Adam push ReLU units below 0 for good, and of four latent channels each one counts.
    ``clip_norm`` bounds the global norm of the gradient. ``flip`` mirrors half of the training images, drawn anew in
    every step; ``shift`` moves them by up to so many pixels each way, all of a batch alike, the edge repeated;
    ``stretch`` of 0.2 enlarges or shrinks half of them by up to 20 %, height and width apart. ``best_by`` names what
    the kept epoch is chosen by: the validation MSE of the decoded posterior mean, or (variational models) of a sample;
    for learned codecs it is always the rate–distortion loss of the validation images. ``precision`` of
    ``mixed_bfloat16`` computes convolutions and dense layers in bfloat16, weights, densities and losses in float32: for
    accelerators, and CPUs with AVX-512 BF16; on others it is slower. The trained model computes in float32.
    ``patience`` ends training after so many epochs without a better one. ``ema`` of 0.999 keeps a moving average of the
    weights, of which each step takes 1 − 0.999 from the weights themselves: the average is what is validated and kept.
    ``start_from`` is a run, by name or path, whose weights training begins with: of the same shapes.
    ``checkpoint_seconds`` is the least time between two checkpoints, 0 for one after each epoch; it changes nothing in
    the result. ``devices`` is over how many devices each batch is split, those of all processes together (JAX alone);
    more than one gives the result of one within float tolerance, not to the bit.
    """

    epochs: int = Field(200, ge=1, le=1_000_000)
    batch_size: int = Field(128, ge=1, le=65_536)
    learning_rate: float = Field(1e-3, gt=0, le=MOST)
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = Field(0.0, ge=0, le=MOST)
    clip_norm: float | None = Field(None, gt=0, le=MOST)
    flip: bool = False
    shift: int | None = Field(None, ge=1, le=64)
    stretch: float | None = Field(None, gt=0, le=1)
    patience: int | None = Field(None, ge=1, le=1_000_000)
    ema: float | None = Field(None, gt=0, lt=1)
    start_from: str | None = Field(None, min_length=1, max_length=4096)
    precision: Literal["mixed_bfloat16"] | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    best_by: Literal["val_mse", "val_mse_sample"] = "val_mse"
    feed: Literal["auto", "tf.data", "numpy"] = "auto"
    checkpoint_seconds: float = Field(30.0, ge=0, le=1e6)
    devices: int = Field(1, ge=1, le=1024)


Model = Annotated[SerializeAsAny[ModelSettings], BeforeValidator(model_settings)]


class Recipe(Section):
    """One training run: data, model, objective, regulariser, noise and training.

    ``name`` is the stem of the file it came from.
    """

    name: str = Field("recipe", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)
    data: Data = PhotosData()
    model: Model
    objective: Objective = Objective()
    regularizer: Regularizer = Regularizer()
    noise: Noise = Noise()
    training: Training = Training()

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        stride, size = self.model.stride, self.data.image_size
        # The sides of an array are looked at where the model is built for them.
        if size % stride and not isinstance(self.data, ArrayData):
            below, above = size // stride * stride, -(-size // stride) * stride
            near = f"{above}" if below < 8 else f"{below} or {above}"
            raise ValueError(
                f"data.image_size = {size} does not divide by the stride {stride} of this {self.model.kind}; "
                f"take {near}, or a model with fewer halvings"
            )
        self._objective_fits()
        return self

    def _objective_fits(self) -> None:
        kind = self.model.kind
        given = self.objective.model_fields_set
        variational, codec = self.objective.variational_keys, self.objective.codec_keys
        if isinstance(self.model, CodeModel | GivenModel):
            if given:
                raise ValueError(f"[objective] is the model's own where kind = {kind!r}; remove the section")
            return
        if not self.model.is_variational and not self.model.has_entropy_model and given:
            raise ValueError(
                f"[objective] is for variational models (mlp_vae, conv_vae) and learned codecs; a {kind} minimises the "
                "mean squared error; remove the section"
            )
        for key in sorted(given & codec) if self.model.is_variational else ():
            raise ValueError(f"objective.{key} is for learned codecs; a {kind} takes {', '.join(sorted(variational))}")
        for key in sorted(given & variational) if self.model.has_entropy_model else ():
            raise ValueError(f"objective.{key} is for variational models; a {kind} takes {', '.join(sorted(codec))}")
        if not self.model.is_variational and self.training.best_by == "val_mse_sample":
            raise ValueError(
                f"training.best_by = 'val_mse_sample' is for variational models; a {kind} has no sample; take 'val_mse'"
            )
        if self.model.has_entropy_model and "best_by" in self.training.model_fields_set:
            raise ValueError(
                f"training.best_by is not for a {kind}: its best epoch is always that of the lowest rate–distortion "
                "loss on validation images; remove the key"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, without the keys that are not set or not this kind of model's."""
        return self._without_other_kinds(self.model_dump(mode="json", exclude_none=True))

    def differences(self) -> dict[str, Any]:
        """Return what differs from the defaults, and what kind of model and source of images there are.

        What a run is named by: a new key whose default changes nothing leaves the names of older runs alone.
        """
        plain = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for section, key in (("data", "source"), ("model", "kind")):
            plain.setdefault(section, {})[key] = getattr(getattr(self, section), key)
        if isinstance(self.data, ArrayData):
            plain["data"].pop("path", None)
        return self._without_other_kinds(plain)

    def _without_other_kinds(self, plain: dict[str, Any]) -> dict[str, Any]:
        if isinstance(self.model, CodeModel | GivenModel):
            plain.pop("objective", None)
        elif "objective" in plain and (self.model.is_variational or self.model.has_entropy_model):
            others = self.objective.codec_keys if self.model.is_variational else self.objective.variational_keys
            plain["objective"] = {key: value for key, value in plain["objective"].items() if key not in others}
        else:
            plain.pop("objective", None)
        if self.model.has_entropy_model:
            plain.get("training", {}).pop("best_by", None)
        return plain
