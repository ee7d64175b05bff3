"""What was measured to find a model's preprocessing, as a table, with how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from demo.common.words import percent
from sfpn.evaluation.preprocess_search import Tried, doubts, in_words

SHOWN = 8  # settings


def evidence_html(tried: Sequence[Tried], title: str) -> str:
    """The best settings, best first; `title` is of the set that they were tried on. Raises UserError as `doubts`."""
    best = tried[0]
    words = doubts(tried)
    more = f", and {len(tried) - SHOWN} more that were worse" if len(tried) > SHOWN else ""
    rows = "".join(_row(number, each) for number, each in enumerate(tried[:SHOWN]))
    return (
        f'<h3 class="section-title">Measured <small>on {escape(title)}: {best.genuine:,} genuine and '
        f"{best.impostor:,} impostor pairs{more}</small></h3>"
        '<div class="wide"><table class="data evidence"><thead><tr><th>preprocessing</th><th>EER</th>'
        '<th><abbr title="separation of genuine and impostor scores, in standard deviations">d′</abbr></th>'
        '<th><abbr title="best in resamples of the people">best</abbr></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p role="status">{escape(words)}</p>'
        '<p class="quiet">Evidence for a choice, no measure of the model: the faces are few. The first setting is '
        "filled in; change it if you know better.</p>"
    )


def _row(number: int, each: Tried) -> str:
    d_prime = "–" if math.isnan(each.d_prime) else f"{each.d_prime:.2f}"
    eer = "–" if math.isnan(each.eer) else percent(each.eer)
    cells = (in_words(each.preprocess).replace("-", "−"), eer, d_prime, f"{100 * each.best_share:.0f} %")
    kind = ' class="best"' if not number else ""
    return f"<tr{kind}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
