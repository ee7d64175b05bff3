"""Facets against a slow obvious filter, pictures against their rows, and the handlers of the Explore tab."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from helpers.explorer_data import make_store
from PIL import Image

from demo.common import facets as facets_module
from demo.common import words
from demo.common.dataset_view import DatasetView, thumbnail_name
from demo.common.facets import Facets, counts, joined, masks, select
from demo.common.links import opened, pair_address, sample_address
from demo.common.sample_html import grid_html
from demo.common.samples import open_clicked, selection_csv
from demo.embeddings import tab as embeddings
from demo.explore import name_facet, sample
from demo.explore import tab as explore
from demo.explore.sample import Shown
from sfpn.data.embed import embed_dataset
from sfpn.errors import UserError

CHOICES = (
    Facets(),
    Facets(pose=("profile",)),
    Facets(identity=("person 1", "person 4"), detected=("found",)),
    Facets(detected=("not found",)),
    Facets(template=("t1",), yaw_low=-10, yaw_high=45),
    Facets(quality=0.5, pose=("frontal", "three_quarter"), identity=("person 0",)),
    Facets(pose=("profile",), yaw_high=10),
    Facets(pitch_low=-5, pitch_high=12, pose=("frontal", "profile")),
    Facets(pitch_low=2),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def view(store) -> DatasetView:
    return store.view


def fits(row: pd.Series, facets: Facets, but: str = "") -> bool:
    """One row at a time, no masks."""
    named = all(
        name == but or not getattr(facets, name) or row[name] in getattr(facets, name)
        for name in ("pose", "identity", "template")
    )
    found = but == "detected" or not facets.detected or ("found" if row["detected"] else "not found") in facets.detected
    any_pitch = (facets.pitch_low, facets.pitch_high) == (-90, 90)
    full = (facets.yaw_low, facets.yaw_high) == (-90, 90)
    return (
        named
        and found
        and (full or facets.yaw_low <= row["yaw_degrees"] <= facets.yaw_high)
        and (any_pitch or facets.pitch_low <= row["pitch_degrees"] <= facets.pitch_high)
        and (facets.quality == 0 or row["quality"] >= facets.quality)
    )


@pytest.mark.parametrize("facets", CHOICES, ids=str)
def test_facets_choose_and_count_like_a_loop(view, facets):
    rows = [row for _, row in view.rows.iterrows()]
    assert select(view.rows, masks(view.rows, facets)).tolist() == [row["row_id"] for row in rows if fits(row, facets)]
    found = masks(view.rows, facets)
    for name in ("pose", "identity", "detected"):
        expected = pd.Series(
            [
                row[name] if name != "detected" else "found" if row[name] else "not found"
                for row in rows
                if fits(row, facets, but=name)
            ]
        ).value_counts()
        assert {key: n for key, n in counts(view.rows, found, name).items() if n} == expected.to_dict()
    assert joined(found, len(rows)).sum() == sum(fits(row, facets) for row in rows)


def test_facets_come_from_the_components_in_their_order(view):
    assert Facets.of(*explore.clear_facets()) == Facets()
    assert Facets.of(["profile"], None, [], [], [], ["found"], -5, 5, -9, 8, 0.2) == Facets(
        pose=("profile",), detected=("found",), yaw_low=-5, yaw_high=5, pitch_low=-9, pitch_high=8, quality=0.2
    )


@pytest.mark.parametrize("facets", CHOICES, ids=str)
def test_each_thumbnail_is_the_picture_of_its_row(view, facets):
    """Whatever is filtered, the file behind a tile has the pixels of the row that the tile opens."""
    html = grid_html(view, select(view.rows, masks(view.rows, facets))[:12])
    tiles = re.findall(r'data-select="([^"]+)".*?src="gradio_api/file=[^"]+/([^"]+)"', html)
    assert len(tiles) == min(12, len(select(view.rows, masks(view.rows, facets))))
    for target, file in tiles:
        kind, row_id = json.loads(unescape(target))
        shown, photo = (
            np.asarray(image.convert("RGB"), float)
            for image in (Image.open(view.picture_named(file)), view.photo(row_id))
        )
        assert kind == "sample" and np.abs(shown - photo).mean() < 25
        strangers = [
            np.abs(shown - np.asarray(view.photo(other), float)).mean()
            for other in view.rows.index[:20]
            if other != row_id
        ]
        assert np.abs(shown - photo).mean() < min(strangers)


def test_picture_by_row_id_and_unknown_row(view):
    row_id = view.rows.index[37]
    assert view.picture(row_id).row_id == row_id and row_id in view and "nobody" not in view
    with pytest.raises(UserError, match="nobody"):
        view.photo("nobody")
    assert thumbnail_name("a/b") != thumbnail_name("a_b")


def test_thumbnails_are_made_once_and_small(view):
    file = view.thumbnail(view.rows.index[0])
    made = file.stat().st_mtime_ns
    assert view.thumbnail(view.rows.index[0]).stat().st_mtime_ns == made
    assert max(Image.open(file).size) <= 144


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a.jpg",
        "{mark}.jpg",
        "{mark}-72.jpg",
        "{mark}--1.jpg",
        "0{mark}-1.jpg",
        "../{mark}-1.jpg",
        "{mark}-1.png",
        "{mark}-\u0661.jpg",
    ],
)
def test_only_names_of_its_own_rows_are_pictures(view, name):
    assert view.picture_named(name.format(mark=view.mark)) is None


def test_pages_cover_the_selection_once(view):
    row_ids = view.rows.index.to_numpy()
    seen, number = [], 0
    for _ in range(2):
        html, words, number = explore.turn_page(view, 1, row_ids, number)
        seen += [json.loads(unescape(t))[1] for t in re.findall(r'data-select="([^"]+)"', html)]
    assert seen == row_ids.tolist() and "page 2 of 2" in words
    assert explore.turn_page(view, 1, row_ids, 2)[2] == 2 and explore.turn_page(view, -1, row_ids, 1)[2] == 1
    assert "No image" in explore.turn_page(view, 0, [], 1)[0]


def test_refresh_counts_each_facet_under_the_others(view):
    out = explore.refresh(view, ["profile"], [], [], [], [], [], -90, 90, -90, 90, 0)
    assert len(out.row_ids) == 24 and "<b>24</b> of 72" in out.summary
    assert dict(out.pose["choices"])["frontal (24)"] == "frontal"  # not limited by its own choice
    assert sum(int(label.split("(")[1][:-1]) for label, _ in out.detected["choices"]) == 24


def test_masks_are_made_once_for_a_choice(view, monkeypatch):
    calls = []
    for module in (explore, facets_module):
        monkeypatch.setattr(module, "masks", lambda rows, facets: calls.append(facets) or masks(rows, facets))
    explore.refresh(view, ["profile"], [], [], [], [], [], -90, 90, -90, 90, 0)
    assert calls == [Facets(pose=("profile",))]


def test_many_names_are_searched_with_their_counts(view, monkeypatch):
    assert not name_facet.is_searched(view, "identity")
    monkeypatch.setattr(name_facet, "LISTED", 3)
    assert (
        name_facet.is_searched(view, "identity")
        and explore.refresh(view, *explore.clear_facets()).identity == gr.skip()
    )
    choices = [["profile"], [], [], [], [], [], -90, 90, -90, 90, 0]
    found = name_facet.search(view, "identity", SimpleNamespace(input_value="PERSON 1"), *choices)["choices"]
    rows = view.rows[view.rows["pose"] == "profile"]
    assert found == [(f"person 1 ({(rows['identity'] == 'person 1').sum()})", "person 1")]
    monkeypatch.setattr(name_facet, "MATCHES", 2)
    assert [
        value for _, value in name_facet.search(view, "identity", SimpleNamespace(input_value="o"), *choices)["choices"]
    ] == ["person 0", "person 1"]
    assert name_facet.search(view, "identity", SimpleNamespace(input_value="nobody"), *choices)["choices"] == []


def test_clicks_on_the_figures_filter(view):
    assert explore.pick_angle(SimpleNamespace(value=[-10, 0])) == (-10, 0)
    assert explore.pick_identity(view, SimpleNamespace(value=["person 2", "profile"])) == (["person 2"], ["profile"])
    assert explore.pick_identity(view, SimpleNamespace(value=["nobody", "profile"])) == (gr.skip(), gr.skip())


def test_export_holds_the_chosen_rows_and_all_columns(view):
    row_ids = view.rows.index[:5]
    table = pd.read_csv(io.BytesIO(selection_csv(view, row_ids)[1]))
    assert table["row_id"].tolist() == row_ids.tolist() and "image" not in table
    assert json.loads(table["box_xyxy"][0]) == [8, 8, 24, 24]
    assert table["box_xyxy"].isna().sum() == (~view.rows.loc[row_ids, "detected"]).sum()


def test_clicks_open_samples_and_pairs(view):
    a, b = view.rows.index[:2]
    tab, pair, sample = open_clicked(view, SimpleNamespace(index=["pair", a, b]))
    assert pair.value == (a, b) and pair_address(pair) == f"?pair={a.replace(' ', '%20')},{b}"
    assert open_clicked(view, SimpleNamespace(index=["sample", a]))[2].value == a
    with pytest.raises(gr.Error):
        open_clicked(view, SimpleNamespace(index=["sample", "nobody"]))
    assert sample_address(opened(a)) == f"?sample={a}"


def test_sample_shows_columns_crop_and_neighbours(store):
    row_id = store.view.rows.index[8]
    detail, neighbours = sample.show_sample(store, Shown(row_id), "colour")
    assert "what the network sees" in detail and "person" in detail and "<rect" in detail
    assert sample.take_sample(store, opened(row_id), "colour")[:2] == (Shown(row_id), row_id)
    assert "has no sample nobody" in sample.take_sample(store, opened("nobody"), "colour")[2]
    expected = store.neighbours("colour", row_id)["row_id"].tolist()
    assert [json.loads(unescape(t))[-1] for t in re.findall(r'data-select="([^"]+)"', neighbours)][::2] == expected


def test_neighbours_like_a_sort(store):
    values, rows = store.get("colour"), store.view.rows
    for position in (0, 30, 71):
        scores = {row_id: float(values[i] @ values[position]) for i, row_id in enumerate(rows.index) if i != position}
        found = store.neighbours("colour", rows.index[position], 10)
        assert found["score"].tolist() == pytest.approx(sorted(scores.values(), reverse=True)[:10])
        assert found["score"].tolist() == pytest.approx([scores[row_id] for row_id in found["row_id"]])


def test_without_embeddings_there_are_no_neighbours(tmp_path):
    store = make_store(tmp_path, computed=False)
    assert store.get("colour") is None and store.neighbours("colour", store.view.rows.index[0]) is None
    assert "not there yet" in sample.show_sample(store, Shown(store.view.rows.index[0]), "colour")[1]


def test_embeddings_of_half_size_are_found_beside_the_dataset(store, tmp_path):
    """Shipped embeddings have a name for people and half the size; they are known by what they were made by."""
    other = make_store(tmp_path, computed=False)
    embedded = embed_dataset(other.view.dataset, other.models["colour"])
    embedded.save(other.view.dataset.folder / "embeddings" / "colour.parquet", half=True)
    np.testing.assert_allclose(other.get("colour"), store.get("colour"), atol=2e-3)
    assert other.get("colour").dtype == np.float32


def test_random_sample_is_of_the_selection(view):
    row_ids = view.rows.index[3:6]
    assert explore.random_sample(row_ids).value in set(row_ids)
    assert explore.random_sample(()) == gr.skip()


def test_two_presses_compare_two_samples(view):
    first = sample.pick_for_comparison(Shown("a"), None)
    assert first[0] == Shown("a")
    assert sample.pick_for_comparison(Shown("b"), Shown("a")).pair.value == ("a", "b")


def test_another_set_forgets_the_samples_of_the_one_before_and_none_of_its_own():
    before, after = opened("a.zip"), opened("a.zip")
    of_before, of_after = Shown("a", before), Shown("a", after)
    assert sample.forget(after, of_before, of_before)[:2] == (None, None)
    assert sample.forget(after, of_after, of_before)[:2] == (of_after, None)
    assert sample.forget(after, of_after, of_after)[:2] == (of_after, of_after)
    assert sample.pick_for_comparison(of_after, of_before).marked == of_after


def test_a_sample_of_another_set_is_not_shown(store):
    assert sample.show_sample(store, Shown("of another set"), "colour") == sample.SampleValues()


def test_tiles_name_yaw_and_pitch(view):
    row = view.rows[view.rows["pitch_degrees"] < -1].iloc[0]
    assert f"↓{abs(round(row['pitch_degrees']))}°" in grid_html(view, [row["row_id"]])
    assert words.angles(12.4, float("nan")) == " +12°" and words.angles(float("nan"), 6.6) == " ↑7°"
    assert words.angles(-0.2, 0.3) == " +0° ↕0°"


def test_a_dataset_without_pitch_has_no_facet_of_it(store):
    from dataclasses import replace

    rows = store.view.rows.assign(pitch_degrees=None)
    without = replace(store.view, rows=rows)
    assert store.view.has_pitch and not without.has_pitch
    with gr.Blocks():
        controls = explore._build_controls(without)
    assert controls.pitch_low.visible is False and controls.yaw_low.visible is True
    found = explore.refresh(without, *explore.clear_facets())
    assert len(found.row_ids) == len(rows) and not found.pitch.data
    assert "pitch" not in embeddings.colours(without) and "pitch" in embeddings.colours(store.view)
    assert "↕" not in grid_html(without, rows.index[:5])


def test_another_dataset_is_offered_with_nothing_chosen(view, tmp_path):
    other = make_store(tmp_path).view
    card, _, *updates = explore.offer(other)
    controls = explore.Controls(*updates)
    assert other.dataset.name in card and controls.pose == [] and controls.yaw_low == -90
    assert controls.identity["choices"] == sorted(set(other.rows["identity"])) and controls.identity["value"] == []
    assert not controls.split["visible"] or len(set(other.rows["split"])) > 1


def test_names_that_are_listed_need_no_search(view):
    typed = SimpleNamespace(input_value="person")
    assert not name_facet.is_searched(view, "identity")
    assert "choices" not in name_facet.search(view, "identity", typed, *explore.clear_facets())
