"""Options of `python -m data_tools poses DIR`: estimate the poses of a dataset anew, with the estimator of today.

python -m data_tools poses datasets/lfw

Pictures, boxes and given labels stay as they are; so do the fingerprint and the embeddings, which do not depend on
poses. New are `pose_estimated` of every row with a face, and `yaw_degrees`, `pitch_degrees`, `roll_degrees` and `pose`
where they were estimates. Where the yaw is given, pitch and roll are taken as given too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from data_tools.card import card_counts, count_folder, files_sha256, save_card
from data_tools.save import CARD_FILE, disk_errors_as_one_sentence, save_table
from data_tools.synthetic.draw import SOURCE
from sfpn.data.dataset import FaceDataset, picture_of
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.photos.detector import Face, HeadPose
from sfpn.schema import pose_from_yaw

COLUMNS = ("pose", "pose_estimated", "yaw_degrees", "pitch_degrees", "roll_degrees")  # that may change
READ = ("row_id", "image", "box_xyxy", "landmarks_xy", "quality", "yaw_source", "source", *COLUMNS)
ROWS_AT_ONCE = 64

Row = dict[str, Any]


@dataclass(frozen=True)
class Estimated:
    """A row's columns as they are now, and the pose that was estimated (None without a face)."""

    row: Row
    head: HeadPose | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a dataset folder, as build or synthesize wrote it")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Estimate, write and print one line; 0. Raises UserError if it is no whole dataset."""
    card, changed = estimate_again(args.folder, progress=not args.quiet)
    print(
        f"{card['name']}: poses of {card['rows_with_face']} faces by the estimator {card['pose_estimator']}; "
        f"{changed} are named differently from before"
    )
    return 0


def estimate_again(folder: Path, *, progress: bool = False) -> tuple[dict[str, Any], int]:
    """(the new card, how many rows have another `pose_estimated` than before).

    Shards are replaced one by one and the card at the end, so that an interrupted run is mended by another.
    """
    from sfpn.photos.pose import PoseEstimator, estimator_version

    dataset = FaceDataset.open(folder)
    rows = dataset.rows()
    if not bool(rows["box_xyxy"].notna().any()):
        raise UserError(f"{folder} was built without detection: no face in it has a pose; build it again")
    names_are_estimates = Selection(dataset, None).poses_are_estimates()
    found, changed, estimator = [], 0, PoseEstimator()
    bar = tqdm(total=len(rows), unit="image", desc=dataset.name, disable=not progress)
    with disk_errors_as_one_sentence(folder), bar:
        for file in dataset.files:
            of_file = []
            for row in rows_of(file):
                of_file.append(estimated(row, estimator, names_are_estimates))
                changed += of_file[-1].row["pose_estimated"] != row["pose_estimated"]
                bar.update()
            save_table(with_columns(pq.read_table(file), [each.row for each in of_file]), file)
            found += [Estimated({name: each.row[name] for name in COLUMNS}, each.head) for each in of_file]
        return new_card(folder, estimator_version(), found), changed


def rows_of(file: Path) -> Iterator[Row]:
    """The rows of a shard, a few in memory at a time."""
    with pq.ParquetFile(file) as shard:
        for batch in shard.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(READ)):
            yield from batch.to_pylist()


def estimated(row: Row, estimator: Any, name_is_estimate: bool) -> Estimated:
    """The row with today's pose."""
    picture = picture_of(row)
    if picture.face is None:
        return Estimated({name: row[name] for name in COLUMNS}, None)
    image = picture.decode()
    landmarks = detected_landmarks(image, picture.face) if row["source"] == SOURCE else picture.face.landmarks_xy
    where = np.array([picture.face.box_xyxy]), landmarks[None], np.array([picture.face.confidence])
    head = estimator.estimate(image, *where)[0]
    new = {name: row[name] for name in COLUMNS} | {"pose_estimated": pose_from_yaw(head.yaw_degrees)}
    if row["yaw_source"] != "given":
        new |= {f"{name}_degrees": getattr(head, f"{name}_degrees") for name in ("yaw", "pitch", "roll")}
    if name_is_estimate:
        new["pose"] = new["pose_estimated"]
    return Estimated(new, head)


def detected_landmarks(image: Image.Image, face: Face) -> np.ndarray:
    """(5, 2) of the face that the detector finds in that place, the given ones if it finds none.

    Landmarks of drawn people are exact, hidden or not; the estimator learned from a detector's, which guesses.
    """
    from sfpn.photos.second_look import SAME_FACE, overlap

    seen = _search()(image)
    best = max(seen, key=lambda other: overlap(face, other), default=None)
    return best.landmarks_xy if best and overlap(face, best) > SAME_FACE else face.landmarks_xy


@cache
def _search() -> Callable[[Image.Image], list[Face]]:
    from sfpn.photos.detector import FaceDetector

    return FaceDetector(small_faces=False).detect


def with_columns(table: pa.Table, rows: list[Row]) -> pa.Table:
    """The table with the COLUMNS of the rows; types and what `datasets` notes in the schema stay."""
    for name in COLUMNS:
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array([row[name] for row in rows], field.type))
    return table


def new_card(folder: Path, version: str, found: list[Estimated]) -> dict[str, Any]:
    """Write and return the card with the new counts, and for drawn people how well they are read."""
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card |= card_counts(count_folder(folder))
    card |= {"pose_estimator": version, "files_sha256": files_sha256(folder)}
    if "yaw_curve" in card:
        from data_tools.synthetic.card import Drawn, detection_table, yaw_curve

        drawn = [Drawn(each.row, each.head and each.head.yaw_degrees) for each in found]
        card |= {"detection": detection_table(drawn), "yaw_curve": yaw_curve(drawn)}
    save_card(folder, card)
    return card
