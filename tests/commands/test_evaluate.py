"""python -m sfpn evaluate, embed and compare on a drawn dataset with an embedder that needs no weights."""

from __future__ import annotations

import json

import pytest
from helpers.evaluation_data import ColourEmbedder, write_dataset

from sfpn.__main__ import main
from sfpn.data.embeddings import Embeddings
from sfpn.schema import POSE_PAIRS


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    return str(write_dataset(tmp_path_factory.mktemp("data") / "drawn"))


@pytest.fixture(autouse=True)
def colours_for_weights(monkeypatch):
    """Any --model is an embedder that looks at colours, by its name another one."""
    for command in ("embed", "evaluate"):
        monkeypatch.setattr(
            f"sfpn.commands.{command}.load_embedder",
            lambda name, **_: ColourEmbedder(name, name[0] * 64, blur=len(name) / 9),
        )


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


def run(*words: str, capsys) -> tuple[int, str, str]:
    status = main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def lines_of(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_two_models_to_reports_and_their_difference(dataset, cache, tmp_path, capsys):
    options = ("--rounds", "5", "--cache", cache, "--out", str(tmp_path / "reports"), "--json")
    words = ("evaluate", dataset, "--protocol", "cfp", "--folds", "1,2", "--model", "red", "green")
    status, out, _ = run(*words, *options, capsys=capsys)
    cells = lines_of(out)
    wanted = {"protocol", "fold", "template_size", "genuine", "impostor", "subjects", "eer", "eer_low", "eer_high"}
    wanted |= {"fnmr_at_fmr", "accuracy", "failures", "pose_pair", "scores_of", "operating_points"}
    assert status == 0 and all(wanted <= cell.keys() for cell in cells)
    assert {cell["model"] for cell in cells} == {"red", "green"}
    reports = (str(tmp_path / "reports/red"), str(tmp_path / "reports/green"))
    status, out, _ = run("compare", *reports, capsys=capsys)
    assert status == 0 and "frontal-profile" in out
    status, out, _ = run("compare", *reports, "--json", capsys=capsys)
    assert status == 0 and {tuple(line["pose_pair"] or ()) for line in lines_of(out)} == {
        ("frontal", "frontal"),
        ("frontal", "profile"),
        ("profile", "profile"),
        (),
    }


def test_pose_pairs_in_json_are_two_names(dataset, cache, capsys):
    status, out, _ = run(
        "evaluate", dataset, "--model", "red", "--rounds", "5", "--cache", cache, "--json", capsys=capsys
    )
    cells = lines_of(out)
    assert status == 0
    assert [cell["pose_pair"] for cell in cells if cell["pose_pair"]] == [list(pair) for pair in POSE_PAIRS]
    without = [(cell["scores_of"], cell["yaw_band"] is None) for cell in cells if not cell["pose_pair"]]
    assert without == [("pooled", True), *[(None, False)] * 7]


def test_the_table_names_pose_pairs_as_the_paper_does(dataset, cache, capsys):
    status, out, _ = run("evaluate", dataset, "--model", "red", "--rounds", "5", "--cache", cache, capsys=capsys)
    assert status == 0 and "F-P" in out and "pooled" in out


def test_embed_writes_every_row(dataset, cache, tmp_path, capsys):
    out = tmp_path / "red.parquet"
    status, said, _ = run("embed", dataset, "--model", "red", "--out", str(out), "--cache", cache, capsys=capsys)
    assert status == 0 and said == f"{out}: 72 embeddings of red, 3 from the whole image\n"
    assert len(Embeddings.load(out).row_ids) == 72


def test_one_model_twice_is_refused(dataset, monkeypatch, capsys):
    monkeypatch.setattr("sfpn.commands.evaluate.load_embedder", lambda name, **_: ColourEmbedder())
    status, _, err = run("evaluate", dataset, "--model", "a", "b", capsys=capsys)
    assert status == 2 and "two models are called colour" in err


@pytest.mark.parametrize(
    "words, says",
    [
        (("--rounds", "0"), "must be a whole number above zero, got '0'"),
        (("--folds", "1,x"), "folds are numbers separated by commas"),
    ],
)
def test_options_that_make_no_sense_are_named(dataset, words, says, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", dataset, *words])
    assert says in capsys.readouterr().err
