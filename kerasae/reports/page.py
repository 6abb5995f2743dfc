"""The report page."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from kerasae.records import ReportContent
from kerasae.reports.blocks import Section, Table, theme_css
from kerasae.reports.grids import as_csv, as_latex, as_markdown
from kerasae.reports.pictures import Album
from kerasae.reports.sections.comparisons import comparisons_section
from kerasae.reports.sections.images import examples_section
from kerasae.reports.sections.method import limits_section, measured_section
from kerasae.reports.sections.noise import noise_section
from kerasae.reports.sections.rates import rates_section
from kerasae.reports.sections.scores import scores_section, spread_section
from kerasae.reports.sections.training import cost_section, latents_section, training_section
from kerasae.reports.svg import swatch
from kerasae.reports.wording import answer


def page(content: ReportContent) -> str:
    """Return ``content`` as an HTML document that needs nothing else: style, script, charts and images are inside.

    It asks for nothing over the network and forbids itself to. At most 3 MB for a study of 48 runs: images that would
    go beyond are left out, which the page then says.
    """
    # Here, so that the templates and the images' encoder load when a page is made and not before.

    return assemble(content)


LIMIT = 2_950_000  # bytes of a page; the words around rows of images, some 300 bytes each, are not foreseen in it
_SECTIONS = (
    scores_section,
    comparisons_section,
    noise_section,
    rates_section,
    training_section,
    spread_section,
    examples_section,
    latents_section,
    cost_section,
    measured_section,
    limits_section,
)


def assemble(content: ReportContent) -> str:
    """Return the document."""
    sections = {make: make(content) for make in _SECTIONS if make is not examples_section}
    # Without images first: they get what room is left.
    album = Album(LIMIT - len(_document(content, sections, Album(0)).encode()))
    sections[examples_section] = examples_section(content, album)
    return _document(content, sections, album)


def _document(content: ReportContent, made: Mapping[Callable, Section | None], album: Album) -> str:
    sections = [section for make in _SECTIONS if (section := made.get(make))]
    folder = files("kerasae.reports") / "templates"
    style = theme_css() + (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    return _environment().get_template("page.html").render(
        content=content,
        answer=answer(content),
        sections=sections,
        album=album,
        swatch=swatch,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        exports=_json(_exports(sections)),
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


def _tables(blocks: Any) -> list[Table]:
    found = []
    for block in blocks:
        found += [block] if isinstance(block, Table) else _tables(getattr(block, "blocks", ()))
    return found


def _exports(sections: list[Section]) -> dict[str, dict[str, str]]:
    return {
        table.ident: dict(table.exports)
        or {"CSV": as_csv(table.grid), "Markdown": as_markdown(table.grid), "LaTeX": as_latex(table.grid)}
        for section in sections
        for table in _tables(section.blocks)
    }


def _json(value: Any) -> Markup:
    """Return JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
