"""The text format: what a hostile label can do in it, and that the sums of buckets are right."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.observe.exposition import Buckets, Metric, Sample, number, page

# One line of the format, as Prometheus' own parser reads it (model/textparse/promlex.l).
LINE = re.compile(
    r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_][a-zA-Z0-9_]*="(\\[\\"n]|[^"\\\n])*"(,[a-zA-Z_]\w*="(\\[\\"n]|[^"\\\n])*")*\})?'
    r" ([+-]?[0-9.e+-]+|\+Inf|-Inf|NaN)\Z"
)


def test_a_page():
    told = page(
        [
            Metric("gnomon_x", "counter", "What\nis \\ counted.", (Sample((("a", "1"),), 3.0), Sample((), 0.5))),
            Metric("gnomon_h", "histogram", "Times.", (Buckets((("s", "o"),), (0.1, 1.0), (2, 0, 1), 4.2),)),
            Metric("gnomon_g", "gauge", "None yet.", ()),
        ]
    )
    assert told == (
        "# HELP gnomon_x_total What\\nis \\\\ counted.\n# TYPE gnomon_x_total counter\n"
        'gnomon_x_total{a="1"} 3\ngnomon_x_total 0.5\n'
        "# HELP gnomon_h Times.\n# TYPE gnomon_h histogram\n"
        'gnomon_h_bucket{s="o",le="0.1"} 2\ngnomon_h_bucket{s="o",le="1"} 2\ngnomon_h_bucket{s="o",le="+Inf"} 3\n'
        'gnomon_h_sum{s="o"} 4.2\ngnomon_h_count{s="o"} 3\n'
        "# HELP gnomon_g None yet.\n# TYPE gnomon_g gauge\n"
    )


@given(st.text(max_size=400), st.floats())
def test_whatever_stands_in_a_label_it_is_one_line(text, value):
    told = page([Metric("x", "gauge", text, (Sample((("a", text), ("b", "c")), value),))])
    assert told.count("\n") == 3
    assert LINE.match(told.split("\n")[2])
    told.encode()


@pytest.mark.parametrize("name", ["a b", "1a", "", 'a{x="', "a\nb"])
def test_names_that_the_format_does_not_know_are_refused(name):
    with pytest.raises(ValueError, match="not a name"):
        page([Metric(name, "gauge", "", ())])
    with pytest.raises(ValueError, match="not a name"):
        page([Metric("a", "gauge", "", (Sample(((name, "1"),), 1),))])


def test_a_family_stands_once():
    with pytest.raises(ValueError, match="given twice"):
        page([Metric("a", "gauge", "", ()), Metric("a", "gauge", "", ())])


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"), (1e300, "1e+300"), (-2, "-2")],
)
def test_numbers(value, text):
    assert number(value) == text
