"""Drawn people in all directions: heads at exactly known yaw (-92 to 92 degrees), pitch (-42 to 42) and roll.

For estimating poses; the people and circumstances are those of data_tools/synthetic, which draws narrower angles.
Every fourth person is for measuring.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from data_tools.sources.base import Item, Pair, Problem, SourceInfo
from data_tools.synthetic.identity import sample_identity
from data_tools.synthetic.scene import Model, View, build_model, render
from data_tools.synthetic.variation import sample_view
from sfpn.errors import UserError
from sfpn.schema import pose_from_yaw

INFO = SourceInfo(
    name="heads",
    title="Drawn heads in all directions",
    url="",
    licence="MIT, as the program that draws them; no real person",
    citation="",
)
DEFAULT_SEED = 1301
PER_PERSON = 30  # in all directions
ASIDE = 12  # beside them: looking far aside and up or down at once, where detectors and estimators are worst
SIZE = 192  # px
YAW_REACH, PITCH_REACH = 92.0, 42.0  # degrees to either side
ASIDE_YAW, ASIDE_PITCH = (62.0, 92.0), (12.0, 45.0)
MEASURED = 4  # every so many-th person is for measuring
STREAM = 99  # beside the seeds of data_tools.synthetic, so that no circumstance is repeated


@dataclass(frozen=True)
class Heads:
    """`people` drawn persons, 42 pictures each. Raises UserError for a number that is none."""

    people: int
    seed: int = DEFAULT_SEED
    info: SourceInfo = INFO
    keeps_duplicates: bool = False

    @classmethod
    def parse(cls, people: str, seed: int) -> Heads:
        """From the word on the command line."""
        if not people.isdecimal() or not int(people):
            raise UserError(f"build heads needs the number of people to draw, e.g. 40, not {people!r}")
        return cls(int(people), seed)

    def total(self) -> int:
        """Number of pictures."""
        return self.people * (PER_PERSON + ASIDE)

    def items(self) -> Iterator[Item | Problem]:
        """Every picture, person by person; drawn when it is read."""
        for number in range(self.people):
            for index, view in enumerate(views_of(self.seed, number)):
                name = f"head-{self.seed}-{number:04d}"
                yield Item(
                    row_id=f"heads/{name}/{index:02d}",
                    identity=name,
                    path=f"{name}/{index:02d}.png",
                    read=partial(draw, self.seed, number, index),
                    yaw_degrees=view.yaw,
                    pitch_degrees=view.pitch,
                    roll_degrees=view.roll,
                    split="train" if number % MEASURED else "test",
                )

    def pairs(self) -> Iterator[Pair | Problem]:
        """None."""
        return iter(())


@lru_cache(maxsize=2)
def views_of(seed: int, number: int) -> list[View]:
    """The circumstances of a person's pictures: yaws spread evenly, most pitches as well; then those far aside."""
    person, rng = sample_identity(seed, number), np.random.default_rng([seed, number, STREAM])
    views = []
    for index in range(PER_PERSON + ASIDE):
        yaw, pitch = _direction(rng, index)
        view = sample_view(person, pose_from_yaw(yaw), rng, SIZE)
        centre = (float(rng.normal(0.045 * yaw, 0.8)), float(rng.normal(-0.8 + 0.05 * pitch, 0.8)))
        camera = replace(view.camera, centre=centre, field=float(rng.uniform(30, 38)))
        roll = float(np.clip(rng.normal(0, 7), -20, 20))
        body = float(yaw * rng.uniform(0.35, 1.0))
        views.append(replace(view, yaw=float(yaw), pitch=pitch, roll=roll, camera=camera, body_yaw=body))
    return views


def _direction(rng: np.random.Generator, index: int) -> tuple[float, float]:
    """Yaw and pitch of a person's picture."""
    if index >= PER_PERSON:
        sides = rng.choice((-1.0, 1.0), 2)
        return float(sides[0] * rng.uniform(*ASIDE_YAW)), float(sides[1] * rng.uniform(*ASIDE_PITCH))
    yaw = -YAW_REACH + 2 * YAW_REACH * (index + rng.random()) / PER_PERSON
    return yaw, float(rng.uniform(-PITCH_REACH, PITCH_REACH)) if rng.random() < 0.75 else float(rng.normal(0, 6))


def draw(seed: int, number: int, index: int) -> bytes:
    """PNG bytes of one picture."""
    stream = io.BytesIO()
    render(model_of(seed, number), views_of(seed, number)[index]).image.save(stream, "PNG")
    return stream.getvalue()


@lru_cache(maxsize=2)
def model_of(seed: int, number: int) -> Model:
    """The model of a person; few are kept because pictures come person by person."""
    return build_model(sample_identity(seed, number))
