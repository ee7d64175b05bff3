"""Damaged files of every kind that the project reads, made from small sound ones, and what reading them may end in.

`damages()` draws what is done to a file: to its bytes, to the values of its JSON, or to the columns of its table.
`KINDS` says for each kind of file how a sound one is made and how it is read, through the project's own way in.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import math
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from PIL import Image, features

from demo.api.reports import pose_errors, worst_pairs
from demo.api.samples import MOST_SAMPLES, search_samples
from demo.common.dataset_view import DatasetView
from demo.common.words import titled
from helpers.evaluation_data import ColourEmbedder, write_dataset
from helpers.small_models import random_card, save_random_model
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.evaluation.report import Report
from sfpn.network.card import load_card, save_card
from sfpn.network.embedders import load_embedder
from sfpn.photos.photo import MAX_PIXELS, count_pixels, decode_photo

Files = dict[str, bytes]  # of a folder, by name
BOUNDARIES = (b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\1\0")
OPERATIONS = ("flip", "write", "insert", "cut", "repeat", "end", "move")
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, -1e308, math.nan, math.inf, "", "\0", "../../etc/passwd"),
    *("<img src=x onerror=alert(1)>", "a" * 10_000, "\ud800", [], {}, [[]], [math.nan], {"a": 1}, [0] * 10_000),
)
COLUMN_CHANGES = ("drop", "nulls", "numbers", "texts", "nan", "huge", "lists", "same", "empty")


@dataclass(frozen=True)
class Damage:
    """What is done to one file of a folder."""

    file: float  # which one: 0-1 of those there are
    edits: tuple[tuple[str, float, int, bytes], ...]  # of the bytes: operation, where (0-1), length, what is put
    values: tuple[tuple[float, int, Any], ...]  # of JSON: which value (0-1), how deep, what it becomes
    columns: tuple[tuple[float, str], ...]  # of a table: which column (0-1), what becomes of it
    mended: bool  # with check sums that fit


def damages() -> st.SearchStrategy[Damage]:
    """Anything that may be done to a file; mostly little."""
    part = st.integers(0, 9999).map(lambda n: n / 10_000)  # floats would mostly be near zero: the head of a file
    put = st.binary(min_size=1, max_size=8) | st.sampled_from(BOUNDARIES)
    edits = st.lists(st.tuples(st.sampled_from(OPERATIONS), part, st.integers(1, 64), put), min_size=1, max_size=6)
    values = st.lists(st.tuples(part, st.integers(1, 6), st.sampled_from(HOSTILE)), min_size=1, max_size=3)
    columns = st.lists(st.tuples(part, st.sampled_from(COLUMN_CHANGES)), min_size=1, max_size=2)
    return st.builds(
        lambda file, way, e, v, c, mended: Damage(
            file, *(tuple(each) if i == way else () for i, each in enumerate((e, v, c))), mended
        ),
        *(part, st.integers(0, 2), edits, values, columns, st.booleans()),
    )


def damaged(files: Files, damage: Damage) -> Files:
    """The folder with one of its files damaged; a way that does not suit the file falls back to its bytes."""
    name = sorted(files)[int(damage.file * len(files))]
    content = files[name]
    if damage.values and name.endswith(".json"):
        return files | {name: with_values(content, damage.values)}
    if damage.columns and name.endswith(".parquet"):
        return files | {name: with_columns(content, damage.columns)}
    edits = damage.edits or ((OPERATIONS[len(content) % len(OPERATIONS)], damage.file, 8, BOUNDARIES[1]),)
    content = with_edits(content, edits)
    return files | {name: with_checksums(content) if damage.mended else content}


def with_edits(content: bytes, edits: tuple[tuple[str, float, int, bytes], ...]) -> bytes:
    """Bytes flipped, written over, put in, cut out, repeated, moved, or all that follow left out."""
    for operation, where, length, put in edits:
        content = _edited(content, operation, int(where * len(content)), length, put)
    return content


def _edited(content: bytes, operation: str, at: int, length: int, put: bytes) -> bytes:
    before, piece, after = content[:at], content[at : at + length], content[at + length :]
    if operation == "flip":
        return before + bytes(b ^ (put[0] or 1) for b in piece[:1]) + piece[1:] + after
    if operation == "write":
        return before + put + content[at + len(put) :]
    return {
        "insert": before + put + piece + after,
        "cut": before + after,
        "repeat": before + piece * (1 + put[0]) + after,
        "end": before,
        "move": piece + before + after,
    }[operation]


def with_values(content: bytes, changes: tuple[tuple[float, int, Any], ...]) -> bytes:
    """JSON in which values, found by walking down some levels, are others; a name may also go."""
    record = json.loads(content)
    for part, depth, value in changes:
        record = _changed(record, part, depth, value)
    return json.dumps(record, ensure_ascii=True).encode()


def _changed(record: Any, part: float, depth: int, value: Any) -> Any:
    keys = list(record) if isinstance(record, dict) else range(len(record)) if isinstance(record, list) else []
    if not depth or not len(keys):
        return value
    key = keys[int(part * len(keys))]
    rest = part * len(keys) % 1.0
    inner = record[key]
    if depth == 1 and value == {} and isinstance(record, dict):
        return {name: kept for name, kept in record.items() if name != key}
    changed = _changed(inner, rest, depth - 1, value)
    if isinstance(record, dict):
        return record | {key: changed}
    return [*record[:key], changed, *record[key + 1 :]]


def with_columns(content: bytes, changes: tuple[tuple[float, str], ...]) -> bytes:
    """A table some of whose columns are missing, or hold what they should not."""
    table = pq.read_table(io.BytesIO(content))
    for part, change in changes:
        if not table.num_columns:
            break
        number = int(part * table.num_columns)
        name, rows = table.column_names[number], len(table)
        if change == "drop":
            table = table.remove_column(number)
        elif change == "empty":
            table = table.slice(0, 0)
        elif change == "same":
            table = table.set_column(number, name, pa.chunked_array([table.column(number).slice(0, 1)] * rows))
        else:
            values: dict[str, Any] = {
                "nulls": pa.nulls(rows, table.schema.field(number).type),
                "numbers": pa.array(range(rows)),
                "texts": pa.array(["<b>\0"] * rows),
                "nan": pa.array([math.nan] * rows),
                "huge": pa.array([1e308] * rows),
                "lists": pa.array([[1.0]] * rows),
            }
            table = table.set_column(number, name, values[change])
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=10)
    return buffer.getvalue()


def with_checksums(content: bytes) -> bytes:
    """A PNG whose pieces have check sums that fit, so that more than its sums is looked at; others as they are."""
    signature = b"\x89PNG\r\n\x1a\n"
    if not content.startswith(signature):
        return content
    mended, at = bytearray(signature), len(signature)
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        body = content[at + 4 : at + 8 + min(length, len(content))]
        mended += content[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(mended) + content[at:]


@dataclass(frozen=True)
class Kind:
    """A kind of file: sound examples, and how a folder with one of them is read. Neither may know of the damage."""

    sound: Callable[[Path], list[Files]]
    read: Callable[[Path, Files], None]


def ending(kind: Kind, folder: Path, files: Files) -> str:
    """'read', or the sentence of a refusal. Raises whatever else comes out, and ValueError for a bad sentence."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            kind.read(folder, files)
        return "read"
    except UserError as error:
        sentence = str(error)
    except gr.Error as error:
        sentence = error.message
    if "\n" in sentence or not sentence.strip() or len(sentence) > 2000:
        raise ValueError(f"not one sentence: {sentence[:300]!r}")
    return sentence


def _pictures(_: Path) -> list[Files]:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (40, 56, 3), np.uint8).repeat(1, axis=0))
    smooth = noise.resize((8, 6)).resize((56, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (noise, "PNG", {}),
        (smooth.convert("P"), "PNG", {"transparency": 3}),
        (smooth.convert("RGBA"), "PNG", {"save_all": True, "append_images": [noise.convert("RGBA")]}),
        (Image.fromarray(rng.integers(0, 2**16, (40, 56), np.uint16)), "PNG", {}),
        (smooth.convert("1"), "PNG", {}),
        (noise, "JPEG", {"exif": exif}),
        (smooth, "JPEG", {"progressive": True, "quality": 30}),
        (smooth.convert("CMYK"), "JPEG", {}),
        (smooth.convert("L"), "JPEG", {}),
        (smooth, "GIF", {"save_all": True, "append_images": [noise]}),
        (noise, "WEBP", {"exif": exif}),
        (smooth.convert("RGBA"), "WEBP", {"lossless": True}),
        (smooth, "WEBP", {"save_all": True, "append_images": [noise]}),
        (noise, "BMP", {}),
        (smooth.convert("P"), "BMP", {}),
        (noise, "TIFF", {}),
        *((smooth, "TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")),
        (smooth.convert("1"), "TIFF", {"compression": "group4"}),
        *([(noise, "AVIF", {"exif": exif})] if features.check("avif") else []),
    ]
    found = []
    for image, form, options in saved:
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        found.append({"picture": buffer.getvalue()})
    return found


def _read_picture(_: Path, files: Files) -> None:
    encoded = files["picture"]
    stated = None
    with contextlib.suppress(UserError):
        stated = count_pixels(encoded, "photo")
    photo = decode_photo(encoded, "photo")
    width, height = photo.size
    if photo.image.mode != "RGB" or width * height > MAX_PIXELS or (stated and width * height > MAX_PIXELS):
        raise ValueError(f"decoded to {photo.image.mode} {photo.size}, stated were {stated} pixels")


def _files_of(folder: Path) -> Files:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def _cards(folder: Path) -> list[Files]:
    save_card(random_card(descriptor_mean=(0.5, 1.5), training={"data": "x"}), folder / "model.safetensors")
    return [_files_of(folder)]


def _read_card(folder: Path, _: Files) -> None:
    card = load_card(folder / "model.safetensors")
    json.dumps(card.to_json(), allow_nan=False)
    save_card(card, folder / "again.safetensors")


def _weights(folder: Path) -> list[Files]:
    save_random_model(folder / "model.safetensors")
    return [_files_of(folder)]


def _onnx(folder: Path) -> list[Files]:
    from helpers.drawn_networks import Kind as Export
    from helpers.drawn_networks import make, save

    found = []
    for export in (Export(), Export("NHWC", batch=1), Export(output="square", norm=True)):
        save(folder / "model.onnx", make(export))
        found.append(_files_of(folder))
    return found


def _read_model(folder: Path, files: Files) -> None:
    """With a card that names the hash of the damaged file: whoever makes such a file makes its card as well."""
    (weights,) = (folder / name for name in files if not name.endswith(".json"))
    with contextlib.suppress(UserError):
        card = load_card(weights)
        save_card(replace(card, weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest()), weights)
    embedder = load_embedder(weights)
    side = embedder.preprocess.size
    found = embedder.embed([Image.new("RGB", (side, side), "teal")] * 2)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError(f"embeddings {found.shape} that are not finite")


def _datasets(folder: Path) -> list[Files]:
    write_dataset(folder / "small", shards=1)
    return [_files_of(folder / "small")]


def _read_dataset(folder: Path, _: Files) -> None:
    dataset = FaceDataset.open(folder)
    dataset.pairs()
    view = DatasetView.open(dataset, folder.parent / "thumbnails")
    json.dumps(search_samples(view, limit=MOST_SAMPLES), allow_nan=False)
    wanted = [*view.rows.index[:2], *view.rows.index[-1:]]
    for picture in dataset.pictures(set(wanted)):
        picture.decode()
    for row_id in wanted:
        view.thumbnail(row_id)


def _embeddings(folder: Path) -> list[Files]:
    dataset = FaceDataset.open(write_dataset(folder / "small", shards=1))
    embed_dataset(dataset, ColourEmbedder(), cache=folder / "colour.parquet")
    return [{"colour.parquet": (folder / "colour.parquet").read_bytes()}]


def _read_embeddings(folder: Path, _: Files) -> None:
    found = Embeddings.load(folder / "colour.parquet")
    if not len(found.row_ids) == len(found.values) == len(found.acquired):
        raise ValueError("columns of different length")


@functools.cache
def _config() -> EvaluateConfig:
    return EvaluateConfig("vggface2-pose", rounds=5)


def _reports(folder: Path) -> list[Files]:
    dataset = FaceDataset.open(write_dataset(folder / "small", shards=1))
    evaluate(dataset, ColourEmbedder(), _config()).save(folder / "report")
    files = _files_of(folder / "report")
    return [files, files | {"report.json": files["report.json"]}]


def _read_report(folder: Path, _: Files) -> None:
    named = titled((Report.load(folder),))
    answer = pose_errors(named)
    json.dumps(answer, allow_nan=False)
    for cell in answer["cells"][:2]:
        json.dumps(worst_pairs(named, None, cell["pose_pair"], "impostor"), allow_nan=False)


KINDS: dict[str, Kind] = {
    "picture": Kind(_pictures, _read_picture),
    "card": Kind(_cards, _read_card),
    "weights": Kind(_weights, _read_model),
    "onnx": Kind(_onnx, _read_model),
    "dataset": Kind(_datasets, _read_dataset),
    "embeddings": Kind(_embeddings, _read_embeddings),
    "report": Kind(_reports, _read_report),
}
