"""Box and lasso on the map of embeddings: what is said at once, before the server is asked, is what it then says."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.clicks import place
from helpers.the_map import FILLED, MAP, box_of_half, chosen, draw_outline, show_profiles

FREE = f"""(() => {{ const {{xaxis: {{range: [left, right]}}, yaxis: {{range: [low, high]}}}} = {MAP}._fullLayout;
  return [left + .02 * (right - left), low + .02 * (high - low)]; }})()"""  # a corner without points
SAID = "(document.querySelector('#lasso-words')?.innerText.trim() ?? '')"
COMING = "document.querySelector('#lasso-words .coming')"
ASKED = "**/queue/join*"
LABEL = """(() => { // what is seen to be said at the outline, and whether all of it lies inside the axes
  const label = document.querySelector('#map .plotly-view-outline span'), box = label.getBoundingClientRect();
  const axes = document.querySelector('#map .nsewdrag').getBoundingClientRect();
  const inside = box.left >= axes.left && box.right <= axes.right && box.top >= axes.top && box.bottom <= axes.bottom;
  return label.checkVisibility({visibilityProperty: true}) ? [label.innerText, inside] : null; })()"""

at_a_desk = pytest.mark.parametrize("visit", ["desk"], indirect=True)  # where both sizes run the same code, one will do


@pytest.fixture
def steady_map(the_map):
    """The same, once what is below the map has come, and moves it no more."""
    the_map.wait_for_timeout(1000)
    return the_map


def outlines(page) -> dict[str, list[tuple[float, float]]]:
    """A box around half of the points, and a lasso that crosses itself: the middle of a star is outside it."""
    left, right, low, high = box_of_half(page)
    width, height = right - left, high - low
    star = [(0.5, 0.99), (0.8, 0.02), (0.01, 0.62), (0.99, 0.62), (0.2, 0.02)]
    return {
        "select": [(left, low), (left, high), (right, high), (right, low)],
        "lasso": [(left + 1.5 * width * x, low + height * y) for x, y in star],
    }


def words_of(row_ids: list[str], positions: list[int]) -> str:
    """What is said of the rows at these positions, counted from their names."""
    identities = {row_ids[position].rsplit("-", 2)[0] for position in positions}
    images, people = "image" if len(positions) == 1 else "images", "identity" if len(identities) == 1 else "identities"
    return f"{len(positions):,} {images} of {len(identities):,} {people} chosen"


def said_at_once_and_then(page, act) -> tuple[str, str]:
    """What the page says while the server has not been asked, and once it has answered."""
    held, released = [], []
    page.route(ASKED, lambda route: route.continue_() if released else held.append(route))
    act()
    page.wait_for_function(f"() => {COMING}")
    at_once = page.evaluate(SAID)
    assert page.locator("#lasso-csv").evaluate("button => getComputedStyle(button).pointerEvents") == "none"
    released.append(True)
    for route in held:
        route.continue_()
    page.wait_for_function(f"() => !{COMING}")
    return at_once, page.evaluate(SAID)


@pytest.mark.parametrize("tool", ["select", "lasso"])
def test_what_is_said_at_once_is_what_the_server_says(steady_map, row_ids, tool):
    page = steady_map
    outline = outlines(page)[tool]
    inside = page.evaluate(FILLED, outline)
    assert 5 < len(inside) < 80
    at_once, then = said_at_once_and_then(page, lambda: draw_outline(page, tool, outline))
    assert at_once == then == words_of(row_ids, inside)
    page.wait_for_function("n => document.querySelectorAll('#lasso-grid button').length === n", arg=len(inside))
    assert chosen(page) == {row_ids[position] for position in inside}
    assert page.evaluate(LABEL) == [then.removesuffix(" chosen"), True]
    page.wait_for_function(
        f"inside => {MAP}._fullData.every(t => t.selectedpoints?.length === "
        "[...t.meta.positions].filter(p => inside.includes(p)).length)",
        arg=inside,
    )


@at_a_desk
def test_one_point_is_one_image_of_one_identity(steady_map, row_ids):
    page = steady_map
    points = np.array(page.evaluate(f"{MAP}._fullData.flatMap(t => [...t.x].map((x, i) => [x, t.y[i]]))"))
    apart = np.abs(points[:, None] - points).max(2) + np.where(np.eye(len(points)), np.inf, 0)
    loneliest = apart.min(1).argmax()
    half = min(apart[loneliest].min() / 2, np.ptp(points, axis=0).min() / 40)  # inside the axes
    (left, low), (right, high) = ((points[loneliest] + sign * half).tolist() for sign in (-1, 1))
    outline = [(left, low), (left, high), (right, high), (right, low)]
    inside = page.evaluate(FILLED, outline)
    at_once, then = said_at_once_and_then(page, lambda: draw_outline(page, "select", outline))
    assert at_once == then == words_of(row_ids, inside) == "1 image of 1 identity chosen"


@at_a_desk
def test_points_that_are_hidden_are_not_chosen(steady_map, row_ids):
    page = steady_map
    outline = outlines(page)["select"]
    before = page.evaluate(FILLED, outline)
    page.locator("#map .legendtoggle").first.dispatch_event("mousedown")
    page.locator("#map .legendtoggle").first.dispatch_event("mouseup")
    page.wait_for_function(f"{MAP}._fullData[0].visible === 'legendonly'")
    inside = page.evaluate(FILLED, outline)
    assert 0 < len(inside) < len(before)
    at_once, then = said_at_once_and_then(page, lambda: draw_outline(page, "select", outline))
    assert at_once == then == words_of(row_ids, inside)


@at_a_desk
def test_a_box_on_the_map_of_a_filter_chooses_dimmed_points_too(visit, row_ids):
    page = visit()
    show_profiles(page)
    page.wait_for_function(f"{MAP}?._fullData?.every(t => t.selectedpoints)")
    outline = outlines(page)["select"]
    inside = page.evaluate(FILLED, outline)
    at_once, then = said_at_once_and_then(page, lambda: draw_outline(page, "select", outline))
    assert at_once == then == words_of(row_ids, inside)
    page.wait_for_function("n => document.querySelectorAll('#lasso-grid button').length === n", arg=len(inside))


@at_a_desk
def test_a_box_around_nothing_a_double_click_and_the_button_clear_the_selection(steady_map):
    page = steady_map
    left, right, low, high = box_of_half(page)
    half = [(left, low), (left, high), (right, high), (right, low)]
    x, y = page.evaluate(FREE)
    corner = [(x, y), (x, y + 0.02 * (high - low)), (x + 0.02 * (right - left), y + 0.02 * (high - low))]
    assert page.evaluate(FILLED, corner) == []

    def double_click() -> None:
        page.mouse.dblclick(*place(page, "#map", x, y))

    for clear in (lambda: draw_outline(page, "select", corner), double_click, lambda: page.click("#lasso-clear")):
        draw_outline(page, "select", half)
        page.wait_for_selector("#lasso-grid button")
        page.wait_for_function(f"() => {MAP}._fullData.some(t => t.selectedpoints) && {LABEL}")
        clear()
        page.wait_for_selector("#lasso-grid button", state="detached")
        page.wait_for_function(
            f"() => {SAID} === '' && !document.querySelector('#lasso-clear')?.offsetParent && !{LABEL}"
        )
        page.wait_for_function(f"() => !{MAP}._fullData.some(t => t.selectedpoints)")


@at_a_desk
@pytest.mark.parametrize("tool", ["select", "lasso"])
def test_a_click_with_the_box_or_lasso_opens_the_sample(steady_map, row_ids, tool):
    page = steady_map
    page.locator(f"#map .modebar-btn[data-val={tool}]").dispatch_event("click")
    x, y = place(page, "#map", *page.evaluate(f"[{MAP}._fullData[1].x[3], {MAP}._fullData[1].y[3]]"))
    page.mouse.move(x - 1, y)
    page.mouse.move(x, y)
    page.wait_for_function(f"{MAP}._hoverdata?.length")
    at = page.evaluate(f"(p => p.data.meta.positions[p.pointNumber])({MAP}._hoverdata[0])")
    page.mouse.click(x, y)
    page.wait_for_selector("#sample td")
    assert page.locator("#sample td").first.inner_text() == row_ids[at]
    assert page.locator("#lasso-grid button").count() == 0


def test_a_finger_draws_a_box_too(steady_map, row_ids):
    page = steady_map
    page.locator("#map .modebar-btn[data-val=select]").dispatch_event("click")
    outline = outlines(page)["select"]
    start, stop = (place(page, "#map", *outline[corner]) for corner in (0, 2))
    inside = page.evaluate(FILLED, outline)
    scrolled = page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def dispatch(kind: str, *places: tuple[float, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]})

    def finger() -> None:
        dispatch("touchStart", start)
        for part in (0.3, 0.6, 1):
            dispatch("touchMove", (start[0] + part * (stop[0] - start[0]), start[1] + part * (stop[1] - start[1])))
        dispatch("touchEnd")

    at_once, then = said_at_once_and_then(page, finger)
    assert at_once == then == words_of(row_ids, inside) and page.evaluate("scrollY") == scrolled


@at_a_desk
def test_what_the_server_refuses_is_not_said_any_more(steady_map):
    page = steady_map

    def of_another_dataset(route) -> None:
        asked = route.request.post_data_json
        if (asked.get("event_data") or {}).get("chosen"):
            asked["event_data"]["of"] = "f" * 12
        route.continue_(post_data=asked)

    page.route(ASKED, of_another_dataset)
    draw_outline(page, "select", outlines(page)["select"])
    page.get_by_text("reload it").first.wait_for()
    page.wait_for_function(f"() => {SAID} === ''")
