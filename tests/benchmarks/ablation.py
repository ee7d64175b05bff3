"""What each ingredient of the weights is worth, as EER on people kept out of training (all pairs of detected faces).

python -m tests.benchmarks.ablation use WEIGHTS DIR:validation --mean-from DIR:train  # the same weights, used otherwise
python -m tests.benchmarks.ablation runs RUN [RUN ...]                                # the last line of each run's log
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from sfpn.data.embed import embed_dataset
from sfpn.data.selection import Selection
from sfpn.evaluation.calibrate import descriptor_mean, pose_direction
from sfpn.network.card import load_card
from sfpn.network.embedders import SFPNEmbedder
from sfpn.training.distill.trainer import DistillConfig
from sfpn.training.log import read_log
from sfpn.training.validate import eers

DEFAULTS = asdict(DistillConfig(depthwise=False))
MEAN_IMAGES = 600
CROP_FACTORS = (1.15, 1.25, 1.35, 1.45, 1.6)


def variants(embedder: SFPNEmbedder, mean_from: Selection) -> list[tuple[str, dict]]:
    """(name, changes of the card) for each way of using the weights; mean and direction fit each of them."""
    preprocess = embedder.card.preprocess
    ways = [
        ("not centred", {"descriptor_mean": None, "pose_direction": None, "mirror_sum": False}),
        ("centred", {}),
        ("centred, mirror added", {"mirror_sum": True}),
    ]
    ways += [
        (f"crop factor {factor:g}", {"preprocess": replace(preprocess, crop_factor=factor)}) for factor in CROP_FACTORS
    ]
    found = []
    for name, changes in ways:
        if "descriptor_mean" in changes:
            found.append((name, changes))
            continue
        changes = {"mirror_sum": False} | changes
        embedder.card = replace(embedder.card, **changes, descriptor_mean=None, pose_direction=None)
        views = 2 if changes["mirror_sum"] else 1
        changes["descriptor_mean"] = tuple(map(float, descriptor_mean(embedder, mean_from, MEAN_IMAGES) / views))
        found.append((name, changes | {"pose_direction": None}))
        if "preprocess" not in changes:
            found.append(
                (
                    f"{name}, pose direction removed",
                    changes | {"pose_direction": tuple(map(float, pose_direction(embedder, mean_from, MEAN_IMAGES)))},
                )
            )
    return found


def use(weights: str, selection: Selection, mean_from: Selection) -> None:
    """Print a table line per way of using the weights."""
    rows = selection.rows()
    rows = rows[rows["box_xyxy"].notna()]
    faces = rows["row_id"].tolist()
    embedder = SFPNEmbedder(weights, bf16=True)
    card = embedder.card
    for name, changes in variants(embedder, mean_from):
        embedder.card = replace(card, **changes)
        print_line(name, eers(rows, embed_dataset(selection.dataset, embedder, faces)))


def runs(folders: list[Path]) -> None:
    """Print a table line per run: what its last validation found."""
    for folder in folders:
        last = read_log(folder)[-1]
        print_line(
            f"{folder.name}, step {last['step']}",
            {name.removeprefix("eer_"): value for name, value in last.items() if name.startswith("eer_")},
        )
        for file in sorted(folder.glob("*.safetensors")):
            training = load_card(file).training
            changed = {name: value for name, value in training["config"].items() if DEFAULTS.get(name) != value}
            print(
                f"  {file.stem} from {training['from']}; teachers: {', '.join(training.get('teachers', []))}; "
                f"{json.dumps(changed)}"
            )


def print_line(name: str, found: dict[str, float]) -> None:
    """| name | F-F | F-P | ... |, in %."""
    cells = " | ".join(f"{key} {100 * value:.2f}" for key, value in found.items() if np.isfinite(value))
    print(f"| {name} | {cells} |", flush=True)


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("use")
    one.add_argument("weights")
    one.add_argument("selection", metavar="DIR[:SPLIT]")
    one.add_argument("--mean-from", required=True, metavar="DIR[:SPLIT]")
    kinds.add_parser("runs").add_argument("folders", nargs="+", type=Path, metavar="RUN")
    args = parser.parse_args()
    if args.kind == "use":
        use(args.weights, Selection.parse(args.selection), Selection.parse(args.mean_from))
    else:
        runs(args.folders)


if __name__ == "__main__":
    main()
