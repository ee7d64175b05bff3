"""Photos and crops as HTML: pictures are inlined, so that none of them is ever written into the app's cache."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from demo.common.pictures import data_uri
from demo.verify.photos import SeenPhoto
from sfpn.photos.detector import Face
from sfpn.schema import POSE_LABELS
from sfpn.verification.verifier import Side
from sfpn.verification.wording import head_words, turned_words


def photos_html(photos: Sequence[SeenPhoto]) -> str:
    """The photos of a side with their faces, to be clicked."""
    if not photos:
        return ""
    figures = "".join(_figure(number, photo) for number, photo in enumerate(photos))
    return f'<div class="photos{" many" if len(photos) > 1 else ""}">{figures}</div>'


def _figure(number: int, photo: SeenPhoto) -> str:
    width, height = photo.size
    faces = "".join(_face(number, index, photo) for index in range(len(photo.faces)))
    name = escape(photo.name)
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="group" aria-label="{name}">'
        f'<image href="{photo.preview}" width="{width}" height="{height}"/>{faces}</svg>'
        f'<button class="remove" type="button" data-remove="{number}" aria-label="Remove {name}">×</button>'
        f"<figcaption>{_caption(photo)}</figcaption></figure>"
    )


def _caption(photo: SeenPhoto) -> str:
    words = f"{POSE_LABELS[photo.face.pose].capitalize()}, {head_words(photo.face, '°').replace('-', '−')}"
    if len(photo.faces) > 1:
        words += f" · face {photo.chosen + 1} of {len(photo.faces)}; click another to use it"
    if photo.face.turned_degrees:
        words += f" · {turned_words(photo.face.turned_degrees)}"
    return words


def _face(number: int, index: int, photo: SeenPhoto) -> str:
    face, chosen = photo.faces[index], index == photo.chosen
    left, top, right, bottom = face.box_xyxy
    label = f"Face {index + 1} of {len(photo.faces)}, {POSE_LABELS[face.pose]}" + (", in use" if chosen else "")
    return (
        f'<g class="face{" chosen" if chosen else ""}" role="button" tabindex="0" aria-pressed="{str(chosen).lower()}" '
        f'data-select="[{number}, {index}]" aria-label="{label}"><title>{label}</title>'
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
        f'rx="{face.shorter_side / 30:.1f}"/>'
        f"{_landmarks(face) if chosen else ''}</g>"
    )


def _landmarks(face: Face) -> str:
    radius = face.shorter_side / 45
    return "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>' for x, y in face.landmarks_xy)


def crops_html(sides: Sequence[Side]) -> str:
    """The crops of both sides as the network gets them."""
    return f'<div class="crops">{"".join(map(_crops_of_side, sides))}</div>'


def _crops_of_side(side: Side) -> str:
    many = len(side.crops) > 1
    pictures = "".join(
        f'<img src="{data_uri(crop)}" alt="{escape(shot.photo.name)}">'
        for crop, shot in zip(side.crops, side.shots, strict=True)
    )
    words = POSE_LABELS[side.pose] + (f", template of {len(side.crops)} photos" if many else "")
    return f'<div><div class="faces{" many" if many else ""}">{pictures}</div><p class="quiet">{words}</p></div>'
