"""python -m sfpn make-card: the setting that a network was made for is found, written, and can be verified with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.paths import SYNTHETIC
from helpers.small_models import save_random_model

from sfpn.__main__ import main
from sfpn.commands import make_card
from sfpn.evaluation.preprocess_search import LabelledFace, settings, some_faces, try_settings
from sfpn.network import checkpoint
from sfpn.network.card import load_card
from sfpn.network.embedders import load_embedder


@pytest.fixture
def quick(monkeypatch):
    """Few people: what is tested is the choice, not the network."""
    monkeypatch.setattr("sfpn.evaluation.preprocess_search.PEOPLE", 3)
    monkeypatch.setattr("sfpn.evaluation.preprocess_search.PICTURES_EACH", 2)


def run(*arguments, capsys) -> tuple[int, str, str]:
    status = main(["make-card", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def onnx_file(tmp_path):
    pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")
    from helpers.drawn_networks import Kind, make

    path = tmp_path / "mine.onnx"
    path.write_bytes(make(Kind(norm=True, size=16)))
    return path


def test_a_card_is_written_with_the_evidence(onnx_file, quick, capsys):
    status, out, err = run(onnx_file, "--licence", "MIT", capsys=capsys)
    assert (status, err) == (0, "") and "EER % of 3 genuine and 12 impostor pairs" in out
    assert "five_point 16 px, RGB" in out and "calibrate" in out
    card = load_card(onnx_file)
    assert (card.name, card.licence, card.preprocess.size) == ("mine", "MIT", 16)
    assert card.architecture == {"type": "onnx", "descriptor_size": 5, "output": "flat"}
    assert "of 20 EERs on synthetic" in card.extra["preprocess_chosen_by"]
    assert load_embedder(onnx_file).name == "mine"
    status, _, err = run(onnx_file, capsys=capsys)
    assert status == 2 and "is there already; replace it with --force" in err


def test_options_are_taken_as_they_are(onnx_file, quick, capsys):
    options = [
        "--geometry",
        "box",
        "--crop-factor",
        "1.2",
        "--mean",
        "1",
        "2",
        "3",
        "--scale",
        "4",
        "--channels",
        "BGR",
    ]
    status, out, _ = run(
        onnx_file, *options, "--padding", "black", "--mirror-sum", "--name", "my net", "--title", "Mine", capsys=capsys
    )
    assert status == 0 and out.count("%") == 1 + 0 and "box x 1.2 16 px, BGR, (pixel - 1 2 3) / 4" in out
    record = json.loads(onnx_file.with_suffix(".json").read_text())
    assert record["preprocess"] == {
        "geometry": "box",
        "size": 16,
        "crop_factor": 1.2,
        "padding": "black",
        "mean": [1.0, 2.0, 3.0],
        "scale": 4.0,
        "channels": "BGR",
    }
    assert record["mirror_sum"] is True and record["name"] == "my net" and record["title"] == "Mine"


def test_the_weights_of_this_projects_own_network(tmp_path, quick, capsys):
    path = tmp_path / "own.safetensors"
    save_random_model(path, depthwise=True)
    path.with_suffix(".json").unlink()
    status, _, err = run(
        path, "--geometry", "box", "--mean", 131, 104, 91, "--scale", 1, "--channels", "RGB", capsys=capsys
    )
    assert (status, err) == (0, "")
    model, card = checkpoint.load(path)
    assert model.config.depthwise and card.parameters == 694_056


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", "0"], "--scale 0: must be a number above zero"),
        (["--scale", "nan"], "--scale nan: must be a number above zero"),
        (["--mean", "1", "inf", "2"], "--mean: must be three finite numbers"),
        (["--size", "17"], "not a batch of colour pictures of 17x17"),
        (["--output", "flat", "--descriptor-size", "4"], "has no output called flat that is an embedding of 4 numbers"),
        (["--name", "a\nb"], "these options make no card (name: must be printable)"),
        (["--dataset", "/nowhere"], "is not a dataset folder"),
    ],
)
def test_options_that_make_no_card(onnx_file, quick, capsys, options, words):
    status, _, err = run(onnx_file, *options, capsys=capsys)
    assert status == 2 and words in err and err.count("\n") == 1
    assert not onnx_file.with_suffix(".json").exists()


@pytest.mark.parametrize("name", ["absent.onnx", "text.onnx", "text.pt", "text.safetensors"])
def test_files_that_are_no_network(tmp_path, capsys, name):
    (tmp_path / f"text{(tmp_path / name).suffix}").write_text("no network")
    status, _, err = run(tmp_path / name, capsys=capsys)
    assert status == 2 and name in err and err.count("\n") == 1


def test_without_faces_the_options_are_needed(onnx_file, monkeypatch, capsys):
    monkeypatch.setattr(make_card, "DRAWN_PEOPLE", onnx_file.parent / "none")
    status, _, err = run(onnx_file, "--scale", "1", capsys=capsys)
    assert status == 2 and "give --geometry, --mean, or a --dataset" in err
    status, out, _ = run(onnx_file, "--geometry", "box", "--mean", 0, 0, 0, "--scale", "1", capsys=capsys)
    assert status == 0 and "Nothing was tried" in out


def test_a_person_at_the_terminal_is_asked(onnx_file, quick, monkeypatch, capsys):
    answers = iter(["My network", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert run(onnx_file, capsys=capsys)[0] == 0
    card = load_card(onnx_file)
    assert (card.title, card.licence) == ("My network", "not stated")


def test_the_setting_a_network_was_made_for_comes_first():
    """A stand-in that recognises people only if pixels arrive as -1..1 in the order BGR, and aligned."""
    from sfpn.data.dataset import FaceDataset

    faces = some_faces(FaceDataset.open(SYNTHETIC))[:40]
    assert len({face.identity for face in faces}) > 3 and all(isinstance(face, LabelledFace) for face in faces)
    tried = settings(16, {})
    wanted = next(s for s in tried if s.geometry == "box" and s.scale == 127.5 and s.channels == "BGR")
    right = wanted.tensor([wanted.crop(face.image, face.face) for face in faces]).numpy()
    identities = sorted({face.identity for face in faces})

    def forward(batch: np.ndarray) -> np.ndarray:
        rows = []
        for picture in batch:
            distances = np.abs(right - picture).max(axis=(1, 2, 3))
            nearest = int(distances.argmin())
            known = distances[nearest] < 1e-6
            rows.append(
                np.eye(len(identities))[identities.index(faces[nearest].identity)] if known else picture.ravel()[:9]
            )
            rows[-1] = np.resize(rows[-1], len(identities)) if not known else rows[-1]
        return np.array(rows)

    found = try_settings(forward, faces, tried)
    assert found[0].preprocess == wanted and found[0].eer == 0 and found[1].eer > 0
    assert len(found) == len(tried) == 20
