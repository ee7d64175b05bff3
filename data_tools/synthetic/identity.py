"""Who a synthetic person is: everything that stays the same from one picture to the next, drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# name: (mean, standard deviation, shift from feminine -1 to masculine +1); cm unless a comment says otherwise
SHAPE: dict[str, tuple[float, float, float]] = {
    "skull_width": (7.35, 0.28, 0.15),
    "skull_height": (8.1, 0.35, 0.05),
    "forehead_slope": (0.0, 0.45, -0.25),  # positive = forehead further in front
    "face_width": (6.0, 0.32, 0.12),
    "brow_ridge": (0.78, 0.14, 0.16),
    "brow_height": (1.65, 0.18, -0.12),
    "eye_distance": (3.2, 0.16, 0.03),  # from the middle of the face
    "eye_height": (0.0, 0.18, 0.0),
    "eye_depth": (6.95, 0.13, -0.06),
    "eye_width": (1.44, 0.09, 0.0),
    "eye_open": (0.52, 0.07, -0.06),
    "eye_tilt": (0.05, 0.08, -0.03),  # slope, positive = outer corner higher
    "lid_fold": (0.32, 0.12, -0.03),
    "cheekbone_width": (4.75, 0.3, 0.0),
    "cheekbone_size": (1.0, 0.13, 0.0),  # factor
    "cheek_fat": (1.0, 0.16, -0.05),  # factor
    "nose_length": (4.1, 0.36, 0.1),
    "nose_depth": (10.75, 0.32, 0.12),
    "nose_bridge": (8.75, 0.26, 0.14),
    "nose_hump": (0.0, 0.22, 0.05),
    "nose_tip": (0.78, 0.1, 0.04),
    "nose_width": (1.2, 0.2, 0.07),
    "nose_lift": (0.0, 0.25, -0.1),  # positive = tip turned up
    "muzzle": (0.0, 0.28, 0.0),
    "mouth_height": (-6.9, 0.28, 0.0),
    "mouth_width": (2.4, 0.24, 0.08),
    "lip_upper": (0.34, 0.08, -0.05),
    "lip_lower": (0.42, 0.09, -0.04),
    "jaw_width": (4.0, 0.36, 0.25),
    "jaw_height": (-6.8, 0.5, -0.1),
    "chin_height": (-10.5, 0.45, -0.25),
    "chin_depth": (7.6, 0.4, 0.1),
    "chin_width": (1.35, 0.35, 0.15),
    "ear_size": (0.92, 0.08, 0.04),  # factor
    "ear_flare": (0.36, 0.13, 0.03),  # radians away from the skull
    "neck_width": (4.85, 0.3, 0.45),
    "heavy": (0.0, 0.3, 0.0),  # fat under the skin, factor around 0
}

HAIR_COLOURS = {  # linear RGB
    "black": (0.010, 0.008, 0.007),
    "dark_brown": (0.030, 0.017, 0.010),
    "brown": (0.075, 0.040, 0.020),
    "chestnut": (0.11, 0.045, 0.018),
    "red": (0.24, 0.075, 0.022),
    "dark_blond": (0.20, 0.125, 0.055),
    "blond": (0.40, 0.27, 0.12),
    "grey": (0.22, 0.21, 0.20),
    "white": (0.52, 0.51, 0.48),
}
IRIS_COLOURS = {
    "dark": (0.030, 0.014, 0.007),
    "brown": (0.085, 0.036, 0.014),
    "hazel": (0.13, 0.085, 0.03),
    "green": (0.10, 0.14, 0.07),
    "blue": (0.10, 0.19, 0.30),
    "grey": (0.17, 0.21, 0.23),
}


@dataclass(frozen=True)
class Identity:
    """One person. `shape` holds a value for every key of SHAPE; fractions run from 0 to 1."""

    number: int
    seed: int
    masculine: float  # -1 to 1
    age: float  # years
    shape: dict[str, float]
    melanin: float  # 0 very light to 1 very dark skin
    redness: float
    freckles: float
    stubble: float
    wrinkles: float
    iris: str
    hair: str
    hair_colour: tuple[float, float, float]
    hairline: float  # cm of recession
    parting: int  # -1 or 1: the side of the parting
    curl: float
    tucked: bool  # hair worn behind the ears
    brow_density: float
    brow_shape: tuple[float, float]  # height of the arch and slope, cm
    lip_redness: float
    wears_glasses: bool
    glasses: int  # which frame
    moles: tuple[tuple[float, float], ...]  # (x, y) on the face, cm

    @property
    def name(self) -> str:
        """The identity's name in a dataset, e.g. 'syn-0007'."""
        return f"syn-{self.number:04d}"


def sample_identity(seed: int, number: int, spread: float = 1.0) -> Identity:
    """Draw person `number` of the population `seed`; `spread` scales how far shapes lie from the average head."""
    rng = np.random.default_rng([seed, number, 1])
    masculine = float(np.clip((1 if number % 2 else -1) * rng.normal(0.75, 0.3), -1, 1))
    age = float(np.clip(rng.gamma(4.0, 6.0) + 17, 18, 80))
    melanin = float(rng.uniform(0.02, 0.98))
    hair, recession = _hair_style(rng, masculine, age, melanin)
    bearded = masculine > 0.2 and rng.random() < 0.6
    return Identity(
        number=number,
        seed=int(rng.integers(1 << 30)),
        masculine=masculine,
        age=age,
        shape=_shape(rng, masculine, age, spread),
        melanin=melanin,
        redness=float(rng.uniform(0.1, 1.0) * (1 - 0.6 * melanin)),
        freckles=float(max(0, rng.normal(-0.5, 0.8)) * (melanin < 0.35)),
        stubble=float(rng.choice([0.25, 0.5, 0.9, 1.6], p=[0.35, 0.25, 0.2, 0.2])) if bearded else 0.0,
        wrinkles=float(np.clip((age - 28) / 45 + rng.normal(0, 0.12), 0, 1)),
        iris=_iris(rng, melanin),
        hair=hair,
        hair_colour=_hair_colour(rng, melanin, age),
        hairline=recession,
        parting=int(rng.choice([-1, 1])),
        curl=float(rng.beta(1.2, 2.5) if melanin < 0.6 else rng.beta(2.5, 1.5)),
        tucked=bool(rng.random() < 0.55),
        brow_density=float(rng.uniform(0.55, 1.0) + 0.25 * max(masculine, 0)),
        brow_shape=(float(rng.normal(0.28 - 0.1 * masculine, 0.13)), float(rng.normal(0.0, 0.12))),
        lip_redness=float(np.clip(rng.normal(0.5 - 0.2 * masculine, 0.2), 0.05, 1)),
        wears_glasses=bool(rng.random() < 0.2),
        glasses=int(rng.integers(3)),
        moles=tuple((float(rng.uniform(-5, 5)), float(rng.uniform(-9, 3))) for _ in range(rng.poisson(1.2))),
    )


def _shape(rng: np.random.Generator, masculine: float, age: float, spread: float) -> dict[str, float]:
    shape = {
        key: float(mean + spread * (shift * masculine + sd * np.clip(rng.normal(), -2.2, 2.2)))
        for key, (mean, sd, shift) in SHAPE.items()
    }
    shape["eye_open"] -= 0.0015 * max(age - 40, 0)
    shape["nose_length"] += 0.004 * (age - 35)
    shape["ear_size"] += 0.0015 * (age - 35)
    return shape


def _hair_style(rng: np.random.Generator, masculine: float, age: float, melanin: float) -> tuple[str, float]:
    """Style and hairline recession in cm."""
    if masculine > 0:
        balding = max(0.0, (age - 30) / 30) * rng.random()
        weights = dict(
            bald=0.4 + balding, buzz=1.2, short=2.2, side_part=1.5, swept_back=0.8, curly=0.7, fringe=0.5, long=0.2
        )
    else:
        balding = 0.0
        weights = dict(long=2.2, bob=1.6, bun=1.2, fringe=1.2, curly=1.2, side_part=0.6, swept_back=0.5, short=0.4)
    if melanin > 0.6:
        weights |= dict(afro=1.5, buzz=weights.get("buzz", 0.4) + 0.6)
    styles = sorted(weights)
    chances = np.array([weights[s] for s in styles])
    return str(rng.choice(styles, p=chances / chances.sum())), float(min(2.8, 2.5 * balding) + rng.normal(0, 0.35))


def _hair_colour(rng: np.random.Generator, melanin: float, age: float) -> tuple[float, float, float]:
    light = ["black", "dark_brown", "brown", "chestnut", "red", "dark_blond", "blond"]
    chances = (
        np.array([0.1, 0.2, 0.2, 0.12, 0.08, 0.15, 0.15])
        if melanin < 0.35
        else np.array([0.55, 0.35, 0.08, 0.02, 0, 0, 0])
    )
    base = np.array(HAIR_COLOURS[str(rng.choice(light, p=chances / chances.sum()))])
    greying = np.clip((age - 38) / 30 + rng.normal(0, 0.25), 0, 1) if age > 36 else 0.0
    grey = np.array(HAIR_COLOURS["white" if age > 62 else "grey"])
    mixed = base * (1 - greying) + grey * greying
    red, green, blue = (float(c) for c in mixed * rng.uniform(0.8, 1.25))
    return red, green, blue


def _iris(rng: np.random.Generator, melanin: float) -> str:
    if melanin > 0.45:
        return str(rng.choice(["dark", "brown"]))
    return str(rng.choice(["dark", "brown", "hazel", "green", "blue", "grey"], p=[0.1, 0.25, 0.15, 0.12, 0.28, 0.1]))
