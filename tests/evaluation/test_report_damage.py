"""A damaged report folder: one sentence that names it, what is wrong, and what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.paths import ROOT

from sfpn.__main__ import main
from sfpn.errors import UserError
from sfpn.evaluation.report import TABLES, Report

COMMITTED = ROOT / "demo" / "assets" / "reports" / "cfp-base"


@pytest.fixture
def report(tmp_path) -> Path:
    return Path(shutil.copytree(COMMITTED, tmp_path / "report"))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        Report.load(folder)
    message = str(caught.value)
    assert str(folder) in message and message.endswith("evaluate again") and "\n" not in message
    return message


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"header": {"format": 1}}',
        '{"header": 1, "cells": []}',
        "[" * 100_000,
        '{"a": NaN}',
    ],
)
def test_json_that_is_no_report(report, content):
    (report / "report.json").write_text(content)
    refused(report)


def test_the_command_says_it_in_one_line(report, capsys):
    (report / "report.json").write_text("{}")
    assert main(["compare", str(report), str(report)]) == 2
    message = capsys.readouterr().err
    assert str(report) in message and message.count("\n") == 1


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda cell: cell.pop("subjects"), "subjects"),
        (lambda cell: cell.update(subjects="many"), "subjects"),
        (lambda cell: cell.update(treatments={}), "treatments"),
        (lambda cell: cell["treatments"]["whole_image"].pop("eer"), "eer"),
        (lambda cell: cell["treatments"]["whole_image"].update(operating_points=[{}]), "operating_points"),
        (lambda cell: cell.update(yaw_band=[1]), "yaw_band"),
        (lambda cell: cell.update(pose_pair="sideways"), "pose_pair"),
        (lambda cell: cell.update(surprise=1), "surprise"),
    ],
)
def test_a_cell_that_is_not_one_names_what_is_wrong(report, change, named):
    content = json.loads((report / "report.json").read_text())
    change(content["cells"][0])
    (report / "report.json").write_text(json.dumps(content))
    assert named in refused(report)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dataset", ["cfp"]), ("date", None), ("weights_sha256", 5), ("images", "many"), ("acquisition", {"frontal": 1})],
)
def test_a_header_that_holds_something_else_names_the_field(report, name, value):
    content = json.loads((report / "report.json").read_text())
    content["header"][name] = value
    (report / "report.json").write_text(json.dumps(content))
    assert f"header.{name}" in refused(report)


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_refused(report, name):
    file = report / f"{name}.parquet"
    whole = file.read_bytes()
    for damage in (
        lambda: file.unlink(),
        lambda: file.write_bytes(b"no parquet"),
        lambda: file.write_bytes(whole[:-9]),
    ):
        damage()
        refused(report)
    table = pd.read_parquet(COMMITTED / f"{name}.parquet")
    for column in table:
        table.drop(columns=column).to_parquet(file)
        assert column in refused(report)


def test_another_format_is_said(report):
    content = json.loads((report / "report.json").read_text())
    content["header"]["format"] = 99
    (report / "report.json").write_text(json.dumps(content))
    assert "another report format" in refused(report)


def test_a_damaged_optional_table_is_refused_too(report):
    (report / "people_pairs.parquet").write_bytes(b"no parquet")
    refused(report)
    pd.DataFrame({"cell": [0]}).to_parquet(report / "people_pairs.parquet")
    assert "kind" in refused(report)


@pytest.mark.parametrize(
    ("name", "value"), [("pose_leak", [{"direction": "up"}]), ("pose_leak", 3), ("cells", [{"who_fails": 1}])]
)
def test_what_newer_reports_add_is_checked(report, name, value):
    content = json.loads((report / "report.json").read_text())
    content[name] = value
    (report / "report.json").write_text(json.dumps(content))
    refused(report)
