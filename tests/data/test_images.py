"""Images in files: what comes back is what was meant."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageCms

from kerasae.data import image_from_bytes, image_from_pixels, read_image, write_image
from kerasae.data.images import Remarks, shrink
from kerasae.errors import DataError


@pytest.mark.parametrize("channels", [1, 3])
def test_png_round_trip_is_exact(tmp_path, random_image, channels):
    image = random_image(5, 7, channels)
    write_image(tmp_path / "x.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_image_of_the_right_size_is_not_resampled(tmp_path, random_image):
    image = random_image(16, 16)
    write_image(tmp_path / "x.png", image)
    for fit in ("crop", "stretch"):
        np.testing.assert_array_equal(read_image(tmp_path / "x.png", image_size=16, channels=1, fit=fit), image)


def test_crop_cuts_the_centre_and_does_not_resample_when_it_fits(random_image):
    image = random_image(16, 21, 3)
    np.testing.assert_array_equal(image_from_pixels(image, image_size=16, fit="crop"), image[:, 2:18])
    np.testing.assert_array_equal(
        image_from_pixels(image.transpose(1, 0, 2).copy(), image_size=16), image[:, 2:18].transpose(1, 0, 2)
    )


def test_stretch_keeps_both_ends():
    image = np.zeros((8, 32, 1), np.uint8)
    image[:, 16:] = 200
    stretched = image_from_pixels(image, image_size=8, fit="stretch")
    assert stretched.shape == (8, 8, 1)
    assert stretched[0, 0, 0] == 0
    assert stretched[0, -1, 0] == 200
    assert image_from_pixels(image, image_size=8, fit="crop")[0, 1, 0] == 0


def test_gray_is_the_luma_and_colour_of_gray_repeats_it():
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_array_equal(image_from_pixels(primaries, channels=1)[0, :, 0], [76, 150, 29])
    gray = np.array([[[7], [250]]], np.uint8)
    np.testing.assert_array_equal(image_from_pixels(gray, channels=3), np.repeat(gray, 3, axis=-1))


def test_exif_orientation_is_honoured(tmp_path, random_image):
    image = random_image(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90° clockwise
    Image.fromarray(image).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), np.rot90(image, -1))


def test_what_a_file_says_beside_its_pixels_is_said_once_for_each_kind(tmp_path, random_image):
    exif, remarks = Image.Exif(), Remarks()
    exif[0x0112] = 6
    profiles = [ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes() for kind in ("sRGB", "LAB")]
    picture = Image.fromarray(random_image(4, 6, 3))
    picture.save(tmp_path / "c.png", icc_profile=profiles[0])
    picture.save(tmp_path / "b.png", exif=exif, icc_profile=profiles[1])
    picture.save(tmp_path / "a.png", icc_profile=b"no profile")
    for name in ("c", "b", "a"):
        read_image(tmp_path / f"{name}.png", remarks=remarks)
    turned, profile = remarks.sentences()
    assert turned.endswith(f"turned upright, as the EXIF orientation says; the first: {tmp_path / 'b.png'}")
    assert profile == (
        "2 images with a colour profile that cannot be applied; colours may come out off; the first: "
        f"{tmp_path / 'a.png'} (an unreadable one)"
    )
    read_image(tmp_path / "c.png", remarks=remarks, image_size=4)
    assert remarks.sentences()[0].startswith("1 image cut or stretched to a square and resized; a codec for images as")
    assert remarks.sentences()[0].endswith(f"--set data.fit=patches; the first: {tmp_path / 'c.png'} of 6×4")


def wide_profile():
    """A profile of RGB whose primaries are sRGB's with red and green exchanged."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {content[at : at + 4].decode(): at for at in range(132, 132 + 12 * content[131], 12)}
    red, green = tags["rXYZ"], tags["gXYZ"]
    content[red : red + 4], content[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(content).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def test_a_colour_profile_is_turned_into_srgb(tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (8, 9, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "swapped.png", icc_profile=wide_profile())
    remarks = Remarks()
    found = read_image(tmp_path / "swapped.png", remarks=remarks)
    np.testing.assert_allclose(found.astype(int), pixels[..., [1, 0, 2]], atol=2)
    [sentence] = remarks.sentences()
    assert "1 image with a colour profile other than sRGB, turned into sRGB; the first:" in sentence
    luma = read_image(tmp_path / "swapped.png", channels=1)
    expected = np.asarray(Image.fromarray(found).convert("L"))
    np.testing.assert_array_equal(luma[..., 0], expected)
    clear = np.concatenate([pixels, np.full((8, 9, 1), 255, np.uint8)], axis=-1)
    clear[0, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "clear.png", icc_profile=wide_profile())
    found = read_image(tmp_path / "clear.png")
    np.testing.assert_allclose(found[1:].astype(int), pixels[1:][..., [1, 0, 2]], atol=2)
    assert (found[0] == 255).all()


def test_heic_is_read_where_its_plugin_is_installed_and_named_where_it_is_not(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    pixels = np.broadcast_to(np.linspace(0, 255, 64).astype("uint8")[:, None, None], (64, 48, 3))
    Image.fromarray(pixels).save(tmp_path / "phone.heic", quality=95)
    assert np.abs(read_image(tmp_path / "phone.heic").astype(int) - pixels).mean() < 3
    monkeypatch.setattr("kerasae.data.images.register_heif", lambda: False)
    with pytest.raises(DataError, match=r"phone.heic is a HEIC file, which needs .*pip install 'kerasae\[heif\]'"):
        read_image(tmp_path / "phone.heic")


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path):
    deep = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png")[..., 0], [[0, 0, 1, 1, 128, 255]])
    assert read_image(tmp_path / "x.png", channels=3).shape == (1, 6, 3)


def test_transparency_lies_over_white(tmp_path):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png")[0], [[10, 20, 30], [255] * 3, [127] * 3])


def test_transparent_gray_stays_gray(tmp_path):
    Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8), "LA").save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), [[[9], [255]]])


def test_palette_gives_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([1, 2, 3, 200, 100, 50])
    image.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), [[[1, 2, 3], [200, 100, 50]]])
    image.save(tmp_path / "y.png", transparency=1)
    np.testing.assert_array_equal(read_image(tmp_path / "y.png"), [[[1, 2, 3], [255, 255, 255]]])


def test_one_bit_becomes_black_and_white(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), [[[0], [255]]])


def test_shrink_takes_means_of_areas():
    image = np.array([[0, 100, 10, 10], [100, 200, 10, 30]], np.uint8)[..., np.newaxis]
    np.testing.assert_array_equal(shrink(image, height=1, width=2)[..., 0], [[100, 15]])
    assert shrink(image, height=2, width=4) is image


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(format):
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, format, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"walk\.gif holds 2 pictures"):
        image_from_bytes(file.getvalue(), name="walk.gif")


def test_a_truncated_file_is_refused_by_name(tmp_path, random_image):
    path = tmp_path / "x.png"
    write_image(path, random_image(32, 32))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"x\.png is not a readable image: "):
        read_image(path)


def test_other_broken_files_are_refused_by_name(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"empty\.png is empty"):
        read_image(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match=r"text\.png is not a readable image: its content is no image format"):
        read_image(tmp_path / "text.png")
    with pytest.raises(DataError, match=r"none\.png cannot be read: No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png cannot be read: it is no regular file but a pipe or a device"):
        read_image(tmp_path / "pipe.png")


def test_gray_of_unknown_range_is_refused(tmp_path):
    Image.fromarray(np.array([[0.5, 1.5]], np.float32)).save(tmp_path / "x.tiff")
    with pytest.raises(DataError, match="floating-point gray, whose range the file does not state"):
        read_image(tmp_path / "x.tiff")


def test_pixels_that_are_no_image_are_refused():
    with pytest.raises(DataError, match=r"shape \(4, 4\) and type uint8 are not an image"):
        image_from_pixels(np.zeros((4, 4), np.uint8))


def test_writing_says_what_is_wrong(tmp_path, random_image):
    with pytest.raises(DataError, match=r"no image format with the suffix '\.what'"):
        write_image(tmp_path / "x.what", random_image(4, 4))
    with pytest.raises(DataError, match=r"x\.png cannot be written: No such file"):
        write_image(tmp_path / "gone" / "x.png", random_image(4, 4))
