"""What the numbers do not say."""

from markupsafe import Markup

from kerasae.records import ReportContent
from kerasae.reports.page.blocks import Details, Paragraph, Rich, Section

_DEEPEST = 6

FACES = (
    "A learned codec draws what such numbers usually looked like in training. Faces unlike those it has seen may come "
    "back worse, and plausibly so: the error looks like a face, not like an error."
)
MARKS = (
    "Scars, tattoos, birthmarks and other marks are small and rare, so a model may smooth them away, move them or "
    "invent them, and PSNR or SSIM over a whole image hardly notice. Nothing on this page has measured marks or groups "
    "of people by themselves. Do not use a reconstruction as evidence of who or what was there."
)


def limits_section(content: ReportContent) -> Section:
    """Return what the models may do to faces and marks, and the cards, folded."""
    blocks = [Paragraph(FACES), Paragraph(MARKS)]
    for name, markdown in sorted(content.cards.items(), key=lambda item: item[0] == "ethics"):
        title = "What to check before relying on a compressed face" if name == "ethics" else f"Data card: {name}"
        blocks.append(Details(title, [Rich(safe_html(markdown))]))
    return Section("limits", "Limits", "Limits", blocks)


def safe_html(markdown: str) -> Markup:
    """Return Markdown as HTML without any HTML of its own, links or images; headings begin two levels below the page's.

    A link would be the one way off the page; its words stay.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink", "html_inline"])
    tokens = parser.parse(markdown)
    headings = sorted({int(token.tag[1]) for token in tokens if token.type == "heading_open"})
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(3 + headings.index(int(token.tag[1])), _DEEPEST)}"
        if token.type == "th_open":
            token.attrSet("scope", "col")
        # Alignment comes as a style attribute, which the page's policy forbids.
        token.attrs.pop("style", None)
        for child in token.children or ():
            _without_link(child)
    html = parser.renderer.render(tokens, parser.options, {})
    # Wide tables scroll by themselves, and the keyboard must reach them.
    around = '<div class="scroll" tabindex="0" role="region" aria-label="table of the card"><table>'
    return Markup(html.replace("<table>", around).replace("</table>", "</table></div>"))


def _without_link(token):
    if token.type in ("link_open", "link_close"):
        token.tag = "span"
        token.attrs.clear()
