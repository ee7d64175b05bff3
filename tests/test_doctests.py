"""The examples in the docstrings of what a program imports give what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest
from helpers.paths import ROOT

MODULES = (
    "sfpn.data.dataset",
    "sfpn.evaluation.evaluate",
    "sfpn.evaluation.report",
    "sfpn.network.checkpoint",
    "sfpn.network.embedders",
    "sfpn.network.model",
    "sfpn.photos.detector",
    "sfpn.photos.photo",
    "sfpn.schema",
    "sfpn.verification.given",
    "sfpn.verification.verifier",
    "sfpn.verification.wording",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # they speak of demo/assets/synthetic
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed
