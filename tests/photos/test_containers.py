"""Nothing but its pixels and its orientation matters of a picture file, and no file takes unbounded work."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from sfpn.errors import UserError
from sfpn.photos.containers import kind_of, pixels_only, with_orientation
from sfpn.photos.formats import bounds
from sfpn.photos.orientation import make_upright, orientation_of_exif, turn_clockwise, turned_orientation
from sfpn.photos.photo import decode_photo

PIXELS = np.kron(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5, np.ones((16, 12, 1), np.uint8))  # 64 high, 48 wide
EXIF_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}, "AVIF": {"quality": 95}}.get(file_format, {})
    image.save(buffer, file_format, **lossless | options)
    return buffer.getvalue()


def with_exif(block: bytes, file_format: str) -> bytes:
    """PIXELS with any bytes as EXIF; put in by hand where Pillow would look at them."""
    plain = encoded(Image.fromarray(PIXELS), file_format)
    if file_format == "JPEG":
        segment = b"Exif\0\0" + block
        return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    if file_format == "PNG":
        chunk = struct.pack(">L", len(block)) + b"eXIf" + block + struct.pack(">L", zlib.crc32(b"eXIf" + block))
        return plain[:33] + chunk + plain[33:]
    return encoded(Image.fromarray(PIXELS), file_format, exif=block)


def exif_block(order: str, entries: list[tuple[int, int, int, bytes]], start: int = 8) -> bytes:
    """A TIFF directory of (tag, type, count, four bytes of value or offset)."""
    directory = b"".join(struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries)
    heading = struct.pack(order + "2sHL", b"II" if order == "<" else b"MM", 42, start)
    return heading + struct.pack(order + "H", len(entries)) + directory + bytes(4)


def orientation_entry(order: str, value: int) -> tuple[int, int, int, bytes]:
    return 0x0112, 3, 1, struct.pack(order + "HH", value, 0)


# Any tag but the orientation, with any type, count and offset: text where a number belongs, offsets beyond the end.
OTHER_ENTRIES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 0x0111), st.sampled_from([0x011A, 0x011B, 0x0128, 0x0131, 0x8769, 0x8825, 0x02BC])),
        st.integers(0, 14),
        st.integers(0, 2**32 - 1),
        st.binary(min_size=4, max_size=4),
    ).filter(lambda entry: entry[0] != 0x0112),
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["JPEG", "PNG"]), st.sampled_from("<>"), st.integers(1, 8), OTHER_ENTRIES, st.binary(max_size=40)
)
def test_only_the_orientation_of_exif_matters(file_format, order, value, others, tail):
    before = sorted(entry for entry in others if entry[0] < 0x0112)
    after = sorted(entry for entry in others if entry[0] > 0x0112)
    block = exif_block(order, [*before, orientation_entry(order, value), *after]) + tail
    read = decode_photo(with_exif(block, file_format), "a").image
    expected = make_upright(decode_photo(encoded(Image.fromarray(PIXELS), file_format), "a").image, value)
    assert np.array_equal(np.asarray(read), np.asarray(expected))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG"]), st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(b"II*\0".__add__))
)
def test_no_bytes_in_place_of_exif_break_a_picture(file_format, block):
    assert decode_photo(with_exif(block, file_format), "a").size in ((48, 64), (64, 48))


@pytest.mark.parametrize("file_format", EXIF_FORMATS)
@pytest.mark.parametrize(
    "others",
    [
        [(0x011A, 2, 4, b"72\0\0"), (0x0128, 2, 4, b"inch")],  # resolution as text
        [
            (0x0131, 5, 1, b"\xff\xff\xff\x7f"),
            (0x0132, 5, 9, b"\xff\xff\xff\xff"),
        ],  # a rational where text belongs, far away
        [(0x8769, 4, 1, b"\xf0\xff\xff\xff"), (0x8825, 7, 2**31, b"\0\0\0\1")],  # directories out of range
    ],
)
def test_odd_exif_beside_an_orientation(file_format, others):
    """Where Pillow writes the EXIF itself, the odd tags go into the finished bytes by replacing a placeholder."""
    entries = [orientation_entry("<", 6), *others]
    if file_format in ("JPEG", "PNG"):
        data = with_exif(exif_block("<", entries), file_format)
    elif file_format == "TIFF":
        data = tiff_with(entries)
    else:
        exif = Image.Exif()
        exif[0x0131], exif[0x0112] = "s" * 400, 6
        data = encoded(Image.fromarray(PIXELS), file_format, exif=exif.tobytes())
        at = data.index(b"s" * 300)
        start = data.rindex(b"\0\0\0\x08", 0, at) if b"MM\0*" in data else data.rindex(b"\x08\0\0\0", 0, at)
        order = ">" if b"MM\0*" in data else "<"
        broken = exif_block(order, [(tag, kind, count, value) for tag, kind, count, value in entries[1:]])[8:]
        if file_format == "WEBP":
            broken = exif_block(order, [orientation_entry(order, 6), *others])[8:]
        data = data[: start + 4] + broken + data[start + 4 + len(broken) :]
    read = decode_photo(data, "a").image
    assert read.size == (64, 48)
    assert np.abs(np.asarray(read, int) - np.rot90(PIXELS, -1)).mean() < 4


def tiff_with(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """An uncompressed RGB TIFF of PIXELS with further entries in its directory."""
    height, width, _ = PIXELS.shape
    bits_at = 8
    pixels_at = bits_at + 6
    directory_at = pixels_at + PIXELS.size
    own = [
        (256, 3, 1, struct.pack("<HH", width, 0)),
        (257, 3, 1, struct.pack("<HH", height, 0)),
        (258, 3, 3, struct.pack("<L", bits_at)),
        (259, 3, 1, struct.pack("<HH", 1, 0)),
        (262, 3, 1, struct.pack("<HH", 2, 0)),
        (273, 4, 1, struct.pack("<L", pixels_at)),
        (277, 3, 1, struct.pack("<HH", 3, 0)),
        (278, 3, 1, struct.pack("<HH", height, 0)),
        (279, 4, 1, struct.pack("<L", PIXELS.size)),
    ]
    directory = exif_block("<", sorted([*own, *entries]))[8:-4] + b"\xff\xff\xff\x7f"  # a next directory out of range
    return struct.pack("<2sHL", b"II", 42, directory_at) + struct.pack("<3H", 8, 8, 8) + PIXELS.tobytes() + directory


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("file_format", EXIF_FORMATS)
def test_orientation_of_every_format_is_as_pillow_applies_it(file_format, value):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encoded(Image.fromarray(PIXELS), file_format, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(np.asarray(decode_photo(data, "a").image), np.asarray(expected))


@pytest.mark.parametrize(
    "entry",
    [
        (0x0112, 1, 1, b"\6\0\0\0"),
        (0x0112, 4, 1, b"\6\0\0\0"),
        (0x0112, 8, 1, b"\6\0\0\0"),
        (0x0112, 2, 2, b"6\0\0\0"),
        (0x0112, 11, 1, struct.pack("<f", 6)),
        (0x0112, 3, 2, b"\6\0\1\0"),
    ],
)
def test_an_orientation_of_another_type_is_understood(entry):
    assert orientation_of_exif(exif_block("<", [entry])) == 6
    assert orientation_of_exif(b"Exif\0\0" + exif_block("<", [entry])) == 6


def test_an_orientation_as_a_rational():
    block = exif_block("<", [(0x0112, 5, 1, struct.pack("<L", 26))]) + struct.pack("<LL", 6, 1)
    assert orientation_of_exif(block) == 6
    assert orientation_of_exif(block[:-4] + struct.pack("<L", 0)) == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_senseless_orientation_is_none(value):
    assert decode_photo(with_exif(exif_block("<", [orientation_entry("<", value)]), "JPEG"), "a").size == (48, 64)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_in_xmp_alone(file_format):
    packet = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    if file_format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
        data = encoded(Image.fromarray(PIXELS), "PNG", pnginfo=info)
    elif file_format == "TIFF":
        pytest.skip("a TIFF states its orientation itself")
    else:
        data = encoded(Image.fromarray(PIXELS), file_format, xmp=packet)
    assert decode_photo(data, "a").size == (64, 48)


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_turn_written_as_orientation_is_seen_by_every_reader_and_changes_no_pixel(file_format, value, degrees):
    exif = Image.Exif()
    exif[0x0112] = value
    data = encoded(Image.fromarray(PIXELS), file_format, exif=exif)
    seen = decode_photo(data, "a").image
    turned = with_orientation(data, turned_orientation(value, degrees))
    expected = np.rot90(np.asarray(seen), -degrees // 90)
    assert np.array_equal(np.asarray(decode_photo(turned, "a").image), expected)
    assert np.array_equal(np.asarray(turn_clockwise(seen, degrees)), expected)
    by_pillow = Image.open(io.BytesIO(turned))
    assert np.array_equal(np.asarray(by_pillow), np.asarray(Image.open(io.BytesIO(data))))
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(by_pillow).convert("RGB")), expected)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_the_pixels_of_an_ordinary_file_stay_exactly_as_they_are(file_format):
    data = encoded(Image.fromarray(PIXELS), file_format)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert kind_of(data) == file_format
    assert np.array_equal(np.asarray(decode_photo(data, "a").image), expected)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "TIFF", "AVIF", "MPO"])
def test_only_the_first_of_many_frames_is_kept(file_format):
    frames = [Image.fromarray(PIXELS), *(Image.new("RGB", (48, 64), (i, 255, 255)) for i in range(30))]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    assert np.abs(np.asarray(decode_photo(data, "a").image, int) - PIXELS).mean() < 12
    if file_format not in ("AVIF", "TIFF"):  # those stay as long, without a way to the other frames
        assert len(pixels_only(data).encoded) < len(data) - 100


def progressive_with_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(Image.fromarray(np.kron(PIXELS, np.ones((10, 10, 1), np.uint8))), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def png_with(chunks: bytes) -> bytes:
    plain = encoded(Image.fromarray(PIXELS), "PNG")
    return plain[:33] + chunks + plain[33:]


def gif_with_comments(count: int) -> bytes:
    plain = encoded(Image.fromarray(PIXELS), "GIF")
    start = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    return plain[:start] + b"\x21\xfe" + (b"\xff" + b"c" * 255) * count + b"\0" + plain[start:]


def gif_with_extensions(count: int) -> bytes:
    plain = encoded(Image.fromarray(PIXELS), "GIF")
    start = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    return plain[:start] + b"\x21\xfe\0" * count + plain[start:]


BOMB = zlib.compress(bytes(100_000_000), 9)
COSTLY = {
    "scans": lambda: progressive_with_scans(3000),
    "comments of a JPEG": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000,
    "text bomb": lambda: png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB)),
    "many text bombs": lambda: png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + BOMB) * 50),
    "profile bomb": lambda: png_with(chunk(b"iCCP", b"icc\0\0" + BOMB)),
    "empty chunks": lambda: png_with(chunk(b"IDAT", b"") * 1_000_000),
    "comments of a GIF": lambda: gif_with_comments(100_000),
    "extensions of a GIF": lambda: gif_with_extensions(2_000_000),
    "filling": lambda: b"\xff\xd8" + b"\xff" * 30_000_000,
    "filling of other bytes": lambda: b"\xff\xd8\xff" + b"\0" * 30_000_000,
    "markers": lambda: b"\xff\xd8" + b"\xff\x01" * 15_000_000,
    "chunks of a WebP": lambda: b"RIFF\xff\xff\xff\0WEBP" + b"JUNK\0\0\0\0" * 3_000_000,
    "strips": lambda: many_strips(5_000_000),
    "frames": lambda: encoded(
        Image.fromarray(PIXELS), "PNG", save_all=True, append_images=[Image.fromarray(PIXELS)] * 500
    ),
}


def many_strips(count: int) -> bytes:
    plain = bytearray(tiff_with([]))
    (directory,) = struct.unpack_from("<L", plain, 4)
    entry = directory + 2 + 12 * 5
    assert struct.unpack_from("<H", plain, entry)[0] == 273
    struct.pack_into("<LL", plain, entry + 4, count, len(plain))
    return bytes(plain) + struct.pack("<L", 14) * count


@pytest.mark.parametrize("case", COSTLY)
def test_no_file_takes_long(case):
    data = COSTLY[case]()
    started = time.perf_counter()
    try:
        decode_photo(data, "a")
    except UserError as error:
        assert str(error).startswith("a: ") and "\n" not in str(error)
    assert time.perf_counter() - started < 4


def test_scans_are_bounded_with_a_sentence_and_real_progressive_photos_pass():
    assert decode_photo(progressive_with_scans(1), "a").size == (480, 640)
    assert decode_photo(progressive_with_scans(20), "a").size == (480, 640)
    with pytest.raises(UserError, match=r"a: is a JPEG of 1,00\d scans.*save it again"):
        decode_photo(progressive_with_scans(1000), "a")


def test_scans_times_pixels_are_bounded(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_SCANNED_PIXELS", 480 * 640 * 15)
    with pytest.raises(UserError, match="scans"):
        decode_photo(progressive_with_scans(20), "a")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*EXIF_FORMATS, "GIF", "BMP"]), st.data())
def test_any_damage_is_a_picture_or_one_sentence(file_format, data):
    whole = bytearray(WHOLE[file_format])
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        whole[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    try:
        assert decode_photo(bytes(whole[:cut]), "a").image.mode == "RGB"
    except UserError as error:
        assert str(error).startswith("a: ") and "\n" not in str(error)


WHOLE = {kind: encoded(Image.fromarray(PIXELS), kind) for kind in (*EXIF_FORMATS, "GIF", "BMP")}


def test_a_big_tiff_that_leads_far_out_of_itself_is_refused():
    with pytest.raises(UserError, match="^a.tif: "):
        decode_photo(b"MM\0+\0\x08\0\0" + b"\xff" * 8 + bytes(64), "a.tif")
