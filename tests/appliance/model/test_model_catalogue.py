"""Matching host names: the most exact entry decides, whatever a peer sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.catalogue import load_catalogue
from appliance.model.catalogue import Catalogue, Service


def service(name: str, *domains: str, patterns: tuple[str, ...] = (), owner: str = "x") -> Service:
    return Service(id=name, name=name, owner=owner, category="assistant", domains=domains, patterns=patterns)


CATALOGUE = Catalogue(
    (
        service("exact", "api.chat.example"),
        service("below", ".chat.example"),
        service("nearer", ".eu.chat.example"),
        service("pattern", patterns=("run.*.cloud.example", "*-ml.cloud.example")),
        service("whole", ".cloud.example"),
        service("idna", ".xn--bcher-kva.example"),
    ),
    "v",
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.chat.example", "exact"),
        ("v1.api.chat.example", "below"),
        ("chat.example", "below"),
        ("x.eu.chat.example", "nearer"),
        ("eu.chat.example", "nearer"),
        ("API.Chat.Example.", "exact"),
        ("api.chat.example..", None),
        ("run.eu-1.cloud.example", "pattern"),
        ("x-ml.cloud.example", "pattern"),
        ("run.a.b.cloud.example", "whole"),
        ("run.cloud.example", "whole"),
        ("notchat.example", None),
        ("chat.example.evil", None),
        ("example", None),
        (".", None),
        ("", None),
        (".chat.example", "below"),
        ("bücher.example", "idna"),
        ("BÜCHER.example", "idna"),
        ("api\u3002chat\uff0eexample", "exact"),
        ("\uff41\uff50\uff49.chat.example", "exact"),
        ("ü" * 80 + ".chat.example", None),
        ("x." * 121 + "chat.example", "below"),
        ("x." * 122 + "chat.example", None),
        ("x." * 200_000 + "chat.example", None),
        ("ü." * 200_000 + "chat.example", None),
    ],
)
def test_the_most_exact_entry_decides(host: str, expected: str | None) -> None:
    found = CATALOGUE.match(host)
    assert (found.id if found else None) == expected


def plainly(host: str) -> str | None:
    """The same, by trying everything: what the walk is held to."""
    name = host.lower().removesuffix(".")
    if name == "api.chat.example":
        return "exact"
    for end, owner in (("eu.chat.example", "nearer"), ("chat.example", "below")):
        if name == end or name.endswith("." + end):
            return owner
    labels = name.split(".")
    if name.endswith("cloud.example") and len(labels) >= 3 and labels[-2:] == ["cloud", "example"]:
        ours = set("abcdefghijklmnopqrstuvwxyz0123456789-")
        if len(labels) == 4 and labels[0] == "run" and set(labels[1]) <= ours:
            return "pattern"
        if len(labels) == 3 and labels[0].endswith("-ml") and set(labels[0]) <= ours:
            return "pattern"
    return "whole" if name == "cloud.example" or name.endswith(".cloud.example") else None


@given(
    st.lists(st.sampled_from(["api", "eu", "run", "x-ml", "a", "", "chat", "cloud", "_"]), max_size=8), st.booleans()
)
def test_the_walk_is_as_good_as_trying_everything(labels: list[str], cloud: bool) -> None:
    host = ".".join([*labels, "cloud" if cloud else "chat", "example"])
    found = CATALOGUE.match(host)
    assert (found.id if found else None) == plainly(host)


@given(st.text(max_size=300))
def test_no_name_is_an_error(host: str) -> None:
    first = CATALOGUE.covering(host)[:1]
    found = CATALOGUE.match(host)
    assert [hit.service for hit in first] == ([found] if found else [])


def test_what_covers_a_name_is_told_in_order() -> None:
    told = [(hit.service.id, hit.entry) for hit in CATALOGUE.covering("api.chat.example")]
    assert told == [("exact", "api.chat.example"), ("below", ".chat.example")]
    told = [(hit.service.id, hit.entry) for hit in CATALOGUE.covering("run.x.cloud.example")]
    assert told == [("pattern", "run.*.cloud.example"), ("whole", ".cloud.example")]


def test_the_embedded_one_looks_at_few_labels_of_a_long_name() -> None:
    class Counted(dict):
        asked = 0

        def get(self, key, default=None):
            Counted.asked += 1
            return super().get(key, default)

    catalogue = load_catalogue()
    catalogue._below = Counted(catalogue._below)
    assert catalogue.match("x." * 120 + "example.com") is None
    assert Counted.asked <= 8
