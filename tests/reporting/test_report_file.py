"""The file that carries a report away: its numbers are those of report.json, and it asks nobody for anything."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from helpers.evaluation_data import write_dataset
from helpers.explorer_data import make_report
from helpers.paths import ROOT

from sfpn.__main__ import main
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation.report import Report
from sfpn.reporting.markdown import markdown, results_of
from sfpn.reporting.page import LARGEST, html
from sfpn.reporting.write import write_report
from sfpn.schema import pair_from_key, pair_label

BUNDLED = ROOT / "demo" / "assets" / "reports"
HOSTILE = "<img src=http://evil.test/x onerror=alert(1)>\"'&|`**[a](javascript:b)"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return make_report(folder), make_report(folder, blur=0.8)


def words_of(page: str) -> str:
    """What a reader sees, in one line."""
    inside = re.sub(r"<(style|title)>.*?</\1>", " ", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", inside)).split())


@pytest.mark.parametrize("name", sorted(path.name for path in BUNDLED.iterdir()))
def test_every_number_of_the_matrix_is_that_of_the_json(name):
    stored = json.loads((BUNDLED / name / "report.json").read_text())
    page, text = (make([Report.load(BUNDLED / name)], "again") for make in (html, markdown))
    seen = words_of(page)
    for cell in stored["cells"]:
        if cell["fold"] is not None or not cell["pose_pair"] or cell["pose_pair"] == "pooled":
            continue
        rates = cell["treatments"]["whole_image"]
        for words in (
            pair_label(pair_from_key(cell["pose_pair"])),
            f"{100 * rates['eer']:.2f} [{100 * rates['eer_low']:.1f}, {100 * rates['eer_high']:.1f}]",
            f"{rates['genuine']:,}",
            f"{rates['impostor']:,}",
            *(f"{100 * p['fnmr']:.2f}" for p in rates["operating_points"] if p["supported"]),
        ):
            assert words in seen and words in unescape(text), words
    header = stored["header"]
    for words in (header["command"] or "", header["weights_sha256"], header["dataset_fingerprint"], header["date"]):
        assert words in seen and words in unescape(text)
    assert len(page) < LARGEST and "worst pose pair" in seen or "one image" in seen or "template" in name


def test_who_fails_leak_and_failures_are_in_it(reports):
    seen = words_of(html(reports[:1], "again"))
    cell = reports[0].cell("frontal-profile")
    for person in cell.who_fails.impostor.worst:
        assert f"{person.identity} {person.errors:,}/{person.comparisons:,}" in seen
    share = reports[0].pose_leak[0].shares["profile"]
    assert f"{100 * share.same_pose:.2f} [{100 * share.low:.1f}, {100 * share.high:.1f}]" in seen
    for pose, counts in reports[0].header["acquisition"].items():
        assert f"{counts['images']:,} {counts['failures']}" in seen, pose
    assert "Error by yaw and pitch" in seen and html(reports[:1], "again").count("<svg") > 15


def test_two_models_are_compared_as_the_command_does(reports):
    seen = words_of(html(reports, "again"))
    for found in reports[0].compare(reports[1]):
        if found.pose_pair and found.fold is None and found.difference is not None:
            numbers = (found.difference, found.low, found.high)
            assert "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * number for number in numbers)) in seen
    other = replace(reports[1], header=reports[1].header | {"seed": 9})
    assert "There is no paired difference" in words_of(html([reports[0], other], "again"))


class Addresses(HTMLParser):
    """Whatever a browser would ask for or a click would open, and code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        self.found += [f"<{tag}>"] if tag in ("script", "link", "iframe", "object", "a") else []
        self.found += [name for name in given if name.startswith("on")]
        self.found += [
            given[name] for name in ("src", "href", "xlink:href", "style", "data", "poster") if name in given
        ]


def outside(page: str) -> list[str]:
    """What the file asks for beside the pictures that it holds."""
    found = [each for each in Addresses(page).found if not each.startswith("data:image/jpeg;base64,")]
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    return found + re.findall(r"url\(|@import", style)


def test_it_is_one_file_that_asks_for_nothing(reports):
    for page in (html(reports, "again"), html(reports[:1], "again")):
        assert outside(page) == [] and "default-src 'none'" in page


def hostile(report: Report) -> Report:
    """The same with markup wherever a name stands."""
    header = report.header | {name: HOSTILE for name in ("model", "dataset", "protocol", "command", "date")}
    header |= {"left_out": {HOSTILE: 1}, "acquisition": {HOSTILE: {"images": 2, "failures": 1}}}
    cells = []
    for cell in report.cells:
        tables = dict(cell.tables)
        tables["hardest"] = tables["hardest"].assign(row_id_a=HOSTILE, row_id_b=HOSTILE)
        failing = cell.who_fails
        if failing:
            people = tuple(replace(person, identity=HOSTILE) for person in failing.genuine.worst)
            failing = replace(failing, genuine=replace(failing.genuine, worst=people))
        cells.append(replace(cell, tables=tables, who_fails=failing))
    return replace(report, header=header, cells=tuple(cells))


def test_hostile_names_are_text(reports):
    page = html([hostile(reports[0]), reports[1]], HOSTILE)
    assert "<img" not in page and outside(page) == [] and HOSTILE in words_of(page)
    text = markdown([hostile(reports[0])], "again")
    shown = text.split("---\n", 2)[2]
    before_the_commands = shown.split("```")[0]
    assert "<img" not in before_the_commands and "](javascript" not in before_the_commands
    yaml = pytest.importorskip("yaml")
    (entry,) = yaml.safe_load(text.split("---\n")[1])["model-index"]
    assert entry["name"] == HOSTILE


def test_model_index_is_read_by_the_hub(reports, tmp_path):
    from huggingface_hub import ModelCard

    file = tmp_path / "README.md"
    write_report(reports[:1], file, "again")
    found = ModelCard.load(file).data
    assert found.model_name == reports[0].header["model"] and len(found.eval_results) == len(results_of(reports[0]))
    eer = {r.dataset_config: r.metric_value for r in found.eval_results if r.metric_type == "eer"}
    assert eer["frontal-profile"] == pytest.approx(100 * reports[0].cell("frontal-profile").rates().eer, abs=1e-4)


def test_pictures_only_where_asked_for_and_of_that_dataset(reports, tmp_path):
    dataset = FaceDataset.open(write_dataset(tmp_path / "data"))
    file = tmp_path / "report.html"
    write_report(reports[:1], file, "again", dataset)
    page = file.read_text()
    pictures = re.findall(r'<img src="data:image/jpeg;base64,[^"]+" alt="([^"]+)"', page)
    hardest = reports[0].cell("frontal-profile").hardest("genuine").head(5)
    assert set(hardest["row_id_a"]) | set(hardest["row_id_b"]) <= set(pictures)
    assert len(page) < LARGEST and outside(page) == []
    other = replace(reports[0], header=reports[0].header | {"dataset": "others"})
    with pytest.raises(UserError, match="the report is about others"):
        write_report([other], file, "again", dataset)
    assert file.read_text() == page


def test_the_command_writes_or_says_in_one_line_what_is_wrong(tmp_path, capsys, monkeypatch):
    report, out = str(BUNDLED / "synthetic-base"), tmp_path / "card.html"
    assert main(["report", report, "--out", str(out)]) == 0
    capsys.readouterr()
    page = out.read_text()
    assert "python -m sfpn report synthetic-base --out card.html" in page and str(tmp_path) not in page
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    for words, said in (
        (["report", report, "--out", str(tmp_path / "a.docx")], "must end in .html, .pdf or .md"),
        (["report", report, report, report, "--out", str(out)], "give one, or two"),
        (["report", str(tmp_path), "--out", str(out)], "not a report folder"),
        (["report", report, "--out", str(tmp_path / "a.pdf")], "WeasyPrint"),
        (["report", report, "--pictures", report, "--out", str(out)], "dataset"),
        (["report", report, "--pictures", report, "--out", str(tmp_path / "no" / "a.md")], "dataset"),
    ):
        assert main(words) == 2
        message = capsys.readouterr().err
        assert said in message and message.count("\n") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["card.html"]


def test_pdf_is_the_same_page(reports, tmp_path):
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("WeasyPrint, or Pango, is not installed")
    write_report(reports, tmp_path / "card.pdf", "again")
    content = (tmp_path / "card.pdf").read_bytes()
    assert content.startswith(b"%PDF-") and b"/URI" not in content and len(content) < LARGEST
