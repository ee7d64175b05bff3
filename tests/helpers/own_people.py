"""A ZIP of people as a visitor brings it, with a planted wrong label."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

from helpers.paths import SYNTHETIC
from helpers.shared_material import CFP
from sfpn.data.dataset import FaceDataset


class Brought(NamedTuple):
    """The ZIP, and the row that is of somebody else than its folder says: of `whose`."""

    file: Path
    wrong: str
    whose: str
    pictures: int


def drawn_zip(file: Path, people: int = 12, of_pose: int = 5) -> Brought:
    """Drawn people whose faces the detector finds, frontal and in three-quarter view."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    rows = rows[rows["pose_estimated"].notna() & rows["pose"].isin(["frontal", "three_quarter"])]
    names = sorted(rows["identity"].unique())[:people]
    chosen = rows[rows["identity"].isin(names)].groupby(["identity", "pose"]).head(of_pose)
    chosen = chosen.set_index("row_id")["identity"]
    return write_zip(file, [(p.row_id, p.encoded) for p in dataset.pictures(set(chosen.index))], chosen.to_dict())


def write_zip(file: Path, pictures: list[tuple[str, bytes]], identity_of: dict[str, str]) -> Brought:
    """identity/row_id.png for each picture but the wrong one, and files that are none."""
    names = sorted(set(identity_of.values()))
    wrong = min(row_id for row_id, identity in identity_of.items() if identity == names[0])
    folders = identity_of | {wrong: names[1]}
    member = {row_id: f"{folders[row_id]}/{Path(row_id).name}.png" for row_id in identity_of}
    with zipfile.ZipFile(file, "w") as archive:
        for row_id, encoded in pictures:
            archive.writestr(f"my people/{member[row_id]}", encoded)
        archive.writestr("my people/notes.txt", "not a picture")
        archive.writestr("__MACOSX/my people/._a.png", "left by a computer")
    return Brought(file, member[wrong], names[0], len(pictures))


def cfp_zip(file: Path, people: int = 12) -> Brought:
    """People of CFP, six frontal photos and all four profiles of each; their files are read where they lie."""
    folders = sorted((CFP / "Data" / "Images").iterdir())[-people:]
    photos = [(f, p) for f in folders for p in (*sorted(f.glob("frontal/*.jpg"))[:6], *sorted(f.glob("profile/*.jpg")))]
    pictures = [(f"{folder.name}-{photo.parent.name}-{photo.stem}", photo.read_bytes()) for folder, photo in photos]
    return write_zip(file, pictures, {row_id: row_id.partition("-")[0] for row_id, _ in pictures})
