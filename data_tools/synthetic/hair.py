"""Head hair as strands: roots on the scalp, combed by a style's flow, pulled by gravity, held outside the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.photos.turning.geometry import ramp

from .identity import Identity
from .mesh import Strands, grid_normals
from .noise import fractal, noise3
from .scalp import HeadRadius
from .shape import CENTRE

STEPS = 26
COVERING = ("long", "bob", "fringe", "curly")  # styles that hide the ears unless tucked behind them


@dataclass(frozen=True)
class Style:
    """How hair is worn: lengths in cm on top and at the sides, lift off the skin in cm, weight = bend down per cm."""

    flow: str  # 'parted', 'back', 'crown', 'out' or 'bun'
    top: float
    sides: float
    lift: float
    weight: float
    cling: float  # bend towards the head per cm
    rise: float = 0.35  # how far a strand starts along the normal, 0-1
    curl: float = 0.2  # factor on the person's curl
    strands: int = 7000


STYLES = {
    "buzz": Style("crown", 0.5, 0.4, 0.2, 0.0, 0.1, 0.5, 0.0, 8000),
    "short": Style("crown", 3.4, 1.2, 0.8, 0.10, 0.55, 0.20, 0.5),
    "side_part": Style("parted", 7.0, 1.8, 1.0, 0.14, 0.40, 0.22, 0.4),
    "swept_back": Style("back", 8.0, 3.0, 1.0, 0.10, 0.45, 0.22, 0.3),
    "curly": Style("crown", 5.5, 6.0, 1.2, 0.25, 0.10, 0.45, 2.2, 7000),
    "afro": Style("out", 4.2, 3.6, 0.3, 0.0, 0.0, 0.9, 2.6, 9000),
    "bob": Style("parted", 20.0, 13.0, 1.3, 0.55, 0.10, 0.2, 0.35, 7000),
    "long": Style("parted", 36.0, 30.0, 1.3, 0.55, 0.10, 0.2, 0.8, 7000),
    "fringe": Style("crown", 7.0, 18.0, 0.9, 0.40, 0.15, 0.22, 0.25),
    "bun": Style("bun", 15.0, 14.0, 0.4, 0.0, 0.10, 0.10, 0.15),
}
CROWN = np.array([0.0, 9.5, -5.5])
BUN = np.array([0.0, 5.5, -11.3])


def head_hair(person: Identity, head: np.ndarray, scalp: np.ndarray, disorder: float, seed: int) -> list[Strands]:
    """Strands of the person's hair on the head at rest; `disorder` 0-1 and `seed` belong to one picture."""
    if person.hair == "bald":
        return []
    style = STYLES[person.hair]
    rng = np.random.default_rng([person.seed, 5])
    roots, normals = _roots(rng, head, scalp, style.strands)
    flow = _flow(style, roots, normals, person)
    wild = fractal(roots + 33, person.seed + 81, 3.0, 2)[:, None] * 0.35 + rng.normal(
        0, 0.10 + 0.10 * disorder, roots.shape
    )
    tousle = np.stack([noise3(roots + 7, seed + i, 5.0) for i in range(3)], -1) * 0.5 * disorder
    start = flow * (1 - style.rise) + normals * style.rise + wild * 0.5 + tousle
    length = _lengths(rng, style, roots)
    points = _grow(style, HeadRadius(head), roots, start, length, -0.6 if person.tucked else 2.6, rng)
    points = points + _curls(style, person, points, length)
    colour = _colours(rng, person, roots)
    strands = [Strands(points.astype(np.float32), colour, 0.45 + 0.3 * (style.curl < 0.5))]
    return strands + ([_bun(rng, person)] if style.flow == "bun" else [])


def ears_shown(person: Identity) -> bool:
    """Whether this person's hair leaves the ears free."""
    return person.tucked or person.hair not in COVERING


def _roots(rng: np.random.Generator, head: np.ndarray, scalp: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample `count` roots (N, 3) by area on the scalp, with their normals."""
    area = np.linalg.norm(np.cross(np.gradient(head, axis=0), np.gradient(head, axis=1)), axis=2) * scalp
    chance = (area / area.sum()).ravel()
    picked = rng.choice(len(chance), count, p=chance)
    normals = grid_normals(head).reshape(-1, 3)[picked]
    return head.reshape(-1, 3)[picked] + rng.normal(0, 0.05, (count, 3)), normals


def _flow(style: Style, roots: np.ndarray, normals: np.ndarray, person: Identity) -> np.ndarray:
    """The direction (N, 3) in which each root is combed, tangent to the head."""
    x, down = roots[:, :1], np.array([[0.0, -1.0, 0.0]])
    if style.flow == "parted":
        middle = 2.2 * person.parting if person.hair == "side_part" else 0.6 * person.parting
        side = np.tanh((x - middle) * 2.5)
        wish = np.concatenate([side, -0.25 + 0 * x, 0.2 - 0.12 * np.maximum(roots[:, 2:], 0)], 1) + 0.4 * down * ramp(
            roots[:, 1:2], 9, 4
        )
    elif style.flow == "back":
        wish = np.concatenate([0.05 * x, 0.1 * ramp(roots[:, 1:2], 6, 9), -1 + 0 * x], 1) + 0.6 * down * ramp(
            roots[:, 2:], 0, -8
        )
    elif style.flow == "bun":
        wish = BUN - roots
    elif style.flow == "out":
        wish = normals
    else:
        wish = roots - CROWN
    tangent = wish - np.sum(wish * normals, 1, keepdims=True) * normals * (style.flow != "out")
    return tangent / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6)


def _lengths(rng: np.random.Generator, style: Style, roots: np.ndarray) -> np.ndarray:
    on_top = ramp(roots[:, 1], 4.5, 7.5)
    if style.flow == "crown":
        on_top = np.maximum(on_top, ramp(roots[:, 2], 4.0, 6.0))
    if style.flow == "bun":
        return 1.1 * np.linalg.norm(BUN - roots, axis=1)
    return (style.sides + (style.top - style.sides) * on_top) * rng.uniform(0.75, 1.05, len(roots))


def _grow(
    style: Style,
    radius: HeadRadius,
    roots: np.ndarray,
    start: np.ndarray,
    length: np.ndarray,
    front: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Points (N, STEPS, 3) of strands of the given lengths (N,)."""
    step = (length / (STEPS - 1))[:, None]
    lift = rng.uniform(0.15, 1.0, len(roots)) * style.lift
    heading, here, points = start, roots, [roots]
    down = np.array([0, -1.0, 0]) * style.weight
    for k in range(1, STEPS):
        heading = heading / (np.linalg.norm(heading, axis=1, keepdims=True) + 1e-6)
        there = _outside(radius, here + heading * step, lift * min(1, k / 4), front)
        there = there + (BUN - there) * (0.02 * (style.flow == "bun"))
        travelled = (there - here) / (np.linalg.norm(there - here, axis=1, keepdims=True) + 1e-6)
        inward = (CENTRE - there) / (np.linalg.norm(CENTRE - there, axis=1, keepdims=True) + 1e-6)
        heading = travelled + (down + style.cling * inward) * np.minimum(step, 1.5)
        points.append(there)
        here = there
    return np.stack(points, 1)


def _outside(radius: HeadRadius, points: np.ndarray, lift: np.ndarray, front: float) -> np.ndarray:
    """Push points out of the head, and below the brows behind z = `front`."""
    distance, surface = radius(points)
    wanted = np.maximum(distance, surface + lift)
    points = CENTRE + (points - CENTRE) * (wanted / distance)[:, None]
    x, y, z = points.T
    temple = ramp(np.abs(x), 2.5, 6.0)
    z = np.minimum(z, 10.5 + (front - 10.5) * ramp((y - 2.8 - 2.6 * temple) / (1.8 + 2.6 * temple), 0, -1))
    return np.stack([x, y, z], -1)


def _curls(style: Style, person: Identity, points: np.ndarray, length: np.ndarray) -> np.ndarray:
    amount = 0.32 * style.curl * person.curl if style.curl < 2 else 0.30 + 0.25 * person.curl
    pace = np.linspace(0, 1, STEPS)[None] * length[:, None] * (1.6 if style.curl < 2 else 1.9)
    phase = 3.0 * fractal(points[:, 0] + 50, person.seed + 85, 2.2, 2)[:, None]
    grown = ramp(np.linspace(0, 1, STEPS), 0.0, 0.3)[None]
    swing = np.stack([np.cos(pace + phase), 0.6 * np.sin(pace + phase), np.sin(pace + phase)], -1)
    return amount * swing * grown[..., None]


def _colours(rng: np.random.Generator, person: Identity, roots: np.ndarray) -> np.ndarray:
    base = np.array(person.hair_colour)
    streak = np.exp(0.22 * noise3(roots + 5, person.seed + 88, 1.2) + rng.normal(0, 0.18, len(roots)))
    colour = base * streak[:, None]
    silver = rng.random(len(roots)) < np.clip((person.age - 40) / 90, 0, 0.5)
    colour[silver] = np.array([0.4, 0.39, 0.37]) * rng.uniform(0.7, 1.1)
    return colour.astype(np.float32)


def _bun(rng: np.random.Generator, person: Identity) -> Strands:
    turn = rng.uniform(0, 2 * np.pi, (1500, 1)) + np.linspace(0, 2.5, STEPS)[None]
    high = rng.normal(0, 0.5, (1500, 1)) + 0 * turn
    ring = 2.1 + rng.normal(0, 0.25, (1500, 1))
    shell = np.stack(
        [ring * np.cos(turn) * np.cos(high), ring * np.sin(turn) * np.cos(high), ring * 0.8 * np.sin(high)], -1
    )
    points = BUN + np.array([0, 0, -1.0]) + shell
    return Strands(points.astype(np.float32), _colours(rng, person, points[:, 0]), 0.6)
