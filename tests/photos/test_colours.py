"""Every kind of pixels becomes the 8-bit RGB that it stands for; what is expected is worked out from the numbers."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfpn.photos.colours import full_scale_of
from sfpn.photos.photo import decode_photo

HEIGHT, WIDTH = 24, 32
RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
COLOURS = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]])


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def read(data: bytes) -> np.ndarray:
    return np.asarray(decode_photo(data, "a").image).astype(float)


def assert_shows(data: bytes, shares: np.ndarray, tolerance: float = 1.01) -> None:
    """shares: (H, W) or (H, W, 3), 0 black to 1 white."""
    expected = shares if shares.ndim == 3 else shares[..., None].repeat(3, axis=2)
    assert np.abs(read(data) - 255 * expected).max() <= tolerance


def png(samples: np.ndarray, colour_type: int, bits: int = 16, extra: bytes = b"") -> bytes:
    """A PNG written by hand: samples (H, W, bands) big-endian, no filter."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    height, width = samples.shape[:2]
    rows = samples.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">LLBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    )


def tiff(samples: np.ndarray, sample_format: int = 1, order: str = "<", photometric: int | None = None) -> bytes:
    """An uncompressed TIFF written by hand: samples (H, W) or (H, W, bands) of any type."""
    samples = samples[..., None] if samples.ndim == 2 else samples
    height, width, bands = samples.shape
    pixels = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    bits = struct.pack(order + f"{bands}H", *[samples.itemsize * 8] * bands)
    bits_at, pixels_at = 8, 8 + len(bits) + len(bits) % 2
    photometric = (2 if bands > 1 else 1) if photometric is None else photometric

    def short(value: int) -> bytes:
        return struct.pack(order + "HH", value, 0)

    entries = [
        (256, 3, 1, short(width)),
        (257, 3, 1, short(height)),
        (258, 3, bands, struct.pack(order + "L", bits_at) if bands > 2 else short(samples.itemsize * 8)),
        (259, 3, 1, short(1)),
        (262, 3, 1, short(photometric)),
        (273, 4, 1, struct.pack(order + "L", pixels_at)),
        (277, 3, 1, short(bands)),
        (278, 3, 1, short(height)),
        (279, 4, 1, struct.pack(order + "L", len(pixels))),
        *([(338, 3, 1, short(2))] if bands == 4 else []),
        (339, 3, 1, short(sample_format)),
    ]
    directory = struct.pack(order + "H", len(entries)) + b"".join(
        struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries
    )
    start = pixels_at + len(pixels)
    header = struct.pack(order + "2sHL", b"II" if order == "<" else b"MM", 42, start)
    return (header + bits).ljust(pixels_at, b"\0") + pixels + directory + bytes(4)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("container", ["PNG", "TIFF little", "TIFF big", "TIFF deflated", "int32"])
def test_grey_of_any_depth_in_16_or_32_bits(bits, container):
    values = (RAMP * (2**bits - 1)).round()
    if container == "PNG":
        data = png(values[..., None], 0)
    elif container == "int32":
        data = encoded(Image.fromarray(values.astype(np.int32)), "TIFF")
    elif container == "TIFF deflated":
        data = encoded(Image.fromarray(values.astype(np.uint16)), "TIFF", compression="tiff_deflate")
    else:
        data = tiff(values.astype(np.uint16), order="<" if container == "TIFF little" else ">")
    assert_shows(data, RAMP)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("container", ["PNG", "TIFF little", "TIFF big", "TIFF deflated"])
@pytest.mark.parametrize("bands", [3, 4])
def test_colour_of_any_depth_in_16_bits(bits, container, bands):
    """Four bands: opaque."""
    values = (COLOURS * (2**bits - 1)).round().astype(np.uint16)
    if bands == 4:
        values = np.dstack([values, np.full((HEIGHT, WIDTH), 2**bits - 1, np.uint16)])
    if container == "PNG":
        data = png(values, 2 if bands == 3 else 6)
    elif container == "TIFF deflated":
        data = deflated(tiff(values))
    else:
        data = tiff(values, order="<" if container == "TIFF little" else ">")
    assert_shows(data, COLOURS, 1.01 if bits < 16 else 2)


def deflated(data: bytes) -> bytes:
    """The same TIFF with its pixels compressed: the strip moves to the end of the file."""
    (directory,) = struct.unpack_from("<L", data, 4)
    entries = {
        struct.unpack_from("<H", data, at)[0]: at + 8
        for at in range(directory + 2, directory + 2 + 12 * struct.unpack_from("<H", data, directory)[0], 12)
    }
    start, length = (struct.unpack_from("<L", data, entries[tag])[0] for tag in (273, 279))
    strip = zlib.compress(data[start : start + length])
    changed = bytearray(data + strip)
    struct.pack_into("<H", changed, entries[259], 8)
    struct.pack_into("<L", changed, entries[273], len(data))
    struct.pack_into("<L", changed, entries[279], len(strip))
    return bytes(changed)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_grey_with_transparency_in_16_bits(bits):
    top = 2**bits - 1
    alpha = np.where(np.arange(WIDTH) < WIDTH // 2, top, 0)[None].repeat(HEIGHT, 0)
    data = png(np.dstack([(RAMP * top).round(), alpha]), 4)
    assert_shows(data, np.where(alpha > 0, RAMP, 1.0))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 65535))
def test_full_scale_is_the_smallest_that_holds_the_maximum(maximum):
    expected = min(scale for scale in (255, 1023, 4095, 16383, 65535) if scale >= maximum)
    assert full_scale_of(maximum) == expected
    values = (RAMP * maximum).round()
    assert_shows(png(values[..., None], 0), values / expected)


@pytest.mark.parametrize("maximum", [70_000, 2**24 - 1, 2**31 - 1])
def test_more_than_16_bits(maximum):
    values = (RAMP * maximum).round().astype(np.int32)
    scale = 2.0 ** np.ceil(np.log2(maximum + 1)) - 1
    assert_shows(encoded(Image.fromarray(values), "TIFF"), RAMP * maximum / scale)


def test_32_bits_without_a_sign():
    values = (RAMP * (2**32 - 1)).astype(np.uint32)
    assert_shows(tiff(values), RAMP)


@pytest.mark.parametrize(
    ("top", "scale"), [(1.0, 1.0), (0.4, 1.0), (255.0, 255), (180.0, 255), (4095.0, 4095), (65535.0, 65535)]
)
@pytest.mark.parametrize("order", "<>")
def test_floats(top, scale, order):
    values = (RAMP * top).astype(np.float32)
    assert_shows(tiff(values, 3, order), RAMP * top / scale)


def test_floats_that_are_no_numbers():
    values = RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    shown = read(tiff(values, 3))
    assert shown[0, :3, 0].tolist() == [0, 255, 0] and np.abs(shown[1:, :, 0] - 255 * RAMP[1:]).max() <= 1.01


@pytest.mark.parametrize("sample_format", [1, 3])
def test_white_may_be_zero(sample_format):
    values = (RAMP * 65535).astype(np.uint16) if sample_format == 1 else RAMP.astype(np.float32)
    assert_shows(tiff(values, sample_format, photometric=0), 1 - RAMP)


def test_signed_16_bits_are_black_below_zero():
    values = ((RAMP - 0.5) * 2 * 32767).astype(np.int16)
    assert_shows(tiff(values, 2), np.clip((RAMP - 0.5) * 32767 * 2 / 65535, 0, None))


def hidden(mode: str) -> Image.Image:
    """Bright colours, all of them transparent on the left half."""
    image = Image.fromarray((COLOURS * 255).astype(np.uint8)).convert("L" if mode == "LA" else "RGB").convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_colours_under_transparency_are_white(mode, file_format):
    options = {"WEBP": {"lossless": True, "exact": True}}.get(file_format, {})
    image = hidden(mode)
    shown = read(encoded(image.convert("RGBA") if file_format in ("WEBP", "AVIF") else image, file_format, **options))
    assert shown[:, : WIDTH // 2 - 4].min() > 245
    opaque = np.asarray(image.convert("RGB"), float)[:, WIDTH // 2 + 4 :]
    assert np.abs(shown[:, WIDTH // 2 + 4 :] - opaque).mean() < 6


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_colour_of_a_palette(file_format):
    image = Image.fromarray((RAMP > 0.5).astype(np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    shown = read(encoded(image, file_format, transparency=0))
    assert (shown[RAMP < 0.5] == 255).all() and (shown[RAMP > 0.5] == [0, 0, 200]).all()


@pytest.mark.parametrize(
    ("colour_type", "bits", "colour", "content"),
    [
        (0, 16, 40000, struct.pack(">H", 40000)),
        (2, 16, 40000, struct.pack(">3H", 40000, 40000, 40000)),
        (0, 8, 40, struct.pack(">H", 40)),
        (2, 8, 40, struct.pack(">3H", 40, 40, 40)),
    ],
)
def test_one_transparent_colour_of_a_png(colour_type, bits, colour, content):
    values = np.full((HEIGHT, WIDTH, 1 if colour_type == 0 else 3), 20000 if bits == 16 else 90)
    values[:, :10] = colour
    extra = struct.pack(">L", len(content)) + b"tRNS" + content + struct.pack(">L", zlib.crc32(b"tRNS" + content))
    shown = read(png(values, colour_type, bits, extra))
    assert (shown[:, :10] == 255).all()
    assert np.abs(shown[:, 10:] - (20000 / 257 if bits == 16 else 90)).max() <= 1.01


def test_cmyk_and_lab():
    image = Image.fromarray((COLOURS * 255).astype(np.uint8))
    for data in (encoded(image.convert("CMYK"), "TIFF"), encoded(image.convert("CMYK"), "JPEG", quality=98)):
        assert np.abs(read(data) - COLOURS * 255).mean() < 4
    from PIL import ImageCms

    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert np.abs(read(encoded(lab, "TIFF")) - COLOURS * 255).mean() < 8


def test_black_stays_black():
    for values in (np.zeros((HEIGHT, WIDTH), np.uint16), np.zeros((HEIGHT, WIDTH, 3), np.uint16)):
        assert read(tiff(values)).max() == 0
