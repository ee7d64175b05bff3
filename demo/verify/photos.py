"""The photos of one side, as the page's session keeps them: encoded bytes and what was found in them, no files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from demo.common.at_once import AT_WORK, large_alone
from demo.common.photo_memory import check_room, count
from demo.common.pictures import preview_uri
from demo.common.uploads import discard, size_of, take_upload
from sfpn.errors import UserError
from sfpn.photos.detector import Face, FaceDetector
from sfpn.photos.photo import EncodedPhoto, count_pixels, open_photo
from sfpn.photos.preprocess import Cut, Preprocess
from sfpn.verification.verifier import MAX_PHOTOS, Shot, check_choice, look

USUAL = Preprocess()  # of the networks of this project: a photo is not decoded again to be compared by them


@dataclass(frozen=True)
class SeenPhoto:
    """An encoded photo, its faces (pixels of the upright photo of this size), the chosen one, and a small preview.

    crops: of the chosen face, cut out when its photo was decoded; a face chosen later has none.
    """

    name: str
    encoded: bytes
    size: tuple[int, int]
    faces: tuple[Face, ...]
    chosen: int
    preview: str
    crops: Mapping[Cut, Image.Image] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count(self)

    @property
    def face(self) -> Face:
        return self.faces[self.chosen]

    @property
    def content(self) -> tuple[str, bytes, int]:
        """What a comparison of it depends on: name, hash, and which face."""
        return self.name, hashlib.sha256(self.encoded).digest(), self.chosen

    def shot(self) -> Shot:
        """For the verifier, which decodes one photo after the other."""
        photo = EncodedPhoto(self.name, self.encoded, self.size, self.face.turned_degrees)
        return Shot(photo, self.faces, self.chosen, self.crops)

    def pixels_to_decode(self, preprocess: Preprocess) -> int:
        """How many pixels a comparison by a network with this preprocessing has to decode; none if it has the crop."""
        return 0 if preprocess.cut in self.crops else self.size[0] * self.size[1]

    def with_face(self, index: int) -> SeenPhoto:
        """With another face chosen. Raises UserError if there is none of that index, or it is too small."""
        check_choice(self.name, self.faces, index)
        return self if index == self.chosen else replace(self, chosen=index, crops={})


Seen = tuple[SeenPhoto, ...]
FULL = f"a side takes at most {MAX_PHOTOS} photos; remove one first"


def see(detector: FaceDetector, name: str, encoded: bytes) -> SeenPhoto:
    """Decode a photo and find its faces, once for all who give it at that moment. Raises UserError naming the photo."""

    def make() -> SeenPhoto:
        photo = open_photo(encoded, name)
        with large_alone(photo.size[0] * photo.size[1]):
            shot = look(detector, photo)
            assert shot.found is not None
            preview = preview_uri(shot.found.image)
            crops = {USUAL.cut: shot.crop(USUAL)}
            return SeenPhoto(name, encoded, shot.photo.size, shot.faces, shot.chosen, preview, crops)

    return AT_WORK.share(("see", id(detector), name, hashlib.sha256(encoded).digest()), make)


def add_uploads(detector: FaceDetector, seen: Seen, paths: Sequence[str]) -> tuple[Seen, list[str]]:
    """add_photos for uploaded files, each read only if there is room for it; all are deleted from the disk."""
    refused, paths = [], list(dict.fromkeys(paths))
    try:
        for number, path in enumerate(paths):
            if len(seen) >= MAX_PHOTOS:
                refused.append(f"{len(paths) - number} of the files were not taken: {FULL}")
                break
            try:
                check_room(seen, "This photo", size_of(path))
                seen, sentences = add_photos(detector, seen, [take_upload(path)])
                refused += sentences
            except UserError as error:
                refused.append(str(error))
    finally:
        discard(paths)
    return seen, refused


def add_photos(detector: FaceDetector, seen: Seen, files: Sequence[tuple[str, bytes]]) -> tuple[Seen, list[str]]:
    """The side with more photos, and a sentence for each that was refused."""
    refused = []
    for name, encoded in files:
        try:
            if len(seen) >= MAX_PHOTOS:
                raise UserError(f"{name}: {FULL}")
            check_room(seen, name, len(encoded), count_pixels(encoded, name))
            seen = (*seen, see(detector, name, encoded))
        except UserError as error:
            refused.append(str(error))
    return seen, refused
