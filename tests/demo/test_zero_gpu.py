"""On ZeroGPU Spaces the embedders ask for the lent processor; a stand-in takes the place of the package `spaces`."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from helpers.drawn_people import drawn
from helpers.small_models import save_random_model

import app
from demo.verify.photos import see
from demo.zero_gpu import ON_ZERO_GPU, SECONDS, lender


@pytest.fixture
def arguments(tmp_path):
    save_random_model(tmp_path / "random.safetensors")
    return app.parse(["--model", str(tmp_path / "random.safetensors")])


@pytest.fixture
def lent(monkeypatch):
    """The calls that the stand-in was asked for: (seconds, faces)."""
    calls = []

    def lend(duration):
        def decorated(function):
            def call(batch):
                calls.append((duration, len(batch)))
                return function(batch)

            return call

        return decorated

    package = ModuleType("spaces")
    monkeypatch.setattr(package, "GPU", lend, raising=False)
    monkeypatch.setitem(sys.modules, "spaces", package)
    return calls


def test_embedding_asks_for_the_lent_processor_and_finding_faces_does_not(arguments, lent, monkeypatch):
    plain = app.load(arguments).models["random"]
    assert not lent and lender() is None
    monkeypatch.setenv(ON_ZERO_GPU, "true")
    loaded = app.load(arguments)
    photo = see(loaded.detector, "a.png", drawn("frontal")).shot()
    assert not lent
    crop = plain.preprocess.crop(photo.photo.image, photo.face)
    np.testing.assert_array_equal(loaded.models["random"].embed([crop]), plain.embed([crop]))
    assert set(lent) == {(SECONDS, 1)}


def test_without_the_package_nothing_changes(arguments, monkeypatch):
    monkeypatch.setenv(ON_ZERO_GPU, "true")
    monkeypatch.setitem(sys.modules, "spaces", None)  # as if it were not installed
    assert lender() is None and app.load(arguments).models
