"""Two reports on the same pairs: the difference per cell, with the interval of the paired bootstrap.

    python -m sfpn compare reports/base reports/depthwise
    python -m sfpn compare reports/base reports/depthwise --metric fnmr_at_0.01 --treatment reject --json

Pairing makes small differences visible: both models were resampled with the same subjects in every round, so what the
choice of people does to both cancels out. Difference = second minus first; negative = the second is better.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sfpn.evaluation.cells import yaw_band_words
from sfpn.evaluation.difference import Difference
from sfpn.evaluation.report import Report
from sfpn.evaluation.tally import TREATMENTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn compare`."""
    parser.add_argument("a", type=Path, metavar="REPORT", help="first report folder")
    parser.add_argument("b", type=Path, metavar="REPORT", help="second report folder")
    parser.add_argument("--metric", default="eer", help="eer (default), or fnmr_at_0.01, fnmr_at_0.001, fnmr_at_0.0001")
    parser.add_argument("--treatment", choices=TREATMENTS, default=TREATMENTS[0], help="of faces that were not found")
    parser.add_argument("--json", action="store_true", help="print one JSON object per cell instead of a table")


def execute(args: argparse.Namespace) -> int:
    """Print the differences; 0. Raises UserError when the reports are not about the same pairs."""
    a, b = Report.load(args.a), Report.load(args.b)
    differences = a.compare(b, args.metric, args.treatment)
    if not args.json:
        models = f"a = {a.header['model']}, b = {b.header['model']}"
        print(f"{args.metric} in %, {models}, difference b - a [95 %, paired over subjects]")
    for difference in differences:
        print(json.dumps(difference.record()) if args.json else _line(difference))
    return 0


def _line(found: Difference) -> str:
    what = found.pose_pair or yaw_band_words(found.yaw_band)
    where = f"{found.protocol:14} {what:28} fold {found.fold or 'all':>3} size {found.template_size}"
    numbers = (found.a, found.b, found.difference, found.low, found.high)
    percent = [100 * number for number in numbers if number is not None]
    if len(percent) < len(numbers):
        return f"{where}  not enough comparisons"
    a, b, difference, low, high = percent
    verdict = "differs" if found.differs else "no difference shown"
    return f"{where}  {a:6.2f} {b:6.2f}  {difference:+6.2f} [{low:+.2f}, {high:+.2f}]  {verdict}"
