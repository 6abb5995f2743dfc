"""compress, decompress, inspect and freeze, as a user runs them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from kerasae.codec import Codec, pack_archive, unpack
from kerasae.rate_distortion.compare import bd_rate_metrics
from kerasae.training import load_run
from tests.conftest import smooth_images


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_folder_there_and_back(run_command, trained, tmp_path):
    code, out, err = run_command("compress", "latest", trained[1], "-o", tmp_path / "small", "--json")
    assert code == 0, err
    facts = json.loads(out)
    files = sorted((tmp_path / "small").glob("*.kae"))
    assert facts["images"] == len(files) == 30
    assert facts["bytes"] == sum(path.stat().st_size for path in files)
    assert facts["bits_per_pixel"] == pytest.approx(8 * facts["bytes"] / (30 * 32 * 32))
    code, out, err = run_command("decompress", tmp_path / "small", "-o", tmp_path / "back")
    assert code == 0, err
    codec = Codec.load("latest")
    for path in files[:5]:
        np.testing.assert_array_equal(
            pixels(tmp_path / "back" / f"{path.stem}.png"), codec.decode(path.read_bytes())[..., 0]
        )


def test_an_archive_holds_the_same_images_in_few_more_bytes_than_their_names(run_command, trained, tmp_path):
    assert run_command("compress", "latest", trained[1], "-o", tmp_path / "all.kae")[0] == 0
    assert run_command("compress", "latest", trained[1], "-o", tmp_path / "each")[0] == 0
    separate = sum(path.stat().st_size for path in (tmp_path / "each").glob("*.kae"))
    names = sum(len(path.stem) for path in trained[1].iterdir())
    assert (tmp_path / "all.kae").stat().st_size < separate + names - 30 * (6 - 4) + 20
    for name in ("all.kae", "each"):
        assert run_command("decompress", tmp_path / name, "-o", tmp_path / f"from {name}")[0] == 0
    for path in (tmp_path / "from each").glob("*.png"):
        np.testing.assert_array_equal(pixels(path), pixels(tmp_path / "from all.kae" / path.name))


def test_a_frozen_run_writes_and_reads_files_without_keras(run_command, trained, tmp_path):
    Codec.load("latest")  # frozen, if no test did so before
    names = ("keras", "jax", "torch", "tensorflow", "scipy", "matplotlib", "skimage")
    script = f"import atexit, sys\natexit.register(lambda: print('LOADED', [n for n in {names} if n in sys.modules]))\n"
    script += "from kerasae.cli.app import main; sys.argv = ['kerasae', *sys.argv[1:]]; main()"
    image = next(trained[1].iterdir())
    for command in (("compress", "latest", image, "-o", tmp_path), ("decompress", tmp_path, "-o", tmp_path / "back")):
        done = subprocess.run([sys.executable, "-c", script, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "LOADED []"
    assert (tmp_path / "back" / f"{image.stem}.png").is_file()


def odd_images(folder):
    """Odd files and what each is, gray, to the eye."""
    random = np.random.default_rng(0)
    gray = random.integers(0, 256, (20, 30), dtype=np.uint8)
    made = {"1x1.png": Image.fromarray(gray[:1, :1]), "7x300.png": Image.fromarray(np.resize(gray, (7, 300)))}
    made |= {"black.png": Image.new("L", (40, 40), 0), "white.png": Image.new("L", (40, 40), 255)}
    made["palette.png"] = Image.fromarray(gray).convert("P")
    made["gray-as-rgb.png"] = Image.fromarray(gray).convert("RGB")
    seen = {name: np.asarray(image.convert("L")) for name, image in made.items()}
    for name, image in made.items():
        image.save(folder / name)
    Image.fromarray(gray.astype(np.uint16) * 257).save(folder / "16-bit.png")
    seen["16-bit.png"] = gray
    alpha = Image.merge("LA", (Image.fromarray(gray), Image.new("L", (30, 20), 0)))
    alpha.save(folder / "transparent.png")
    seen["transparent.png"] = np.full_like(gray, 255)
    turned = Image.fromarray(gray)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif, quality=95)
    seen["turned.jpg"] = np.asarray(ImageOps.exif_transpose(Image.open(folder / "turned.jpg")))
    return seen


def test_odd_images_come_back_in_their_size(run_command, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    seen = odd_images(folder)
    code, _, err = run_command(
        "compress", "latest", folder, "-o", tmp_path / "small", "--quality", len(Codec.load("latest").frozen.levels)
    )
    assert code == 0, err
    assert "note: 1 image turned upright, as the EXIF orientation says; the first: " in err
    assert run_command("decompress", tmp_path / "small", "-o", tmp_path / "back")[0] == 0
    codec = Codec.load("latest")
    for name, image in seen.items():
        stem = name.rsplit(".", 1)[0]
        data = (tmp_path / "small" / f"{stem}.kae").read_bytes()
        packed = codec.frozen.complete(unpack(data))
        assert (packed.height, packed.width) == image.shape
        assert pixels(tmp_path / "back" / f"{stem}.png").shape == image.shape
        # What was coded is the picture as it is seen: turned, flattened over white, in 8 bits.
        difference = np.abs(codec.decode(codec.encode(image, step=0)).astype(int) - codec.decode(data))
        assert difference.max() <= 1


def test_colour_is_refused_by_a_gray_model_unless_it_is_told(run_command, tmp_path):
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    arguments = ("compress", "latest", tmp_path / "colour.png", "-o", tmp_path / "out")
    code, _, err = run_command(*arguments)
    assert code == 2
    assert "is a colour image and the model is gray; pass --gray" in err
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
    assert run_command(*arguments, "--gray")[0] == 0


def test_animations_are_refused(run_command, tmp_path):
    frames = [Image.new("L", (32, 32), shade) for shade in (0, 128, 255)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    code, _, err = run_command("compress", "latest", tmp_path / "moving.webp", "-o", tmp_path)
    assert code == 2
    assert "holds 3 pictures" in err


def test_existing_files_stay_unless_forced(run_command, trained, tmp_path):
    image = sorted(trained[1].iterdir())[0]
    target = tmp_path / "one.kae"
    assert run_command("compress", "latest", image, "-o", target)[0] == 0
    before = target.read_bytes()
    code, _, err = run_command("compress", "latest", image, "-o", target, "--quality", 2)
    assert code == 2
    assert "one.kae would be overwritten; pass --force" in err
    assert target.read_bytes() == before
    assert run_command("compress", "latest", image, "-o", target, "--quality", 2, "--force")[0] == 0
    assert target.read_bytes() != before
    assert run_command("decompress", target, "-o", tmp_path / "one.png")[0] == 0
    code, _, err = run_command("decompress", target, "-o", tmp_path / "one.png")
    assert code == 2
    assert "would be overwritten" in err


def test_inspect_says_what_is_in_a_file(run_command, trained, tmp_path):
    image = sorted(trained[1].iterdir())[0]
    assert run_command("compress", "latest", image, "-o", tmp_path / "one.kae")[0] == 0
    code, out, err = run_command("inspect", tmp_path / "one.kae", "--json")
    assert code == 0, err
    found = json.loads(out)
    [row] = found["images"]
    assert row["quality"] == Codec.load("latest").frozen.qualities[unpack((tmp_path / "one.kae").read_bytes()).step]
    assert found["bytes"] == row["bytes"] == (tmp_path / "one.kae").stat().st_size
    assert (row["height"], row["width"], row["channels"]) == (32, 32, 1)
    assert sum(row["bits_per_channel"]) == pytest.approx(row["estimated_bits"], abs=0.1)
    assert abs(8 * row["payload_bytes"] - row["estimated_bits"]) < 40
    assert "bits per channel" in run_command("inspect", tmp_path / "one.kae")[1]
    # Without the run, what the header says.
    code, out, _ = run_command("inspect", tmp_path / "one.kae", "--runs", tmp_path)
    assert code == 0
    assert "has the fingerprint" in out
    assert "the model's usual, gray" in out.replace("\n", " ")


def test_freeze_shows_the_ladder(run_command):
    code, out, err = run_command("freeze", "latest", "--json")
    assert code == 0, err
    rows = json.loads(out)
    assert [row["quality"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row["default"] for row in rows) == 1
    assert rows[0]["bits_per_pixel"] < rows[-1]["bits_per_pixel"]
    assert rows[0]["psnr"] < rows[-1]["psnr"]
    assert "default" in run_command("freeze", "latest")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compress", "latest", "nowhere.png"), "nowhere.png does not exist"),
        (("compress", "nobody", "x.png"), "there is no run 'nobody'"),
        (("decompress", "nowhere.kae"), "nowhere.kae does not exist"),
        (("inspect", "nowhere.kae"), "nowhere.kae does not exist"),
        (("inspect", "{empty}"), "empty.kae is empty"),
        (("decompress", "{empty}"), "empty.kae is empty"),
        (("decompress", "{photo}"), "is not a .kae file"),
        (("compress", "latest", "{empty}"), "empty.kae is empty"),
        (("compress", "latest", "{photo}", "--quality", "99"), "quality 99 is out of range"),
        (("compress", "latest", "{folder}"), "holds no files ending in"),
        (("compress", "latest", "{photo}", "{photo}"), "would both be called"),
        (("rate-distortion", "latest", "--model-qualities", "99"), "quality 99 is out of range"),
    ],
)
def test_bad_input_is_one_sentence(run_command, trained, tmp_path, arguments, message):
    (tmp_path / "empty.kae").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    places = {
        "{empty}": tmp_path / "empty.kae",
        "{photo}": sorted(trained[1].iterdir())[0],
        "{folder}": tmp_path / "folder",
    }
    code, _, err = run_command(*(places.get(argument, argument) for argument in arguments), *_out(arguments, tmp_path))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()[-1]) < 400


def _out(arguments, tmp_path):
    return ("-o", tmp_path / "out") if arguments[0] in ("compress", "decompress") else ()


@pytest.mark.parametrize("out", ["each", "all.kae"])
def test_pictures_beside_other_codecs_of_as_many_bytes(run_command, trained, tmp_path, out, monkeypatch):
    drawn = []
    monkeypatch.setattr("kerasae.reports.crop_sheet", lambda path, rows, title: drawn.append((path, rows, title)))
    code, _, err = run_command(
        "compress", "latest", trained[1], "-o", tmp_path / out, "--compare", tmp_path / "sheet.png"
    )
    assert code == 0, err
    [(path, rows, title)] = drawn
    assert path == tmp_path / "sheet.png"
    assert len(rows) == 3
    assert title.endswith("at most the bytes of ae_baseline, or the fewest there are")
    codec, sources = Codec.load("latest"), sorted(trained[1].iterdir())
    for row, source in zip(rows, sources, strict=False):
        (first, original), (second, ours), *others = row
        np.testing.assert_array_equal(original[..., 0], pixels(source))
        np.testing.assert_array_equal(ours, codec.decode(codec.encode(original)))
        assert first.startswith("original\n")
        assert second.startswith(f"ae_baseline\n{len(codec.encode(original)):,} bytes, ")
        assert [caption.split("\n")[0] for caption, _ in others][:2] == ["jpeg", "webp"]


def test_rate_distortion_of_a_run_beside_jpeg(run_command, trained, tmp_path):
    code, out, err = run_command(
        "rate-distortion", "latest", "--codecs", "jpeg", "--qualities", "10,50,90", "--json", "-o", tmp_path / "rd"
    )
    assert code == 0, err
    found = json.loads(out)
    mine = [row for row in found["points"] if row["codec"] == "ae_baseline"]
    codec = Codec.load("latest")
    assert [row["quality"] for row in mine] == list(range(1, len(codec.frozen.levels) + 1))
    assert mine[0]["bytes_per_image"] < mine[-1]["bytes_per_image"]
    for row in mine:
        assert row["payload_bits_per_pixel"] < row["bits_per_pixel"]
        assert row["payload_bits_per_pixel"] == pytest.approx(row["estimated_bits_per_pixel"], rel=0.05, abs=0.02)
    assert {row["metric"] for row in found["bd_rates"]} == set(bd_rate_metrics()) - {"ms_ssim"}
    assert {row["counted"] for row in found["bd_rates"]} == {"files", "payload"}
    [model] = found["models"]
    assert model["decoder_macs_per_pixel"] == 36
    for name in ("rate_distortion.png", "crops.png", "rate_distortion.csv", "rate_distortion.json"):
        assert (tmp_path / "rd" / name).stat().st_size > 200
    assert "BD-rate" in run_command("rate-distortion", "latest", "--codecs", "jpeg", "--limit", 3)[1]


def test_the_bench_of_a_run_measures_every_task(run_command):
    code, out, err = run_command("bench", "--codec", "latest", "--rounds", 1, "--json")
    assert code == 0, err
    tasks = {row["task"]: row["images_per_second"] for row in json.loads(out)}
    assert len(tasks) == 9
    assert all(len(values) == 1 and values[0] > 0 for values in tasks.values())


def test_names_with_brackets_and_colons_survive(run_command, trained, tmp_path):
    odd = tmp_path / "at 12:30 [bold].png"
    odd.write_bytes(sorted(trained[1].iterdir())[0].read_bytes())
    assert run_command("compress", "latest", odd, trained[1], "-o", tmp_path / "all [x].kae")[0] == 0
    code, out, err = run_command("inspect", tmp_path / "all [x].kae")
    assert code == 0, err
    assert "[x].kae" in out
    assert run_command("decompress", tmp_path / "all [x].kae", "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "at 12:30 [bold].png").is_file()


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", ".", "./a", "a/", "a//b"])
def test_an_archive_writes_nothing_outside_its_folder_and_no_name_twice(run_command, tmp_path, name):
    codec = Codec.load("latest")
    packed = codec.pack([np.zeros((8, 8, 1), np.uint8)])[0]
    (tmp_path / "bad.kae").write_bytes(pack_archive({"good": packed, name: packed}))
    code, _, err = run_command("decompress", tmp_path / "bad.kae", "-o", tmp_path / "out")
    assert code == 2
    assert "which is no plain path inside the output folder" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["compress", "decompress", "rate-distortion"])
def test_an_output_folder_that_is_a_file_is_one_sentence(run_command, trained, tmp_path, command):
    image = sorted(trained[1].iterdir())[0]
    (tmp_path / "file").write_text("in the way")
    assert run_command("compress", "latest", image, "-o", tmp_path / "one.kae")[0] == 0
    arguments = {
        "compress": ("latest", image),
        "decompress": (tmp_path / "one.kae",),
        "rate-distortion": ("latest", "--codecs", "jpeg", "--limit", 1),
    }[command]
    code, _, err = run_command(command, *arguments, "-o", tmp_path / "file")
    assert code == 2
    assert "write elsewhere with -o" in err


def test_a_damaged_table_of_one_run_does_not_hide_the_others(run_command, trained, tmp_path):
    image = sorted(trained[1].iterdir())[0]
    assert run_command("compress", "latest", image, "-o", tmp_path / "one.kae")[0] == 0
    [run] = [path for path in trained[0].iterdir() if (path / "run.json").is_file()]
    other = tmp_path / "runs"
    for name, content in (("good", None), ("zz-bad", b"PK not a zip"), ("zz-worse", b"\x93NUMPY")):
        shutil.copytree(run, other / name)
        if content is not None:
            (other / name / "codec.npz").write_bytes(content)
    code, _, err = run_command("decompress", tmp_path / "one.kae", "-o", tmp_path / "back", "--runs", other)
    assert code == 0, err


# === Learned codecs ===


def test_names_in_an_archive_do_not_reach_the_terminal_as_they_are(run_command, trained, tmp_path):
    codec = Codec.load("latest")
    hostile = "a\x1b]0;owned\x07\x1b[2J\nerror: b"
    image = smooth_images(1)[0]
    (tmp_path / "all.kae").write_bytes(pack_archive({hostile: codec.pack([image])[0], "b": codec.pack([image])[0]}))
    for command in (("inspect", tmp_path / "all.kae"), ("decompress", tmp_path / "all.kae", "-o", tmp_path / "back")):
        code, out, err = run_command(*command)
        assert code == 0, err
        assert "\x1b" not in out + err
    code, _, err = run_command("decompress", tmp_path / "all.kae", "-o", tmp_path / "back")
    assert code == 2
    assert "\\x1b]0;owned\\x07" in err
    assert "\x1b" not in err


def test_what_is_there_is_not_overwritten_and_what_is_wrong_is_named(run_command, trained, tmp_path):
    image = next(trained[1].iterdir())
    kept = Image.open(image).copy()
    kept.save(tmp_path / "kept.png")
    before = (tmp_path / "kept.png").read_bytes()
    for name, said in (
        ("kept.png", "kept.png would be overwritten"),
        ("kept.kae", "kept.kae is not the name of a PNG"),
    ):
        code, _, err = run_command("compress", "latest", image, "-o", tmp_path / "out", "--compare", tmp_path / name)
        assert code == 2
        assert said in err
    assert (tmp_path / "kept.png").read_bytes() == before
    for place, said in (
        (tmp_path, "is not empty, and what is in it may be overwritten; pass --force"),
        (image, "is a file; -o names a folder"),
    ):
        code, _, err = run_command("export", "latest", "-o", place)
        assert code == 2
        assert said in err
    folder = load_run("latest", trained[0]).folder
    code, _, err = run_command("export", "latest", "-o", folder, "--format", "run", "--force")
    assert code == 2
    assert "is the run itself" in err
    for words, said in (
        (["latest"], "there is nothing to do: name images after latest"),
        ([tmp_path / "none.png", image], "none.png does not exist"),
    ):
        code, _, err = run_command("compress", *words, "-o", tmp_path / "out")
        assert code == 2
        assert said in err


def test_of_several_files_the_damaged_one_is_named(run_command, trained, tmp_path):
    assert run_command("compress", "latest", trained[1], "-o", tmp_path / "small")[0] == 0
    files = sorted((tmp_path / "small").glob("*.kae"))
    content = bytearray(files[7].read_bytes())
    content[-4] ^= 1
    files[7].write_bytes(content)
    for command in (("decompress", tmp_path / "small", "-o", tmp_path / "back"), ("inspect", files[7])):
        code, _, err = run_command(*command)
        assert code == 2
        assert f"error: {files[7].stem}: the file is damaged" in err


def test_a_folder_of_onnx_compresses_and_decompresses_as_a_run_does(run_command, trained, tmp_path):
    image = next(trained[1].iterdir())
    assert run_command("export", "latest", "-o", tmp_path / "exported")[0] == 0
    code, out, err = run_command("compress", tmp_path / "exported", image, "-o", tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["run"] == "exported"
    written = tmp_path / f"{image.stem}.kae"
    for run in (["--run", tmp_path / "exported"], []):
        code, _, err = run_command("decompress", written, "-o", tmp_path / f"back{len(run)}.png", *run)
        assert code == 0, err
    np.testing.assert_array_equal(pixels(tmp_path / "back2.png"), pixels(tmp_path / "back0.png"))
