"""The page says what the records say, to everyone, and lets nothing out."""

import base64
import hashlib
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from kerasae.records import ReportContent
from kerasae.reports import page
from tests.reports.made_up_report import CARD, HOSTILE, SIGMAS, example, single_run, study
from tests.reports.parsed import Parsed

TWO = {"model": ("AE", "VAE"), "regulariser": ("none", "L1", "L2", "elastic net")}


@pytest.fixture(scope="module")
def pages():
    contents = {
        "study": study(TWO),
        "vae": single_run(),
        "ae": single_run("ae"),
        "bare": single_run(measured=False),
        "one seed": study({"model": ("AE",), "regulariser": ("none", "L1")}, seeds=1, sigmas=(0.0,)),
        "no runs": replace(study(TWO), runs=()),
    }
    return {name: (content, document := page(content), Parsed(document)) for name, content in contents.items()}


NAMES = ("study", "vae", "ae", "bare", "one seed", "no runs")


@pytest.mark.parametrize("name", NAMES)
def test_names_cannot_break_out(pages, name):
    content, document, parsed = pages[name]
    assert [one.attributes.get("type") for one in parsed.all("script")] == ["application/json", None]
    assert not any(key.startswith("on") or key == "style" for one in parsed.elements for key in one.attributes)
    assert "<script>alert" not in document
    if HOSTILE in content.title:
        assert parsed.all("h1")[0].text == content.title
        assert parsed.all("title")[0].text == content.title


@pytest.mark.parametrize("name", NAMES)
def test_nothing_can_leave_the_page(pages, name):
    _, _, parsed = pages[name]
    policy = next(one.attributes["content"] for one in parsed.all("meta") if "http-equiv" in one.attributes)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, text in (("style", parsed.all("style")[0].text), ("script", parsed.all("script")[1].text)):
        found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{found}'"
        assert "url(" not in text
        assert "@import" not in text
    for one in parsed.elements:
        for key in ("src", "href", "action", "data", "srcset", "poster"):
            assert one.attributes.get(key, "#").startswith(("#", "data:")), one


@pytest.mark.parametrize("name", NAMES)
def test_rules_of_accessibility_that_can_be_read_off(pages, name):
    _, _, parsed = pages[name]
    idents = [one.attributes["id"] for one in parsed.elements if "id" in one.attributes]
    assert len(idents) == len(set(idents))
    assert parsed.all("html")[0].attributes["lang"] == "en"
    assert len(parsed.all("h1")) == len(parsed.all("main")) == len(parsed.all("nav")) == 1
    levels = [int(one.tag[1]) for one in parsed.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(one.attributes["alt"] for one in parsed.all("img"))
    for one in parsed.all("svg"):
        if one.attributes.get("aria-hidden") != "true":
            assert one.attributes["role"] == "img"
            assert one.children[0].tag == "title"
            assert one.children[0].text.strip()
    for one in parsed.elements:
        for key in ("aria-labelledby", "for"):
            assert set(one.attributes.get(key, "").split()) <= set(idents)
    for one in parsed.all("table"):
        around = one.parents[-1].attributes
        assert (around["class"], around["tabindex"], around["role"]) == ("scroll", "0", "region")
    assert all(one.attributes.get("scope") in ("col", "row") for one in parsed.all("th"))
    for one in parsed.all("figure"):
        assert [child.tag for child in one.children][-1] == "figcaption"
        assert one.children[-1].text.strip()


def test_charts_say_their_gist(pages):
    for one in pages["study"][2].all("svg"):
        if one.attributes.get("class") == "chart":
            assert [child.tag for child in one.children][:2] == ["title", "desc"]
            assert re.search(r"\d", one.children[1].text)


def sections(parsed):
    return [one.attributes["id"] for one in parsed.all("section")]


ALL = [
    "scores",
    "comparisons",
    "noise",
    "rates",
    "audit",
    "training",
    "spread",
    "examples",
    "latents",
    "cost",
    "measured",
    "limits",
]


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("study", ["audit"]),
        ("vae", ["comparisons"]),
        ("ae", ["comparisons", "latents"]),
        ("bare", ["scores", "comparisons", "noise", "rates", "audit", "training", "spread", "examples", "latents"]),
        ("one seed", ["noise", "audit", "latents"]),
        ("no runs", ["audit", "training", "spread", "examples", "latents", "cost"]),
    ],
)
def test_each_section_is_there_when_there_is_something_in_it(pages, name, absent):
    parsed = pages[name][2]
    assert sections(parsed) == [ident for ident in ALL if ident not in absent]
    anchors = [one.attributes["href"] for one in parsed.all("a")][1:]
    assert anchors == [f"#{ident}" for ident in sections(parsed)]


@pytest.mark.parametrize(
    ("part", "section"),
    [("history", "training"), ("image_scores", "spread"), ("examples", "examples"), ("latents", "latents")],
)
def test_a_part_taken_from_the_runs_takes_its_section(part, section):
    content = study(TWO)
    without = replace(
        content, runs=tuple(replace(run, **{part: None if part == "latents" else ()}) for run in content.runs)
    )
    assert sections(Parsed(page(without))) == [ident for ident in ALL if ident not in (section, "audit")]


def test_marks_that_are_lost_are_said_before_anything_else(pages):
    parsed = pages["vae"][2]
    shown = [one.text for one in parsed.all("p") if one.parents[-1].attributes.get("class") == "answer"]
    assert shown[0] == (
        "codec at quality 1 (0.07 bits per pixel) loses more than half of the contrast of marks that a person would "
        "see, of 0.12 or more: it keeps of 4 pixels 44 % [39, 49]."
    )
    assert not any("quality 4.5" in sentence for sentence in shown)
    section = next(one for one in parsed.all("section") if one.attributes["id"] == "audit")
    for said in (
        f"codec at 1 serves side {HOSTILE} (200 images) worse: PSNR is −1.20 dB [−1.80, −0.60] from that of all "
        "others, p < 0.001 corrected for 4 gaps.",
        "Too few to say anything of, in PSNR: side few.",
        "At 0.07 bits per pixel codec keeps 44 % [39, 49] of the contrast of 40 marks of 4 pixels and contrast 0.12 or "
        "more; of as many bytes webp 39 % [34, 44].",
    ):
        assert said in section.text


def test_the_answer_comes_first(pages):
    content, _, parsed = pages["study"]
    shown = [one.text for one in parsed.all("p") if one.parents[-1].attributes.get("class") == "answer"]
    assert tuple(shown) == content.study.answer


def test_the_main_table_holds_the_means_and_intervals(pages):
    content, _, parsed = pages["study"]
    table = parsed.ident("main")
    rows = [one for one in table.children[-1].children if one.tag == "tr"]
    found = {(s.label, s.sigma): s for s in content.study.scores}
    labels = [row.children[0].text for row in rows]
    assert labels[0] == "AE, none"
    assert labels[4] == "VAE, none (from the mean)"
    assert labels[-1] == "do nothing"
    for row, label in zip(rows[:8], dict.fromkeys(s.label for s in content.study.scores), strict=True):
        for cell, (metric, sigma) in zip(
            row.children[1:-1], [("psnr", 0.0), ("ssim", 0.0), ("psnr", 0.1), ("ssim", 0.1)], strict=True
        ):
            summary = found[label, sigma].metrics[metric]
            assert float(cell.attributes["data-v"]) == summary.mean
            mean, _, std, low, high = (float(n) if n != "±" else n for n in re.findall(r"±|[\d.]+", cell.text))
            digits = 0.5 * 10 ** (-2 if metric == "psnr" else -3) + 1e-12
            for written, value in (
                (mean, summary.mean),
                (std, summary.std_over_seeds),
                (low, summary.low),
                (high, summary.high),
            ):
                assert abs(written - value) <= digits


def test_failed_runs_are_named(pages):
    content, _, parsed = pages["study"]
    (name,) = content.study.failed
    assert any(name in one.text and "loss is not finite" in one.text for one in parsed.all("p"))


def test_what_is_no_finding_is_gray_and_keeps_its_place(pages):
    content, _, parsed = pages["study"]
    for chart in (one for one in parsed.all("svg") if one.attributes.get("class") == "chart"):
        title = chart.children[0].text
        if not title.startswith("Differences"):
            continue
        sigma = 0.0 if title.endswith("clean") else float(title.split("σ ")[1])
        metric = "ssim" if "SSIM" in title else "psnr_change" if "lost to noise" in title else "psnr"
        expected = [c for c in content.study.comparisons if c.metric == metric and c.sigma == sigma]
        texts = [one.text for one in chart.children if one.attributes.get("x") == "10"]
        assert texts == [c.level for c in expected]
        dots = [one.attributes["class"] for one in chart.children if one.tag == "path"]
        assert dots == [{"higher": "dot f1", "lower": "dot f2"}.get(c.verdict, "hollow") for c in expected]
        lines = [one.attributes["class"] for one in chart.children if "effect" in one.attributes.get("class", "")]
        assert ["unranked" in line for line in lines] == [c.verdict not in ("higher", "lower") for c in expected]


def test_the_table_of_comparisons_never_sorts_by_size(pages):
    table = pages["study"][2].ident("comparisons-table")
    places = [float(row.children[4].attributes["data-v"]) for row in table.children[-1].children]
    assert places == sorted(places)


def test_one_seed_shows_the_interval_over_images_and_ranks_nothing(pages):
    content, document, parsed = pages["one seed"]
    assert {c.verdict for c in content.study.comparisons} == {"one seed"}
    assert "one seed, not ranked" in document
    hollow = [one for one in parsed.all("path") if one.attributes.get("class") == "hollow"]
    assert len(hollow) == len(content.study.comparisons)


def test_a_study_of_forty_eight_runs_stays_below_three_megabytes():
    content = study(images=500, side=128, epochs=200)
    assert len(content.runs) == 48
    random = np.random.default_rng(0)

    def worst_case(run):
        # Noise does not compress, and no image is shown twice.
        examples = tuple(
            replace(one, original=noise(random), given=noise(random), reconstruction=noise(random))
            for one in run.examples
        )
        return replace(run, examples=examples)

    document = page(replace(content, runs=tuple(map(worst_case, content.runs))))
    assert len(document.encode()) <= 3_000_000
    assert re.search(r"\d+ further examples are left out", document)
    assert set(sections(Parsed(document))) == set(ALL) - {"audit"}


def noise(random):
    return random.integers(0, 256, (128, 128, 1), dtype="uint8")


def test_an_image_shown_often_is_kept_once(pages):
    _, document, parsed = pages["study"]
    kept = [one.attributes["href"] for one in parsed.all("image")]
    assert kept
    assert all(document.count(uri) == 1 for uri in kept)
    used = {one.attributes["href"] for one in parsed.all("use")}
    assert used == {f"#{one.attributes['id']}" for one in parsed.all("image")}


def test_cards_lose_html_links_and_images_but_keep_their_words():
    document = page(replace(study(TWO), cards={"photos": CARD}))
    parsed = Parsed(document)
    card = next(one for one in parsed.all("div") if one.attributes.get("class") == "card")
    inside = [one for one in parsed.elements if card in one.parents]
    assert not {"a", "img", "b", "script"} & {one.tag for one in inside}
    assert "<b>HTML</b>" in card.text
    assert "one link, code" in card.text
    assert [one.tag for one in inside if one.tag[0] == "h" and one.tag[1:].isdigit()] == ["h3", "h4"]
    assert [one.text for one in inside if one.tag in ("td", "strong")] == ["images", "1,792", "1,792"]


def test_training_noise_against_test_noise_becomes_a_matrix():
    content = study({"model": ("AE",), "trained at": ("0", "0.05", "0.1")})
    trained = {"0": 0.0, "0.05": 0.05, "0.1": 0.1}
    runs = tuple(
        replace(run, recipe={"model": {"kind": "ae"}, "noise": {"sigma": trained[run.record.name.split("-")[1]]}})
        for run in content.runs
    )
    table = Parsed(page(replace(content, runs=runs))).ident("matrix-0")
    assert [one.text for one in table.children[1].children[0].children][1:] == [
        "tested clean", *(f"tested at σ\u00a0{sigma:g}" for sigma in SIGMAS[1:])
    ]  # fmt: skip
    rows = table.children[2].children
    assert [row.children[0].text for row in rows] == ["trained clean", "trained at σ 0.05", "trained at σ 0.1"]
    best = [sum("best of column" in row.children[column].text for row in rows) for column in range(1, 7)]
    assert min(best) >= 1


def test_more_levels_than_looks_still_look_different():
    levels = tuple(f"1e-{power}" for power in range(11))
    parsed = Parsed(page(study({"model": ("AE",), "strength": levels}, seeds=1, examples=False)))
    legend = next(one for one in parsed.ident("noise-both").children if one.tag == "ul")
    looks = [
        (line.attributes["class"], len(item.children[0].children))
        for item in legend.children
        for line in item.children[0].children[:1]
    ]
    assert [item.text.strip() for item in legend.children] == [*levels, "do nothing"]
    assert len(set(looks)) == len(looks)


def test_odd_measurements_do_not_hurt():
    """Tiny colour images, one image, a loss that is not finite, an image that came back whole."""
    content = single_run("ae", hostile=False)
    run = content.runs[0]
    perfect = example("worst", 90.0, side=8, channels=3)
    perfect = replace(perfect, reconstruction=perfect.original)
    metrics = {"mse": np.array([0.0]), "psnr": np.array([np.inf]), "ssim": np.array([1.0])}
    scores = replace(run.image_scores[0], names=("a",), metrics=metrics)
    rows = ({"epoch": 1, "val_mse": float("nan")}, {"epoch": 2, "val_mse": 0.1}, {"epoch": 3, "val_mse": None})
    odd = replace(run, examples=(perfect,), image_scores=(scores,), history=rows)
    document = page(replace(content, runs=(odd,)))
    parsed = Parsed(document)
    assert not re.search(r'="[^"]*\bnan\b|>nan\b', re.sub(r"base64,[^\"]+", "", document).lower())
    assert {"examples", "spread", "training"} <= set(sections(parsed))


def test_a_page_about_nothing_is_still_a_page():
    parsed = Parsed(page(ReportContent("Nothing", "kerasae report nothing", ())))
    assert sections(parsed) == ["measured", "limits"]
    assert "Nothing has been measured" in parsed.all("main")[0].text
