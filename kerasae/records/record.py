"""What all records have in common: frozen data that goes to JSON and back."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator

from kerasae.errors import RunError


def _plain(value: Any) -> Any:
    """Return records as nested dictionaries fit for JSON, their metrics as keys beside the others."""
    if is_dataclass(value):
        found = {}
        for one in fields(value):
            content = _plain(getattr(value, one.name))
            found |= content if one.name == "metrics" else {one.name: content}
        return found
    if isinstance(value, dict):
        return {key: _plain(content) for key, content in value.items()}
    return type(value)(_plain(item) for item in value) if isinstance(value, list | tuple) else value


@lru_cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def read_json(path: Path, kind: Any, *, cure: str) -> Any:
    """Return what a JSON file holds, as ``kind``: a record, or a list of one, such as ``list[Score]``.

    Raises ``RunError`` where the file is damaged or of another version: it names file, place and ``cure``, what to do.
    """
    try:
        return _adapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise RunError(
            f"{path} cannot be read, it is damaged or of another version of kerasae: "
            f"{f'{place}: ' if place else ''}{fault['msg']}; {cure}"
        ) from None


class Record:
    """What is stored as JSON and read back; keys that a later version may have added are passed over."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON."""
        return _plain(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the record that ``as_dict`` wrote, also after a trip through JSON."""
        return _adapter(cls).validate_python(plain)


class Measured(Record):
    """Metrics by name, and for now as attributes too."""

    metrics: dict[str, Any]

    def __init_subclass__(cls):
        """Let pydantic gather what is no field as the metrics, which ``_plain`` laid beside the fields."""

        def gathered(cls, plain):
            if not isinstance(plain, Mapping):
                return plain
            names = {one.name for one in fields(cls)}
            metrics = {key: value for key, value in plain.items() if key not in names}
            return {key: value for key, value in plain.items() if key in names} | {"metrics": metrics}

        cls._gathered = model_validator(mode="before")(classmethod(gathered))

    @property
    def mse(self):
        """``metrics["mse"]``."""
        return self.metrics.get("mse")

    @property
    def psnr(self):
        """``metrics["psnr"]``."""
        return self.metrics.get("psnr")

    @property
    def ssim(self):
        """``metrics["ssim"]``."""
        return self.metrics.get("ssim")
