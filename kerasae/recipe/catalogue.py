"""The recipes that ship with kerasae, and how a name or path on the command line finds one."""

import difflib
from pathlib import Path

from kerasae.errors import RecipeError
from kerasae.shipped import shipped_folder


def shipped_recipes(folder: str = "") -> list[Path]:
    """Return the TOML files of the shipped recipes, by name; ``folder`` is ``studies`` for those of studies."""
    return sorted((shipped_folder("recipes") / folder).glob("*.toml"))


def find_recipe(recipe: str | Path, *, folder: str = "") -> Path:
    """Return the file meant by ``recipe``: a path, or the name of a shipped recipe, in ``folder`` of them.

    A relative path that does not exist where the command runs, such as ``recipes/ae_l2.toml``, means the shipped recipe
    of that name. Raises ``RecipeError`` where there is none, with the nearest name.
    """
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; a recipe is a TOML file or a name; see: kerasae recipes")
    shipped = {file.stem: file for file in shipped_recipes(folder)}
    by_name = len(path.parts) == 1 or path.parts[:-1] == (("recipes", folder) if folder else ("recipes",))
    if by_name and path.stem in shipped and path.suffix in ("", ".toml"):
        return shipped[path.stem]
    close = difflib.get_close_matches(path.stem, shipped, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]}?" if close else ""
    what = "study" if folder else "recipe"
    raise RecipeError(f"there is no {what} {str(recipe)!r}, neither as a file nor by name.{meant} See: kerasae recipes")


def header(path: Path) -> str:
    """Return the comment at the head of a recipe file, without the hash signs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)
