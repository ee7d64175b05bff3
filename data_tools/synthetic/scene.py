"""A person in front of a camera: the model of an identity, one view of it, and the picture with its exact landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from sfpn.photos.turning.geometry import head_rotation

from . import accessories, body, facial_hair
from .camera import Camera
from .expression import Expression, mouth_cut, move
from .eyes import eyeball, mouth_inside
from .face_lines import lid_gap, mouth_line
from .hair import ears_shown, head_hair
from .identity import Identity
from .light import Light
from .mesh import Patch, Strands, patch
from .photo import Finish, background, develop
from .relief import add_relief
from .scalp import scalp_mask
from .shade import shade
from .shape import EYE_RADIUS, head_points
from .skin import gloss, skin_albedo
from .surface import join, see

HAIRDOS = 4
PIVOT = np.array([0.0, -7.0, -1.5], np.float32)  # the head turns on its neck about here, cm


@dataclass(frozen=True)
class Model:
    """What stays of an identity between pictures, at rest and looking ahead."""

    person: Identity
    head: Patch
    scalp: np.ndarray
    fixed: tuple[Patch, ...]  # ears
    neck: Patch
    brows: Strands
    hairdos: tuple[tuple[Strands, ...], ...]  # the same hair on different days
    beard: tuple[Strands, ...]
    lips_z: float
    landmarks: np.ndarray  # (5, 3): eyes -x and +x, tip of the nose, corners of the mouth -x and +x


@dataclass(frozen=True)
class View:
    """What changes from picture to picture; angles in degrees."""

    yaw: float
    pitch: float
    roll: float
    expression: Expression
    light: Light
    finish: Finish
    camera: Camera
    body_yaw: float
    shirt: tuple[float, float, float]
    collar: float
    hairdo: int  # below HAIRDOS, the tidiest first
    glasses: bool
    hat: int | None
    hat_colour: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class Picture:
    """A photograph and the five landmarks (5, 2) in its pixels: eyes and mouth corners image-left first."""

    image: Image.Image
    landmarks: np.ndarray


def build_model(person: Identity) -> Model:
    """Model an identity; takes about two seconds, so do it once for all its pictures."""
    points = add_relief(head_points(person.shape, person.seed), person)
    scalp = scalp_mask(points, person)
    head = patch(points, skin_albedo(points, person, scalp), gloss(points, person), "skin")
    face = facial_hair.FaceSurface(points)
    marks = _landmarks(person, face)
    return Model(
        person,
        head,
        scalp,
        tuple(body.ear(person, points, side) for side in (-1, 1)) if ears_shown(person) else (),
        body.neck(person),
        facial_hair.brows(person, face),
        tuple(tuple(head_hair(person, points, scalp, 0.15 + 0.25 * day, day)) for day in range(HAIRDOS)),
        tuple(facial_hair.beard(person, points)),
        float(face.at(np.zeros(1), np.array([person.shape["mouth_height"]]))[0][0, 2]),
        marks,
    )


def _landmarks(person: Identity, face: facial_hair.FaceSurface) -> np.ndarray:
    s = person.shape
    tip = face.points[np.argmax(face.points[:, 2] * (np.abs(face.points[:, 0]) < 0.8))]
    eyes = [[side * s["eye_distance"], s["eye_height"], s["eye_depth"] + EYE_RADIUS] for side in (-1, 1)]
    x = np.array([-1.0, 1.0]) * s["mouth_width"]
    corners, _ = face.at(x, mouth_line(x, s))
    return np.array([*eyes, tip, *corners], np.float32)


def render(model: Model, view: View) -> Picture:
    """Draw one picture; the same model and view give the same pixels."""
    patches, strands = posed_geometry(model, view)
    scene = join(patches, strands)
    wide = Camera(view.camera.size * 2, view.camera.distance, view.camera.field, view.camera.centre)
    surface = see(scene, wide)
    eye = np.array([0, 0, wide.distance], np.float32)
    colour = shade(scene, surface, view.light, eye, wide.size / wide.field)
    rng = np.random.default_rng(view.seed)
    behind = background(rng, wide.size, view.light)
    picture = np.where(np.isfinite(surface.depth)[..., None], colour, behind)
    return Picture(develop(picture, view.light.exposure, view.finish, rng), project_landmarks(model, view))


def to_room(points: np.ndarray, view: View) -> np.ndarray:
    """Points (..., 3) of the head to where the turned head has them."""
    turn = head_rotation(view.yaw, view.pitch, view.roll)
    return ((points - PIVOT) @ turn.T + PIVOT).astype(np.float32)


def project_landmarks(model: Model, view: View) -> np.ndarray:
    """The five landmarks (5, 2) in pixels of the picture, those of an image-left-first face that looks ahead."""
    moved = model.landmarks.copy()
    moved[2:] = move(moved[2:], model.person.shape, view.expression)
    return view.camera.project(to_room(moved, view))[:, :2]


def posed_geometry(model: Model, view: View) -> tuple[list[Patch], list[Strands]]:
    """All patches and strands of a picture, in room coordinates."""
    s, e = model.person.shape, view.expression
    head = model.head.points
    cut = lid_gap(head, s, e.eye_opening)
    if e.parting > 0.02:
        cut = np.minimum(cut, mouth_cut(head, s))
    face = Patch(move(head, s, e), model.head.albedo, model.head.gloss, "skin", cut)
    patches = [face, *model.fixed, *(eyeball(model.person, side, e.gaze, e.pupil) for side in (-1, 1))]
    if e.parting > 0.02:
        patches += mouth_inside(model.person, model.lips_z, e.parting)
    if view.glasses:
        patches += accessories.glasses(head, s, model.person.glasses)
    if view.hat is not None:
        patches += accessories.hat(head, view.hat, view.hat_colour, view.seed)
    hair = list(model.hairdos[view.hairdo])
    if view.hat is not None:
        hair = [accessories.under_hat(strands, view.hat) for strands in hair]
    strands = [model.brows.moved(move(model.brows.points, s, e)), *(b.moved(move(b.points, s, e)) for b in model.beard)]
    strands += [facial_hair.lashes(model.person, e.eye_opening, s["eye_depth"]), *hair]
    turned = [p.moved(to_room(p.points, view)) for p in patches]
    below = [model.neck, body.torso(model.person, view.shirt, view.collar, view.seed)]
    twist = head_rotation(view.body_yaw, 0, 0)
    turned += [p.moved(((p.points - PIVOT) @ twist.T + PIVOT).astype(np.float32)) for p in below]
    turned_hair = [_near_side(h.moved(to_room(h.points, view))) for h in strands if len(h.points)]
    return turned, [h for h in turned_hair if len(h.points)]


def _near_side(hair: Strands) -> Strands:
    """Short hair without the strands that the head hides from the camera."""
    reach = np.abs(hair.points[:, -1] - hair.points[:, 0]).max()
    keep = (hair.points[:, 0, 2] > -4.5) | (reach > 9.0)
    return Strands(hair.points[keep], hair.albedo[keep], hair.shine)
