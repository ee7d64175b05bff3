"""All that the browser needs beside the runtime: networks exported from the weights, their cards, and drawn faces.

They are made once and kept in the cache folder, under names that hold the hash of what they were made from.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo.examples import Example
from demo.on_device.drawn_faces import write_faces
from demo.on_device.runtime import CDN_FOLDER, FILES, runtime_folder
from demo.on_device.worth import worth_of_poses
from sfpn.commands.export import CHECKED_EACH, faces_of_all_poses, pictures_of_all_poses
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.files import whole_file, write_text
from sfpn.network import checkpoint
from sfpn.network.card import Card, load_card
from sfpn.network.export import export
from sfpn.network.export_detector import NETWORKS, export_detector
from sfpn.network.export_pose import export_pose
from sfpn.network.onnx_writing import card_inside, require_onnx
from sfpn.photos.detector import detector_name
from sfpn.photos.pose import WEIGHTS
from sfpn.photos.preprocess import Preprocess

MADE_BY = "3"  # changes when files made before are not those that would be made now
CARD_FIELDS = (
    *(
        "name",
        "title",
        "weights_sha256",
        "parameters",
        "licence",
        "limits",
        "preprocess",
        "mirror_sum",
        "descriptor_mean",
    ),
    *("pose_direction", "architecture", "operating_points", "histograms", "surface"),
)
Address = Callable[[Path], str]


@dataclass(frozen=True)
class PackedNetwork:
    """A packed ONNX file, what its card says to the browser, and for a model that card as a gzipped file."""

    path: Path
    card: dict[str, Any]
    card_file: Path | None = None

    def entry(self, address: Address) -> dict[str, Any]:
        """How the page's manifest names the file."""
        return remote_file(self.path, address) | {"planes": True}


@dataclass(frozen=True)
class Bundle:
    """The networks of the detector by name, the pose estimator, the models by name, and drawn faces."""

    detector: dict[str, PackedNetwork]
    pose: PackedNetwork
    models: dict[str, PackedNetwork]
    examples: list[dict[str, Any]]  # {"title", "first": [Path, ...], "second": [...]}
    faces: tuple[Path, Path]  # index and pictures, see demo.on_device.drawn_faces

    @property
    def files(self) -> list[Path]:
        """All of them."""
        networks = [*self.detector.values(), self.pose, *self.models.values()]
        pictures = {path for each in self.examples for side in ("first", "second") for path in each[side]}
        cards = [network.card_file for network in networks if network.card_file]
        return [*(network.path for network in networks), *cards, *sorted(pictures), *self.faces]


def make_bundle(
    cache: Path,
    models: Mapping[str, Path | str],
    examples: Sequence[Example],
    before_export: Callable[[], None] = require_onnx,
) -> Bundle:
    """The bundle of these models (name -> weights), made where it is not in the cache yet.

    before_export: called before the first network that is not there is made; what it raises is raised.
    Raises UserError when a package for exporting is missing, a model cannot be exported, or nothing can be written.
    """
    folder = cache / "networks"
    weights = {name: checkpoint.resolve(given) for name, given in models.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Bundle(
            detector=_detector(folder, before_export),
            pose=_pose(folder, before_export),
            models={name: _model(folder, name, file, before_export) for name, file in weights.items()},
            examples=[_pictures(folder, example) for example in examples],
            faces=write_faces(folder, _digest),
        )
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): set XDG_CACHE_HOME to another") from error


def manifest(bundle: Bundle, cache: Path, address: Address, cdn: bool = False) -> dict[str, Any]:
    """What the page reads first: where each file is, how large, and what the cards say. JSON values.

    address: of a file of the cache, for the page. cdn: the runtime comes from the public CDN instead of the cache.
    """
    return {
        "runtime": {name: _runtime_entry(name, cache, address, cdn) for name in FILES},
        "detector": {name: network.entry(address) for name, network in bundle.detector.items()},
        "pose": {"file": bundle.pose.entry(address), "card": bundle.pose.card},
        "models": [
            {
                "name": name,
                "title": network.card["title"],
                "file": network.entry(address),
                "card_file": remote_file(network.card_file, address) if network.card_file else None,
            }
            for name, network in bundle.models.items()
        ],
        "faces": {
            "index": remote_file(bundle.faces[0], address),
            "pictures": remote_file(bundle.faces[1], address, packed=False),
        },
        "examples": [
            {"title": each["title"]}
            | {side: [{"name": p.stem, "url": address(p)} for p in each[side]] for side in ("first", "second")}
            for each in bundle.examples
        ],
        "worth": worth_of_poses(),
    }


def remote_file(path: Path, address: Address, packed: bool = True) -> dict[str, Any]:
    """How the page's manifest names a file of the cache; packed: it is gzipped."""
    return {"url": address(path), "bytes": path.stat().st_size, "packed": packed, "integrity": None}


def _runtime_entry(name: str, cache: Path, address: Address, cdn: bool) -> dict[str, Any]:
    file = FILES[name]
    if cdn:
        url = f"{CDN_FOLDER}/{file.name}"
        return {"url": url, "bytes": file.bytes, "packed": False, "integrity": file.integrity}
    return remote_file(runtime_folder(cache) / file.kept_as, address, file.packed)


def _detector(folder: Path, before_export: Callable[[], None]) -> dict[str, PackedNetwork]:
    stem = f"detector-{_digest(detector_name())}"
    files = {name: folder / f"{stem}-{name}.onnx.gz" for name in NETWORKS}
    if not all(file.is_file() for file in files.values()):
        before_export()
        with tempfile.TemporaryDirectory() as temporary:
            [check_on] = faces_of_all_poses(_drawn_people(), Preprocess(), CHECKED_EACH)
            made = Path(temporary) / "detector"
            export_detector(made, check_on)
            for name, file in files.items():
                pack(made / f"{name}.onnx", file)
    return {name: PackedNetwork(file, {}) for name, file in files.items()}


def _pose(folder: Path, before_export: Callable[[], None]) -> PackedNetwork:
    file = folder / f"pose-{_digest(WEIGHTS.read_bytes())}.onnx.gz"
    card = file.with_name(f"{file.name}.json")
    if not (file.is_file() and card.is_file()):
        before_export()
        with tempfile.TemporaryDirectory() as temporary:
            [check_on] = pictures_of_all_poses(_drawn_people(), CHECKED_EACH)
            made = Path(temporary) / "pose.onnx"
            export_pose(made, [(each.decode(), each.face) for each in check_on if each.face])
            write_text(made.with_suffix(".json").read_text(encoding="utf-8"), card)
            pack(made, file)
    return PackedNetwork(file, json.loads(card.read_text(encoding="utf-8")))


def _model(folder: Path, name: str, weights: Path, before_export: Callable[[], None]) -> PackedNetwork:
    """A model as the browser can run it: exported, or as it is where it is an ONNX file of one part."""
    card = load_card(weights)
    if card.architecture.get("external_data"):
        raise UserError(f"{weights}: keeps weights in a second file, which the browser is not given")
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    file = folder / f"{slug}-{_digest(weights.read_bytes() + json.dumps(card.to_json()).encode())}.onnx.gz"
    described = file.with_name(f"{file.name.removesuffix('.onnx.gz')}.json.gz")
    if file.is_file() and described.is_file():
        return PackedNetwork(file, json.loads(gzip.decompress(described.read_bytes())), described)
    if weights.suffix == ".onnx":
        pack(weights, file)
        inside = card
    else:
        before_export()
        with tempfile.TemporaryDirectory() as temporary:
            [check_on] = faces_of_all_poses(_drawn_people(), card.preprocess, CHECKED_EACH)
            made = Path(temporary) / "model.onnx"
            export(weights, "onnx", made, check_on)
            pack(made, file)
            inside = card_inside(made)
    text = json.dumps(_for_browser(inside, card))
    with whole_file(described) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    return PackedNetwork(file, json.loads(text), described)


def _for_browser(exported: Card, card: Card) -> dict[str, Any]:
    """What of the card of the exported file the browser uses, under the name of the model that it was made from."""
    record = exported.to_json() | {"name": card.name, "title": card.title, "surface": None}
    record["weights_sha256"] = card.weights_sha256
    if exported.surface is not None:
        record["surface"] = asdict(exported.surface)
    return {name: record[name] for name in CARD_FIELDS}


def _pictures(folder: Path, example: Example) -> dict[str, Any]:
    found: dict[str, Any] = {"title": example.title}
    for side, pictures in (("first", example.first), ("second", example.second)):
        found[side] = []
        for picture in pictures:
            file = folder / f"{picture.row_id}.webp"
            if not file.is_file():
                with whole_file(file) as temporary:
                    temporary.write_bytes(picture.encoded)
            found[side].append(file)
    return found


def pack(file: Path, packed: Path) -> None:
    """Gzipped, after all first bytes of four, all second ones ...: the exponents of floats then lie side by side.

    A tenth is saved; the bytes that are left over at the end follow as they are.
    """
    content = file.read_bytes()
    whole = len(content) // 4 * 4
    planes = np.frombuffer(content[:whole], np.uint8).reshape(-1, 4).T.tobytes()
    with whole_file(packed) as temporary:
        temporary.write_bytes(gzip.compress(planes + content[whole:], 9, mtime=0))


def _drawn_people() -> Selection:
    return Selection.parse(str(DRAWN_PEOPLE))


def _digest(made_from: bytes | str) -> str:
    content = made_from if isinstance(made_from, bytes) else made_from.encode()
    return hashlib.sha256(MADE_BY.encode() + content).hexdigest()[:16]
