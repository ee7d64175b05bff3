"""Photos as a program has them: the same picture gives the same pixels whatever it is handed over as."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.drawn_people import drawn_image
from PIL import Image

from sfpn.errors import UserError
from sfpn.photos.photo import Photo, load_photo
from sfpn.verification.given import as_photo, photos_of
from sfpn.verification.verifier import Verifier


def test_the_same_pixels_as_path_picture_array_and_photo(tmp_path):
    image = drawn_image("frontal")
    path = tmp_path / "a.png"
    image.save(path)
    with Image.open(path) as opened:
        given = [path, str(path), image, np.asarray(image), load_photo(path), opened]
        found = [np.asarray(as_photo(each, "it").image) for each in given]
    assert all(np.array_equal(pixels, np.asarray(image)) for pixels in found)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK", "F"])
def test_a_picture_of_any_mode_is_read_as_its_file_is(tmp_path, mode):
    grey = drawn_image("frontal").convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode in ("RGBA", "LA"):
        image = drawn_image("frontal").convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    else:
        image = drawn_image("frontal").convert("L" if mode == "F" else "RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F") else "a.png")
    image.save(path)
    found = np.asarray(as_photo(image, "it").image).astype(int)
    assert found.shape[2] == 3 and np.abs(found - np.asarray(load_photo(path).image)).max() <= 3


def test_a_picture_turned_by_its_exif_is_upright(tmp_path):
    image = drawn_image("frontal").resize((60, 90))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(np.asarray(as_photo(opened, "it").image), np.asarray(image))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "first photo: NoneType is not a photo; give a path"),
        (3, "first photo: int is not a photo"),
        (b"bytes", "first photo: bytes is not a photo"),
        (np.zeros((50, 50, 3)), r"an array of shape \(50, 50, 3\) and type float64 is not a photo"),
        (np.zeros((3, 50, 50), np.uint8), r"an array of shape \(3, 50, 50\)"),
        (np.zeros((0, 50, 3), np.uint8), r"an array of shape \(0, 50, 3\)"),
        (np.zeros((50,), np.uint8), r"an array of shape \(50,\)"),
        (Image.new("RGB", (300, 4)), "has 300x4 pixels"),
        ("nowhere.jpg", "nowhere.jpg: no such file"),
    ],
)
def test_what_is_no_photo_is_refused_by_name(given, words):
    with pytest.raises(UserError, match=f"^{words}" if given is None else words):
        photos_of(given, "first")


def test_one_of_several_is_named_by_its_number():
    with pytest.raises(UserError, match="^second photo 2: "):
        photos_of([np.zeros((50, 50, 3), np.uint8), np.zeros(3)], "second")


def test_a_verifier_takes_one_or_several_of_each():
    verifier = Verifier.from_pretrained("depthwise")
    image = drawn_image("frontal")
    one = verifier(image, np.asarray(image))
    assert one.score == pytest.approx(1.0, abs=1e-5) and one.match and one.decision == "match"
    several = verifier([image, Photo("again", image)], (image,), target_fmr=0.01)
    assert several.rule.point.target_fmr == 0.01 and len(several.sides[0].shots) == 2
    with pytest.raises(UserError, match="the first side has no photo"):
        verifier([], image)
