"""The command `check`: its summary, its JSON, and the way from a draft of decisions to a mended dataset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset
from helpers.paths import SYNTHETIC

from data_tools import check as command
from data_tools.__main__ import main
from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import LEAVE_OUT, read_decisions
from sfpn.data.embed import cache_file
from sfpn.data.embeddings import Embeddings
from sfpn.evaluation.checks.finding import KINDS


@pytest.fixture
def colours(tmp_path: Path, monkeypatch) -> Path:
    """A small drawn dataset, and an embedder for it."""
    monkeypatch.setattr("sfpn.network.embedders.load_embedder", lambda name, device: ColourEmbedder(name))
    return write_dataset(tmp_path / "set")


def test_json_is_one_object_a_finding_and_embeddings_are_kept(colours: Path, tmp_path: Path, capsys):
    words = ["check", str(colours), "--json", "--quiet", "--no-detect", "--out", str(tmp_path / "found.jsonl")]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and printed.out == (tmp_path / "found.jsonl").read_text()
    findings = [json.loads(line) for line in printed.out.splitlines()]
    assert findings and all(list(finding) == ["kind", "row_ids", "score", "why"] for finding in findings)
    assert {finding["kind"] for finding in findings} <= set(KINDS)
    rows = set(FaceDataset.open(colours).rows()["row_id"])
    assert all(set(finding["row_ids"]) <= rows for finding in findings)
    assert cache_file(FaceDataset.open(colours), ColourEmbedder("base")).is_file()


def test_the_summary_counts_and_shows_the_first(colours: Path, capsys):
    assert main(["check", str(colours), "--quiet", "--no-detect", "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("drawn: 72 images of 6 identities, ")
    assert any(line.startswith("quality: ") for line in lines)
    assert max(sum(line.startswith("  ") and ":" in line for line in block) for block in [lines[1:4]]) <= 1


def test_a_draft_is_a_decisions_file(colours: Path, tmp_path: Path, monkeypatch, capsys):
    from sfpn.data.decisions import Decision
    from sfpn.evaluation.checks.finding import Finding

    out = Decision(LEAVE_OUT, "0/frontal/0")
    monkeypatch.setattr(command, "find", lambda *_: [Finding("label", ("0/frontal/0",), 2.0, "because", (out,))])
    assert main(["check", str(colours), "--draft", str(tmp_path / "d.csv"), "--quiet"]) == 0
    assert read_decisions(tmp_path / "d.csv") == [Decision(LEAVE_OUT, "0/frontal/0", why="because")]


@pytest.mark.parametrize("words", [["{}/none"], ["{}/set:nosplit"], ["{}/set", "--out", "{}/set/data-00000.parquet/x"]])
def test_bad_input_is_one_sentence(colours: Path, tmp_path: Path, capsys, words: list[str]):
    assert main(["check", *[word.format(tmp_path) for word in words], "--quiet", "--no-detect"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1


def test_names_that_would_steer_a_terminal_are_shown_as_text():
    assert command.printable("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\n"


def test_a_planted_error_is_found_and_mended(tmp_path: Path, capsys):
    """From a folder of photos with one in the wrong place to a dataset without: build, check, decide, build."""
    dataset = FaceDataset.open(SYNTHETIC)
    people = [f"syn-{number:04d}" for number in range(8)]
    rows = dataset.rows()
    chosen = rows[rows["identity"].isin(people) & rows["pose"].ne("profile")]["row_id"].tolist()
    shipped = Embeddings.load(SYNTHETIC / "embeddings" / "base.parquet")
    for picture in dataset.pictures(set(chosen)):
        person = "syn-0003" if picture.row_id == "syn-0006-frontal-02" else picture.row_id[:8]
        file = tmp_path / "photos" / person / f"{picture.row_id}.webp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.encoded)
    built = ["build", "folder", str(tmp_path / "photos"), "--no-detect", "--quiet", "--workers", "0", "--out"]
    assert main([*built, str(tmp_path / "set")]) == 0
    mine = FaceDataset.open(tmp_path / "set")
    row_ids = mine.rows()["row_id"].tolist()
    values = shipped.of([Path(row_id).stem for row_id in row_ids]).values
    from sfpn.evaluation.checks.check import check

    known = Embeddings(np.array(row_ids, object), values, np.ones(len(row_ids), bool))
    findings = check(mine, known)
    wrong = "syn-0003/syn-0006-frontal-02.webp"
    assert [finding.row_ids[0] for finding in findings if finding.kind == "label"] == [wrong]
    command.write_draft(findings, tmp_path / "d.csv")
    assert main([*built, str(tmp_path / "mended"), "--decisions", str(tmp_path / "d.csv")]) == 0
    mended = FaceDataset.open(tmp_path / "mended").rows().set_index("row_id")
    assert mended.loc[wrong, "identity"] == "syn-0006"
    shutil.rmtree(tmp_path / "photos")
