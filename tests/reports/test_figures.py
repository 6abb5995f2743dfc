"""Figures are whole PNG files and show what they should; odd data neither warns nor fails."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from kerasae.records import ComparedScore, Difference, RunComparison
from kerasae.reports import (
    crop_sheet,
    figures,
    labelled_grid,
    loss_curves,
    metric_histograms,
    noise_sweep,
    pictures,
    rate_distortion,
    reconstruction_grid,
    run_comparison,
)
from kerasae.reports.figures import spread
from kerasae.reports.pictures import error_of, heat_levels, heat_palette
from tests.reports.made_up import score, sweep
from tests.reports.made_up_report import example, image, rate_content

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Return a function that calls one that writes a PNG, checks the file and returns the matplotlib figure."""
    made = []

    def keep(figure, path):
        made.append(figure)
        with figures.replacing(path) as partial:
            figure.savefig(partial, format="png")

    monkeypatch.setattr(figures, "write", keep)
    monkeypatch.setattr(pictures, "write", keep)

    def call(function, *arguments, **more):
        path = tmp_path / "figure.png"
        if function in (loss_curves, metric_histograms):
            function(arguments[0], path, *arguments[1:], **more)
        else:
            function(path, *arguments, **more)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert len(picture.getcolors(1 << 24)) > 8
            made[-1].pixels = np.asarray(picture.convert("RGB"), "float64") / 255
        assert [other.name for other in tmp_path.iterdir()] == [path.name]  # no temporary file is left
        return made[-1]

    return call


def history(epochs, **terms):
    return [
        {"epoch": e, "val_mse": 0.01 + 0.001 * (e - 4) ** 2} | {k: f(e) for k, f in terms.items()}
        for e in range(1, epochs + 1)
    ]


def panels(figure):
    return {axes.get_title(loc="left").strip(): axes for axes in figure.axes}


def words(axes):
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def boxes(texts):
    return sorted((Text.get_window_extent(text) for text in texts), key=lambda box: box.y0)


def test_loss_panels_follow_the_terms(written):
    terms = {"loss": lambda e: 90 / e, "distortion": lambda e: 80 / e, "rate": lambda e: 10.0 + e}
    rows = history(6, **terms, penalty=lambda e: 0.0)
    shown = panels(written(loss_curves, rows, "vae $1"))
    assert list(shown) == ["validation MSE", "loss", "distortion", "rate, nats"]
    assert [axes.get_yscale() for axes in shown.values()] == ["linear", "log", "log", "linear"]
    assert "best: epoch 4, 0.01000" in words(shown["validation MSE"])
    np.testing.assert_allclose(shown["rate, nats"].lines[0].get_ydata(), [11, 12, 13, 14, 15, 16])
    assert {"training"} <= set(words(shown["loss"]))
    for kept, sentence in ((2, "best: epoch 2, 0.01400"), (9, "best: epoch 4, 0.01000")):  # 9 was cut off
        assert sentence in words(panels(written(loss_curves, rows, "vae", best_epoch=kept))["validation MSE"])
    marks = [axes.lines[-1].get_xdata() for axes in shown.values()]
    assert marks == [[4, 4]] * 4


def test_without_rate_and_penalty_the_loss_is_not_drawn_twice(written):
    terms = {"loss": lambda e: 1 / e, "distortion": lambda e: 1 / e, "rate": lambda e: 0.0, "penalty": lambda e: 0.0}
    assert list(panels(written(loss_curves, history(3, **terms), "ae"))) == ["validation MSE", "distortion"]


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        (history(1, loss=lambda e: 1.0, distortion=lambda e: 1.0), {"validation MSE": 1, "distortion": 1}),
        (history(4, loss=lambda e: 1.0), {"validation MSE": 4, "loss": 4}),
        (history(4, loss=lambda e: np.nan if e == 2 else -float(e)), {"validation MSE": 4, "loss": 3}),
        ([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_mse": 0.1}], {"validation MSE": 1, "loss": 2}),
        ([], {}),
    ],
)
def test_odd_histories(rows, drawn, written):
    shown = panels(written(loss_curves, rows, "odd"))
    assert {name: int(np.isfinite(axes.lines[0].get_ydata()).sum()) for name, axes in shown.items()} == drawn


def test_histograms_write_mean_median_and_std(written):
    values = {"mse": [0.001, 0.002, 0.006], "psnr": [20.0, 21.0, 25.0], "ssim": [0.5, 0.5, 0.8]}
    figure = written(metric_histograms, {name: np.array(row) for name, row in values.items()}, "ae")
    assert list(panels(figure)) == ["MSE", "PSNR, dB", "SSIM"]
    for heading, parts in {
        "MSE": ["mean 0.00300", "median 0.00200", "std 0.00265"],
        "PSNR, dB": ["mean 22.00", "median 21.00", "std 2.65"],
        "SSIM": ["mean 0.600", "median 0.500", "std 0.173"],
    }.items():
        axes = panels(figure)[heading]
        assert set(parts) <= set(words(axes))
        heights = next(patch for patch in axes.patches if hasattr(patch, "get_data")).get_data().values
        assert sum(heights) == 3
        mean, median = (line.get_xdata()[0] for line in axes.lines)
        assert [f"mean {mean:.5f}"[:9], f"median {median:.5f}"[:11]] == [parts[0][:9], parts[1][:11]]
    assert figure.get_suptitle() == "ae, 3 images"


@pytest.mark.parametrize("count", [1, 4])
def test_histograms_of_equal_values_have_one_bar(count, written):
    values = {"mse": np.full(count, 0.01), "psnr": np.full(count, 20.0), "ssim": np.full(count, 1.0)}
    for axes in written(metric_histograms, values, "flat").axes:
        assert axes.patches[-1].get_data().values.tolist() == [count]
        low, high = axes.get_xlim()
        assert low < axes.lines[0].get_xdata()[0] < high


def test_noise_sweep_lines_and_labels(written):
    shown = panels(written(noise_sweep, sweep(), "sweep"))
    assert list(shown) == ["PSNR, dB", "SSIM", "MSE"]
    names = ["ae-3f2a9c1b04-0", "vae-77e1aa0912-0, mean", "vae-77e1aa0912-0, sample", "do nothing"]
    psnr = shown["PSNR, dB"]
    assert [line.get_label() for line in psnr.lines] == names
    assert len({line.get_color() for line in psnr.lines}) == 4
    np.testing.assert_allclose(psnr.lines[0].get_ydata(), [24, 23.4, 22.8, 22.2, 21.6, 20.4])
    assert len(psnr.lines[-1].get_xdata()) == 5  # the exact image at sigma 0 is off the scale
    band = psnr.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((20.36, 24.05))
    assert shown["MSE"].get_yscale() == "log"
    written_names = {text.get_text(): text.get_color() for text in shown["MSE"].texts}
    assert written_names == {line.get_label(): line.get_color() for line in psnr.lines}


def test_labels_neither_overlap_nor_leave_the_picture(written):
    scores = [score(f"run-{i}", sigma=s, psnr=20 + 0.001 * i) for i in range(24) for s in (0.0, 0.1)]
    figure = written(noise_sweep, scores, "close")
    found = boxes(text for text in panels(figure)["MSE"].texts if text.get_text().startswith("run-"))
    assert len(found) == 24
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(found))
    assert max(box.x1 for box in found) <= figure.bbox.x1
    assert found[0].y0 >= 0
    assert found[-1].y1 <= figure.bbox.y1
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in panels(figure)["MSE"].lines}
    assert len(looks) == 14  # seven colours, full and dashed


@pytest.mark.parametrize("scores", [[], [score(sigma=0.1)], [score("a", "input", 0.1, 20)]])
def test_sweeps_of_one_point_or_none(scores, written):
    axes = next(iter(panels(written(noise_sweep, scores, "few")).values()))
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0.1]] * len(scores)


def test_models_are_drawn_thicker_than_classical_codecs(written):
    shown = panels(written(rate_distortion, rate_content().points, "photos"))
    assert list(shown) == ["PSNR, dB", "SSIM"]
    for axes in shown.values():
        model, *classical = axes.lines
        assert model.get_label() == "ae_l2"
        assert model.get_linewidth() > 1.5 * max(line.get_linewidth() for line in classical)
        assert axes.get_xscale() == "log"
    assert {text.get_text() for text in shown["SSIM"].texts} == {"ae_l2", "jpeg", "webp", "avif"}


def test_spread_keeps_order_and_gap():
    assert spread([0.5, 0.1], gap=0.1) == [0.5, 0.1]
    places = spread([0.5, 0.5, 0.52, 0.9], gap=0.1)
    assert places == pytest.approx([0.5067 - 0.1, 0.5067, 0.5067 + 0.1, 0.9], abs=1e-3)


def test_drawing_leaves_matplotlib_as_it_was(written):
    before = dict(mpl.rcParams)
    written(noise_sweep, sweep(), "sweep")
    assert dict(mpl.rcParams) == before


def shown_at(pixels, tile):
    """Return every place in a picture at which ``tile``, float RGB, is seen to the last pixel."""
    height, width = tile.shape[:2]
    corners = np.argwhere(np.abs(pixels - tile[0, 0]).max(axis=-1) < 1.1 / 255)
    parts = [(place, pixels[place[0] : place[0] + height, place[1] : place[1] + width]) for place in corners]
    return [tuple(place) for place, part in parts if part.shape == tile.shape and np.abs(part - tile).max() < 1.1 / 255]


def enlarged(picture, scale):
    rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
    return rgb.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize(("size", "scale", "channels"), [(32, 3, 1), (128, 1, 3)])
def test_a_labelled_grid_shows_every_pixel_as_it_is(size, scale, channels, written):
    images = np.random.default_rng(0).random((2, 3, size, size, channels))
    rows = [[*images[0], np.zeros((size, size))], [images[1, 0]]]
    labels = {"row_labels": ["first", f"a/long/{'x' * 90}/name.png\nKL 3 nats"], "column_labels": ["a", "b", "c", "d"]}
    figure = written(labelled_grid, rows, **labels, title="grid $1", note="how it was made, " * 20, apart=(0,))
    for row, column in ((0, 0), (0, 2), (1, 0)):
        assert len(shown_at(figure.pixels, enlarged(images[row, column], scale))) == 1, (row, column)
    left = min(axes.get_window_extent().x0 for axes in figure.axes)
    texts = {text.get_text(): text.get_window_extent() for text in figure.texts if text.get_text()}
    shown = next(text for text in texts if text.endswith("KL 3 nats"))
    assert "…" in shown
    assert texts[shown].x1 < left
    assert all(box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in texts.values())


@pytest.mark.parametrize(("channels", "sigma", "columns"), [(1, 0.0, 5), (3, 0.1, 3), (1, 0.1, 1)])
def test_reconstructions_stand_beneath_their_originals(channels, sigma, columns, written):
    found = [example("best", 20.0 + seed, sigma, seed=seed, channels=channels) for seed in range(columns)]
    figure = written(reconstruction_grid, found, "ae_l2, test images, decoded from the mean")
    texts = [text for text in figure.texts if text.get_text()]
    names = [text.get_text() for text in texts]
    assert names[1 : columns + 1] == [f"best\nPSNR {20 + n}.00 dB\nSSIM {(20 + n) / 40:.3f}" for n in range(columns)]
    rows = ["original", *(["as given"] if sigma else []), "reconstruction"]
    assert names[columns + 1 : -1] == rows
    factor = int(names[-1].removeprefix("error × "))
    images = [found[-1].original, *([found[-1].given] if sigma else []), found[-1].reconstruction]
    tiles = [one / 255 for one in images] + [heat_palette()[heat_levels(error_of(found[-1]) * factor)] / 255]
    places = [shown_at(figure.pixels, enlarged(tile, 3)) for tile in tiles]
    assert [len(place) for place in places] == [1] * len(tiles)
    assert len({place[0][1] for place in places}) == 1
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in texts)
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes(texts[columns + 1 :])))


def test_a_perfect_reconstruction_has_no_error_to_show(written):
    same = example("all", 90.0, side=8)
    figure = written(reconstruction_grid, [type(same)(**{**vars(same), "reconstruction": same.original})], "x")
    assert figure.texts[-1].get_text() == "error × 100"
    assert shown_at(figure.pixels, np.broadcast_to(heat_palette()[0] / 255, (160, 160, 3)))


def test_a_crop_sheet_shows_the_middle_of_large_images(written):
    large, small = image(1, 300, 3), image(2, 300, 1)
    figure = written(crop_sheet, [[("original", large), ("jpeg\n900 bytes", small)]], "photos")
    assert [text.get_text() for text in figure.texts if text.get_text()] == ["photos", "original", "jpeg\n900 bytes"]
    for picture in (large, small):
        assert len(shown_at(figure.pixels, enlarged(picture[86:214, 86:214] / 255, 2))) == 1


def test_the_line_of_doing_nothing_is_seen_from_end_to_end(written):
    psnr = panels(written(noise_sweep, sweep(), "sweep"))["PSNR, dB"]
    low, high = psnr.get_ylim()
    assert all(low <= value <= high for value in psnr.lines[-1].get_ydata())


def test_compared_runs_are_drawn_with_their_means_and_their_differences(written):
    means = [score("a", psnr=20.0), score("b", psnr=22.0)]
    difference = {"psnr": Difference(2.0, 1.5, 2.5), "ssim": Difference(0.05)}
    comparison = RunComparison(
        ("a", "b"), {}, (ComparedScore(means[0]), ComparedScore(means[1], "latents", 9, difference)), ()
    )
    shown = panels(written(run_comparison, comparison))
    assert next(iter(shown)) == "PSNR, dB, mean"
    mean, less = shown["PSNR, dB, mean"], shown["PSNR, dB, less that of A"]
    assert [label.get_text() for label in mean.get_yticklabels()] == ["test, clean", "A", "B"]
    assert mean.lines[0].get_xdata() == pytest.approx([19.96, 20.05])
    assert less.lines[0].get_xdata() == pytest.approx([1.5, 2.5])
    assert less.lines[1].get_marker() == "^"
    # Without an interval there is nothing to be told apart.
    assert shown["SSIM, less that of A"].lines[1].get_marker() == "D"
    assert "MSE, less that of A" not in shown
