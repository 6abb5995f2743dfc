"""The base of every part of a recipe, parts of which there are several kinds, and what is said of a wrong one.

The kinds of model that ``[model]`` names have settings, builder and help in one class each. ``KINDS`` says where each
is; a new kind is one class like those and one line here. A package of someone else's registers its own under the entry-
point group ``kerasae.models``, name → ``module:object``; ``kind = "module:object"`` in a recipe names code that is
imported only where that is registered, or with ``--trust-code``.
"""

import difflib
import typing
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from kerasae.files import readable

_LONGEST = 200  # characters of a value in a sentence
_BOUNDS = {
    "ge": "at least",
    "gt": "above",
    "le": "at most",
    "lt": "below",
    "min_length": "length at least",
    "max_length": "length at most",
}
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list such as [8, 4]",
    "model_type": "a section such as [training]",
    "model_attributes_type": "a section such as [training]",
    "finite_number": "a finite number",
}


def explain(error: ValidationError, schema: type[BaseModel], *, prefix: str = "") -> str:
    """Return one sentence per fault of a ``schema``: key, value received, what is allowed, the nearest spelling.

    ``prefix`` is the section that the schema describes, where it is one of several.
    """
    start = [prefix] if prefix else []
    return "; ".join(_sentence(fault, schema, start) for fault in error.errors(include_url=False))


def _sentence(fault: dict[str, Any], schema: type[BaseModel], start: list[str]) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "explained":
        return context["sentence"]
    # pydantic names the chosen member of a union in the path (data.folder.path); a recipe's author did not write it.
    place, members = _walk(schema, fault["loc"])
    path = start + [str(part) for part in place]
    key = ".".join(path)
    if kind == "missing":
        return f"{key} is missing; {_missing_hint(path)}"
    if kind == "extra_forbidden":
        return f"{key} is not a key kerasae knows{nearest(path[-1], members)}"
    if kind == "union_tag_invalid":
        name = context["discriminator"].strip("'")
        return choice(f"{key}.{name}", context["tag"], _listed(context["expected_tags"]))
    if kind == "union_tag_not_found":
        return f"{key}.{context['discriminator'].strip(chr(39))} is missing"
    if kind == "literal_error":
        return choice(key, value, _listed(context["expected"]))
    if kind == "string_unicode":
        return (
            f"{key} = '{readable(value)}' is no UTF-8, the only text that a recipe can hold; rename the file or folder"
        )
    if kind in _TYPES:
        return f"{key} = {shown(value)} is a {type(value).__name__}; it must be {_TYPES[kind]}"
    if kind == "value_error":
        return f"{key} = {shown(value)} {context['error']}" if path else str(context["error"])
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{key} = {shown(value)} is out of range; it must be {words} {context[bound]}"
    return f"{key} = {shown(value)} is not allowed: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _walk(schema: type[BaseModel], location: Sequence) -> tuple[list, list[str]]:
    """Return the path as an author writes it, and the keys of the section that its last part belongs to."""
    path, sections, members = [], [schema], list(schema.model_fields)
    for part in location:
        tagged = [one for one in sections if part in _tags(one)]
        if tagged:
            sections, members = tagged, list(tagged[0].model_fields)
            continue
        path.append(part)
        members = [key for one in sections for key in one.model_fields] or members
        found = [one.model_fields[part].annotation for one in sections if part in one.model_fields]
        sections = [one for annotation in found for one in _sections_of(annotation)]
    return path, members


def _sections_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [one for argument in typing.get_args(annotation) for one in _sections_of(argument)]


def _tags(section: type[BaseModel]) -> list:
    """Return the words by which a union tells this member from the others."""
    return [word for field in section.model_fields.values() for word in typing.get_args(field.annotation)]


def shown(value: Any) -> str:
    """Return a value as an author would write it, cut where it is long."""
    try:
        text = str(list(value)) if isinstance(value, tuple) else repr(value)
    except (ValueError, RecursionError):  # Python writes no number of thousands of digits
        return "a value too large to write"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _missing_hint(path: list[str]) -> str:
    if path == ["model"]:
        return 'a recipe needs a [model] section with a kind, such as kind = "conv_autoencoder"; see: kerasae recipes'
    return f"add it to [{path[0]}]" if len(path) > 1 else f"add a [{path[0]}] section"


def _listed(expected: str) -> list[str]:
    return [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]


def choice(key: str, value: Any, choices: Sequence[str]) -> str:
    """Return the sentence for a value that is none of the ``choices``."""
    return (
        f"{key} = {shown(value)} is not a choice{nearest(value if isinstance(value, str) else shown(value), choices)}"
    )


def nearest(word: str, allowed: Sequence[str]) -> str:
    """Return the end of a sentence that names the nearest of the ``allowed`` words, and all of them."""
    close = difflib.get_close_matches(str(word), allowed, n=1, cutoff=0.5)
    meant = f", did you mean {close[0]!r}?" if close else ";"
    return f"{meant} allowed: {', '.join(allowed)}"


class Section(BaseModel):
    """A frozen part of a recipe: unknown keys and loosely typed values are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=6)]


def chosen(
    plain: Any, section: str, tag: str, base: type[Section], registry: Mapping[str, type[Section] | str]
) -> Section:
    """Return the part of a recipe that ``plain`` describes, of the kind that its key ``tag`` names in ``registry``.

    An entry is a class, or ``module:class`` of one that is loaded when a recipe asks for it.
    """
    if isinstance(plain, base):
        return plain
    if not isinstance(plain, Mapping):
        raise explained(f"{section} = {shown(plain)} must be a section such as [{section}]")
    kind = plain.get(tag)
    if kind is None:
        raise explained(f"{section}.{tag} is missing; it is one of {', '.join(registry)}")
    if not isinstance(kind, str) or kind not in registry:
        raise explained(choice(f"{section}.{tag}", kind, list(registry)))
    found = registry[kind]
    if isinstance(found, str):
        module, _, name = found.partition(":")
        found = getattr(import_module(module), name)
    try:
        return found.model_validate(dict(plain))
    except ValidationError as error:
        raise explained(explain(error, found, prefix=section)) from None


def explained(sentence: str) -> PydanticCustomError:
    """Return the error of a validator that says all there is to say."""
    return PydanticCustomError("explained", "{sentence}", {"sentence": sentence})


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
