"""Which planted errors the checks of a dataset find, at their default settings: wrong labels by pose, and copies.

    python -m tests.benchmarks.planted_errors CFP --folds 1,2,3 [--estimated-poses] [--seeds 5] [--model base]
    python -m tests.benchmarks.planted_errors demo/assets/synthetic

2 % of the images get the identity of somebody else, and copies of 1 % are put beside them (equal, saved again, smaller,
mirrored; half of them under another identity, which is a wrong label too). Precision counts everything that was not
planted as wrong, though a real set may have errors of its own: what is told without planting is printed first. Only
the copies told without planting are left out: the set has them, and they are told again each time.
Folds 7 to 10 are those on which the settings were chosen.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from sfpn.commands.options import folds
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset
from sfpn.data.embeddings import Embeddings
from sfpn.evaluation.checks.check import check
from sfpn.evaluation.checks.finding import Finding
from sfpn.network.embedders import Embedder, load_embedder

sys.path[:0] = [str(Path(__file__).parents[1])]

from helpers.planted import Planted, plant  # noqa: E402

COPIES = ("duplicate", "near_duplicate")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, metavar="DIR")
    parser.add_argument("--folds", type=folds, help="people of these official folds (default: all)")
    parser.add_argument("--estimated-poses", action="store_true", help="as if the set had no pose labels")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", default="base")
    parser.add_argument("--cache", type=Path, help="folder of embeddings (default: that of the dataset)")
    args = parser.parse_args()
    dataset, embedder = FaceDataset.open(args.dataset), load_embedder(args.model)
    people = people_of(dataset, args.folds)
    rows = dataset.rows()
    row_ids = rows.loc[rows["identity"].isin(people), "row_id"].tolist()
    known = embed_dataset(dataset, embedder, row_ids, cache_file(dataset, embedder, args.cache))
    print(f"{len(row_ids)} images of {len(people)} people, {args.model}, {args.seeds} times")
    findings = check(dataset, known)
    told = Counter(finding.kind for finding in findings)
    own_copies = pairs_of(findings)
    print("told without planting:", ", ".join(f"{count} {kind}" for kind, count in told.items()))
    total: Counter = Counter()
    for seed in range(args.seeds):
        total += one_round(dataset, people, known, embedder, seed, args.estimated_poses, own_copies)
    report(total)


def people_of(dataset: FaceDataset, chosen: tuple[int, ...] | None) -> set[str]:
    """The identities that the official pairs of these folds name; all without folds."""
    rows = dataset.rows().set_index("row_id")
    if chosen is None:
        return set(rows["identity"])
    pairs = dataset.pairs()
    pairs = pairs[pairs["fold"].isin(chosen)]
    return set(rows.loc[rows.index.intersection([*pairs["row_id_a"], *pairs["row_id_b"]]), "identity"])


def one_round(
    dataset: FaceDataset,
    people: set[str],
    known: Embeddings,
    embedder: Embedder,
    seed: int,
    estimated: bool,
    own_copies: set[frozenset[str]],
) -> Counter:
    """Plant, check and count."""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(seed)
        planted = plant(dataset, Path(folder) / "planted", rng, people, estimated_poses=estimated)
        opened = FaceDataset.open(planted.folder)
        copies = embed_dataset(opened, embedder, list(planted.copies))
        both = Embeddings(
            np.concatenate([known.row_ids, copies.row_ids]),
            np.concatenate([known.values, copies.values]),
            np.concatenate([known.acquired, copies.acquired]),
        )
        poses = dict(dataset.rows()[["row_id", "pose"]].values.tolist())
        poses |= {copy: poses[original] for copy, original in planted.copies.items()}
        return counted(check(opened, both), planted, poses, own_copies)


def pairs_of(findings: list[Finding]) -> set[frozenset[str]]:
    """The pairs of row ids told to be copies."""
    return {frozenset(finding.row_ids) for finding in findings if finding.kind in COPIES}


def counted(
    findings: list[Finding], planted: Planted, poses: dict[str, str], own_copies: set[frozenset[str]]
) -> Counter:
    """(what, pose, 'planted' | 'told' | 'right') -> how many."""
    found: Counter = Counter()
    labels = {finding.row_ids[0]: finding for finding in findings if finding.kind == "label"}
    for row_id in planted.wrong:
        found["label", poses[row_id], "planted"] += 1
    for row_id, finding in labels.items():
        found["label", poses[row_id], "told"] += 1
        found["label", poses[row_id], "right"] += row_id in planted.wrong
        named = finding.suggestions[0].new_identity or finding.suggestions[-1].new_identity
        found["label", poses[row_id], "named"] += planted.wrong.get(row_id) == named
    pairs = pairs_of(findings) - own_copies
    true = {frozenset(pair): poses[pair[0]] for pair in planted.copies.items()}
    for pair, pose in true.items():
        found["copy", pose, "planted"] += 1
        found["copy", pose, "right"] += pair in pairs
        found["copy", pose, "told"] += pair in pairs
    found["copy", "neither", "told"] += len(pairs - set(true))
    found["same_person", "", "told"] += sum(finding.kind == "same_person" for finding in findings)
    return found


def report(total: Counter) -> None:
    """Precision and recall by pose and together."""
    for what in ("label", "copy"):
        keys = sorted({str(pose) for kind, pose, _ in total if kind == what})
        print(f"\n{what:6} {'pose':16} planted  told  right  precision  recall")
        sums = Counter()
        for pose in keys:
            row = Counter({c: total[what, p, c] for k, p, c in total if k == what and str(p) == pose})
            sums += row
            print(_line(pose, row))
        print(_line("all", sums))
        if what == "label":
            print(f"of those right, the true identity was named for {sums['named']}")
    print(f"\nidentities told to be one person, none of which are: {total['same_person', '', 'told']}")


def _line(name: str, row: Counter) -> str:
    precision = f"{100 * row['right'] / row['told']:.1f} %" if row["told"] else "-"
    recall = f"{100 * row['right'] / row['planted']:.1f} %" if row["planted"] else "-"
    return f"       {name:16} {row['planted']:7} {row['told']:5} {row['right']:6} {precision:>10} {recall:>7}"


if __name__ == "__main__":
    main()
