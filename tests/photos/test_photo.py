"""Photos as people have them are read; everything else is refused in one sentence that names the photo."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sfpn.errors import UserError
from sfpn.photos import photo
from sfpn.photos.photo import decode_photo, load_photo, looks_like_photo

PIXELS = np.kron(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5, np.ones((16, 12, 1), np.uint8))  # 64 high, 48 wide


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(PIXELS).convert(mode)


@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "L", {"quality": 95}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("MPO", "RGB", {}),
    ],
)
def test_every_kind_becomes_upright_rgb(file_format, mode, options):
    read = decode_photo(encoded(picture(mode), file_format, **options), "a")
    assert read.image.mode == "RGB" and read.size == (48, 64)
    if mode in ("RGB", "RGBA", "CMYK"):
        assert np.abs(np.asarray(read.image, int) - PIXELS).mean() < 4


def test_first_frame_of_an_animation():
    frames = [picture(), Image.new("RGB", (48, 64), "white")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert np.asarray(decode_photo(data, "a.gif").image).mean() < 200


def test_transparency_lies_on_white():
    clear = picture("RGBA")
    clear.putalpha(0)
    assert np.asarray(decode_photo(encoded(clear, "PNG"), "a").image).min() == 255


def test_sixteen_bits_are_scaled_not_clipped():
    deep = np.linspace(0, 65535, 64 * 48).reshape(64, 48).astype(np.uint16)
    read = np.asarray(decode_photo(encoded(Image.fromarray(deep), "PNG"), "a").image)
    assert np.abs(read[..., 0].astype(float) - deep / 257).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation):
    """The stored pixels are those that the orientation turns back into PIXELS, written out case by case."""
    stored = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.swapaxes(0, 1),
        6: np.rot90(PIXELS),
        7: np.rot90(PIXELS, 2).swapaxes(0, 1),
        8: np.rot90(PIXELS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(np.asarray(decode_photo(data, "a").image), PIXELS)


def test_twelve_megapixels(tmp_path):
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (4000, 3000), "gray").save(path)
    assert load_photo(path).size == (4000, 3000)


def png_header(width: int, height: int) -> bytes:
    """A PNG that only claims its size: there are no pixels behind the header."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty file"),
        (b"hello, this is no picture at all", "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "JPEG"),
        (png_header(30000, 30000), "megapixels"),
        (png_header(9000, 9000), "81 megapixels, more than the 64 allowed"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "only 1x1 pixels"),
        (encoded(picture(), "PNG")[:100], "damaged or cut off"),
        (encoded(picture(), "JPEG")[:700], "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not a picture"),
    ],
)
def test_refusals_name_the_photo_and_the_remedy(data, says):
    with pytest.raises(UserError) as caught:
        decode_photo(data, "mine.jpg")
    sentence = str(caught.value)
    assert sentence.startswith("mine.jpg: ") and says in sentence and "\n" not in sentence


def test_missing_file_and_too_many_bytes(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="nowhere.jpg: no such file"):
        load_photo(tmp_path / "nowhere.jpg")
    path = tmp_path / "big.png"
    path.write_bytes(encoded(picture(), "PNG"))
    monkeypatch.setattr(photo, "MAX_BYTES", 10)
    with pytest.raises(UserError, match="larger than"):
        load_photo(path)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_of_any_kind_is_a_user_error_or_a_picture(file_format):
    generator = random.Random(file_format)
    whole = encoded(picture(), file_format)
    for _ in range(60):
        data = bytearray(whole[: generator.randrange(1, len(whole) + 1)])
        for _ in range(generator.choice([0, 1, 8])):
            data[generator.randrange(len(data))] = generator.randrange(256)
        try:
            assert decode_photo(bytes(data), "a").image.mode == "RGB"
        except UserError as error:
            assert str(error).startswith("a: ")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jpg", b"damaged", True),
        ("a.JFIF", b"", True),
        ("a.jpg_large", b"", True),
        ("a.heic", b"", True),
        ("a.AVIF", b"", True),
        ("noend", encoded(picture(), "JPEG"), True),
        ("noend", encoded(picture(), "TIFF"), True),
        ("a.bin", encoded(picture(), "AVIF"), True),
        ("a.download", encoded(picture(), "WEBP"), True),
        ("a.JPG!large", encoded(picture(), "PNG"), True),
        ("a.bin", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        ("notes.txt", b"no picture", False),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0", False),
        ("BMW.txt", b"BM is how a sentence may begin, and so it is not enough", False),
        ("empty", b"", False),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", False),
    ],
)
def test_what_looks_like_a_photo(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert looks_like_photo(tmp_path / name) is expected
    assert not looks_like_photo(tmp_path) and not looks_like_photo(tmp_path / "absent.jpg")


@pytest.mark.parametrize("name", ["a.jfif", "a.jpg_large", "a", "a.avif", "a.bin"])
def test_the_name_of_a_file_does_not_matter(tmp_path, name):
    for file_format in ("JPEG", "AVIF", "PNG"):
        (tmp_path / name).write_bytes(encoded(picture(), file_format))
        assert load_photo(tmp_path / name).size == (48, 64)


def test_heic_simply_works_where_pillow_heif_is_installed():
    pillow_heif = pytest.importorskip("pillow_heif")
    for size in ((48, 64), (65, 47)):
        buffer = io.BytesIO()
        pillow_heif.from_pillow(picture().resize(size)).save(buffer, quality=95)
        read = decode_photo(buffer.getvalue(), "a.heic")
        assert read.size == size
        assert np.abs(np.asarray(read.image, int) - np.asarray(picture().resize(size), int)).mean() < 8
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "some camera"
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(buffer, exif=exif.tobytes())
    broken = buffer.getvalue().replace(b"some camera", b"\xff" * 11)
    by_heif = pillow_heif.open_heif(io.BytesIO(buffer.getvalue()))
    assert decode_photo(broken, "a.heic").size == by_heif.size


def test_without_pillow_heif_the_sentence_says_so(monkeypatch):
    monkeypatch.setattr(photo, "_heif_can_be_read", lambda: False)
    with pytest.raises(UserError, match="a: HEIC photos cannot be read here; save it as JPEG"):
        decode_photo(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(80), "a")


def test_an_intact_picture_of_a_rare_kind_is_not_called_damaged():
    data = encoded(picture(), "TIFF")
    rare = bytearray(data)
    directory = struct.unpack_from("<L", data, 4)[0]
    for entry in range(directory + 2, directory + 2 + 12 * struct.unpack_from("<H", data, directory)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == 262:  # photometric interpretation: a colour filter array
            struct.pack_into("<H", rare, entry + 8, 32803)
    with pytest.raises(
        UserError, match="a: is not a picture that can be read: .*of a rare kind; save it as JPEG or PNG"
    ):
        decode_photo(bytes(rare), "a")
