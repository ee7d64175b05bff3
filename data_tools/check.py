"""Options of `python -m data_tools check DIR`: what may be wrong with a dataset folder, ranked, with the evidence.

python -m data_tools check datasets/mine
python -m data_tools check datasets/mine --json --out findings.jsonl
python -m data_tools check datasets/mine --draft decisions.csv
python -m data_tools build folder MY_PHOTOS --out datasets/mended --decisions decisions.csv

Nothing is changed: what is to be done about a finding is decided by a person, in a file that `build --decisions` reads.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import groupby
from pathlib import Path

from data_tools.options import whole
from sfpn.data.decisions import write_decisions
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.evaluation.checks.draft import DRAFTED, draft
from sfpn.evaluation.checks.finding import KIND_WORDS, Finding
from sfpn.files import write_text
from sfpn.progress import StageProgress

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("dataset", metavar="DIR[:SPLIT]", help="a dataset folder, as build wrote it")
    parser.add_argument("--model", default="base", metavar="NAME", help="whose embeddings to compare (default: base)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per finding instead of a summary")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the findings there, one JSON object a line"
    )
    kinds = ", ".join(DRAFTED)
    parser.add_argument(
        "--draft",
        type=Path,
        metavar="FILE",
        help=f"write a decisions file (.csv or .json) to look through, with what suggests itself for {kinds}",
    )
    parser.add_argument(
        "--top", type=whole(1), default=SHOWN, metavar="N", help="of each kind in the summary (default: %(default)s)"
    )
    parser.add_argument("--no-detect", action="store_true", help="no second look for other faces: no which_face")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where embeddings are kept (default: DIR/embeddings)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda, mps; auto takes the first there is"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Check and print; 0 whatever is found. Raises UserError."""
    selection = Selection.parse(args.dataset)
    findings = find(selection, args)
    if args.out:
        _write("".join(_line(finding) + "\n" for finding in findings), args.out)
    if args.draft:
        write_draft(findings, args.draft)
    if args.json:
        for finding in findings:
            print(_line(finding))
    else:
        print(summary(findings, selection, args.top))
    return 0


def find(selection: Selection, args: argparse.Namespace) -> list[Finding]:
    """The findings of a selection; embeddings that are not in the cache are computed."""
    from sfpn.data.embed import cache_file, embed_dataset
    from sfpn.evaluation.checks.check import check
    from sfpn.network.embedders import load_embedder
    from sfpn.photos.detector import FaceDetector

    embedder = load_embedder(args.model, device=args.device)
    progress = None if args.quiet else bars()
    cache = cache_file(selection.dataset, embedder, args.cache)
    row_ids = selection.rows()["row_id"].tolist()

    def embedded(done: int, total: int) -> None:
        if progress:
            progress(f"embeddings of {embedder.name}", done, total)

    embeddings = embed_dataset(selection.dataset, embedder, row_ids, cache, progress=embedded)
    detector = None if args.no_detect else FaceDetector(small_faces=False)
    return check(selection.dataset, embeddings, progress, embedder=embedder, detector=detector)


def bars() -> StageProgress:
    """A progress bar on stderr for each step, where stderr is a terminal."""
    from tqdm import tqdm

    shown: dict[str, tqdm] = {}

    def update(step: str, done: int, total: int) -> None:
        bar = shown.setdefault(step, tqdm(desc=step, total=total, unit="image", disable=None))
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return update


def summary(findings: list[Finding], selection: Selection, top: int = SHOWN) -> str:
    """The findings for people: of each kind how many, and the first."""
    rows = selection.rows()
    counts = Counter(finding.kind for finding in findings)
    lines = [
        f"{selection.title}: {len(rows)} images of {rows['identity'].nunique()} identities, {len(findings)} findings"
    ]
    for kind, of_kind in groupby(findings, key=lambda finding: finding.kind):
        lines += ["", f"{kind}: {counts[kind]} ({KIND_WORDS[kind]})"]
        for finding in list(of_kind)[:top]:
            shown = ", ".join(finding.row_ids[:2]) + (", ..." if len(finding.row_ids) > 2 else "")
            lines.append(f"  {finding.score:6.2f}  {shown}: {finding.why}")
        if counts[kind] > top:
            lines.append(f"          and {counts[kind] - top} more: --top, --json or --out show them")
    return printable("\n".join(lines))


def write_draft(findings: list[Finding], file: Path) -> None:
    """Write the decisions that suggest themselves. Raises UserError when the place cannot be written."""
    try:
        write_decisions(draft(findings), file)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}): choose another --draft") from error


def printable(text: str) -> str:
    """Names come from files: what would move a terminal's cursor or colour it becomes an escape."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


def _line(finding: Finding) -> str:
    return json.dumps(finding.record(), separators=(",", ":"), allow_nan=False)


def _write(text: str, file: Path) -> None:
    try:
        write_text(text, file)
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}): choose another --out") from error
