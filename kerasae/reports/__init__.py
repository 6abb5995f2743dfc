"""Tables and figures, made from records alone: no Keras, no data, no accelerator.

What is shown is described once: ``tables`` and ``charts`` say what, ``curves``, ``score_tables`` and ``run_tables``
make it of records. Tables are printed by rich or written as Markdown, LaTeX and CSV (``report_text``); charts are PNG
files by matplotlib or SVG; ``page`` makes one HTML document of everything.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
