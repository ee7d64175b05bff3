"""Drawn people with one photo that shows two of them, of which the detector takes the wrong one."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from helpers.paths import SYNTHETIC
from sfpn.data.dataset import FaceDataset

PEOPLE, PHOTOS = 5, 5
PLANTED, MEANT, BESIDE = "p1/two.png", "p1", "p3"  # the photo is of p1; p3 is larger and nearer to the middle


def write_two_faces(folder: Path) -> None:
    """person/number.png, and the planted photo: p3 large at the left, p1 smaller at the right."""
    people = _photos()
    for name, images in people.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images[:PHOTOS]):
            image.save(folder / name / f"{number}.png")
    large, small = people[BESIDE][-1], people[MEANT][-1]
    small = small.resize((small.width * 7 // 10, small.height * 7 // 10))
    both = Image.new("RGB", (large.width + small.width, large.height), "gray")
    both.paste(large, (0, 0))
    both.paste(small, (large.width, large.height - small.height))
    both.save(folder / PLANTED)


def _photos() -> dict[str, list[Image.Image]]:
    """Frontal photos of drawn people, by a name; the detector finds a face in each."""
    dataset = FaceDataset.open(SYNTHETIC)
    rows = dataset.rows()
    rows = rows[(rows["pose"] == "frontal") & (rows["pose_estimated"] == "frontal")]
    chosen = rows.groupby("identity").head(PHOTOS + 1)
    names = sorted(chosen["identity"].unique())[:PEOPLE]
    wanted = chosen[chosen["identity"].isin(names)].set_index("row_id")["identity"]
    found: dict[str, list[Image.Image]] = {f"p{number}": [] for number in range(PEOPLE)}
    for picture in dataset.pictures(set(wanted.index)):
        found[f"p{names.index(wanted[picture.row_id])}"].append(picture.decode())
    return found
