"""HTML taken apart, for tests to ask about."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input"}


# Elements hold their parents and children: a generated repr of one, in a failed assertion, would never end.
@dataclass(repr=False)
class Element:
    tag: str
    attributes: dict
    parents: tuple
    text: str = ""
    children: list = field(default_factory=list)


class Parsed(HTMLParser):
    """Every element in order, with its attributes, its text (that of its children as well) and its parents."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(document)
        assert not self._open, f"left open: {[one.tag for one in self._open]}"

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        element = Element(tag, dict(attrs), tuple(self._open))
        if self._open:
            self._open[-1].children.append(element)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open, f"{tag} closes nothing"
        assert self._open[-1].tag == tag, f"{tag} closes {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, *tags):
        return [one for one in self.elements if one.tag in tags]

    def ident(self, ident):
        return next((one for one in self.elements if one.attributes.get("id") == ident), None)
