"""``[model]``: the kinds of model that recipes name, each with its settings, its builder and its help in one class.

``KINDS`` says where each is; a new kind is one class like those and one line here. A package of someone else's
registers its own under the entry-point group ``kerasae.models``, name → ``module:object``; ``kind = "module:object"``
in a recipe names code that is imported only where that is registered, or with ``--trust-code``.
"""

from importlib.metadata import entry_points
from typing import Any, ClassVar

from pydantic import ConfigDict

from kerasae.recipes.section import Section, chosen

KINDS = {
    "conv_autoencoder": "kerasae.models.kinds:ConvAutoencoder",
    "mlp_vae": "kerasae.models.kinds:MlpVae",
    "conv_vae": "kerasae.models.kinds:ConvVae",
    "factorized_prior": "kerasae.models.kinds:FactorizedPrior",
    "scale_hyperprior": "kerasae.models.kinds:ScaleHyperprior",
    "mean_scale_hyperprior": "kerasae.models.kinds:MeanScaleHyperprior",
    "context_hyperprior": "kerasae.models.kinds:ContextHyperprior",
}
ENTRY_POINTS = "kerasae.models"


class ModelSettings(Section):
    """The base of all kinds: what a recipe decides of a model, and how the model is built from it.

    A kind has ``kind: Literal["name"]``, its sizes as fields, and ``build``. Its module loads Keras inside ``build``
    alone: recipes are checked without it.
    """

    kind: str

    #: Whether the bottleneck is a distribution, so that ``[objective]`` has a likelihood and a rate weight.
    is_variational: ClassVar[bool] = False
    #: Whether the bottleneck has an entropy model, so that ``[objective]`` has lambdas.
    has_entropy_model: ClassVar[bool] = False

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale; sides of images must be multiples of it."""
        return 1

    def build(self, image_shape: tuple[int, int, int], *, regularizer, objective, seed: int):
        """Return the ``kerasae.models.Autoencoder`` for images of ``image_shape`` (height, width, channels).

        ``regularizer`` is a Keras regulariser for every kernel, or None; ``objective`` the recipe's section.
        """
        raise NotImplementedError


class CodeModel(ModelSettings):
    """A model that code of someone else's builds: ``kind`` names an entry point or ``module:object``.

    All other keys of ``[model]`` are handed to it.
    """

    model_config = ConfigDict(extra="allow", strict=False)


class GivenModel(ModelSettings):
    """A model that was given to ``kerasae.train`` in Python, as the run's recipe records it.

    ``network`` is the name of its class, ``digest`` stands for its architecture and its weights before training.
    """

    kind: str = "given"
    network: str
    digest: str
    variational: bool = False
    entropy_model: bool = False

    @property
    def is_variational(self) -> bool:
        """Whether its bottleneck is a distribution."""
        return self.variational

    @property
    def has_entropy_model(self) -> bool:
        """Whether its bottleneck has an entropy model."""
        return self.entropy_model


def registered_code() -> dict[str, str]:
    """Return name → ``module:object`` of the kinds that installed packages register."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def model_settings(plain: Any) -> ModelSettings:
    """Return the settings that the ``[model]`` section of a recipe describes."""
    code = registered_code() if isinstance(plain, dict) and str(plain.get("kind")) not in KINDS else {}
    registry = KINDS | dict.fromkeys(code, CodeModel)
    if isinstance(plain, dict) and ":" in str(plain.get("kind")):
        registry[plain["kind"]] = CodeModel
    if isinstance(plain, dict) and plain.get("kind") == "given":
        registry["given"] = GivenModel
    return chosen(plain, "model", "kind", ModelSettings, registry)
