"""A Plotly figure whose clicks, lassos and drags reach Python; gr.Plot has no such events.

    chart = PlotlyView(figure, height=420)
    chart.select(show, None, [...])     # a click: evt.value is the point's customdata; also evt.index, evt.x, evt.y
    chart.drag(move, None, [...])       # with layout.meta['drag']: the first shape, a vertical line, is dragged: evt.x

`gr.update(line_x=0.3)` moves that line without sending the figure again. Buttons save PNG, SVG, and the CSV in
`layout.meta = {"name": ..., "csv": ...}`.

A figure whose points stand for rows has `layout.meta["points"] = demo.common.points.points_of(view)` and positions as
customdata (traces with `hoverinfo="none"`): the hovered row is shown with its picture and words. It has more events:

    chart.lasso(choose, None, [...])    # box or lasso around points, see demo.common.points.enclosed_rows
    chart.csv(make, None, [...])        # its CSV is asked for, see demo.common.download

`gr.update(highlight=...)` dims all points but those of some rows, see demo.common.points.highlight_of ("": no point).
plotly.js is the file inside the installed plotly package, served by the app itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
import plotly
import plotly.graph_objects as go
from gradio.utils import is_static_file
from plotly.io.json import to_json_plotly

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
JAVASCRIPT = [Path(__file__).with_name(name) for name in ("plotly_view.js", "plotly_enclose.js")]  # in one scope

TEMPLATE = """<div style="position:relative">
<div class="plotly-view-host" style="height:{height}px;width:100%"></div>
<div class="plotly-view-outline" aria-hidden="true" hidden><svg><path/></svg><span></span></div>
<div class="plotly-view-hint" style="display:none"><img alt=""><span></span></div>
<div class="plotly-view-save" style="display:{save}">
<button class="plotly-view-png" title="Save this figure as PNG">PNG</button> ·
<button class="plotly-view-svg" title="Save this figure as SVG">SVG</button> ·
<button class="plotly-view-csv" title="Save the numbers of this figure as CSV">CSV</button></div></div>"""


class PlotlyView(gr.HTML):
    """`value` is a plotly Figure, a dict of its data and layout, the JSON of either, or None; events: see above."""

    def __init__(self, value: Any = None, *, height: int = 420, save: bool = True, **kwargs: Any) -> None:
        if not is_static_file(PLOTLY_JS):  # each update makes the component anew
            gr.set_static_paths([PLOTLY_JS])
        properties = {"highlight": "", "line_x": None, "plotly_js": quote(str(PLOTLY_JS))} | kwargs
        super().__init__(
            value=value,
            html_template=TEMPLATE.format(height=height, save="block" if save else "none"),
            js_on_load="".join(part.read_text(encoding="utf-8") for part in JAVASCRIPT),
            apply_default_css=False,
            **properties,
        )

    def postprocess(self, value: go.Figure | dict | str | None) -> str | None:
        """The figure as JSON."""
        if isinstance(value, dict):
            return to_json_plotly(value)
        return value if value is None or isinstance(value, str) else value.to_json()

    def api_info(self) -> dict[str, str]:
        """How the value looks to API clients."""
        return {"type": "string", "description": "Plotly figure as JSON"}
