"""The photos of one side, as the page's session keeps them: encoded bytes and what was found in them, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demo.common.pictures import PREVIEW_SIDE, data_uri
from sfpn.errors import UserError
from sfpn.photos.detector import Face, FaceDetector
from sfpn.photos.photo import decode_photo
from sfpn.verification.verifier import MAX_PHOTOS, Shot, check_choice, look


@dataclass(frozen=True)
class SeenPhoto:
    """An encoded photo, its faces (pixels of the upright photo of this size), the chosen one, and a small preview."""

    name: str
    encoded: bytes
    size: tuple[int, int]
    faces: tuple[Face, ...]
    chosen: int
    preview: str

    @property
    def face(self) -> Face:
        return self.faces[self.chosen]

    def shot(self) -> Shot:
        """Decoded, for the verifier."""
        photo = decode_photo(self.encoded, self.name).turned(self.face.turned_degrees)
        return Shot(photo, self.faces, self.chosen)

    def with_face(self, index: int) -> SeenPhoto:
        """With another face chosen. Raises UserError if there is none of that index, or it is too small."""
        check_choice(self.name, self.faces, index)
        return replace(self, chosen=index)


Seen = tuple[SeenPhoto, ...]


def take_files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Names and contents of uploaded files, which are deleted from the disk here.

    Raises UserError if one is gone: Gradio stores equal uploads once, so another visitor's may have taken it along.
    """
    try:
        return [(Path(path).name, Path(path).read_bytes()) for path in paths]
    except FileNotFoundError as error:
        raise UserError(f"{Path(error.filename).name}: the upload was lost; give it again") from error
    finally:
        for path in paths:
            Path(path).unlink(missing_ok=True)


def see(detector: FaceDetector, name: str, encoded: bytes) -> SeenPhoto:
    """Decode a photo and find its faces. Raises UserError naming the photo."""
    shot = look(detector, decode_photo(encoded, name))
    preview = data_uri(shot.photo.image, PREVIEW_SIDE)
    return SeenPhoto(name, encoded, shot.photo.size, shot.faces, shot.chosen, preview)


def add_uploads(detector: FaceDetector, seen: Seen, paths: Sequence[str]) -> tuple[Seen, list[str]]:
    """add_photos for uploaded files."""
    try:
        return add_photos(detector, seen, take_files(paths))
    except UserError as error:
        return seen, [str(error)]


def add_photos(detector: FaceDetector, seen: Seen, files: list[tuple[str, bytes]]) -> tuple[Seen, list[str]]:
    """The side with more photos, and a sentence for each that was refused."""
    refused = []
    for name, encoded in files:
        if len(seen) >= MAX_PHOTOS:
            refused.append(f"{name}: a side takes at most {MAX_PHOTOS} photos; remove one first")
            continue
        try:
            seen = (*seen, see(detector, name, encoded))
        except UserError as error:
            refused.append(str(error))
    return seen, refused
