"""Drawing rows: what to draw, one picture after the other, each from its own seed, and what the detector makes of it.

Pose, angles and landmarks of a row are exact, known from the drawing; the box, `pose_estimated` and `quality` are the
detector's, and null where it found no face, so that failures to acquire are as visible as on photographs.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image

from data_tools.annotate import load_mtcnn
from data_tools.synthetic.card import Drawn
from data_tools.synthetic.identity import Identity, sample_identity
from data_tools.synthetic.scene import Model, Picture, View, build_model, render
from data_tools.synthetic.variation import IMAGE_SIZE, YAW_RANGES, sample_view
from sfpn.photos.detector import Face, detector_name
from sfpn.photos.pose import estimator_version
from sfpn.schema import pose_from_yaw

IMAGES_PER_TEMPLATE = 5
WEBP_QUALITY = 80
SOURCE = "synthetic"


@dataclass(frozen=True)
class SyntheticConfig:
    """What to draw; only the first group changes the pictures."""

    identities: int = 60
    seed: int = 7
    images_per_pose: int = 10
    size: int = IMAGE_SIZE  # px
    detect: bool = True  # look for the faces with the project's detector

    workers: int = 1  # 0 = in this process
    resume: bool = False
    overwrite: bool = False
    progress: bool = True

    @property
    def settings(self) -> dict[str, Any]:
        """What must be equal for an interrupted run to go on; the number of people may differ, they come one by one."""
        return {
            "seed": self.seed,
            "images_per_pose": self.images_per_pose,
            "size": self.size,
        } | self.made_by

    @property
    def detector(self) -> str | None:
        """Name and version of the detector, None where none is used."""
        return detector_name() if self.detect else None

    @property
    def made_by(self) -> dict[str, str | None]:
        """What finds the faces and estimates their poses, as the card has it."""
        return {"detector": self.detector, "pose_estimator": estimator_version() if self.detect else None}

    @property
    def command(self) -> str:
        """The command that draws the same pictures."""
        words = f"python -m data_tools synthesize --identities {self.identities} --seed {self.seed}"
        words += "" if self.images_per_pose == 10 else f" --images-per-pose {self.images_per_pose}"
        words += "" if self.size == IMAGE_SIZE else f" --size {self.size}"
        return words + ("" if self.detect else " --no-detect") + " --out DIR"


@dataclass(frozen=True)
class Task:
    """One picture to draw."""

    number: int  # of the identity
    pose: str
    index: int  # among the pictures of that pose


def tasks(number: int, config: SyntheticConfig) -> list[Task]:
    """The pictures of one identity: poses x images_per_pose."""
    return [Task(number, pose, index) for pose in YAW_RANGES for index in range(config.images_per_pose)]


def draw_person(number: int, config: SyntheticConfig) -> list[Drawn]:
    """All pictures of one identity, in the order of `tasks`."""
    return [draw_one(task, config) for task in tasks(number, config)]


def view_of(person: Identity, task: Task, config: SyntheticConfig) -> View:
    """The circumstances of a picture, from its own seed: they depend on no other picture."""
    pose = list(YAW_RANGES).index(task.pose)
    return sample_view(
        person, task.pose, np.random.default_rng([config.seed, task.number, pose, task.index]), config.size
    )


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
        "detector": config.detector,
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
    """The model of an identity; few are kept because pictures come identity by identity."""
    return build_model(sample_identity(seed, number))
