"""Handlers of the Pose errors tab on reports of a drawn dataset."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pandas as pd
import pytest
from helpers.explorer_data import make_report, make_store

import app
from demo.common.links import opened
from demo.common.words import titled
from demo.pose_errors import cell as one_cell
from demo.pose_errors import choice, matrix, pair_list, saved_reports
from demo.pose_errors import compute as compute_report
from demo.pose_errors import hardest as hardest_pairs
from demo.pose_errors import pose_map as error_map
from demo.pose_errors import provenance as report_words
from demo.pose_errors import tab as pose_errors
from demo.pose_errors.pairs_html import pairs_html
from demo.pose_errors.pose_map_figure import Shown, pose_map_figure, read_map
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.reporting.reading import read_matrix
from sfpn.reporting.views import View, table_of
from sfpn.schema import pair_key


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return make_report(folder), make_report(folder, blur=0.8), make_report(folder, seed=1)


@pytest.fixture(scope="module")
def named(reports):
    return titled(reports)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"), computed=False)


@pytest.fixture(scope="module")
def view(store):
    return store.view


def test_titles_are_unique(named, reports):
    assert list(named.values()) == list(reports) and len(named) == 3


def test_reading_names_the_worst_and_the_best_cell(reports):
    table = table_of(reports[0], View())
    words = read_matrix(reports[0], View())
    worst, best = table.loc[table["rate"].idxmax()], table.loc[table["rate"].idxmin()]
    assert f"{100 * worst['rate']:.2f} %" in words and f"{100 * best['rate']:.2f} %" in words
    assert f"{worst['genuine']:,} genuine" in words and "No face was found in" in words
    assert "too few" in read_matrix(reports[0], View("fnmr_at_0.0001")).lower() or "enough" in read_matrix(
        reports[0], View("fnmr_at_0.0001")
    )


def test_difference_is_shown_for_the_same_pairs_only(named, reports):
    first, second, elsewhere = named
    for other in (first, compute_report.NO_OTHER):
        assert matrix.show_difference(named, first, other, "eer", 1, "whole_image")[0]["visible"] is False
    shown, words, figure = matrix.show_difference(named, first, second, "eer", 1, "whole_image")
    found = {d.pose_pair: d for d in reports[0].compare(reports[1]) if d.template_size == 1 and d.pose_pair}
    assert shown["visible"] and list(figure.data[0].x) == pytest.approx(
        [100 * found[key].difference for key in figure.data[0].customdata]
    )
    shown, words, figure = matrix.show_difference(named, first, elsewhere, "eer", 1, "whole_image")
    assert "no paired difference" in words and "not about the same pairs" in words and not figure.data


def test_clicked_cell_is_checked_and_has_an_address(named):
    name = next(iter(named))
    key, address = matrix.pick_cell(named, name, SimpleNamespace(value="frontal-profile"))
    assert (key, address) == ("frontal-profile", "?cell=frontal,profile&model=colour-0")
    assert matrix.pick_cell(named, name, SimpleNamespace(value="nonsense")) == (gr.skip(), gr.skip())


def test_address_opens_the_cell_of_its_model(named):
    report, cell = pose_errors.open_cell(named, opened(("profile-profile", "colour-0.8")))
    assert named[report["value"]].header["model"] == "colour-0.8" and cell["value"] == "profile-profile"


def test_rates_under_a_moved_threshold_are_those_of_the_report(named, reports):
    name = next(iter(named))
    words, update = one_cell.move_threshold(named, name, "frontal-profile", 1, "skip", 0.3)
    point = reports[0].cell("frontal-profile").rates_at(round(0.3 * 1024) / 1024, "skip")
    assert (
        f"{point.false_matches:,} of {point.impostor:,}" in words
        and f"{point.false_non_matches:,} of {point.genuine:,}" in words
    )
    assert update["line_x"] == round(0.3 * 1024) / 1024
    threshold, dragged, moved = one_cell.drag_threshold(
        named, name, "frontal-profile", 1, "skip", SimpleNamespace(x=0.3)
    )
    assert dragged == words and threshold == update["line_x"] == moved["line_x"]


def test_scores_start_at_the_threshold_of_the_eer(named, reports):
    cell = (named, next(iter(named)), "frontal-profile", 1, "whole_image")
    title, figure, slider, rates, shown = one_cell.show_scores(*cell)
    assert figure.layout.shapes[0].x0 == pytest.approx(
        reports[0].cell("frontal-profile").rates().eer_threshold, abs=1 / 1024
    )
    assert slider["minimum"] <= slider["value"] <= slider["maximum"]
    assert "**F-P**" in title and "FNMR" in rates
    assert all(value == gr.skip() for value in one_cell.show_scores(*cell, shown)), "a threshold moved by hand stays"
    assert one_cell.show_scores(*cell[:4], "skip", shown).title != gr.skip()


def test_hardest_pairs_carry_their_own_pictures(named, reports, store, view):
    note, genuine, impostor = hardest_pairs.show_pairs(named, store, next(iter(named)), "frontal-profile", 1, 12)
    for kind, html in (("genuine", genuine), ("impostor", impostor)):
        expected = reports[0].cell("frontal-profile").hardest(kind).head(12)
        targets = [json.loads(unescape(found)) for found in re.findall(r'data-select="([^"]+)"', html)]
        assert targets == expected[["row_id_a", "row_id_b"]].to_numpy().tolist()
        pictures = re.findall(r'src="gradio_api/file=([^"]+)"', html)
        assert [view.picture_named(Path(picture).name) for picture in pictures] == [
            view.thumbnail_file(row_id) for pair in targets for row_id in pair
        ]


def test_pairs_of_another_dataset_are_named_without_pictures(named):
    note, genuine, _ = hardest_pairs.show_pairs(named, None, next(iter(named)), "frontal-profile", 1, 12)
    assert "<img" not in genuine and "<code>" in genuine and "not loaded" in note


def test_unknown_pair_is_refused(view):
    with pytest.raises(gr.Error):
        pair_list.pick_pair(view, SimpleNamespace(index=["nobody", "nothing"]))
    row_ids = view.rows.index[:2]
    assert pair_list.pick_pair(view, SimpleNamespace(index=list(row_ids)))[1].value == tuple(row_ids)


def test_another_report_keeps_the_cell_it_has(named):
    size, pair = choice.offer(named, next(iter(named)), 7, "profile-profile")
    assert size["value"] == 1 and "value" not in pair, "what stays is not sent"
    assert {value for _, value in pair["choices"]} == {pair_key(p) for p in next(iter(named.values())).pose_pairs()}


def test_a_report_on_request_is_that_of_the_command(tmp_path, monkeypatch):
    store = make_store(tmp_path)
    monkeypatch.setattr(compute_report, "ROUNDS", 5)
    assert compute_report.protocols(store) == ["vggface2-pose", "cfp", "templates", "all-pairs"]
    named = {}
    for _ in range(2):  # the second replaces the first
        *_, (status, report, other) = compute_report.compute(named, store, "colour", "all-pairs")
    assert list(named) == ["colour · drawn · all-pairs protocol"] == report["choices"] and other["choices"][1:] == list(
        named
    )
    cell = named[report["value"]].cell("frontal-profile")
    assert (cell.rates().genuine, cell.rates().impostor) == (6 * 4 * 4, 6 * 5 * 4 * 4)
    (folder,) = saved_reports.saved_reports(store.view.dataset.folder)
    assert str(folder) in status and Report.load(folder).cells == named[report["value"]].cells
    assert app.parse(["--dataset", str(store.view.dataset.folder)]).reports[-1] == folder


def test_a_cancelled_report_leaves_nothing(tmp_path):
    named = {}
    steps = compute_report.compute(named, make_store(tmp_path), "colour", "all-pairs")
    next(steps)
    steps.close()
    assert named == {}


def test_a_report_that_cannot_be_kept_says_so(reports, store, monkeypatch):
    def refuse(*_):
        raise UserError("read-only")

    monkeypatch.setattr(compute_report, "save_report", refuse)
    assert "cannot be written: save it as a ZIP" in compute_report.keep(reports[0], store)


def test_a_report_leaves_as_a_zip_that_opens_again(reports, tmp_path):
    name, content = saved_reports.zipped(reports[0])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    assert name == "colour-0-drawn-vggface2-pose-colour-0.zip"
    assert Report.load(tmp_path / name.removesuffix(".zip")).header == reports[0].header


def test_saved_pairs_are_those_shown(named, reports):
    name, content = hardest_pairs.pairs_csv(named, next(iter(named)), "frontal-profile", 1, 12)
    table, cell = pd.read_csv(io.BytesIO(content)), reports[0].cell("frontal-profile")
    assert name == "hardest-pairs-frontal-profile.csv" and list(table["kind"]) == ["genuine"] * 12 + ["impostor"] * 12
    for kind in ("genuine", "impostor"):
        expected = cell.hardest(kind).head(12)[["row_id_a", "row_id_b"]]
        assert (
            table[table["kind"] == kind][["row_id_a", "row_id_b"]].to_numpy().tolist() == expected.to_numpy().tolist()
        )


def test_reports_of_another_build_or_of_other_weights_say_so(reports, store):
    assert report_words.doubts(reports[0], store) == [] == report_words.doubts(reports[2], None)
    (other,) = report_words.doubts(reports[2], store)  # the same names, drawn with another seed
    assert "another build of drawn" in other and report_words.is_own(reports[2], store)
    renamed = replace(reports[0], header=reports[0].header | {"model": "colour"})
    assert "other weights of colour" in report_words.doubts(renamed, store)[0]


def test_pairs_with_a_picture_that_is_not_loaded_are_named(reports, view):
    pairs = reports[0].cell("frontal-profile").hardest("genuine").head(3)
    pairs.loc[1, "row_id_b"] = "elsewhere"
    html = pairs_html(view, pairs)
    assert html.count("<img") == 4 and html.count('class="absent"') == 1 and "<code>elsewhere</code>" in html


@pytest.mark.parametrize("rate", ["fnmr", "fmr"])
@pytest.mark.parametrize("treatment", ["whole_image", "skip", "reject"])
def test_each_place_of_the_error_map_is_its_own_cell(reports, rate, treatment):
    pose_map = reports[0].pose_map
    figure = pose_map_figure(pose_map, Shown(rate, None, treatment))
    grey, drawn = figure.data
    table = pose_map.at(None, treatment).set_index(["column", "row"])
    places = set()
    for i, y in enumerate(drawn.y):
        for j, x in enumerate(drawn.x):
            column, row = json.loads(figure.to_json())["data"][1]["customdata"][i][j]
            assert pose_map.yaw_edges[column] < x < pose_map.yaw_edges[column + 1]
            assert pose_map.pitch_edges[row] < y < pose_map.pitch_edges[row + 1]
            if (column, row) not in table.index:
                assert math.isnan(drawn.z[i][j]) and grey.z[i][j] is None and not drawn.hovertext[i][j]
                continue
            places.add((column, row))
            line = table.loc[(column, row)]
            assert drawn.z[i][j] == pytest.approx(line[rate], nan_ok=True)
            assert (grey.z[i][j] == 0) == math.isnan(line[rate])
            assert f"{line['images']:,.0f} images" in drawn.hovertext[i][j]
    assert places == set(table.index)
    saved = pd.read_csv(io.StringIO(figure.layout.meta["csv"]))
    assert len(saved) == len(table) and saved[rate].to_numpy() == pytest.approx(table[rate], rel=1e-4, nan_ok=True)


def test_the_error_map_is_read_aloud(reports):
    pose_map = reports[0].pose_map
    words = read_map(pose_map, Shown())
    known = pose_map.at().dropna(subset=["fnmr"])
    assert f"{100 * known['fnmr'].max():.2f} %" in words and f"against the {pose_map.references:,} that look" in words
    assert "without a yaw or a pitch are in no cell" in words  # faces that were not found
    assert "too few impostor comparisons for this FMR" in read_map(pose_map, Shown("fnmr", 0.0001))


def test_a_report_without_an_error_map_says_so(reports):
    old = titled((replace(reports[0], pose_map=None),))
    values = error_map.show_map(old, next(iter(old)), "eer", "whole_image", "fnmr")
    assert values.tools["visible"] is False and "no error map" in values.reading
    with pytest.raises(gr.Error):
        error_map.show_cell(old, None, next(iter(old)), SimpleNamespace(value=[6, 3]))


def test_a_cell_of_the_error_map_shows_its_own_pairs(named, reports, store):
    pose_map, name = reports[0].pose_map, next(iter(named))
    line = pose_map.at().sort_values("genuine").iloc[-1]
    column, row = int(line["column"]), int(line["row"])
    shown = error_map.show_cell(named, store, name, SimpleNamespace(value=[column, row]))
    for kind, html in (("genuine", shown.genuine), ("impostor", shown.impostor)):
        targets = [json.loads(unescape(found)) for found in re.findall(r'data-select="([^"]+)"', html)]
        expected = pose_map.hardest(column, row, kind)
        assert targets == expected[["row_id_a", "row_id_b"]].to_numpy().tolist() and targets
    assert "<img" not in error_map.show_cell(named, None, name, SimpleNamespace(value=[column, row])).genuine
    for wrong in ([99, 0], [-1, 0], ["0", 0], [0], None, {}, [1.0, 2], [True, 1]):
        with pytest.raises(gr.Error):
            error_map.show_cell(named, store, name, SimpleNamespace(value=wrong))
