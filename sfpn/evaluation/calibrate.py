"""Fills in a card: descriptor mean, operating points per pose pair and by yaw, score histograms, measured results.

Thresholds are set on some people and frozen; their error rates are measured on others. For each pose pair the first
dataset named that has comparisons of it serves, so name a set with pose labels before one with estimated poses. The
operating surface takes the comparisons within all of them, with the estimated yaws that a visitor's photos get.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file, embed_dataset, progress_bar
from sfpn.data.selection import Selection
from sfpn.data.shard import Shard
from sfpn.errors import UserError
from sfpn.evaluation import metrics
from sfpn.evaluation.comparisons import by_pose_pair
from sfpn.evaluation.evaluate import make_samples
from sfpn.evaluation.neighbourhood import EDGES
from sfpn.evaluation.posed_scores import PosedScores
from sfpn.evaluation.report import Report, summary
from sfpn.evaluation.scores import Scores
from sfpn.evaluation.surface import measured, set_surface
from sfpn.evaluation.tally import tally
from sfpn.network import checkpoint
from sfpn.network.card import Card, ScoreHistogram, save_card
from sfpn.network.embedders import Embedder, load_embedder
from sfpn.network.template_rates import TemplateRates
from sfpn.schema import POOLED, OperatingPoint, pair_key

SURFACE_IMAGES = 2000  # of each dataset: 2 million comparisons
MEAN_IMAGES = 2000


@dataclass(frozen=True)
class CellScores:
    """Genuine and impostor scores of one pose pair, and where they come from."""

    genuine: Scores
    impostor: Scores
    source: str
    pose_estimated: bool


def descriptor_mean(embedder: Embedder, selection: Selection, limit: int = MEAN_IMAGES) -> np.ndarray:
    """(D,) mean of the uncentred descriptors of at most `limit` faces, evenly spread over the selection."""
    rows = selection.rows()
    chosen = evenly(rows.loc[rows["box_xyxy"].notna(), "row_id"].tolist(), limit)
    return embed_dataset(selection.dataset, embedder, chosen, progress=progress_bar("mean", Shard())).values.mean(
        axis=0
    )


def evenly(row_ids: list[str], limit: int) -> list[str]:
    """At most `limit` of the row_ids, evenly spread."""
    return [row_ids[i] for i in np.linspace(0, len(row_ids) - 1, min(limit, len(row_ids))).astype(int)]


def pose_direction(embedder: Embedder, selection: Selection, limit: int = MEAN_IMAGES) -> np.ndarray:
    """(D,) unit vector from the mean descriptor of frontal faces to that of profile faces.

    What a descriptor holds along it tells of the pose and not of the person: nuisance attribute projection with one
    direction (Solomonoff, Campbell and Boardman, "Advances in channel compensation for SVM speaker recognition", 2005).
    Raises UserError if the selection has no frontal or no profile faces.
    """
    rows = selection.rows()
    means = []
    for pose in ("frontal", "profile"):
        found = rows.loc[rows["box_xyxy"].notna() & (rows["pose"] == pose), "row_id"].tolist()
        if not found:
            raise UserError(
                f"{selection.title} has no {pose} faces; take the pose direction from a set with frontal and profile "
                "faces"
            )
        means.append(embed_dataset(selection.dataset, embedder, evenly(found, limit // 2)).values.mean(axis=0))
    difference = means[1] - means[0]
    return difference / np.linalg.norm(difference)


def cell_scores(embedder: Embedder, selections: list[Selection]) -> dict[str, CellScores]:
    """All comparisons by pose pair, of the first selection with genuine and impostor ones; and pooled over those."""
    found: dict[str, CellScores] = {}
    for selection in selections:
        rows = selection.rows()
        cache = cache_file(selection.dataset, embedder)
        bar = progress_bar(selection.title, Shard())
        samples = make_samples(
            rows, embed_dataset(selection.dataset, embedder, rows["row_id"].tolist(), cache, None, bar)
        )
        for pair, compared in by_pose_pair(samples):
            if pair_key(pair) in found:
                continue
            genuine, impostor = tally(samples, compared).treated("skip")
            if genuine.total and impostor.total:
                found[pair_key(pair)] = CellScores(genuine, impostor, selection.title, selection.poses_are_estimates())
    return found | {POOLED: _pooled(list(found.values()))} if found else {}


def _pooled(cells: list[CellScores]) -> CellScores:
    genuine, impostor = cells[0].genuine, cells[0].impostor
    for cell in cells[1:]:
        genuine, impostor = genuine.merged(cell.genuine), impostor.merged(cell.impostor)
    sources = "; ".join(dict.fromkeys(cell.source for cell in cells))
    return CellScores(genuine, impostor, sources, any(cell.pose_estimated for cell in cells))


def frozen_points(setting: CellScores, measuring: CellScores) -> tuple[OperatingPoint, ...]:
    """Thresholds from one set of scores, error rates of another; targets that counts cannot support are left out."""
    points = []
    for target in metrics.FMR_TARGETS:
        chosen = metrics.operating_point(setting.genuine, setting.impostor, target)
        if not chosen.supported:
            continue
        measured = metrics.rates_at(measuring.genuine, measuring.impostor, chosen.threshold, target)
        points.append(
            replace(
                measured,
                set_on=f"{setting.source}: {setting.impostor.total:,} impostor comparisons",
                measured_on=measuring.source,
                pose_estimated=setting.pose_estimated or measuring.pose_estimated,
            )
        )
    return tuple(points)


def histogram(cell: CellScores) -> ScoreHistogram:
    """The scores in equal bins over [-1, 1]."""

    def counts(scores: Scores) -> tuple[int, ...]:
        below = scores.below(EDGES[1:-1])
        return tuple(int(n) for n in np.diff([0, *below, scores.total]))

    return ScoreHistogram(-1.0, 1.0, counts(cell.genuine), counts(cell.impostor), cell.source)


def results_of(report: Report) -> list[dict]:
    """What a card keeps of a report: one record per pooled cell."""
    kept = (
        "protocol",
        "pose_pair",
        "scores_of",
        "template_size",
        "sides",
        "genuine",
        "impostor",
        "subjects",
        "eer",
        "eer_low",
        "eer_high",
        "fnmr_at_fmr",
        "failures",
    )
    header = {"data": report.header["dataset"], "folds": report.header["folds"], "command": report.header["command"]}
    return [
        header | {name: summary(cell)[name] for name in kept}
        for cell in report.cells
        if cell.fold is None and cell.yaw_band is None
    ]


def template_rates_of(reports: list[Report]) -> tuple[TemplateRates, ...]:
    """What a card keeps of reports on templates: the errors of every two mixes of poses, without undetected faces."""
    found = []
    for report in reports:
        folds = ", ".join(str(fold) for fold in report.header["folds"] or ())
        people = f"{report.header['dataset']}, folds {folds}" if folds else report.header["dataset"]
        for cell in report.cells:
            if cell.sides is None or cell.fold is not None:
                continue
            rates = cell.rates("skip")  # as in the app, which refuses a photo without a face
            points = [point for point in rates.operating_points if point.supported]
            found.append(
                TemplateRates(
                    sides=(dict(cell.sides[0]), dict(cell.sides[1])),
                    genuine=rates.genuine,
                    impostor=rates.impostor,
                    target_fmr=tuple(point.target_fmr for point in points),
                    false_matches=tuple(point.false_matches for point in points),
                    false_non_matches=tuple(point.false_non_matches for point in points),
                    measured_on=people,
                )
            )
    return tuple(found)


def calibrate_mean(model: Path, selection: Selection, remove_pose_direction: bool = False) -> None:
    """Write the descriptor mean of the selection's faces into a card; what depended on another mean goes.

    remove_pose_direction: write the pose direction too. Raises UserError if the selection lacks one of the two poses.
    """
    embedder = load_embedder(model)
    card = embedder.card
    embedder.card = replace(card, descriptor_mean=None, pose_direction=None)  # both are of uncentred descriptors
    mean = descriptor_mean(embedder, selection) / (2 if card.mirror_sum else 1)
    direction = _rounded(pose_direction(embedder, selection)) if remove_pose_direction else None
    extra = card.extra | {"descriptor_mean_from": selection.title}
    save_card(
        _without_points(replace(card, descriptor_mean=_rounded(mean), pose_direction=direction, extra=extra)), model
    )


def _rounded(vector: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{v:.5g}") for v in vector)


def posed_scores(embedder: Embedder, selections: list[Selection], limit: int = SURFACE_IMAGES) -> PosedScores:
    """All comparisons within each selection with the estimated yaws of their images; at most `limit` images of each."""
    parts = []
    for source, selection in enumerate(selections):
        rows = selection.rows()
        rows = rows.set_index("row_id").loc[evenly(rows.loc[rows["box_xyxy"].notna(), "row_id"].tolist(), limit)]
        rows = rows.reset_index().assign(yaw_degrees=estimated_yaws(selection.dataset, rows.reset_index()))
        embeddings = embed_dataset(
            selection.dataset,
            embedder,
            rows["row_id"].tolist(),
            cache_file(selection.dataset, embedder),
            progress=progress_bar(selection.title, Shard()),
        )
        parts.append(PosedScores.of(make_samples(rows, embeddings), source))
    return PosedScores.joined(parts)


def estimated_yaws(dataset: FaceDataset, rows: pd.DataFrame) -> np.ndarray:
    """(n,) the estimator's yaw of each row, NaN where no face was found: the stored one, unless that is a label."""
    yaws = rows["yaw_degrees"].to_numpy(float, copy=True)
    labelled = (rows["yaw_source"] == "given").to_numpy()
    if labelled.any():
        from sfpn.photos.pose import PoseEstimator

        estimator, found = PoseEstimator(), {}
        for picture in dataset.pictures(set(rows.loc[labelled, "row_id"])):
            face, found[picture.row_id] = picture.face, np.nan
            if face is not None:
                where = np.array([face.box_xyxy]), face.landmarks_xy[None], np.array([face.confidence])
                found[picture.row_id] = estimator.estimate(picture.decode(), *where)[0].yaw_degrees
        yaws[labelled] = [found[row_id] for row_id in rows.loc[labelled, "row_id"]]
    return yaws


def calibrate_surface(model: Path, set_on: list[Selection], measure_on: list[Selection]) -> None:
    """Write the operating surface, set on some people and measured on others.

    Raises UserError if the comparisons are too few for any target.
    """
    card, embedder = checkpoint.load_checked_card(model), load_embedder(model)
    setting = posed_scores(embedder, set_on)
    people = [len(set(selection.rows()["identity"])) for selection in set_on]
    made = set_surface(setting, _sources(set_on, setting), people)
    if not made.levels:
        raise UserError(f"{_sources(set_on, setting)}: too few for a threshold; name more people")
    measuring = posed_scores(embedder, measure_on)
    save_card(replace(card, surface=measured(made, measuring, _sources(measure_on, measuring))), model)


def _sources(selections: list[Selection], compared: PosedScores) -> str:
    titles = "; ".join(selection.title for selection in selections)
    return f"{titles}: {int((~compared.same).sum()):,} impostor comparisons"


def calibrate_points(model: Path, set_on: list[Selection], measure_on: list[Selection]) -> dict[str, CellScores]:
    """Write histograms, and operating points set on some people and measured on others; returns the latter's scores."""
    card, embedder = checkpoint.load_checked_card(model), load_embedder(model)
    setting, measuring = cell_scores(embedder, set_on), cell_scores(embedder, measure_on)
    shared = [key for key in setting if key in measuring]
    for key in sorted(setting.keys() ^ measuring.keys()):
        print(f"{key}: no scores on one side, left out of the card", file=sys.stderr)
    points = {key: frozen_points(setting[key], measuring[key]) for key in shared}
    save_card(replace(card, operating_points=points, histograms={k: histogram(measuring[k]) for k in shared}), model)
    return measuring


def quote_reports(model: Path, folders: list[Path]) -> None:
    """Write the results of evaluation reports into the card, and of templates the errors by mix of poses.

    Raises UserError for a report on other weights.
    """
    card = checkpoint.load_checked_card(model)
    reports = [Report.load(folder) for folder in folders]
    for folder, report in zip(folders, reports, strict=True):
        if report.mismatches(card.weights_sha256):
            raise UserError(f"{folder}: this report was made with other weights than {model}; evaluate again")
    results = [record for report in reports for record in results_of(report)]
    save_card(replace(card, results=results, templates=template_rates_of(reports)), model)


def _without_points(card: Card) -> Card:
    """Operating points belong to the scores they were set on, and another mean gives other scores."""
    return replace(card, operating_points={}, histograms={}, results=[], surface=None, templates=())
