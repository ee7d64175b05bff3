"""The embeddings of the drawn people that ship are those of the dataset and weights that ship with them."""

from __future__ import annotations

import pytest
from helpers.paths import ASSETS

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import provenance
from sfpn.data.embeddings import Embeddings
from sfpn.network.checkpoint import bundled_names
from sfpn.network.embedders import load_embedder


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_embeddings_are_used(name):
    """Else everybody who opens the app, or evaluates, computes them again."""
    people = FaceDataset.open(ASSETS / "synthetic")
    known = Embeddings.load(people.folder / "embeddings" / f"{name}.parquet")
    assert known.made_by["recipe_sha256"] == provenance(people, load_embedder(name))["recipe_sha256"]
    assert len(known.row_ids) == len(people.rows())
