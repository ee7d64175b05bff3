"""One picture's circumstances: turn of the head, expression, light, camera, clothes; drawn from a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .camera import Camera
from .expression import Expression
from .identity import Identity
from .light import Light, sample_light
from .photo import Finish
from .scene import HAIRDOS, View
from .skin import base_tone

IMAGE_SIZE = 176
YAW_RANGES = {"frontal": (0.0, 15.0), "three_quarter": (25.0, 60.0), "profile": (70.0, 90.0)}


def sample_view(person: Identity, pose: str, rng: np.random.Generator, size: int = IMAGE_SIZE) -> View:
    """Draw the circumstances of a picture of `person` in `pose` (a key of YAW_RANGES)."""
    yaw = float(rng.choice([-1, 1]) * rng.uniform(*YAW_RANGES[pose]))
    distance = float(np.exp(rng.normal(np.log(95), 0.25)))
    return View(
        yaw=yaw,
        pitch=float(np.clip(rng.normal(0, 6), -15, 15)),
        roll=float(np.clip(rng.normal(0, 5), -15, 15)),
        expression=sample_expression(rng),
        light=_metered(sample_light(rng, yaw), person),
        finish=Finish(
            float(rng.uniform(0.25, 0.75)),
            float(rng.uniform(0.004, 0.02)),
            float(rng.uniform(0.92, 1.1)),
            float(rng.uniform(0.8, 1.1)),
        ),
        camera=Camera(
            size,
            distance,
            float(rng.uniform(28, 34)),
            (float(rng.normal(0.045 * yaw, 0.8)), float(rng.normal(-0.8, 0.8))),
        ),
        body_yaw=float(yaw * rng.uniform(0.35, 0.95)),
        shirt=_cloth(rng),
        collar=float(rng.choice([0.3, 2.0, 5.0])),
        hairdo=int(rng.integers(HAIRDOS)),
        glasses=bool(person.wears_glasses and rng.random() < 0.7),
        hat=int(rng.integers(2)) if rng.random() < 0.04 else None,
        hat_colour=_cloth(rng),
        seed=int(rng.integers(1 << 30)),
    )


def _metered(light: Light, person: Identity) -> Light:
    """A camera exposes for what it sees: half of the difference in skin tone is evened out."""
    brightness = float(base_tone(person).mean())
    return replace(light, exposure=light.exposure * float(np.clip((0.26 / brightness) ** 0.45, 0.7, 1.6)))


def _cloth(rng: np.random.Generator) -> tuple[float, float, float]:
    """A fabric's linear RGB."""
    tint = rng.normal(0, 0.45, 3)
    colour = np.exp(rng.uniform(np.log(0.02), np.log(0.6)) + tint - tint.mean())
    red, green, blue = (float(c) for c in colour.clip(0.01, 0.8))
    return red, green, blue


def sample_expression(rng: np.random.Generator) -> Expression:
    """A face as in photographs: neutral, smiling, speaking."""
    kind = rng.random()
    smile = rng.normal(0.12, 0.2) if kind < 0.45 else rng.uniform(0.4, 1.1)
    parting = rng.uniform(0.25, 0.9) if rng.random() < 0.3 else 0.0
    return Expression(
        smile=float(smile),
        parting=float(parting),
        brows=float(np.clip(rng.normal(0, 0.4), -0.8, 1.0)),
        eye_opening=float(np.clip(rng.normal(0.98, 0.12) - 0.15 * max(smile, 0), 0.45, 1.2)),
        gaze=(float(rng.normal(0, 8)), float(rng.normal(0, 4))),
        pupil=float(rng.uniform(0.16, 0.30)),
    )
