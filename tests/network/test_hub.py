"""Weights by Hub id, against a stand-in on this machine: fetched once, checked, pinned; each failure one sentence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from helpers.hub_stand_in import HubStandIn, started
from helpers.paths import ROOT
from helpers.small_models import save_random_model
from huggingface_hub import constants, errors

from sfpn.errors import UserError
from sfpn.network import checkpoint, hub
from sfpn.network.card import load_card
from sfpn.network.model import SFPN, SFPNConfig

REPO = "someone/faces"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_random_model(path)
    more = {"README.md": b"# Faces", "training.pt": b"never to be fetched", "model.onnx": b"neither"}
    return {name: path.with_name(name).read_bytes() for name in ("model.safetensors", "model.json")} | more


@pytest.fixture
def stand_in(files, tmp_path):
    served = HubStandIn()
    served.put(REPO, files)
    with started(served, tmp_path / "home") as environment:
        yield served, environment


def python(code: str, environment: dict[str, str], *names: str) -> list[str]:
    """What a child process printed, line by line; it reads the Hub's address when it starts."""
    command = [sys.executable, "-c", "import sys\nfrom sfpn import *\n" + code, *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.splitlines()


LOAD = """
for name in sys.argv[1:]:
    try:
        embedder = load_embedder(name)
        print(embedder.name, embedder.card.preprocess.size)
    except ValueError as error:
        print(type(error).__name__, error)
"""


def test_a_hub_id_is_fetched_once_and_nothing_but_weights_and_card(stand_in):
    served, environment = stand_in
    assert python(LOAD, environment, REPO) == ["model 113"]
    fetched = {line.rsplit("/", 1)[-1] for line in served.asked}
    assert fetched == {"model.json", "model.safetensors"}
    served.repos.clear()  # gone from the Hub: the cache serves, also when nothing may be asked
    found = python(LOAD, environment | {"HF_HUB_OFFLINE": "1"}, REPO, "someone/else")
    assert found[0] == "model 113" and "HF_HUB_OFFLINE=0" in found[1]


def test_a_revision_is_pinned(stand_in, files):
    served, environment = stand_in
    other = json.loads(files["model.json"]) | {"name": "second"}
    commit = served.put(REPO, files | {"model.json": json.dumps(other).encode()}, "v2")
    found = python(LOAD, environment, f"{REPO}@v2", f"{REPO}@{commit}", REPO)
    assert found == ["second 113", "second 113", "model 113"]


def test_what_cannot_be_had_is_one_sentence(stand_in, files):
    served, environment = stand_in
    served.put("someone/empty", {"README.md": b"nothing"})
    served.put("someone/damaged", files | {"model.safetensors": files["model.safetensors"][:-9] + b"123456789"})
    served.put("someone/no-card", files | {"model.json": b"{}"})
    cases = {
        "someone/nobody": "not on the Hugging Face Hub",
        f"{REPO}@v9": "has the repository but not this revision",
        "someone/empty": "the repository has no model.json",
        "someone/damaged": "SHA-256 differs",
        "someone/no-card": "not a valid card",
    }
    found = python(LOAD, environment, *cases)
    assert len(found) == len(cases)  # one line each
    for line, words in zip(found, cases.values(), strict=True):
        assert line.startswith("UserError ") and words in line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.LocalEntryNotFoundError("no route"), "cannot be reached; connect to a network"),
        (errors.OfflineModeIsEnabled("offline"), "run with HF_HUB_OFFLINE=0 to allow the download"),
        (OSError(28, "No space left on device"), "did not do it .*No space left on device"),
    ],
)
def test_no_network_is_one_sentence(monkeypatch, error, words):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(UserError, match=f"^someone/faces: .*{words}"):
        checkpoint.resolve(REPO)


PUSH = """
import torch
print(SFPN.from_pretrained("depthwise").push_to_hub("me/mine", private=True))
a, b = map(SFPN.from_pretrained, ("depthwise", "me/mine"))
print(all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values())), a.card == b.card)
"""


def test_pushed_weights_come_back_the_same(stand_in):
    served, environment = stand_in
    address, same = python(PUSH, environment)
    assert "/me/mine/commit/" in address and same == "True True"
    assert set(served.repos["me/mine"]["main"]) == {"model.safetensors", "model.json", "README.md"}


def test_save_pretrained_keeps_the_card_and_drops_what_was_measured_with_other_weights(tmp_path):
    model = SFPN.from_pretrained("base")
    assert model.card is not None and not model.training
    path = model.save_pretrained(tmp_path / "same")
    assert load_card(path) == model.card and SFPN.from_pretrained(tmp_path / "same").card == model.card
    model.layers.conv10.conv.bias.data += 1
    changed = load_card(model.save_pretrained(tmp_path / "changed"))
    assert not changed.operating_points and not changed.histograms and not changed.results
    assert changed.preprocess == model.card.preprocess and changed.descriptor_mean == model.card.descriptor_mean
    with pytest.raises(ValueError, match="no card"):
        SFPN().save_pretrained(tmp_path / "none")
    trained = SFPN(SFPNConfig(depthwise=True, batch_norm=True)).train()
    trained.save_pretrained(tmp_path / "folded", card=SFPN.from_pretrained("depthwise").card)
    assert trained.training and not SFPN.from_pretrained(tmp_path / "folded").config.batch_norm


@pytest.mark.parametrize(
    ("text", "is_id"),
    [("a/b", True), ("a/b@main", True), ("a/b@refs/pr/1", True), ("a/b.c-d_e", True), ("a", False), ("a/b/c", False)]
    + [("../b", False), ("/a/b", False), ("a/b.onnx", False), ("a/b@", False), ("a/b ", False), ("a\\b", False)],
)
def test_what_reads_as_a_hub_id(text, is_id):
    assert hub.is_hub_id(text) is is_id


def test_a_folder_or_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "download", lambda name: pytest.fail(f"asked the Hub for {name}"))
    save_random_model(tmp_path / "runs" / "first" / "model.safetensors")
    assert checkpoint.resolve("runs/first").name == "model.safetensors"
    (tmp_path / "runs" / "second").mkdir()
    with pytest.raises(UserError, match="no such model"):
        checkpoint.resolve("runs/second")


@pytest.mark.parametrize("listed", [["a"], {"../a": "0"}, {"a/b": "0"}, {"": "0"}, {".hidden": "0"}])
def test_a_card_cannot_name_files_elsewhere(listed):
    with pytest.raises(UserError, match="without folders"):
        hub.external_names({"external_data": listed})
