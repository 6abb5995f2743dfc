"""Figures are whole PNG files and show what they should; odd data neither warns nor fails."""

import itertools
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from kerasae.reports import labelled_grid, loss_curves, metric_histograms, noise_sweep, reconstruction_grid
from kerasae.reports.figures import spread
from tests.reports.made_up import score, sweep

pytestmark = pytest.mark.filterwarnings("error")


def module(function):
    return sys.modules[function.__module__]


def history(epochs, **terms):
    return [
        {"epoch": e, "val_mse": 0.01 + 0.001 * (e - 4) ** 2} | {k: f(e) for k, f in terms.items()}
        for e in range(1, epochs + 1)
    ]


def panels(figure):
    return {axes.get_title(loc="left").strip(): axes for axes in figure.axes}


def written(axes):
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def is_png(path):
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > 300
        assert len(image.getcolors(1 << 24)) > 8
    assert [other.name for other in path.parent.iterdir()] == [path.name]  # no temporary file is left


def test_loss_panels_follow_the_terms(tmp_path):
    rows = history(
        6, loss=lambda e: 90 / e, distortion=lambda e: 80 / e, rate=lambda e: 10.0 + e, penalty=lambda e: 0.0
    )
    figure = module(loss_curves)._loss_figure(rows, "vae $1")
    assert list(panels(figure)) == ["loss", "distortion", "rate", "validation MSE"]
    assert panels(figure)["loss"].get_yscale() == "log"
    assert panels(figure)["rate"].get_yscale() == "linear"
    assert "best: epoch 4\n0.01000" in written(panels(figure)["validation MSE"])
    np.testing.assert_allclose(panels(figure)["rate"].lines[0].get_ydata(), [11, 12, 13, 14, 15, 16])
    kept = module(loss_curves)._loss_figure(rows, "vae", 2)
    assert "best: epoch 2\n0.01400" in written(panels(kept)["validation MSE"])
    loss_curves(rows, tmp_path / "loss.png", "vae $1", best_epoch=9)
    is_png(tmp_path / "loss.png")


def test_without_rate_and_penalty_the_loss_is_not_drawn_twice():
    rows = history(3, loss=lambda e: 1 / e, distortion=lambda e: 1 / e, rate=lambda e: 0.0, penalty=lambda e: 0.0)
    assert list(panels(module(loss_curves)._loss_figure(rows, "ae"))) == ["distortion", "validation MSE"]


@pytest.mark.parametrize("rows", [
    history(1, loss=lambda e: 1.0, distortion=lambda e: 1.0),
    history(4, loss=lambda e: 1.0),
    history(4, loss=lambda e: np.nan if e == 2 else -float(e)),
    [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_mse": 0.1}],
    [],
])  # fmt: skip
def test_odd_histories(rows, tmp_path):
    loss_curves(rows, tmp_path / "loss.png", "odd")
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_histograms_write_mean_median_and_std(tmp_path):
    values = {
        "mse": np.array([0.001, 0.002, 0.006]),
        "psnr": np.array([20.0, 21.0, 25.0]),
        "ssim": np.array([0.5, 0.5, 0.8]),
    }
    figure = module(metric_histograms)._histogram_figure(values, "ae")
    assert list(panels(figure)) == ["MSE", "PSNR, dB", "SSIM"]
    for heading, parts in {
        "MSE": ["mean 0.00300", "median 0.00200", "std 0.00265"],
        "PSNR, dB": ["mean 22.00", "median 21.00", "std 2.65"],
        "SSIM": ["mean 0.600", "median 0.500", "std 0.173"],
    }.items():
        assert set(parts) <= set(written(panels(figure)[heading]))
        assert sum(bar.get_height() for bar in panels(figure)[heading].patches if bar.get_height() >= 1) >= 3
    assert figure.get_suptitle() == "ae, 3 images"
    metric_histograms(values, tmp_path / "h.png", "ae")
    is_png(tmp_path / "h.png")


@pytest.mark.parametrize("count", [1, 4])
def test_histograms_of_equal_values(count, tmp_path):
    values = {"mse": np.full(count, 0.01), "psnr": np.full(count, 20.0), "ssim": np.full(count, 1.0)}
    metric_histograms(values, tmp_path / "h.png", "flat")
    is_png(tmp_path / "h.png")


@pytest.mark.parametrize(("channels", "noisy", "columns"), [(1, False, 5), (3, True, 3), (1, True, 1)])
def test_grid_rows_and_columns(channels, noisy, columns, tmp_path):
    rng = np.random.default_rng(0)
    originals = rng.random((columns, 16, 24, channels)).astype("float32")
    more = {
        "originals": originals,
        "inputs": originals if noisy else None,
        "reconstructions": np.clip(originals + 0.15, 0, 1),
        "captions": ["best\n30 dB"] * columns,
        "title": "ae",
    }
    figure = module(reconstruction_grid)._reconstruction_figure(**more)
    names = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert names == ["original", *(["noisy input"] if noisy else []), "reconstruction", "|error| × 5"]
    assert len(figure.axes) == columns * len(names)
    assert figure.axes[0].get_title() == "best\n30 dB"
    reconstruction_grid(tmp_path / "g.png", **more)
    is_png(tmp_path / "g.png")


def test_a_perfect_reconstruction_is_drawn(tmp_path):
    flat = np.full((1, 8, 8, 1), 0.5)
    reconstruction_grid(
        tmp_path / "g.png", originals=flat, inputs=None, reconstructions=flat, captions=["all"], title="x"
    )
    assert (tmp_path / "g.png").stat().st_size > 1000


def test_noise_sweep_lines_and_labels(tmp_path):
    figure = module(noise_sweep)._sweep_figure(sweep(), "sweep")
    assert list(panels(figure)) == ["MSE", "PSNR, dB", "SSIM"]
    psnr = panels(figure)["PSNR, dB"]
    names = ["ae-3f2a9c1b04-0", "vae-77e1aa0912-0, mean", "vae-77e1aa0912-0, sample", "do nothing"]
    assert [line.get_label() for line in psnr.lines] == names
    np.testing.assert_allclose(psnr.lines[0].get_ydata(), [24, 23.4, 22.8, 22.2, 21.6, 20.4])
    assert len(psnr.lines[-1].get_xdata()) == 5  # the exact image at sigma 0 is off the scale
    band = psnr.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(20.36)
    assert band.max() == pytest.approx(24.05)
    assert set(names) <= set(written(panels(figure)["SSIM"]))
    noise_sweep(tmp_path / "s.png", sweep(), "sweep")
    is_png(tmp_path / "s.png")


def test_labels_neither_overlap_nor_leave_the_picture():
    scores = [score(f"run-{i}", sigma=s, psnr=20 + 0.001 * i) for i in range(24) for s in (0.0, 0.1)]
    figure = module(noise_sweep)._sweep_figure(scores, "close")
    figure.draw_without_rendering()
    labels = [text for text in panels(figure)["SSIM"].texts if text.get_text().startswith("run-")]
    boxes = sorted((Text.get_window_extent(text) for text in labels), key=lambda box: box.y0)
    assert len(boxes) == 24
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert boxes[0].y0 >= 0
    assert boxes[-1].y1 <= figure.bbox.y1


@pytest.mark.parametrize("scores", [[], [score(sigma=0.1)], [score("a", "input", 0.1, 20)]])
def test_sweeps_of_one_point_or_none(scores, tmp_path):
    noise_sweep(tmp_path / "s.png", scores, "few")
    assert (tmp_path / "s.png").stat().st_size > 1000


def test_spread_keeps_order_and_gap():
    assert spread([0.5, 0.1], gap=0.1) == [0.5, 0.1]
    places = spread([0.5, 0.5, 0.52, 0.9], gap=0.1)
    assert places == pytest.approx([0.5067 - 0.1, 0.5067, 0.5067 + 0.1, 0.9], abs=1e-3)


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(mpl.rcParams)
    noise_sweep(tmp_path / "s.png", sweep(), "sweep")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(("size", "scale", "channels"), [(32, 3, 1), (128, 1, 3)])
def test_a_labelled_grid_shows_every_pixel_as_it_is(size, scale, channels, tmp_path):
    images = np.random.default_rng(0).random((2, 3, size, size, channels))
    rows = [[*images[0], np.zeros((size, size))], [images[1, 0]]]
    labels = {"row_labels": ["first", f"a/long/{'x' * 90}/name.png\nKL 3 nats"], "column_labels": ["a", "b", "c", "d"]}
    more = labels | {"title": "grid $1", "note": "how it was made, " * 20, "apart": (0,)}
    labelled_grid(tmp_path / "g.png", rows, **more)
    is_png(tmp_path / "g.png")
    with Image.open(tmp_path / "g.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), "float64") / 255
    for row, column in ((0, 0), (0, 2), (1, 0)):
        tile = np.broadcast_to(images[row, column], (size, size, 3)).repeat(scale, axis=0).repeat(scale, axis=1)
        corner = np.abs(pixels - tile[0, 0]).max(axis=-1) < 1.1 / 255
        places = [place for place in np.argwhere(corner) if _is_there(pixels, tile, *place)]
        assert len(places) == 1, (row, column)
    figure = module(labelled_grid)._labelled_figure(rows, **more)
    figure.draw_without_rendering()
    left = min(axes.get_window_extent().x0 for axes in figure.axes)
    texts = {text.get_text(): text.get_window_extent() for text in figure.texts if text.get_text()}
    shown = next(text for text in texts if text.endswith("KL 3 nats"))
    assert "…" in shown
    assert texts[shown].x1 < left
    assert all(box.x1 <= figure.bbox.x1 and box.y0 >= 0 for text, box in texts.items())


def _is_there(pixels, tile, top, left):
    part = pixels[top : top + tile.shape[0], left : left + tile.shape[1]]
    return part.shape == tile.shape and np.abs(part - tile).max() < 1.1 / 255
