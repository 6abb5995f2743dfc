"""Where the recipes and data cards that ship with kerasae are, in a wheel and in a checkout alike."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped_folder(name: str) -> Path:
    """Return the folder of shipped files called ``name`` (``recipes`` or ``data_cards``).

    A wheel carries them in ``kerasae/_shipped``; a checkout has them at its top level.
    """
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
