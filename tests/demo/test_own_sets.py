"""Sets of visitors: whose they are, what they may take, and that nothing of them stays once their visitor has gone."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest
from helpers.drawn_people import drawn
from helpers.evaluation_data import write_dataset
from helpers.small_models import save_random_model
from helpers.visiting import Visitor, handler_of
from helpers.waiting import wait_for

import app
from demo.common.gate import Gate
from demo.common.handlers import bound
from demo.common.own_sets import OwnSet, Rules, Sets
from demo.common.pictures import file_address
from demo.common.visitor import COOKIE
from demo.explore.check import Checked, decide
from demo.open_set.ledger_html import ledger_html
from demo.open_set.steps import EMBEDDING, FACES, Clock
from sfpn.data.dataset import FaceDataset
from sfpn.data.decisions import Decision
from sfpn.errors import UserError
from sfpn.evaluation.checks.finding import Finding


def zipped(people: dict[str, int]) -> bytes:
    """A ZIP with two poses of drawn people, by the names they get."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for name, number in people.items():
            for pose in ("frontal", "profile"):
                archive.writestr(f"{name}/{pose}.png", drawn(pose, number))
        archive.writestr("notes <b>.txt", "x")
    return stored.getvalue()


def asking(session: str, visitor: str = "", host: str = "1.2.3.4") -> gr.Request:
    """What a handler gets as the request."""
    request = SimpleNamespace(session_hash=session, cookies={COOKIE: visitor}, client=SimpleNamespace(host=host))
    return request  # type: ignore[return-value]


@pytest.fixture
def sets(tmp_path, monkeypatch) -> Sets:
    """Sets whose builder writes a drawn dataset."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    source = write_dataset(tmp_path / "source")

    def build(upload, title, out, seen, progress, columns):
        progress(1, 2)
        for picture in FaceDataset.open(source).pictures(set(FaceDataset.open(source).rows()["row_id"][:3])):
            seen(picture.row_id, picture.encoded)
        shutil.copytree(source, out)

    return Sets(None, {}, {}, Rules(build, lambda *_: None, 1_000_000, 10, 4))


def opened(sets: Sets, session: str, visitor: str = "", host: str = "1.2.3.4") -> OwnSet:
    own = sets.begin(asking(session, visitor, host), f"{session}.zip")
    sets.make(own, None, "", lambda *_: None)
    return own


def test_a_handler_gets_the_set_of_whoever_asks(sets):
    first, second = opened(sets, "one"), opened(sets, "two")

    def name(store) -> Path:
        return store.view.dataset.folder

    ask = bound(name, sets.store)
    assert ask(asking("one")) == first.dataset and ask(asking("two")) == second.dataset
    assert bound(lambda own: own, sets.own)(asking("three")) is None


def test_reports_of_a_set_are_seen_by_its_owner_alone(sets):
    opened(sets, "one")
    sets.reports_of(asking("one"))["mine"] = "report"  # type: ignore[assignment]
    sets.reports_of(asking("two"))["ours"] = "report"  # type: ignore[assignment]
    assert sorted(sets.reports_of(asking("one"))) == ["mine", "ours"] and list(sets.reports_of(asking("two"))) == [
        "ours"
    ]
    with pytest.raises(gr.Error):
        sets.reports_of(asking("two"))["mine"]


def test_pictures_are_served_to_their_browser_alone_and_nothing_else_is(sets, tmp_path):
    mine, theirs = "m" * 43, "t" * 43
    own = opened(sets, "one", mine)
    opened(sets, "two", theirs)
    picture = next(own.pictures.glob("*.jpg"))
    assert sets.may_read(str(picture), mine)
    for visitor in (theirs, "", mine[:-1]):
        assert not sets.may_read(str(picture), visitor)
    data = next(own.dataset.glob("*.parquet"))
    root = own.pictures.parent.parent
    tricks = (
        data,
        root,
        own.pictures,
        own.pictures / ".." / picture.parent.name,
        f"{own.pictures}/../../sets/{own.folder.name}",
    )
    for path in (
        *map(str, tricks),
        f"{root}//pictures/./x/../{'y' * 32}/a.jpg",
        str(root / "pictures" / "x" / "a.jpg"),
    ):
        assert not sets.may_read(path, mine)
    (tmp_path / "link").symlink_to(picture)
    assert not sets.may_read(str(tmp_path / "link"), theirs)
    assert sets.may_read("/elsewhere/a.jpg", "") and sets.may_read("\0", "")


def test_nothing_is_left_of_a_closed_set(sets):
    own = opened(sets, "one", "m" * 43)
    picture = next(own.pictures.glob("*.jpg"))
    assert sets.close("one") and not own.folder.exists() and not own.pictures.exists()
    assert sets.own_of(asking("one")) is None and not sets.may_read(str(picture), "m" * 43)
    own.dataset.mkdir(parents=True)  # what work that ended late writes
    sets.close("two")
    assert not own.folder.exists()


def test_a_new_set_takes_the_place_of_the_old_one_only_when_it_is_made(sets):
    old = opened(sets, "one")
    failing = sets.begin(asking("one"), "new.zip")
    with pytest.raises(ZeroDivisionError):
        sets.make(failing, None, "", lambda *_: 1 // 0)
    assert sets.own_of(asking("one")) is old and old.dataset.is_dir() and not failing.folder.exists()
    new = opened(sets, "one")
    assert sets.own_of(asking("one")) is new and not old.folder.exists()


def test_a_session_that_ends_while_its_set_is_made_leaves_nothing(sets):
    own = sets.begin(asking("one"), "a.zip")
    with pytest.raises(UserError):
        sets.make(own, None, "", lambda *_: sets.close("one") and None)
    assert not own.folder.exists() and not own.pictures.exists() and sets.own_of(asking("one")) is None


def test_sets_are_bounded_in_all_and_for_one_address(sets):
    for number in range(3):
        opened(sets, f"of one {number}")
    with pytest.raises(UserError, match="Busy"):
        sets.begin(asking("of one 3"), "a.zip")
    sets.begin(asking("of one 1"), "a.zip")  # in place of its own
    opened(sets, "other", host="5.6.7.8")
    with pytest.raises(UserError, match="Busy"):
        sets.begin(asking("third", host="9.9.9.9"), "a.zip")
    with pytest.raises(UserError, match="Reload"):
        sets.begin(asking(""), "a.zip")


def test_sets_of_pages_that_were_left_give_way_the_one_first_left_first(sets):
    own = [opened(sets, f"of one {number}") for number in range(3)]
    for number in (1, 0):
        sets.page_left(f"of one {number}")
    assert own[1].dataset.is_dir()  # while nobody needs the place
    sets.begin(asking("of one 3"), "a.zip")
    assert not own[1].folder.exists() and sets.own_of(asking("of one 0")) is own[0]
    sets.page_came("of one 0")  # its connection was broken
    opened(sets, "other", host="5.6.7.8")
    for session, host in (("of one 4", "1.2.3.4"), ("third", "9.9.9.9")):
        with pytest.raises(UserError, match="Busy"):
            sets.begin(asking(session, host=host), "a.zip")
    assert own[0].dataset.is_dir() and own[2].dataset.is_dir()
    sets.page_left("of one 2")
    sets.begin(asking("third", host="9.9.9.9"), "a.zip")
    assert not own[2].folder.exists() and own[0].dataset.is_dir()


def test_a_set_that_is_made_gives_way_too_and_a_page_without_a_set_is_not_remembered(sets):
    making = sets.begin(asking("one"), "a.zip")
    for session in ("one", "without a set"):
        sets.page_left(session)
    assert list(sets._left) == ["one"]
    for number in range(3):
        opened(sets, f"of one {number}")
    assert making.closed and not making.folder.exists() and not sets._left


def test_all_goes_with_the_app(sets):
    own = opened(sets, "one")
    root = own.folder.parent.parent
    assert root.stat().st_mode & 0o077 == 0
    sets.close_all()
    assert not root.exists()


def test_one_bar_over_all_stages_with_the_time_left():
    clock = Clock(began=time.monotonic() - 10)
    words, half, _ = clock.bar(FACES, 50, 100)
    assert "finding faces, 50 of 100 files, about" in words and "left" in words
    assert half < clock.bar(FACES, 100, 100)[1] == clock.bar(EMBEDDING, 0, 100)[1] < clock.bar(EMBEDDING, 100, 100)[1]
    assert clock.bar("starting", 0, 0) == ("starting", 0, 0)


def test_the_ledger_is_text():
    line = {"path": "<img src=x>", "row_id": "", "step": "source", "status": "dropped", "reason": "<b>why</b>"}
    html = ledger_html([line])
    assert "<img" not in html and "<b>why" not in html and "left out" in html


def test_decisions_that_contradict_each_other_are_not_taken():
    suggestions = (
        Decision("same_person", identity="a", new_identity="b"),
        Decision("same_person", identity="b", new_identity="a"),
    )
    checked = Checked(
        (
            Finding("same_person", (), 1.0, "alike", suggestions[:1]),
            Finding("same_person", (), 1.0, "", suggestions[1:]),
        )
    )
    store = SimpleNamespace(view=NoPictures())

    def click(state: Checked, *index: str) -> Checked:
        after = decide(store, state, "same_person", 1, gr.EventData(None, {"index": list(index)}))[0]  # type: ignore[arg-type]
        return after if isinstance(after, Checked) else state

    first = click(checked, "decide", "0", "0")
    assert [d.why for d in first.decisions] == ["alike"] and click(first, "decide", "1", "0") == first
    assert click(first, "decide", "0", "0").decisions == []
    for hostile in (
        ("decide", "9", "0"),
        ("decide", "0", "7"),
        ("decide", "-1", "0"),
        ("decide", "x", "y"),
        ("sample", "../x"),
    ):
        with pytest.raises(gr.Error):
            click(first, *hostile)


class NoPictures(dict):
    """A view without rows."""


# over HTTP


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[gr.Blocks, str]]:
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        save_random_model(folder / "random.safetensors")
        arguments = ["--model", str(folder / "random.safetensors"), "--dataset", str(write_dataset(folder / "data"))]
        page = app.build(app.load(app.parse(arguments)))
        page.queue(**app.queue_settings())
        _, address, _ = page.launch(**app.launch_settings(), prevent_thread_lock=True, quiet=True)
        yield page, address
        page.close()
        page.own_sets.close_all()  # type: ignore[attr-defined]


def bring(address: str, visitor: Visitor, content: bytes, name: str) -> dict:
    """Open a set as the page does; the last message."""
    handler = handler_of(httpx.get(f"{address}config").json(), "own-file", "upload")
    return visitor.ask(handler["id"], [visitor.upload(content, name), ""])


def test_two_visitors_with_two_sets(running):
    page, address = running
    visitors = [Visitor(address), Visitor(address)]
    for visitor, people in zip(visitors, ({"ann": 1, "bo": 2}, {"cy": 3, "di": 4}), strict=True):
        visitor.open()
        assert bring(address, visitor, zipped(people), f"{'-'.join(people)}.zip")["success"]
    opened_sets = list(page.own_sets._open.values())  # type: ignore[attr-defined]
    assert [sorted(set(own.store.view.rows["identity"])) for own in opened_sets] == [["ann", "bo"], ["cy", "di"]]
    addresses = [own.store.view.address(own.store.view.rows.index[0]) for own in opened_sets]
    for own in opened_sets:
        for file in own.pictures.glob("*.jpg"):  # it is made again when it is asked for
            file.unlink()
    for number, visitor in enumerate(visitors):
        assert [visitor.get(path).status_code for path in addresses] == [200 if number == i else 403 for i in (0, 1)]
    stranger = Visitor(address)
    stranger.open()
    stolen = Visitor(address, session=visitors[0].session, client=stranger.client)  # the id of a page, not its cookie
    handler = handler_of(httpx.get(f"{address}config").json(), "own-take", "click")
    for visitor, name in zip(visitors, ("ann-bo", "cy-di"), strict=True):
        assert f"{name}.zip" in str(visitor.ask(handler["id"], [])["output"])
    assert "no set of yours" in str(stolen.ask(handler["id"], [])["output"])
    assert stranger.get(addresses[0]).status_code == 403
    parquet = next(opened_sets[0].dataset.glob("*.parquet"))
    assert all(visitor.get(file_address(parquet)).status_code == 403 for visitor in [*visitors, stranger])
    session = opened_sets[0].session
    wait_for(gate_of(page).sessions.forget(page.app, session))
    assert not opened_sets[0].folder.exists() and visitors[0].get(addresses[0]).status_code == 403
    assert visitors[1].get(addresses[1]).status_code == 200


def gate_of(page: gr.Blocks) -> Gate:
    layer = page.app.middleware_stack
    while not isinstance(layer, Gate):
        layer = layer.app  # type: ignore[union-attr]
    return layer


def test_what_cannot_be_opened_is_said_in_one_sentence_and_leaves_nothing(running):
    page, address = running
    visitor = Visitor(address)
    visitor.open()
    for content, name, words in (
        (b"PK\x03\x04" + bytes(50), "a.zip", "a.zip is not a ZIP"),
        (drawn("frontal"), "a.png", "neither a ZIP nor a Parquet"),
        (zipped({}), "<b>.zip", "holds no identity/image.jpg"),
    ):
        answer = str(bring(address, visitor, content, name)["output"])
        assert words in answer and "<b>.zip" not in answer and "/tmp" not in answer
    root = page.own_sets._root  # type: ignore[attr-defined]
    known = {own.folder.name for own in page.own_sets._open.values()}  # type: ignore[attr-defined]
    assert {file.name for file in root.glob("*/*")} == known


def test_options_bound_what_visitors_may_bring():
    assert app.parse([]).own_set == (5000, 500_000_000) and app.parse(["--public"]).own_set == (500, 100_000_000)
    assert app.parse(["--own-photos", "0"]).own_set == (0, 0) and app.set_rules(app.parse(["--own-mb", "0"])) is None
    assert app.rules(app.parse(["--own-mb", "900"])).upload_bytes == 901_000_000
    assert not app.set_rules(app.parse(["--public"])).parquet and app.set_rules(app.parse(["--own-hub"])).hub
