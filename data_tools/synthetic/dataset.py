"""Synthetic people as a dataset folder: every identity in three poses, two templates each, like VGGFace2-Pose.

Pose, angles and landmarks of a row are exact, known from the drawing; the box, `pose_estimated` and `quality` are the
detector's, and null where it found no face, so that failures to acquire are as visible as on photographs.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_tools.annotate import load_mtcnn
from data_tools.ledger import INCOMPLETE, Ledger
from data_tools.save import LEDGER_FILE, STATE_FILE, finish, open_building, save_shard, shard_file
from data_tools.synthetic.card import save_synthetic_card
from data_tools.synthetic.examples import save_examples
from data_tools.synthetic.identity import Identity, sample_identity
from data_tools.synthetic.scene import Model, Picture, View, build_model, render
from data_tools.synthetic.sheets import save_sheets
from data_tools.synthetic.variation import IMAGE_SIZE, YAW_RANGES, sample_view
from sfpn.faces import Face, detector_name
from sfpn.schema import pose_from_yaw

IMAGES_PER_TEMPLATE = 5
WEBP_QUALITY = 80
SOURCE = "synthetic"
SHOWN_PERSON = 24  # on the sheets of one person


@dataclass(frozen=True)
class SyntheticConfig:
    """What to draw; everything but `workers`, `overwrite` and `progress` changes the pictures."""

    identities: int = 60
    seed: int = 7
    images_per_pose: int = 10
    size: int = IMAGE_SIZE  # px
    detect: bool = True  # look for the faces with the project's detector
    workers: int = 1  # 0 = in this process
    overwrite: bool = False
    progress: bool = True

    @property
    def command(self) -> str:
        """The command that draws the same pictures."""
        words = f"python -m data_tools synthesize --identities {self.identities} --seed {self.seed}"
        words += "" if self.images_per_pose == 10 else f" --images-per-pose {self.images_per_pose}"
        words += "" if self.size == IMAGE_SIZE else f" --size {self.size}"
        return words + ("" if self.detect else " --no-detect") + " --out DIR"


@dataclass(frozen=True)
class Drawn:
    """A picture's dataset row, and the yaw in degrees that the detector's landmarks give (None without a face)."""

    row: dict[str, Any]
    yaw_estimated: float | None


@dataclass(frozen=True)
class Task:
    """One picture to draw."""

    number: int  # of the identity
    pose: str
    index: int  # among the pictures of that pose


def synthesize(config: SyntheticConfig, out: Path, examples: Path | None = None) -> dict[str, Any]:
    """Draw the dataset folder `out` and return its card; `examples`: file for example pairs of the demo.

    Raises UserError when `out` is in the way.
    """
    detector = detector_name() if config.detect else None
    building = open_building(out, {"command": config.command, "detector": detector}, resume=False, overwrite=config.overwrite)
    with Ledger(building / STATE_FILE) as ledger:
        drawn = draw(config)
        rows = [picture.row for picture in drawn]
        for row in rows:
            ledger.keep(0, row["row_id"], hashlib.sha256(row["image"]["bytes"]).digest())
            if config.detect and row["box_xyxy"] is None:
                ledger.note(0, row["row_id"], row["row_id"], "annotate", INCOMPLETE, "no face found")
        ledger.commit()
        save_shard(rows, shard_file(building, 0))
        ledger.write_csv(building / LEDGER_FILE)
        save_sheets(building, rows, model_of(config.seed, min(SHOWN_PERSON, config.identities - 1)))
        card = save_synthetic_card(building, drawn, config.command, detector, ledger)
    finish(building, out)
    if examples:
        save_examples(rows, examples)
    return card


def draw(config: SyntheticConfig) -> list[Drawn]:
    """All pictures in the order of `tasks`, drawn by `config.workers` processes."""
    plan = tasks(config)
    step = partial(draw_one, config=config)
    show = partial(tqdm, total=len(plan), unit="image", desc=SOURCE, disable=not config.progress)
    if not config.workers:
        return list(show(map(step, plan)))
    limit_threads()
    with ProcessPoolExecutor(config.workers, mp_context=get_context("spawn")) as pool:
        return list(show(pool.map(step, plan, chunksize=config.images_per_pose)))


def limit_threads() -> None:
    """One numpy thread in each worker: they share the cores already."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def tasks(config: SyntheticConfig) -> list[Task]:
    """identities x poses x images_per_pose pictures."""
    return [
        Task(number, pose, index)
        for number in range(config.identities)
        for pose in YAW_RANGES
        for index in range(config.images_per_pose)
    ]


def view_of(person: Identity, task: Task, config: SyntheticConfig) -> View:
    """The circumstances of a picture, from its own seed: they depend on no other picture."""
    pose = list(YAW_RANGES).index(task.pose)
    return sample_view(person, task.pose, np.random.default_rng([config.seed, task.number, pose, task.index]), config.size)


def draw_one(task: Task, config: SyntheticConfig) -> Drawn:
    """Draw one picture and look for its face."""
    model = model_of(config.seed, task.number)
    view = view_of(model.person, task, config)
    picture = render(model, view)
    encoded = encode(picture.image)
    name, template = model.person.name, "ab"[task.index // IMAGES_PER_TEMPLATE % 2]
    given = {
        "row_id": f"{name}-{task.pose}-{task.index:02d}",
        "image": {"bytes": encoded, "path": None},
        "identity": name,
        "pose": pose_from_yaw(view.yaw),
        "yaw_degrees": view.yaw,
        "template": f"{name}-{task.pose}-{template}",
        "yaw_source": "given",
        "pitch_degrees": view.pitch,
        "roll_degrees": view.roll,
        "source": SOURCE,
        "split": "test",
        "landmarks_xy": [round(float(v), 2) for v in picture.landmarks.ravel()],
        "detector": detector_name() if config.detect else None,
    }
    found, yaw_estimated = _found(encoded, picture, config.detect)
    return Drawn(given | found, yaw_estimated)


def encode(image: Image.Image) -> bytes:
    """WebP bytes of a picture."""
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=WEBP_QUALITY, method=6)
    return stream.getvalue()


def _found(encoded: bytes, picture: Picture, detect: bool) -> tuple[dict[str, Any], float | None]:
    """The detector's columns for the picture as it is stored, and the yaw it makes of it.

    A face elsewhere than the drawn one counts as none.
    """
    face = None
    if detect:
        with Image.open(io.BytesIO(encoded)) as stored:
            face = _find_face()(stored.convert("RGB"))
    if face is not None and not _holds(face.box_xyxy, picture.landmarks.mean(0)):
        face = None
    if face is None:
        return {"box_xyxy": None, "pose_estimated": None, "quality": None}, None
    box = [round(float(v), 2) for v in face.box_xyxy]
    return {"box_xyxy": box, "pose_estimated": face.pose, "quality": round(face.confidence, 5)}, face.yaw_degrees


def _holds(box: tuple[float, ...], point: np.ndarray) -> bool:
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


@cache
def _find_face() -> Callable[[Image.Image], Face | None]:
    """A worker's detector, loaded once."""
    return load_mtcnn(small_faces=False)


@lru_cache(maxsize=2)
def model_of(seed: int, number: int) -> Model:
    """A worker's model of an identity; few are kept because tasks come in the order of identities."""
    return build_model(sample_identity(seed, number))
