"""The page in a real browser: nothing fails, nothing leaves, everything is there on a phone and on a desk."""

import html
import json
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kerasae.reports import page
from kerasae.reports.score_tables import tidy_csv
from tests.reports.made_up_report import single_run, study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--enable-logging=stderr", "--virtual-time-budget=60000", "--window-size=1500,1000", "--dump-dom",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_):
        self.asked.append(self.path)


def opened(content, folder, *flags):
    """Return what the harness saw of the page, what the console said, and what was asked of the server."""
    document = page(content)
    (folder / "page.html").write_text(document, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("browser.html"), folder / "index.html")
    handler = type("Handler", (Quiet,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/index.html"
    try:
        command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    finally:
        server.shutdown()
        server.server_close()
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-3000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found[1])), console, handler.asked


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    small = study(
        axes={"model": ("AE", "VAE"), "training": ("clean", "noise"), "regulariser": ("none", "L1", "elastic net")}
    )
    found = {"study": (small, *opened(small, tmp_path_factory.mktemp("study")))}
    run = single_run()
    found["run"] = (run, *opened(run, tmp_path_factory.mktemp("run"), "--blink-settings=preferredColorScheme=0"))
    return found


@pytest.mark.parametrize("name", ["study", "run"])
def test_the_console_stays_silent_and_nothing_is_asked_for(seen, name):
    _, result, console, asked = seen[name]
    assert console == []
    assert {path.split("?")[0] for path in asked} == {"/index.html", "/page.html"}
    for width in result.values():
        assert [entry for entry in width["requests"] if not entry.startswith("data:")] == []


@pytest.mark.parametrize("width", ["390", "1400"])
@pytest.mark.parametrize("name", ["study", "run"])
def test_every_figure_is_there_and_readable(seen, name, width):
    content, result, _, _ = seen[name]
    found = result[width]
    assert found["figures"] == page(content).count("<figure ")
    assert found["figures"] >= 8
    assert found["empty"] == []
    assert found["broken"] == 0
    assert found["page_scrolls"] == 0
    assert found["overlaps"] == []
    assert found["smallest_words"] >= 9.5


@pytest.mark.parametrize("name", ["study", "run"])
def test_sorting_goes_up_down_and_back(seen, name):
    for width in seen[name][1].values():
        (none, first), (up, rising), (down, falling), (back, last) = width["sorting"]["steps"]
        assert (none, up, down, back) == (None, "ascending", "descending", None)
        numbers = [float(value) for value in rising if value]
        assert numbers == sorted(numbers)
        assert [float(value) for value in falling if value] == numbers[::-1]
        assert rising[len(numbers) :] == falling[len(numbers) :] == [""] * (len(first) - len(numbers))
        assert last == first
        assert rising != first
        assert width["sorting"]["focusable"]


def test_the_theme_follows_the_system_and_then_the_reader(seen):
    light, dark = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
    for name, system, order in (("study", False, (light, dark, light)), ("run", True, (dark, light, dark))):
        for width in seen[name][1].values():
            assert width["dark"] is system
            assert tuple(colour for colour, _ in width["theme"]) == order
            assert width["theme"][0][1] == ("Light theme" if system else "Dark theme")


@pytest.mark.parametrize("name", ["study", "run"])
def test_a_table_can_be_copied_even_where_the_clipboard_is_closed(seen, name):
    content, result, _, _ = seen[name]
    for width in result.values():
        copied = width["copying"]
        assert copied["open"] != bool(copied["said"])
        if copied["open"]:
            assert copied["text"] == tidy_csv(content)
        assert copied["closed"]
