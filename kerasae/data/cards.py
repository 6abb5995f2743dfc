"""The pages that say what is known of each source of images."""

from kerasae.errors import DataError
from kerasae.shipped import shipped_folder


def data_card(name: str) -> str:
    """Return the data card called ``name`` (``photos``, ``folder``, ``ffhq``, ``tfds``, ``ethics``), as Markdown.

    Raises ``DataError`` listing the names there are.
    """
    cards = {path.stem: path for path in sorted(shipped_folder("data_cards").glob("*.md"))}
    if name not in cards:
        raise DataError(f"there is no data card {name!r}; there are: {', '.join(cards) or 'none (a broken install)'}")
    return cards[name].read_text(encoding="utf-8")
