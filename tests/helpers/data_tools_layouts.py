"""Tiny drawn stand-ins of the outside layouts, and a face detector that needs no network. Imported by the tests and by
their worker processes."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from data_tools.annotate import Detector

DARK_BELOW = 40  # mean grey level of a picture in which the fake detector finds nothing


def picture(seed: int, *, dark: bool = False, size: tuple[int, int] = (48, 56)) -> Image.Image:
    """An RGB picture of coloured blocks that depends on the seed only."""
    rng = np.random.default_rng(seed)
    low, high = (0, 30) if dark else (60, 255)
    blocks = rng.integers(low, high, (7, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)


def encoded(seed: int, *, kind: str = "JPEG", dark: bool = False) -> bytes:
    """The same picture as a file's bytes."""
    stream = io.BytesIO()
    picture(seed, dark=dark).save(stream, kind)
    return stream.getvalue()


def write(file: Path, content: bytes | str) -> Path:
    """Write a file, making its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def fake_find(image: Image.Image) -> SimpleNamespace | None:
    """A face as large as the picture, turned by 30 degrees; None in a dark picture."""
    if np.asarray(image).mean() < DARK_BELOW:
        return None
    landmarks = np.array([[10, 20], [30, 20], [20, 30], [12, 40], [28, 40]], np.float32)
    return SimpleNamespace(
        box_xyxy=(1.0, 2.0, 40.0, 50.0),
        landmarks_xy=landmarks,
        confidence=0.75,
        yaw_degrees=30.0,
        pitch_degrees=10.0,
        roll_degrees=-4.0,
        pose="three_quarter",
    )


def load_fake():
    """What a worker loads."""
    return fake_find


FAKE = Detector("fake 1.0", load_fake, pose_estimator="fake pose")


def make_cfp(root: Path, *, subjects: int = 3, listed: int | None = None) -> Path:
    """The official CFP layout, `subjects` present, `listed` named; fold 1 holds subjects 1 and 2, fold 7 subject 3."""
    listed = listed or subjects
    for pose, count, name in (("frontal", 10, "F"), ("profile", 4, "P")):
        paths = [f"{s:03d}/{pose}/{n:02d}.jpg" for s in range(1, listed + 1) for n in range(1, count + 1)]
        lines = [f"{number} ../Data/Images/{path}" for number, path in enumerate(paths, start=1)]
        write(root / "Protocol" / f"Pair_list_{name}.txt", "\n".join(lines) + "\n")
        for seed, path in enumerate(paths[: subjects * count]):
            write(root / "Data" / "Images" / path, encoded(seed + 1000 * count))
    splits = root / "Protocol" / "Split"
    write(splits / "FF" / "01" / "same.txt", "1,2\n11,12\n")
    write(splits / "FF" / "01" / "diff.txt", "1,11\n")
    write(splits / "FP" / "01" / "same.txt", "1,1\n11,5\n")
    write(splits / "FP" / "01" / "diff.txt", "1,5\n")
    write(splits / "FF" / "07" / "same.txt", "21,22\n")
    return root


def make_lfw(root: Path) -> Path:
    """Three persons with 2, 2 and 1 images, and two folds of pairs."""
    for seed, (person, number) in enumerate(
        [("Ann_Ash", 1), ("Ann_Ash", 2), ("Bo_Elm", 1), ("Bo_Elm", 2), ("Cy_Oak", 1)]
    ):
        write(root / person / f"{person}_{number:04d}.jpg", encoded(seed))
    lines = ["2\t1", "Ann_Ash\t1\t2", "Ann_Ash\t1\tBo_Elm\t2", "Bo_Elm\t1\t2", "Bo_Elm\t1\tCy_Oak\t1"]
    write(root / "pairs.txt", "\n".join(lines) + "\n")
    return root


def make_vggface2(root: Path, subjects: int = 2) -> Path:
    """The pose list with 30 images a subject, and a train list of two."""
    names = [f"n{s:06d}/{n:04d}_01.jpg" for s in range(1, subjects + 1) for n in range(1, 31)]
    train = ["n000009/0001_01.jpg", "n000009/0002_01.jpg"]
    for seed, name in enumerate(names + train):
        write(root / ("train" if name in train else "test") / name, encoded(seed))
    write(root / "test_posetemp_imglist.txt", "\n".join(names) + "\n")
    write(root / "train_list.txt", "\n".join(train) + "\n")
    return root


def record(labels: list[float], image: bytes, key: int) -> bytes:
    """One RecordIO record as InsightFace writes it: whole, because a part is only cut at an aligned magic number."""
    if len(labels) == 1:
        payload = struct.pack("<IfQQ", 0, labels[0], key, 0) + image
    else:
        payload = struct.pack("<IfQQ", len(labels), 0.0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + image
    return part(payload, flag=0)


def part(payload: bytes, *, flag: int) -> bytes:
    """One RecordIO part."""
    return struct.pack("<II", 0xCED7230A, flag << 29 | len(payload)) + payload + b"\0" * (-len(payload) % 4)


def make_ms1m(root: Path, per_identity: tuple[int, ...] = (3, 1, 2)) -> Path:
    """A RecordIO set: record 0, the images, and one record per identity, as InsightFace packs them."""
    identities = [identity for identity, count in enumerate(per_identity) for _ in range(count)]
    end = len(identities) + 1
    records = [record([end, end + len(per_identity)], b"", 0)]
    records += [record([identity], encoded(key), key) for key, identity in enumerate(identities, start=1)]
    records += [record([1, 2], b"", end + identity) for identity in range(len(per_identity))]
    offsets = np.cumsum([0, *map(len, records)])[:-1]
    write(root / "train.rec", b"".join(records))
    write(root / "train.idx", "".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets)))
    write(root / "property", f"{len(per_identity)},56,48")
    return root


def make_folder(root: Path) -> Path:
    """Two identities with two pictures each, of several formats."""
    for seed, (name, kind) in enumerate(
        [("ann/1.jpg", "JPEG"), ("ann/2.png", "PNG"), ("bo/1.webp", "WEBP"), ("bo/2.bmp", "BMP")]
    ):
        write(root / name, encoded(seed, kind=kind))
    return root
