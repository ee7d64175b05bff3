"""Figures show the very numbers they are given: read back from the figures and compared with their source."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from helpers.explorer_data import make_report, make_store
from scipy.stats import norm

from demo.common.figures import message
from demo.common.points import points_of
from demo.common.words import angles, interval, percent, pose_label
from demo.embeddings import figures as figures_embeddings
from demo.explore import figures as figures_explore
from demo.pose_errors import cell_figures as figures_cell
from demo.pose_errors import matrix_figure as figures_matrix
from sfpn.reporting.views import View, table_of, value_of
from sfpn.schema import POSES, pair_key, pose_pair


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


def csv_of(figure) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(figure.layout.meta["csv"]))


def test_matrix_shows_each_cell_twice_and_saves_its_table(report):
    view = View()
    table = table_of(report, view)
    figure = figures_matrix.matrix_figure(table, view.metric_title)
    heatmap = figure.data[0]
    for i, down in enumerate(POSES):
        for j, across in enumerate(POSES):
            key = pair_key(pose_pair(down, across))
            assert heatmap.customdata[i][j] == key
            assert heatmap.z[i][j] == pytest.approx(report.cell(key).rates().eer)
            assert f"{report.cell(key).rates().genuine:,}" in heatmap.hovertext[i][j]
    pd.testing.assert_series_equal(csv_of(figure)["rate"], table["rate"], check_exact=False, rtol=1e-4)


def test_matrix_with_a_missing_and_an_unsupported_cell(report):
    table = table_of(report, View("fnmr_at_0.0001")).query("pose_pair != 'frontal-profile'")
    heatmap = figures_matrix.matrix_figure(table, "FNMR").data[0]
    assert np.isnan(np.array(heatmap.z, float)).all()
    assert "not in" in heatmap.text[0][2] and "too few" in heatmap.text[0][0]
    assert "not in this report" in heatmap.hovertext[0][2]
    assert not figures_matrix.matrix_figure(table.iloc[:0], "EER").data


@pytest.mark.parametrize(("axes", "back"), [("probit", norm.cdf), ("log", lambda v: 10.0**v)])
def test_det_axes_can_be_undone(report, axes, back):
    cell = report.cell("frontal-profile")
    curve = cell.det().query("fmr > 0 and fnmr > 0")
    drawn = figures_cell.det_figure({"a": cell}, "whole_image", axes).data[0]
    np.testing.assert_allclose(back(np.array(drawn.x)), curve["fmr"], atol=1e-9)
    np.testing.assert_allclose(back(np.array(drawn.y)), curve["fnmr"], atol=1e-9)


def test_histograms_are_shares_with_a_line_to_drag(report):
    cell = report.cell("frontal-profile")
    figure = figures_cell.histogram_figure(cell, 0.25)
    assert [sum(trace.y) for trace in figure.data] == pytest.approx([1, 1])
    assert figure.layout.shapes[0].x0 == 0.25 and figure.layout.meta["drag"]
    impostor = cell.tables["histogram"][["impostor", "failed_impostor"]].sum(axis=1)
    mean = (cell.tables["histogram"]["lower_edge"] * impostor).sum() / impostor.sum()
    assert np.dot(figure.data[0].x, figure.data[0].y) == pytest.approx(mean, abs=0.03)


def test_yaw_figure_has_the_eer_of_each_band(report):
    figure = figures_cell.yaw_figure({"a": report.yaw_cells()}, "whole_image")
    expected = [100 * cell.rates().eer for cell in report.yaw_cells() if cell.rates().eer is not None]
    assert list(figure.data[0].y) == pytest.approx(expected)
    assert not figures_cell.yaw_figure({"a": []}, "whole_image").data


def test_difference_figure_in_percentage_points():
    table = pd.DataFrame(
        {
            "pose_pair": ["frontal-profile"],
            "label": ["F-P"],
            "a": [0.10],
            "b": [0.07],
            "difference": [-0.03],
            "low": [-0.05],
            "high": [-0.01],
            "differs": [True],
        }
    )
    drawn = figures_matrix.difference_figure(table, "one", "two", "EER").data[0]
    assert drawn.x[0] == pytest.approx(-3)
    assert (drawn.error_x.array[0], drawn.error_x.arrayminus[0]) == pytest.approx((2, 2))


@pytest.mark.parametrize("colour", figures_embeddings.COLOURS)
def test_each_point_of_the_map_is_its_own_row(store, colour):
    rows = store.view.rows
    coordinates = np.random.default_rng(0).normal(size=(len(rows), 2))
    wrong = np.arange(len(rows)) % 5 == 0
    figure = figures_embeddings.map_figure(rows, coordinates, colour, points_of(store.view), wrong)
    found = {}
    for trace in figure.data:
        found |= dict(zip(trace.customdata, zip(trace.x, trace.y, strict=True), strict=True))
    assert found == dict(enumerate(map(tuple, coordinates)))
    if colour == "identity":
        codes, looks = rows["identity"].cat.codes.to_numpy(), {}
        for trace in figure.data:
            looks |= dict.fromkeys(codes[list(trace.customdata)].tolist(), (trace.marker.color, trace.marker.symbol))
        assert len(set(looks.values())) == len(looks) == codes.max() + 1
    json.loads(figure.to_json())


def test_each_point_is_said_as_its_row_reads(store):
    points, rows = points_of(store.view), store.view.rows
    assert points["of"] == store.view.mark and points["count"] == len(rows)
    for position in range(len(rows)):
        row, said = rows.iloc[position], "".join(words[codes[position]] for words, codes in points["words"])
        expected = f"{row['identity']}, {pose_label(row['pose'])}"
        assert said == expected + angles(row["yaw_degrees"], row["pitch_degrees"])


def test_heat_map_names_the_pair_of_each_cell(store):
    rows = store.view.rows.iloc[:8]
    scores = np.arange(64).reshape(8, 8) / 64
    drawn = figures_embeddings.heat_map(rows, scores).data[0]
    assert drawn.customdata[2][5] == [rows.index[2], rows.index[5]] or list(drawn.customdata[2][5]) == [
        rows.index[2],
        rows.index[5],
    ]
    assert drawn.z[2][5] == scores[2, 5] and np.isnan(drawn.z[3][3])


@pytest.mark.parametrize(("angle", "end", "first"), [("yaw", 90, [-90, -80]), ("pitch", 60, [-90, -50])])
def test_histograms_of_angles_count_like_numpy(store, angle, end, first):
    rows, column = store.view.rows, f"{angle}_degrees"
    figure = figures_explore.angle_histogram(rows, angle)
    for trace, pose in zip(figure.data, POSES, strict=True):
        values = rows.loc[(rows["pose"] == pose) & rows[column].notna(), column]
        assert list(trace.y) == list(np.histogram(values, np.arange(-end, end + 1, 10))[0])
        assert json.loads(figure.to_json())["data"][0]["customdata"][0] == first
    beyond = figures_explore.angle_histogram(rows.assign(**{column: 88.0}), angle)
    assert all(trace.y[-1] == sum(trace.y) and trace.customdata[-1][1] == 90 for trace in beyond.data)
    assert not figures_explore.angle_histogram(rows[rows[column].isna()], angle).data


def test_identity_table_counts_like_a_loop(store):
    rows = store.view.rows.iloc[:40]
    drawn = figures_explore.identity_table(rows).data[0]
    for i in range(len(drawn.y)):
        for j in range(len(drawn.x)):
            identity, pose = drawn.customdata[i][j]
            assert drawn.z[i][j] == sum(
                (a == identity) and (b == pose) for a, b in zip(rows["identity"], rows["pose"], strict=True)
            )


def test_words_for_rates():
    assert (percent(0.01234), percent(None), interval(0.01, 0.02), interval(None, 0.1)) == (
        "1.23 %",
        "–",
        "[1.0, 2.0]",
        "",
    )
    assert message("why").layout.annotations[0].text == "why"


def test_value_of_takes_the_chosen_treatment(report):
    cell = report.cell("frontal-frontal")
    for treatment in ("whole_image", "skip", "reject"):
        assert value_of(cell, View(treatment=treatment)).rate == cell.rates(treatment).eer
