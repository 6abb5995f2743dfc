"""The report page: what ``SECTIONS`` make of the content, in one HTML document."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from kerasae.records import ReportContent
from kerasae.reports import svg
from kerasae.reports.charts import theme_css
from kerasae.reports.pictures import Album
from kerasae.reports.sections import SECTIONS
from kerasae.reports.sections.audit import warnings
from kerasae.reports.tables import Table, as_csv, as_latex, as_markdown
from kerasae.reports.wording import answer

_LIMIT = 2_950_000  # bytes of a page; the words around rows of images, some 300 bytes each, are not foreseen in it


def page(content: ReportContent) -> str:
    """Return ``content`` as an HTML document that needs nothing else: style, script, charts and images are inside.

    It asks for nothing over the network and forbids itself to. At most 3 MB for a study of 48 runs: images that would
    go beyond are left out, which the page then says.
    """
    made = {name: section.blocks(content) for name, section in SECTIONS.items() if not section.pictures}
    # Without images first: they get what room is left.
    album = Album(_LIMIT - len(_document(content, made, Album(0)).encode()))
    made |= {name: section.blocks(content, album) for name, section in SECTIONS.items() if section.pictures}
    return _document(content, made, album)


def _document(content: ReportContent, made: Mapping[str, Sequence[Any]], album: Album) -> str:
    folder = files("kerasae.reports") / "templates"
    style = theme_css() + (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    return _environment().get_template("page.html").render(
        content=content,
        answer=(*warnings(content), *answer(content)),
        sections={name: section for name, section in SECTIONS.items() if made.get(name)},
        made=made,
        album=album,
        draw=svg.draw,
        swatch=svg.swatch,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        exports=_json(_exports([block for blocks in made.values() for block in blocks])),
    )  # fmt: skip


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("kerasae.reports"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which only this very style and script run, and nothing is fetched."""
    allowed = " ".join(f"{kind}-src '{_hash(text)}';" for kind, text in (("style", style), ("script", script)))
    return f"default-src 'none'; img-src data:; {allowed} base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _exports(blocks: Sequence[Any]) -> dict[str, dict[str, str]]:
    """Return what the copy buttons of each table give."""
    found = {}
    for block in blocks:
        if isinstance(block, Table):
            found[block.ident] = {"CSV": as_csv(block), "Markdown": as_markdown(block), "LaTeX": as_latex(block)}
        found |= _exports(getattr(block, "blocks", ()))
    return found


def _json(value: Any) -> Markup:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
