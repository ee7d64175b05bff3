"""What the Verify tab shows of a comparison: decision in words, crops, score axis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from demo.common.at_once import AT_WORK, large_alone
from demo.common.notices import in_markdown
from demo.verify.head_svg import heads_svg
from demo.verify.photo_html import crops_html
from demo.verify.photos import Seen
from demo.verify.score_axis import score_axis
from demo.verify.surface_map import surface_map
from sfpn.network.card import Card
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.schema import POOLED, PosePair, pose_pair
from sfpn.verification.decision import (
    DEFAULT_FMR,
    SURFACE,
    DecisionRule,
    histogram_of,
    rule_at_threshold,
    rule_for_fmr,
)
from sfpn.verification.verifier import Comparison, Verifier
from sfpn.verification.what_next import NextPhoto, what_next
from sfpn.verification.wording import (
    error_rates,
    explanation,
    headline,
    judgement,
    next_records,
    next_words,
    pair_words,
    provenance,
    record,
    square_words,
)

ICONS = {"match": "✓", "uncertain": "?", "no match": "✗"}
WAITING = '<div class="verdict waiting"><p>The result appears here as soon as both sides have a photo.</p></div>'


@dataclass(frozen=True)
class Result:
    """What stays of a comparison in the page's session: no photo."""

    model: str
    score: float
    pose_pair: PosePair
    crops: str  # HTML
    seconds: float
    record: dict  # as it was judged first
    yaws_degrees: tuple[float, float] | None = None  # |yaw| of both sides
    heads: str = ""  # HTML
    poses: tuple[dict[str, int], dict[str, int]] = field(default_factory=lambda: ({}, {}))  # photos by pose, of a side

    def what_next(self, card: Card, rule: DecisionRule) -> tuple[NextPhoto, ...]:
        """Further photos that would help, judged by this rule."""
        return what_next(card, self.poses, rule, self.score)

    def as_json(self, card: Card, rule: DecisionRule) -> dict:
        """The comparison as plain JSON values, judged by this rule."""
        return self.record | judgement(rule, self.score) | {"what_next": next_records(self.what_next(card, rule))}


def compare_photos(
    models: Mapping[str, Embedder], detector: FaceDetector, first: Seen, second: Seen, model: str, fmr: float | None
) -> Comparison:
    """Compare the photos of both sides at a target FMR, the usual one where that is None. Raises UserError.

    Done once for all who compare the same at that moment.
    """
    target = DEFAULT_FMR if fmr is None else fmr

    def make() -> Comparison:
        with large_alone(max(photo.pixels_to_decode(models[model].preprocess) for photo in (*first, *second))):
            one, other = ([photo.shot() for photo in side] for side in (first, second))
            return Verifier(models[model], detector).compare(one, other, target)

    contents = (tuple(photo.content for photo in side) for side in (first, second))
    return AT_WORK.share(("compare", id(models[model]), target, *contents), make)


def summarize(model: str, comparison: Comparison) -> Result:
    """What the page keeps."""
    return Result(
        model=model,
        score=comparison.score,
        pose_pair=comparison.pose_pair,
        crops=crops_html(comparison.sides),
        seconds=comparison.seconds,
        record=record(comparison),
        yaws_degrees=(comparison.sides[0].yaw_degrees, comparison.sides[1].yaw_degrees),
        heads=heads_svg(comparison.sides),
        poses=(comparison.sides[0].poses, comparison.sides[1].poses),
    )


def has_thresholds(card: Card) -> bool:
    """Whether the card says which score is enough: nothing can be decided without."""
    return bool(card.operating_points or card.surface)


def score_photos(
    models: Mapping[str, Embedder], detector: FaceDetector, first: Seen, second: Seen, model: str
) -> Result:
    """The score of both sides where there are no thresholds. Raises UserError."""
    started = time.perf_counter()
    verifier = Verifier(models[model], detector)
    sides, score = verifier.score([photo.shot() for photo in first], [photo.shot() for photo in second])
    pair = pose_pair(sides[0].pose, sides[1].pose)
    return Result(
        model=model,
        score=score,
        pose_pair=pair,
        crops=crops_html(sides),
        seconds=time.perf_counter() - started,
        record={"model": models[model].name, "score": round(score, 6), "pose_pair": list(pair), "decision": None},
        heads=heads_svg(sides),
    )


def score_html(result: Result) -> str:
    """The score, and that nothing is decided."""
    score = f"{result.score:.3f}".replace("-", "−")
    return (
        f'<section class="verdict undecided" aria-live="polite"><h2>Score {score}</h2>'
        "<p>This model has no thresholds yet, so that nothing says which score is enough: its card gets them from "
        "<code>python -m sfpn calibrate</code>.</p>"
        f'<p class="quiet">A cosine, from −1 to 1: higher means more alike. A pair of {pair_words(result.pose_pair)} '
        "faces.</p></section>"
    )


def rule_of(card: Card, result: Result, fmr: float | None, threshold: float) -> DecisionRule:
    """The frozen operating point for a target FMR, or any threshold where that is None. Raises UserError."""
    if fmr is None:
        return rule_at_threshold(card, result.pose_pair, threshold, result.yaws_degrees)
    return rule_for_fmr(card, result.pose_pair, fmr, result.yaws_degrees)


def verdict_html(card: Card, result: Result, rule: DecisionRule) -> str:
    """The decision in words, with its error rates, where they come from, and which further photo would help."""
    decision = rule.decide(result.score)
    advice = next_words(result.what_next(card, rule), ("person A", "person B"))
    return (
        f'<section class="verdict {decision.replace(" ", "-")}" aria-live="polite">'
        f"<h2>{ICONS[decision]} {headline(decision)}</h2>"
        f"<p>{escape(explanation(rule, result.score))}</p>"
        f"<p>{escape(error_rates(rule.point))}</p>"
        f'<p class="quiet">Judged as a pair of {pair_words(rule.pose_pair)} faces. {escape(provenance(rule))}</p>'
        + (f'<p class="what-next"><b>What to add next:</b> {escape(advice)}</p>' if advice else "")
        + "</section>"
    )


def axis_figure(card: Card, result: Result, rule: DecisionRule) -> dict:
    """The score over the histograms that its rates are counted in. Raises UserError if the card has none."""
    _, histogram = histogram_of(card, rule)
    return score_axis(histogram, result.score, rule.point.threshold, rule.uncertain_from)


def axis_title(card: Card, rule: DecisionRule) -> str:
    """Which scores the figure shows, and of how many pairs, as HTML. Raises UserError if the card has none."""
    scores_of, histogram = histogram_of(card, rule)
    title, words = "The score among scores of pairs posed like these", square_words(rule)
    if scores_of != SURFACE:
        title = "The score among scores of the same pose pair"
        words = "pairs of all poses" if scores_of == POOLED else f"pairs of {pair_words(rule.pose_pair)} faces"
        if rule.scores_of == SURFACE:
            words += "; this model's card has no scores by angle, so the rates above are not counted in this figure"
    counts = f"{sum(histogram.impostor):,} pairs of strangers, {sum(histogram.genuine):,} of one person"
    return f'<p class="section-title">{title}</p><p class="quiet">{counts}: {escape(words)}.</p>'


def poses_html(card: Card, result: Result, rule: DecisionRule) -> str:
    """How both heads are turned, and where that lies on the card's surface."""
    return result.heads + surface_map(card.surface, rule)


def threshold_range(card: Card, rule: DecisionRule) -> tuple[float, float, float]:
    """(lowest, highest, step) of a threshold slider: the filled part of the histogram, in whole bins."""
    _, histogram = histogram_of(card, rule)
    edges = histogram.edges
    filled = [i for i, counts in enumerate(zip(histogram.genuine, histogram.impostor, strict=True)) if any(counts)]
    first, last = (filled[0], filled[-1]) if filled else (0, len(edges) - 2)
    low, high, step = edges[first], edges[last + 1], edges[1] - edges[0]
    return round(float(low), 6), round(float(high), 6), round(float(step), 6)


def model_markdown(card: Card, backend: str, seconds: float | None = None) -> str:
    """The model in a few lines, how long it took, and what computed it (the embedder's `backend`)."""
    size = f"{card.parameters:,} parameters" if card.parameters else "number of parameters not stated"
    lines = [
        f"**{in_markdown(card.title)}**: {size}.",
        f"Trained on {in_markdown(_trained_on(card))}. "
        f"Licence: {in_markdown(card.licence)}. {in_markdown(card.limits)}",
        f"Weights SHA-256 <code>{in_markdown(card.weights_sha256[:16])}…</code>",
    ]
    took = "" if seconds is None else f"Crops, embeddings and score took {1000 * seconds:.0f} ms. "
    lines.insert(1, f"{took}Computed by {in_markdown(backend)}.")
    return "\n\n".join(lines)


def _trained_on(card: Card) -> str:
    titles = [str(dataset["title"]) for dataset in card.training.get("datasets", ())]
    return card.training.get("data") or ", ".join(titles) or "data not stated"
