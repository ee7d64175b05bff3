"""The data card (dataset.json) and README.md of a dataset folder: what is in it, where it comes from, who may use it.

Counts are read back from the shards, so that they say what is on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data_tools.save import CARD_FILE, PAIRS_FILE, README_FILE, shard_files
from sfpn.files import write_text
from sfpn.schema import POSES

COUNTED = ("identity", "pose", "split", "quality", "yaw_source", "template")

HASH_BLOCK = 2**20

README = """---
pretty_name: {quoted_title}
tags: [face-verification, pose]
configs:
- config_name: default
  data_files: "data*.parquet"
  description: "{files_sha256}"
{pairs_config}---
# {title}

{rows} images of {identities} identities ({poses}). Built with `{command}`; detector: {detector}{pose_estimator}.

Licence: {licence}

Source: {citation} {url}

What was dropped or is incomplete, with the reason: `ledger.csv`. All counts: `dataset.json`.
Fingerprint: `{fingerprint}`
"""
PAIRS_CONFIG = f"""- config_name: pairs
  data_files: "{PAIRS_FILE}"
  description: "{{files_sha256}}"
"""


def count_rows(files: Iterable[Path]) -> dict[str, Counter]:
    """For each column of COUNTED, how often each value occurs (quality as bool: is there a face); reads no image."""
    counts = {name: Counter() for name in COUNTED}
    for file in files:
        for name, column in pq.read_table(file, columns=list(COUNTED)).to_pydict().items():
            counts[name].update(value is not None for value in column) if name == "quality" else counts[name].update(
                column
            )
    return counts


def card_counts(counts: dict[str, Counter]) -> dict[str, Any]:
    """The counts of a card: rows, faces, poses, splits, identities, templates, identities by number of images."""
    per_identity = counts["identity"]
    return {
        "rows": per_identity.total(),
        "rows_with_face": counts["quality"][True],
        "rows_per_pose": {pose: counts["pose"][pose] for pose in POSES} | {"unknown": counts["pose"][None]},
        "rows_per_split": _sorted(counts["split"]),
        "rows_per_yaw_source": _sorted(counts["yaw_source"]),
        "identities": len(per_identity),
        "images_per_identity": {str(size): n for size, n in sorted(Counter(per_identity.values()).items())},
        "templates": len(counts["template"]) - (None in counts["template"]),
    }


def save_card(folder: Path, card: dict[str, Any]) -> None:
    """Write dataset.json and README.md."""
    write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", folder / CARD_FILE)
    poses = ", ".join(f"{count} {pose}" for pose, count in card["rows_per_pose"].items() if count)
    pairs_config = PAIRS_CONFIG.format_map(card) if (folder / PAIRS_FILE).is_file() else ""
    shown = card | {
        "detector": card["detector"] or "none",
        "pose_estimator": f"; pose estimator: {made_by}" if (made_by := card.get("pose_estimator")) else "",
        "poses": poses,
        "quoted_title": json.dumps(card["title"]),
        "pairs_config": pairs_config,
    }
    write_text(README.format_map(shown), folder / README_FILE)


def files_sha256(folder: Path) -> str:
    """Hex SHA-256 over all Parquet files in order: it changes with boxes and labels too, not only with pictures.

    README.md repeats it as a description: the cache of `datasets` tells folders of one name apart by README.md alone.
    """
    total = hashlib.sha256()
    for file in sorted(folder.glob("*.parquet")):
        with file.open("rb") as stream:
            while block := stream.read(HASH_BLOCK):
                total.update(block)
    return total.hexdigest()


def count_folder(folder: Path) -> dict[str, Counter]:
    """count_rows of all shards of a folder."""
    return count_rows(shard_files(folder))


def _sorted(counter: Counter) -> dict[str, int]:
    return {str(key or "unknown"): counter[key] for key in sorted(counter, key=str)}
