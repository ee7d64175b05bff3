"""Models and datasets go to the Hub by command: whole, nothing else with them, each failure one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.evaluation_data import write_dataset
from helpers.hub_stand_in import HubStandIn, started
from helpers.paths import ROOT, SYNTHETIC
from helpers.small_models import save_random_model

from sfpn.network.checkpoint import file_sha256


@pytest.fixture
def stand_in(tmp_path):
    served = HubStandIn()
    with started(served, tmp_path / "home") as environment:
        yield served, environment


def run(environment: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_a_pushed_model_is_the_model(stand_in, tmp_path):
    served, environment = stand_in
    path = tmp_path / "mine.safetensors"
    save_random_model(path)
    done = run(environment, "sfpn", "push-to-hub", path, "me/mine", "--private")
    assert done.returncode == 0 and "/me/mine/commit/" in done.stdout, done.stderr
    files = served.repos["me/mine"]["main"]
    assert set(files) == {"model.safetensors", "model.json", "README.md"}
    (tmp_path / "back.safetensors").write_bytes(files["model.safetensors"])
    assert file_sha256(tmp_path / "back.safetensors") == file_sha256(path)


def test_a_pushed_dataset_is_whole_and_nothing_else_goes_with_it(stand_in):
    served, environment = stand_in
    done = run(environment, "data_tools", "push", SYNTHETIC, "me/people")
    assert done.returncode == 0 and "synthetic: 1,800 rows" in done.stdout, done.stderr
    files = served.repos["me/people"]["main"]
    there = {file.name for file in SYNTHETIC.iterdir() if file.is_file()}
    assert set(files) == there and {"README.md", "dataset.json"} < there
    assert all(files[name] == (SYNTHETIC / name).read_bytes() for name in there)
    assert any("datasets/me/people" in line for line in served.asked)


def test_what_cannot_be_pushed_is_one_sentence(stand_in, tmp_path):
    served, environment = stand_in
    write_dataset(tmp_path / "bare")
    model, data = ("sfpn", "push-to-hub"), ("data_tools", "push")
    no_token = environment | {"HF_TOKEN": "hf_wrong"}
    cases = [
        ((*model, "base", "me"), environment, "write user/repo"),
        ((*model, "base", "me/mine@v2"), environment, "write user/repo"),
        ((*model, "nowhere.safetensors", "me/mine"), environment, "no such model"),
        ((*model, "base", "me/mine"), environment | {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE=0"),
        ((*model, "base", "me/mine"), no_token, "hf auth login"),
        ((*data, tmp_path, "me/people"), environment, "not a dataset folder"),
        ((*data, tmp_path / "bare", "me/people"), environment, "has no README.md"),
        ((*data, SYNTHETIC, "me/people"), no_token, "hf auth login"),
    ]
    for words, variables, sentence in cases:
        done = run(variables, *words)
        assert done.returncode == 2 and sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert served.repos == {}
