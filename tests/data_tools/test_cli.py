"""The command line: exit status, one line on stderr, and one run with the real detector."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from helpers.data_tools_layouts import encoded, make_cfp, make_folder, write
from helpers.paths import ROOT

from data_tools.__main__ import main


def build(*words: object) -> int:
    return main(["build", *map(str, words), "--quiet", "--workers", "0"])


def test_a_build_prints_one_line_and_returns_0(tmp_path, capsys):
    assert build("cfp", make_cfp(tmp_path / "cfp"), "--out", tmp_path / "out", "--no-detect", "--limit", 20) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1 and "20 rows of 2 identities" in printed.out and not printed.err
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert card["command"] == "python -m data_tools build cfp cfp --out out --limit 20 --no-detect"


@pytest.mark.parametrize(
    "words",
    [
        ["cfp", "{}/nowhere"],
        ["cfp", "{}/in"],
        ["folder", "{}/in", "--split", "train=2"],
        ["folder", "{}/in", "--no-detect", "--require-face"],
        ["lfw", "{}/in"],
        ["vggface2", "{}/in", "--pose-list", "{}/none.txt"],
        ["hub", "{}/in"],
    ],
)
def test_bad_input_is_one_line_on_stderr_and_2(tmp_path, capsys, words):
    make_folder(tmp_path / "in")
    assert build(*[word.format(tmp_path) for word in words], "--out", tmp_path / "out") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1 and not printed.out
    assert not (tmp_path / "out").exists()


def test_importing_the_command_line_is_cheap_and_silent():
    check = "import sys, data_tools.__main__, data_tools.cli; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_real_detector_runs_in_a_worker(tmp_path, capsys):
    write(tmp_path / "in/ann/1.jpg", encoded(1))
    assert (
        main(["build", "folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet", "--workers", "1"])
        == 0
    )
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert "MTCNN" in card["detector"] and card["rows"] == 1


def test_a_folder_can_be_given_a_name_and_a_licence(tmp_path):
    make_folder(tmp_path / "in")
    words = [
        "build",
        "folder",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
        "--quiet",
        "--no-detect",
        "--workers",
        "0",
    ]
    assert main([*words, "--name", "portraits", "--licence", "research use"]) == 0
    card = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (card["name"], card["licence"]) == ("portraits", "research use")
    assert "--name portraits --licence 'research use'" in card["command"]
