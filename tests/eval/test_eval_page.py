"""The page of `make eval`: notes below the tables of their data set."""

import json
import sys

from tests.eval import run


def test_notes_stand_below_their_section(tmp_path):
    notes = tmp_path / "secrets.md"
    assert run.with_notes("## secrets\n", notes) == "## secrets\n"
    notes.write_text("### What remains\n\ntwo\n\n")
    assert run.with_notes("## secrets\n", notes) == "## secrets\n\n### What remains\n\ntwo\n"


def test_the_page_takes_the_notes_beside_it(tmp_path, monkeypatch):
    data, page = tmp_path / "data", tmp_path / "docs" / "PAGE.md"
    (page.parent / "detection").mkdir(parents=True)
    data.mkdir()
    row = {"text": "password = 'w1ndow!7'", "label": 1, "kind": "made", "source": "made"}
    (data / "secrets.jsonl").write_text(json.dumps(row) + "\n")
    (page.parent / "detection" / "secrets.md").write_text("### What remains\n")
    (page.parent / "detection" / "pii.md").write_text("### Of no data set here\n")
    report = run.Report(
        task=run.Task.SECRETS, threshold=0.4, texts=1, failed=0, measured=(), ms_p50=0, ms_p95=0, ms_max=0
    )
    monkeypatch.setattr(run, "measured", lambda path, *_: (f"gnomon eval {path.name}", report))
    monkeypatch.setattr(sys, "argv", ["run.py", str(data), str(page)])
    run.main()
    told = page.read_text()
    assert told.index("## secrets") < told.index("### What remains")
    assert "Of no data set here" not in told
