"""The wrong face of a photo in a visitor's set: the page shows the other one, and a click on it takes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.two_faces import PLANTED, write_two_faces

import app
from demo.common.own_set import OwnSet
from demo.common.own_sets import Sets
from demo.explore.check import Checked, apply_decisions
from demo.explore.findings_html import findings_html
from sfpn.data.decisions import OTHER_FACE, Decision
from sfpn.data.embeddings import Embeddings
from sfpn.evaluation.checks.check import check
from sfpn.evaluation.checks.finding import Finding
from sfpn.network.embedders import load_embedder
from sfpn.photos.detector import FaceDetector


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[tuple[Sets, OwnSet]]:
    folder = tmp_path_factory.mktemp("own")
    write_two_faces(folder / "people")
    upload = Path(shutil.make_archive(str(folder / "upload"), "zip", folder / "people"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        sets = Sets(None, {}, {"base": load_embedder("base")}, app.set_rules(app.parse([])))
        own = sets.begin(SimpleNamespace(session_hash="one", cookies={}, client=None), "people.zip")  # type: ignore[arg-type]
        sets.make(own, upload, "", lambda *_: None)
        assert own.store
        own.store.compute("base")
        yield sets, own
        sets.close_all()


@pytest.fixture(scope="module")
def finding(opened) -> Finding:
    store = opened[1].store
    known = Embeddings.load(store.cache("base"))
    found = check(store.view.dataset, known, embedder=store.models["base"], detector=FaceDetector())
    return next(each for each in found if each.kind == "which_face" and each.row_ids[0] == PLANTED)


def test_the_face_is_shown_on_its_button(opened, finding):
    html = findings_html(opened[1].store.view, [(0, finding)], {0: 0})
    assert html.count('alt="the other face"') == 1 and f"Take this face of {PLANTED}" in html


@pytest.mark.parametrize("box", ["-900 -900 -100 -100", "0 0 1e300 1e300", "99999 0 100000 5"])
def test_a_box_outside_the_photo_is_no_picture_or_the_whole(opened, box):
    decision = Decision(OTHER_FACE, PLANTED, face_xyxy=box)
    html = findings_html(opened[1].store.view, [(0, Finding("which_face", (PLANTED,), 1.0, "", (decision,)))], {})
    assert "Take this face" in html


def test_a_click_takes_it_and_only_its_embedding_changes(opened, finding):
    sets, own = opened
    before, rows = own.store.get("base").copy(), own.store.view.rows
    status, _ = apply_decisions(sets, own, Checked((finding,), {0: 0}))
    assert "1 decision applied" in status
    after, position = own.store.get("base"), own.store.view.position(PLANTED)
    assert list(own.store.view.rows.index) == list(rows.index)
    others = np.arange(len(rows)) != position
    np.testing.assert_array_equal(before[others], after[others])
    mine = (rows["identity"] == "p1").to_numpy() & others
    likeness = [float((values[mine] @ values[position]).mean()) for values in (before, after)]
    assert likeness[1] > likeness[0] + 0.2
