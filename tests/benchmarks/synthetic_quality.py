"""How real the drawn people look to a detector and to face models: detection, yaw agreement and EER per pose pair.

    python -m tests.benchmarks.synthetic_quality demo/assets/synthetic --model published.safetensors edgeface-xs.onnx
    python -m tests.benchmarks.synthetic_quality demo/assets/synthetic --model ... --write      also into dataset.json

Detection and yaw are those of the card, measured when the set was drawn; EER is that of `python -m sfpn evaluate`,
every comparison, once with undetected faces embedded from the whole image and once without them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sfpn.data.dataset import CARD_FILE, FaceDataset
from sfpn.data.embed import cache_file
from sfpn.evaluation.evaluate import EvaluateConfig, evaluate
from sfpn.network.embedders import load_embedder
from sfpn.schema import POSE_PAIRS, pair_from_key, pair_key, pair_label

PROTOCOL = "all-pairs"


def eer_percent(dataset: FaceDataset, model: str, cache: Path) -> dict[str, object]:
    """EER in percent per pose pair of one model, for both treatments of undetected faces, with its command."""
    embedder = load_embedder(model)
    report = evaluate(dataset, embedder, EvaluateConfig(PROTOCOL), cache_file(dataset, embedder, cache))
    cells = {cell.pose_pair: cell for cell in report.cells if cell.pose_pair in map(pair_key, POSE_PAIRS)}
    result: dict[str, object] = {
        "command": f"python -m sfpn evaluate DIR --protocol {PROTOCOL} --model {Path(model).name}"
    }
    for treatment in ("whole_image", "skip"):
        result[treatment] = {key: round(100 * cell.rates(treatment).eer, 2) for key, cell in cells.items()}
    return result


def print_eer(model: str, result: dict[str, object]) -> None:
    """One line a treatment, one column a pose pair."""
    for treatment in ("whole_image", "skip"):
        values = (f"{pair_label(pair_from_key(key))} {value:.2f}" for key, value in result[treatment].items())
        print(f"{model:24} EER % ({treatment}): " + "  ".join(values))


def print_detection(card: dict) -> None:
    """Found faces and median yaw error by pose, then by yaw."""
    for pose, counts in card["detection"].items():
        share = 100 * counts["found"] / counts["images"]
        print(
            f"{pose:14} {counts['found']}/{counts['images']} found ({share:.1f} %), median yaw error "
            f"{counts['median_yaw_error']}"
        )
    for point in card["yaw_curve"]:
        print(
            f"|yaw| {point['yaw_from']:2}-{point['yaw_to']:2}: {point['found']}/{point['images']} found, "
            f"median |estimate| {point['median_estimated_yaw']}, median error {point['median_yaw_error']}"
        )


def main() -> None:
    """Measure, print, and keep the EERs in the card if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, metavar="DIR")
    parser.add_argument("--model", nargs="*", default=[], help="weights with cards, .safetensors or .onnx")
    parser.add_argument("--cache", type=Path, default=Path("embeddings"), help="folder for embeddings")
    parser.add_argument("--write", action="store_true", help="store the EERs in the card")
    args = parser.parse_args()
    dataset = FaceDataset.open(args.dataset)
    print_detection(dataset.card)
    measured = {Path(model).stem: eer_percent(dataset, model, args.cache) for model in args.model}
    for model, result in measured.items():
        print_eer(model, result)
    if args.write:
        card = dataset.card | {"eer_percent": measured}
        (args.dataset / CARD_FILE).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
