"""A report as one HTML document."""

from kerasae.records import ReportContent


def page(content: ReportContent) -> str:
    """Return ``content`` as an HTML document that needs nothing else: style, script, charts and images are inside.

    It asks for nothing over the network and forbids itself to. At most 3 MB for a study of 48 runs: images that would
    go beyond are left out, which the page then says.
    """
    # Here, so that the templates and the images' encoder load when a page is made and not before.
    from kerasae.reports.page.assemble import assemble

    return assemble(content)
