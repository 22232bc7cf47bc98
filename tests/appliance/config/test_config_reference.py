"""The reference page is the schema's own words."""

from pathlib import Path

from appliance.config.reference import render_reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "config.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == render_reference(), (
        "run: python -m appliance.config.reference > docs/reference/config.md"
    )


def test_every_key_is_described() -> None:
    rows = [line for line in render_reference().splitlines() if line.startswith("| `") and line.count("|") == 5]
    assert len(rows) > 50
    assert [row for row in rows if not row.rstrip("|").split("|")[-1].strip()] == []
