"""Large photos are searched, and faces cut from them, in fewer pixels: the same faces as in all of them."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from helpers.drawn_people import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfpn.errors import UserError
from sfpn.photos.containers import with_orientation
from sfpn.photos.detector import FaceDetector, make_face
from sfpn.photos.finding import find_in_photo
from sfpn.photos.orientation import TRANSPOSES
from sfpn.photos.photo import EncodedPhoto, Photo, decode_photo, open_photo
from sfpn.photos.preprocess import Preprocess
from sfpn.photos.searched import PANORAMA, WORKING_SIZE, search_divisor
from sfpn.verification.verifier import CROP_DETAIL, Shot, look

KINDS = {
    "plain": ("RGB", {}),
    "without reduced colours": ("RGB", {"subsampling": 0}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
}


@cache
def scene(width: int = 3840, height: int = 2880, face: int = 1600) -> Image.Image:
    """A drawn person, so many px high, left of the middle of a grey photo with the noise of a camera."""
    rng = np.random.default_rng(3)
    pixels = np.full((height, width, 3), 120, np.int16)
    person = Image.open(io.BytesIO(drawn("frontal"))).convert("RGB").resize((face, face), Image.Resampling.BICUBIC)
    left, top = (width - face) // 3, (height - face) // 2
    pixels[top : top + face, left : left + face] = np.asarray(person)
    pixels += rng.normal(0, 4, (height, width, 1)).astype(np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, file_format: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **({"quality": 90} if file_format == "JPEG" else {}), **options)
    return buffer.getvalue()


def mean_of_squares(image: Image.Image, divisor: int) -> np.ndarray:
    pixels = np.asarray(image, float)
    height, width, _ = pixels.shape
    return pixels.reshape(height // divisor, divisor, width // divisor, divisor, 3).mean(axis=(1, 3))


@settings(max_examples=300, deadline=None)
@given(st.integers(20, 16_000), st.integers(20, 16_000), st.sampled_from([1, 2, 4, 8, 16]))
def test_photos_are_divided_as_far_as_a_search_allows(width, height, multiple):
    size = width // multiple * multiple or multiple, height // multiple * multiple or multiple
    divisor = search_divisor(size)
    assert divisor == search_divisor(size[::-1]) and divisor in (1, 2, 4, 8, 16)
    if max(size) > PANORAMA * min(size):
        assert divisor == 1
        return
    small = (size[0] / divisor, size[1] / divisor)
    assert all(side == int(side) for side in small) and (divisor == 1 or max(small) >= WORKING_SIZE)
    assert max(small) < 2 * WORKING_SIZE or any(side % 2 for side in small)
    assert search_divisor((int(small[0]), int(small[1]))) == 1  # what is searched is not divided again


@pytest.mark.parametrize("divisor", [2, 4, 8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_decoded_in_part_is_the_mean_of_its_pixels(kind, divisor):
    mode, options = KINDS[kind]
    encoded = saved(scene(1600, 1280, 1000).convert(mode), **options)
    photo, whole = open_photo(encoded, "a.jpg"), decode_photo(encoded, "a.jpg").image
    found = np.asarray(photo.divided(divisor), float)
    off = np.abs(found - mean_of_squares(whole, divisor))
    assert photo.size == whole.size and photo.divided(divisor).mode == "RGB"
    assert off.mean() < 0.7 and np.quantile(off, 0.999) <= 4
    np.testing.assert_array_equal(np.asarray(photo.image), np.asarray(whole))


@pytest.mark.parametrize("orientation", [1, *TRANSPOSES])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_what_exif_turns_is_turned_before_it_is_asked_for(orientation, turned):
    encoded = with_orientation(saved(scene(640, 480, 400)), orientation)
    photo = open_photo(encoded, "a.jpg").turned(turned)
    whole = decode_photo(encoded, "a.jpg").turned(turned)
    assert photo.size == whole.size
    assert np.abs(np.asarray(photo.divided(2), float) - mean_of_squares(whole.image, 2)).mean() < 0.7


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_the_header_tells_the_size(file_format):
    encoded = saved(scene(200, 120, 100), file_format)
    assert open_photo(encoded, "a").size == decode_photo(encoded, "a").size == (200, 120)


def test_a_photo_that_is_cut_off_is_refused_when_its_pixels_are_asked_for():
    photo = open_photo(saved(scene(640, 480, 400))[:-9000], "a.jpg")
    for divisor in (1, 4):
        with pytest.raises(UserError, match="^a.jpg: is damaged or cut off"):
            photo.divided(divisor)


@pytest.mark.parametrize(
    ("stored", "orientation"), [(None, 1), (Image.Transpose.ROTATE_90, 6), (Image.Transpose.ROTATE_180, 3)]
)
def test_the_same_face_is_found_in_a_jpeg_decoded_in_part_and_in_all_its_pixels(stored, orientation):
    image = scene() if stored is None else scene().transpose(stored)
    encoded, detector = with_orientation(saved(image), orientation), FaceDetector()
    photo, whole = open_photo(encoded, "a.jpg"), decode_photo(encoded, "a.jpg")
    found, expected = find_in_photo(detector, photo), detector.detect(whole.image)
    assert found.size == whole.size == photo.size and found.divisor == 4
    (face,), (right,) = found.faces, expected
    np.testing.assert_allclose(face.box_xyxy, right.box_xyxy, atol=0.01 * right.shorter_side)
    np.testing.assert_allclose(face.landmarks_xy, right.landmarks_xy, atol=0.02 * right.shorter_side)
    assert abs(face.yaw_degrees - right.yaw_degrees) < 2
    crop, of_all = look(detector, photo).crop(Preprocess()), Preprocess().crop(whole.image, face)
    assert np.abs(np.asarray(crop, float) - np.asarray(of_all, float)).mean() < 1.5


def test_other_formats_and_decoded_photos_are_searched_alike():
    image, detector = scene(1920, 1440, 800), FaceDetector()
    given = (open_photo(saved(image, "PNG"), "a.png"), Photo("a", image))
    boxes = [find_in_photo(detector, photo).faces[0].box_xyxy for photo in given]
    np.testing.assert_allclose(boxes, [detector.detect(image)[0].box_xyxy] * 2, atol=0.01)


class RedSideUp:
    """Sees a face, always in the same part of the picture, where the upper edge is red."""

    def detect(self, photo: Image.Image) -> list:
        red, _, blue = photo.getpixel((photo.width // 2, 2))
        width, height = photo.size
        box = (0.25 * width, 0.25 * height, 0.5 * width, 0.5 * height)
        points = np.array([[0.3, 0.3], [0.4, 0.3], [0.35, 0.4], [0.3, 0.45], [0.4, 0.45]]) * photo.size
        return [make_face(box, points, 0.9999)] if red > blue + 50 else []


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_faces_are_in_pixels_of_the_whole_photo_as_it_stands_upright(degrees):
    upright = Image.new("RGB", (1920, 2560), (90, 90, 90))
    upright.paste((250, 20, 20), (0, 0, 1920, 300))
    given = upright.rotate(degrees, expand=True)  # counter-clockwise
    shot = look(RedSideUp(), open_photo(saved(given), "a.jpg"))
    assert shot.turned_degrees == degrees and shot.photo.size == (1920, 2560)
    np.testing.assert_allclose(shot.face.box_xyxy, (480, 640, 960, 1280))
    np.testing.assert_allclose(shot.face.landmarks_xy[0], (576, 768), rtol=1e-5)
    crop, of_all = shot.crop(Preprocess()), Preprocess().crop(upright, shot.face)
    assert np.abs(np.asarray(crop, float) - np.asarray(of_all, float)).mean() < 1.5
    assert shot.photo.image.size == (1920, 2560) and shot.photo.image.getpixel((900, 100))[0] > 200


class Asked(EncodedPhoto):
    """Notes how much of it was decoded."""

    divisors: list[int] = []

    def divided(self, divisor: int) -> Image.Image:
        self.divisors.append(divisor)
        return super().divided(divisor)


@pytest.mark.parametrize(("share", "divisor"), [(1.01, 4), (0.99, 2), (0.51, 2), (0.49, 1), (0.1, 1)])
@pytest.mark.parametrize("preprocess", [Preprocess(), Preprocess(geometry="five_point", size=112)])
def test_a_small_face_is_cut_from_more_pixels(share, divisor, preprocess):
    image = scene()
    side = share * 4 * CROP_DETAIL * preprocess.size
    points = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * side + 900
    face = make_face([900, 900, 900 + side, 900 + side], points, 0.99)
    photo = Asked("a.jpg", saved(image), image.size)
    photo.divisors.clear()
    shot = Shot(photo, (face,), 0)
    crop = np.asarray(shot.crop(preprocess), float)
    assert photo.divisors == [divisor]
    off = np.abs(crop - np.asarray(preprocess.crop(decode_photo(photo.encoded, "a.jpg").image, face), float))
    assert off.mean() < 1.5
