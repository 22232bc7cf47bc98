"""The page of conformance is what a run says, every target is met, and the comparison would see a fault."""

from pathlib import Path

import captures_compared
import captures_page
import msgspec
import pytest
from captures_compared import PCAPS, Disagreement, Fact, captures, compared, leaving, ours, rows

PAGE = Path(__file__).parents[2] / "docs" / "CONFORMANCE.md"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (PCAPS / "truth.jsonl").exists(), reason="needs the captures in ../shared/data/pcaps"),
]


def test_the_page_is_what_the_run_says():
    assert PAGE.read_text(encoding="utf-8") == captures_page.page(), "write it anew: make conformance"


def test_every_target_is_met_and_every_miss_has_a_reason():
    assert captures_page.faults() == []


def test_the_facts_are_as_many_as_there_were():
    """A comparison with nothing finds nothing."""
    least = {"tls_sni": 200, "quic_sni": 150, "alpn": 500, "ja3": 380, "ja4": 380, "dns": 180, "http": 60}
    assert {kind: len(side.wanted) >= least[kind] for kind, side in compared().items()} == dict.fromkeys(least, True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"server_name": "invented.example"}, ["TLS server names: 99.", "invented: "]),
        ({"ja4": "t13d0000h2_000000000000_000000000000"}, ["extra without a reason"]),
        ({"ja3": None}, []),
    ],
)
def test_a_fault_in_one_hello_is_seen(monkeypatch, wrong, told):
    path = PCAPS / "arkime__tls-split-client-hello.pcap"
    seen = [msgspec.structs.replace(row, **(wrong if row.ja4 else {})) for row in rows(path)]
    monkeypatch.setattr(captures_compared, "rows", lambda one: seen if one == path else rows(one))
    compared.cache_clear()
    try:
        faults, lost = captures_page.faults(), len(compared()["ja3"].missed)
    finally:
        compared.cache_clear()
    for words in told:
        assert any(words in fault for fault in faults)
    assert lost == (1 if "ja3" in wrong else 0)


def test_a_disagreement_leaves_with_its_values_only():
    row = Disagreement("ndpi__sites.pcapng", "ja4 vs nfstream", ("one",), "")
    assert {value for _, _, value in leaving([row])} == {
        "one",
        "q13d0315h0_55b375c5d22e_9974e4f6be5b",
        "t13d1713ht_5b57614c22b0_eca864cca44a",
    }


def test_every_capture_is_read_and_nothing_is_told_twice_of_a_flow():
    assert len(captures()) == 85
    one = list(ours(PCAPS / "mercury__sll_tls.pcap"))
    assert {fact.kind for fact in one} >= {"tls_sni", "ja3", "ja4"}
    assert all(isinstance(fact, Fact) and fact.flow for fact in one)
