"""Users' pictures of one digit, made in many ways, all become the same image; what is no picture is told."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mnist_trainer.errors import DataError
from mnist_trainer.inference.chosen import picture_files
from mnist_trainer.inference.model_file import Description
from mnist_trainer.inference.pictures import prepared_picture, read_picture
from mnist_trainer.inference.preparation import BOX, SIDE, as_mnist, as_scaled, as_scikit_digit, triangle_weights
from tests.inference.drawing import drawn, photographed


def described(preparation="mnist", shape=(28, 28, 1)):
    return Description(
        layers=[{"kind": "flatten"}],
        outputs="logits",
        dtype="float32",
        image_shape=list(shape),
        scale=1.0,
        shift=0.0,
        preparation=preparation,
        class_names=["a", "b"],
    )


def seen(image, kind="PNG", preparation="mnist", shape=(28, 28, 1), **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return prepared_picture(file, "mine", described(preparation, shape))


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


PLAIN = drawn()
WAYS = {
    "thin": drawn(size=(300, 300), box=(80, 50, 140, 200), width=5),
    "off-centre and small": drawn(size=(400, 300), box=(300, 160, 80, 120), width=14),
    "light on dark": drawn(ink=255, paper=0),
    "grey on grey": drawn(ink=120, paper=180),
    "coloured": drawn(ink=(200, 30, 30), paper=(250, 250, 200), mode="RGB"),
    "transparent, dark ink": drawn(ink=(0, 0, 0, 255), paper=(0, 0, 0, 0), mode="RGBA"),
    "transparent, light ink": drawn(ink=(255, 255, 255, 255), paper=(255, 255, 255, 0), mode="RGBA"),
    "huge": drawn(size=(5000, 4000), box=(1500, 500, 2000, 3000), width=350),
    "tight": drawn(size=(94, 134), box=(7, 7, 80, 120), width=14),
    "a photograph with a soft shadow": photographed(
        drawn(size=(600, 800), box=(200, 200, 220, 330), width=38),
        shadow=lambda x, y: 1 - 0.45 / (1 + np.exp(-(x + 0.5 * y - 0.6) / 0.04)),
    ),
    "a photograph with a sharp shadow": photographed(
        drawn(size=(600, 800), box=(200, 200, 220, 330), width=38),
        shadow=lambda x, y: np.where(x + 0.3 * y > 0.56, 0.55, 1),
    ),
    "a photograph by a window": photographed(
        drawn(size=(600, 800), box=(200, 200, 220, 330), width=38), shadow=lambda x, y: 1 - 0.6 * x
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("preparation", ["mnist", "digits"])
def test_however_it_is_drawn_the_network_sees_the_same_digit(way, preparation):
    found, plain = seen(WAYS[way], preparation=preparation), seen(PLAIN, preparation=preparation)
    assert found.is_digit
    assert correlation(found.image, plain.image) > 0.85
    inverted = "inverted: its background is light" in found.notes
    assert inverted == (way not in ("light on dark", "transparent, light ink"))


def test_thick_strokes_are_made_thinner():
    ink = [seen(drawn(width=width)).image.sum() for width in (14, 40)]
    assert ink[1] < 2.3 * ink[0]  # 2.9 times as much, as they are drawn


def test_a_digit_is_fitted_into_a_box_of_20_and_centred_by_its_mass():
    image = seen(PLAIN).image[..., 0].astype(float)
    rows, columns = np.nonzero(image)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX
    weights = image / image.sum()
    for axis in (0, 1):
        middle = weights.sum(axis=1 - axis) @ np.arange(SIDE)
        assert abs(middle - (SIDE - 1) / 2) <= 0.5


def test_all_formats_are_read_and_a_photograph_is_turned_upright():
    plain = seen(PLAIN).image
    for kind in ("PNG", "GIF", "BMP", "TIFF", "JPEG"):
        assert correlation(seen(PLAIN, kind).image, plain) > 0.99
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = seen(PLAIN.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert correlation(turned.image, plain) > 0.97
    wide = Image.fromarray(np.asarray(PLAIN).astype(np.uint16) * 257)
    assert correlation(seen(wide, "PNG").image, plain) > 0.99
    assert correlation(seen(PLAIN.convert("P"), "PNG", transparency=255).image, plain) > 0.99
    assert correlation(seen(PLAIN.convert("CMYK"), "JPEG").image, plain) > 0.99
    assert correlation(seen(PLAIN.convert("1"), "PNG").image, plain) > 0.95
    several = seen(PLAIN, "GIF", save_all=True, append_images=[drawn(ink=128)])
    assert "the first of its 2 pictures" in several.notes


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_is_told(value):
    for preparation in ("mnist", "digits"):
        found = seen(Image.new("L", (90, 70), value), preparation=preparation)
        assert not found.is_digit
        assert "no digit in it: nothing stands out from the background" in found.notes
        assert not found.image.any()


def test_paper_with_noise_but_without_a_digit_is_told():
    found = seen(photographed(Image.new("L", (300, 400), 255), shadow=lambda x, y: 1 - 0.4 * x))
    assert not found.is_digit


def test_two_digits_are_told():
    both = Image.new("L", (400, 200), 255)
    both.paste(PLAIN, (0, 0))
    both.paste(PLAIN, (180, 0))
    assert "there may be more than one digit in it" in seen(both).notes
    assert "there may be more than one digit in it" not in seen(PLAIN).notes


def test_dust_does_not_count():
    pixels = np.asarray(PLAIN).copy()
    pixels[5:9, 5:9] = pixels[190:194, 185:189] = 0
    np.testing.assert_allclose(seen(Image.fromarray(pixels)).image, seen(PLAIN).image, atol=12)


def test_pictures_for_other_sets_are_scaled_and_told():
    found = seen(PLAIN, preparation="scaled", shape=(14, 10, 1))
    assert found.image.shape == (14, 10, 1)
    assert found.notes == ["scaled to 14x10, and not prepared otherwise"]
    colour = Image.new("RGB", (30, 20), (255, 128, 0))
    np.testing.assert_array_equal(seen(colour, preparation="scaled", shape=(4, 5, 3)).image[2, 2], [255, 128, 0])
    with pytest.raises(DataError, match="mine: the network sees 2 channels, and the picture has 3"):
        seen(colour, preparation="scaled", shape=(4, 5, 2))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_numbers_make_an_image(height, width, seed):
    rng = np.random.default_rng(seed)
    picture = rng.random((height, width)) ** rng.integers(1, 9)
    for make in (as_mnist, as_scikit_digit, lambda each: as_scaled(each, (28, 28, 1))):
        found = make(picture)
        assert (found.image.shape, found.image.dtype) == ((28, 28, 1), np.uint8)


@given(st.integers(1, 60), st.integers(1, 60))
def test_scaling_keeps_what_is_even(old, new):
    np.testing.assert_allclose(triangle_weights(old, new).sum(axis=1), 1)
    np.testing.assert_allclose(triangle_weights(old, new) @ np.ones(old), np.ones(new))


def png(width, height):
    """The beginning of a picture that says it is so large."""
    from zlib import crc32

    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">II", crc32(header), 9) + b"IDAT"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty: no picture can be read from it"),
        (b"not a picture", "no picture: PNG, JPEG, GIF, BMP, TIFF can be read"),
        (png(12_000, 12_000), "12,000 x 12,000 pixels: at most 100,000,000 are read"),
        (png(60_000, 60_000), r"the picture can't be read: Image size \(3600000000 pixels\) exceeds limit"),
        (png(20, 20), "the picture can't be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path, content, said):
    for name in ("a\0b", "a" * 300):
        with pytest.raises(DataError, match="no picture can be read from it"):
            read_picture(tmp_path / name, described())
    path = tmp_path / "mine.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_picture(path, described())
    assert str(path) in str(error.value)


@given(st.integers(0, 2**32 - 1))
def test_damaged_pictures_are_read_or_told(seed):
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    PLAIN.save(file, rng.choice(["PNG", "JPEG", "GIF", "BMP", "TIFF"]))
    content = bytearray(file.getvalue())
    for place in rng.integers(0, len(content), 8):
        content[place] = rng.integers(256)
    try:
        found = prepared_picture(io.BytesIO(bytes(content)), "mine", described())
    except DataError as error:
        assert str(error).startswith("mine: ")  # noqa: PT017
    else:
        assert found.image.shape == (28, 28, 1)


def test_folders_and_patterns_mean_the_pictures_in_them(tmp_path):
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in picture_files(str(tmp_path))] == ["a.JPG", "b.png"]
    assert [path.name for path in picture_files(f"{tmp_path}/*.[pt]*")] == ["b.png", "c.txt"]
    odd = tmp_path / "a[1].png"
    odd.touch()
    assert picture_files(str(odd)) == [odd]
    (tmp_path / "empty").mkdir()
    for given_name, said in (
        (f"{tmp_path}/*.gif", "no file fits this pattern"),
        (f"{tmp_path}/empty", "no pictures in this folder"),
        (" ", "an empty name"),
    ):
        with pytest.raises(DataError, match=said):
            picture_files(given_name)
