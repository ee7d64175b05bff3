"""Losses, validation and learning rate of runs over their steps, as a page or a picture."""

from __future__ import annotations

from pathlib import Path

from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.training.log import read_log

NOT_SHOWN = ("step", "epoch", "images_per_second")
LOGARITHMIC = ("learning_rate",)
ROW_HEIGHT, HEAD_HEIGHT = 260, 90  # px
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito


def series_of(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Name -> (steps, values) of every number in a run's log. Raises UserError if there is no log or nothing in it."""
    series: dict[str, tuple[list[int], list[float]]] = {}
    for line in read_log(folder):
        for name, value in line.items():
            if name not in NOT_SHOWN and isinstance(value, (int, float)):
                steps, values = series.setdefault(name, ([], []))
                steps.append(line["step"])
                values.append(value)
    if not series:
        raise UserError(f"{folder}: no log of a run in it (log.jsonl); give the --out folder of a training")
    return series


def run_figure(runs: dict[str, dict[str, tuple[list[int], list[float]]]]):
    """One panel per number, one line per run that has it, as a plotly Figure."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    names = list(dict.fromkeys(name for series in runs.values() for name in series))
    figure = make_subplots(
        rows=len(names),
        cols=1,
        shared_xaxes=True,
        subplot_titles=[name.replace("_", " ") for name in names],
        vertical_spacing=0.2 / len(names),
    )
    for number, (title, series) in enumerate(runs.items()):
        color = COLOURS[number % len(COLOURS)]
        for row, name in enumerate(names, start=1):
            if name in series:
                steps, values = series[name]
                first = name == next(iter(series))  # one entry of the legend for all panels
                figure.add_trace(
                    Scatter(
                        x=steps,
                        y=values,
                        name=title,
                        legendgroup=title,
                        showlegend=first,
                        mode="lines+markers",
                        marker_color=color,
                    ),
                    row=row,
                    col=1,
                )
    for row, name in enumerate(names, start=1):
        figure.update_yaxes(type="log" if name in LOGARITHMIC else "linear", row=row, col=1)
    figure.update_xaxes(title_text="step", row=len(names), col=1)
    return figure.update_layout(
        height=HEAD_HEIGHT + ROW_HEIGHT * len(names), template="plotly_white", hovermode="x unified"
    )


def write_figure(figure, out: Path) -> None:
    """Write a plotly Figure as a page that holds plotly.js itself (.html) or a picture (.svg). Raises UserError."""
    if out.suffix not in (".html", ".svg"):
        raise UserError(f"{out}: a plot is written as .html or .svg; choose one of these endings")
    with whole_file(out) as temporary:
        if out.suffix == ".html":
            figure.write_html(temporary, include_plotlyjs=True)
        else:
            _write_svg(figure, temporary, out)


def _write_svg(figure, temporary: Path, out: Path) -> None:
    try:
        figure.write_image(temporary, format="svg")
    except (ValueError, RuntimeError, ImportError) as error:  # kaleido or its browser is missing
        raise UserError(
            f"{out}: SVG needs kaleido and a Chrome browser (pip install kaleido); or write .html instead"
        ) from error
