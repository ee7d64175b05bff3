"""Report: the pose-wise error rates of one model on one dataset, as a small folder that opens anywhere.

    report.json                                        header, and per cell its counts, rates and intervals
    {det,histogram,hardest,rounds,people_pairs}.parquet  the tables of all cells (see sfpn.evaluation.cells.Cell)
    {pose_map,pose_map_pairs}.parquet                  the error map, where there is one (see sfpn.evaluation.pose_map)

Reading it needs neither the model nor the pictures:

    report = Report.load("demo/assets/reports/cfp-base")
    report.header["model"], report.header["acquisition"]          # who, on what, failures to acquire by pose
    report.pose_pairs(), report.template_sizes()                  # what there is
    cell = report.cell("frontal-profile")                         # pooled over folds, one image; also template_size=5
    cell.rates().eer, cell.rates("skip").eer_low, cell.rates("reject").operating_points
    cell.det(), cell.tables["histogram"], cell.rates_at(0.25)     # curves, and live rates under a dragged threshold
    cell.hardest("impostor")                                      # 50 pairs by row_id
    cell.who_fails, cell.pairs_of(identity, "genuine")            # the people who carry the errors; None in older ones
    report.pose_leak                                              # how much of the nearest strangers is pose
    report.yaw_cells()                                            # by |yaw difference|, ascending
    report.pose_map                                               # by yaw and pitch; None where there is none
    report.compare(other)                                         # paired difference per cell, with its interval
    report.mismatches(weights_sha256, dataset_fingerprint)        # sentences; empty when it is about what is loaded
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sfpn.errors import UserError
from sfpn.evaluation.cells import WHOLE_IMAGE, Cell, Rates
from sfpn.evaluation.difference import Difference, differences
from sfpn.evaluation.plain import plain
from sfpn.evaluation.pose_leak import PoseLeak
from sfpn.evaluation.pose_map import PAIRS, RATES, PoseMap
from sfpn.evaluation.who_fails import PAIR_COLUMNS
from sfpn.files import whole_folder
from sfpn.schema import POSE_PAIRS, PosePair, pair_key, pair_record

REPORT_FILE = "report.json"
TABLES = {  # name -> columns, see sfpn.evaluation.cells.Cell; `cell` is the number of the cell in the report
    "det": ("cell", "treatment", "threshold", "fmr", "fnmr"),
    "histogram": ("cell", "lower_edge", "genuine", "impostor", "failed_genuine", "failed_impostor"),
    "hardest": (
        *("cell", "kind", "rank", "row_id_a", "row_id_b"),
        *("template_a", "template_b", "score", "acquired"),
    ),
    "rounds": ("cell", "treatment", "metric", "round", "value"),
}
MAP_TABLES = {"pose_map": RATES, "pose_map_pairs": PAIRS}  # see sfpn.evaluation.pose_map; old reports have none
HEADER: dict[str, Any] = {  # what every header names, and of which type
    **dict.fromkeys(("format", "rounds", "seed", "images", "subjects"), int),
    **dict.fromkeys(("model", "weights_sha256", "dataset", "dataset_fingerprint", "rows_sha256", "protocol"), str),
    "folds": list[int] | None,
    "command": str | None,
    "date": str,
    "acquisition": dict[str, dict[str, int]],
    "left_out": dict[str, int],
}
FORMAT = 1
OPTIONAL_TABLES = {"people_pairs": ("cell", *PAIR_COLUMNS)}  # older reports lack them
SAME_PAIRS = ("dataset_fingerprint", "rows_sha256", "seed", "rounds")


@dataclass(frozen=True)
class Report:
    """A header (plain JSON values) and its cells; see the module docstring for how to read one.

    >>> report = Report.load("demo/assets/reports/synthetic-base")
    >>> report.header["model"], report.cell(("frontal", "profile")).pose_pair
    ('base', 'frontal-profile')
    >>> report.cell("frontal-frontal").rates().eer < report.cell("frontal-profile").rates().eer
    True
    """

    header: dict[str, Any]
    cells: tuple[Cell, ...]
    pose_map: PoseMap | None = None
    pose_leak: tuple[PoseLeak, ...] = ()  # not in older reports, nor where the images have one pose

    def cell(
        self,
        pose_pair: PosePair | str,
        template_size: int | str = 1,
        fold: int | None = None,
        protocol: str | None = None,
    ) -> Cell:
        """The cell of a pose pair ('frontal-profile', a tuple, or 'pooled'). Raises KeyError when it is not there.

        template_size: images a side, '5+4' where the sides have different numbers of them (Cell.images_a_side).
        """
        key = pose_pair if isinstance(pose_pair, str) else pair_key(pose_pair)
        for cell in self.cells:
            if (cell.pose_pair, cell.images_a_side, cell.fold) == (key, template_size, fold) and protocol in (
                None,
                cell.protocol,
            ):
                return cell
        raise KeyError(f"no cell {key} with template size {template_size} and fold {fold} in this report")

    def pose_pairs(self) -> list[PosePair]:
        """The pose pairs that have a cell, in the usual order."""
        there = {cell.pose_pair for cell in self.cells}
        return [pair for pair in POSE_PAIRS if pair_key(pair) in there]

    def template_sizes(self) -> list[int | str]:
        """Images a side of the cells of a pose pair: 1, and what the protocol has of templates ('5+4': 5 against 4)."""
        found = {cell.images_a_side for cell in self.cells if cell.sides is None or cell.pose_pair}
        return sorted(found, key=lambda size: (isinstance(size, str), *map(int, str(size).split("+"))))

    def yaw_cells(self) -> list[Cell]:
        """The cells by |yaw difference|, ascending."""
        return sorted((cell for cell in self.cells if cell.yaw_band), key=lambda cell: cell.yaw_band or ())

    def mismatches(self, weights_sha256: str | None = None, dataset_fingerprint: str | None = None) -> list[str]:
        """One sentence for each of the given hashes that is not the one this report was made with."""
        loaded = {"weights_sha256": weights_sha256, "dataset_fingerprint": dataset_fingerprint}
        what = {"weights_sha256": "weights of the model", "dataset_fingerprint": "dataset"}
        return [
            f"This report was made with another version of the {what[name]}: {self.header[name]}, loaded is {value}."
            for name, value in loaded.items()
            if value is not None and value != self.header.get(name)
        ]

    def compare(self, other: Report, metric: str = "eer", treatment: str = WHOLE_IMAGE) -> list[Difference]:
        """`other` minus this report for every cell, paired: both were resampled with the same subjects in each round.

        `metric` is 'eer' or 'fnmr_at_0.01' and so on. Raises UserError when the two do not cover the same pairs.
        """
        differing = [name for name in SAME_PAIRS if self.header.get(name) != other.header.get(name)]
        if differing:
            raise UserError(
                f"the two reports are not about the same pairs ({', '.join(differing)} differ): "
                "evaluate both models on the same dataset, folds and seed"
            )
        return differences(self.cells, other.cells, metric, treatment)

    def save(self, folder: Path) -> None:
        """Write the folder, whole or not at all, in place of an older report.

        Raises UserError if `folder` is something else or cannot be written.
        """
        if (
            folder.exists()
            and any(folder.iterdir() if folder.is_dir() else [folder])
            and not (folder / REPORT_FILE).is_file()
        ):
            raise UserError(f"{folder} exists and is not a report: choose another --out")
        try:
            with whole_folder(folder) as building:
                self._write(building)
        except OSError as error:
            raise UserError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error

    def _write(self, folder: Path) -> None:
        from pydantic import TypeAdapter

        content = TypeAdapter(Report).dump_python(
            self, exclude={"cells": {"__all__": {"tables"}}, "pose_map": {"rates", "pairs"}}
        )
        (folder / REPORT_FILE).write_text(json.dumps(plain(content), indent=1) + "\n", encoding="utf-8")
        for name in (*TABLES, *OPTIONAL_TABLES):
            parts = [cell.tables[name].assign(cell=i) for i, cell in enumerate(self.cells) if name in cell.tables]
            if parts or name in TABLES:
                table = pd.concat(parts, ignore_index=True)
                table.to_parquet(folder / f"{name}.parquet", compression="zstd", index=False)
        if self.pose_map is not None:
            for name, table in zip(MAP_TABLES, (self.pose_map.rates, self.pose_map.pairs), strict=True):
                table.to_parquet(folder / f"{name}.parquet", compression="zstd", index=False)

    @classmethod
    def load(cls, folder: Path | str) -> Report:
        """Read a report folder. Raises UserError when it is not one, is damaged, or was written by another version."""
        folder = Path(folder)
        if not (folder / REPORT_FILE).is_file():
            raise UserError(
                f"{folder} is not a report folder (no {REPORT_FILE}): make one with `python -m sfpn evaluate`"
            )
        try:
            content = json.loads(
                (folder / REPORT_FILE).read_text(encoding="utf-8"),
                object_hook=_without_unknowns,
                parse_constant=_no_number,
            )
            written_as = content["header"].get("format") if isinstance(content.get("header"), dict) else None
            stored = cls._checked(content) if written_as in (None, FORMAT) else None
            tables = {name: _read_table(folder / f"{name}.parquet", columns) for name, columns in TABLES.items()}
            tables |= {
                name: _read_table(folder / f"{name}.parquet", columns)
                for name, columns in OPTIONAL_TABLES.items()
                if (folder / f"{name}.parquet").is_file()
            }
            pose_map = stored.pose_map if stored else None
            if pose_map is not None:
                pose_map = pose_map.with_tables(
                    *(_read_table(folder / f"{name}.parquet", columns) for name, columns in MAP_TABLES.items())
                )
        except (OSError, ValueError, AttributeError, RecursionError, pa.ArrowException) as error:
            why = str(error).replace("\n", " ")
            raise UserError(f"the report {folder} is damaged ({why}): evaluate again") from error
        if stored is None:
            raise UserError(f"{folder} has another report format than the {FORMAT} of this version: evaluate again")
        parts = {name: _parts(table, len(stored.cells)) for name, table in tables.items()}
        cells = (
            replace(cell, tables={name: part[number] for name, part in parts.items()})
            for number, cell in enumerate(stored.cells)
        )
        return replace(stored, cells=tuple(cells), pose_map=pose_map)

    @classmethod
    def _checked(cls, content: Any) -> Report:
        """The report in JSON values, every field of the right kind.

        Raises ValueError that names the first that is not.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            report = TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        for name, kind in HEADER.items():
            if name not in report.header:
                raise ValueError(f"header.{name}: missing")
            try:
                TypeAdapter(kind).validate_python(report.header[name], strict=True)
            except ValidationError as error:
                raise ValueError(f"header.{name}: {error.errors()[0]['msg']}") from error
        return report


def summary(cell: Cell) -> dict[str, Any]:
    """The cell as one flat JSON object; rates under the default treatment, the other two under `skip` and `reject`."""
    rates = cell.rates()
    return plain(
        {
            "protocol": cell.protocol,
            **pair_record(cell.pose_pair),
            "fold": cell.fold,
            "template_size": cell.template_size,
            "sides": None if cell.sides is None else [dict(mix) for mix in cell.sides],
            "yaw_band": cell.yaw_band,
            "subjects": cell.subjects,
            **_flat(rates),
            "accuracy": cell.accuracy,
            "accuracy_deviation": cell.accuracy_deviation,
            "failures": sum(cell.failures.values()),
            "failures_by_pose": cell.failures,
            "images_by_pose": cell.images,
            "grid_step": cell.grid_step,
            "skip": _flat(cell.rates("skip")),
            "reject": _flat(cell.rates("reject")),
        }
    )


def _flat(rates: Rates) -> dict[str, Any]:
    return asdict(rates) | {"fnmr_at_fmr": {f"{point.target_fmr:g}": point.fnmr for point in rates.operating_points}}


def _without_unknowns(record: dict[str, Any]) -> dict[str, Any]:
    """An operating point without nulls, which stand for what an unsupported one lacks; other objects as they are."""
    return {key: value for key, value in record.items() if value is not None} if "target_fmr" in record else record


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number that JSON knows")


def _read_table(file: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Raises OSError or ValueError if it cannot be read or lacks a column."""
    table = pd.read_parquet(file)
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{file.name} has no column {missing[0]}")
    return table


def _parts(table: pd.DataFrame, count: int) -> list[pd.DataFrame]:
    """The rows of each cell; there may be none. Those that lie together, as they are written, are not copied."""
    cells, rest = table["cell"].to_numpy(), table.drop(columns="cell")
    found = []
    for number in range(count):
        at = np.flatnonzero(cells == number)
        together = at.size and at[-1] - at[0] + 1 == at.size
        found.append(rest.iloc[at[0] : at[-1] + 1] if together else rest.iloc[at])
    return found
