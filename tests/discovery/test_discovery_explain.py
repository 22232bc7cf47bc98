"""Explanations: the verdict is the classifier's, every step is told, hostile text is inert, what lacks is named."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import explain as command
from appliance.cli import main
from appliance.config.catalogue import load_catalogue
from appliance.model.names import ObservationKind as Kind
from appliance.model.names import Transport
from appliance.model.observation import Observation
from appliance.store.finding_pages import ObservationSummary
from discovery.classify import Classifier
from discovery.explain import _WHAT, explain

CATALOGUE = load_catalogue()
CLASSIFIER = Classifier(CATALOGUE)


def seen(**fields) -> Observation:
    ends = {"ts": 1.5, "src": "10.0.0.1", "sport": 40_000, "dst": "10.0.0.9", "dport": 443}
    return Observation(**{**ends, "transport": Transport.TCP, "kind": Kind.TLS, **fields})


def told(**fields) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for word, text in explain(seen(**fields), CATALOGUE, CLASSIFIER).lines:
        lines.setdefault(word, []).append(text)
    return lines


def test_a_name_is_explained_by_its_entry_its_sources_and_its_weight():
    hello = told(server_name="api.openai.com", alpn=("h2",))
    assert "a ClientHello, over tcp, 10.0.0.1 port 40000 to 10.0.0.9 port 443" in hello["seen"]
    assert "(openai)" in hello["means"][0]
    assert "api.openai.com" in hello["catalogue"][0] or ".openai.com" in hello["catalogue"][0]
    service = CATALOGUE.match("api.openai.com")
    assert hello["source"] == [", ".join(service.sources)]
    worth = "x 1 (what a client says when it connects)"
    assert hello["sure"] == [f"{service.confidence:g} (the catalogue's) {worth}"]
    asked = told(server_name="api.openai.com", kind=Kind.DNS, transport=Transport.UDP)
    assert "0.6 (a question is no use yet: browsers ask ahead)" in asked["sure"][0]


def test_a_shared_host_is_worth_less_and_says_so():
    name = next(one for one in CATALOGUE.services.values() if one.shared_host and one.domains).domains[0]
    assert "people do other things at this host" in told(server_name=name.removeprefix("."))["sure"][0]


def test_wider_entries_that_lost_are_told():
    narrow = next(
        (hits, name)
        for service in CATALOGUE.services.values()
        for name in service.domains
        if len(hits := CATALOGUE.covering(name.removeprefix("."))) > 1
    )
    lines = told(server_name=narrow[1].removeprefix("."))
    assert lines["else"][0].startswith(narrow[0][1].entry)


def test_signs_of_self_hosted_software_are_told_one_by_one():
    lines = told(kind=Kind.HTTP, method="POST", path="/api/chat", dport=11434, user_agent="ollama-python/0.6")
    assert "(ollama)" in lines["means"][0]
    assert any("port 11434 + path /api/chat: ollama" in sign for sign in lines["sign"])
    assert lines["sure"][0].endswith("for ollama, all its signs together")


def test_what_nobody_knows_is_told_to_be_unknown():
    lines = told(server_name="www.example.com")
    assert lines["means"] == ["no AI service: neither the catalogue nor a fingerprint knows what was seen"]
    assert "has no entry for this name" in lines["catalogue"][0]
    assert explain(seen(server_name="www.example.com"), CATALOGUE).service is None


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "a server name"),
        (
            {"server_name": "a.example", "notes": ("ech",)},
            "the inner hello: it is encrypted (ECH); the name is a front",
        ),
        ({"server_name": "a.example", "notes": ("ech_offered",)}, "the inner hello: it is encrypted (ECH), or only"),
        ({"server_name": "a.example"}, "a protocol (ALPN)"),
        ({"kind": Kind.HTTP, "path": "/"}, "a host: the request names none"),
        ({"kind": Kind.HTTP, "host": "a.example"}, "a user agent"),
        ({"kind": Kind.DNS, "server_name": "a.example"}, "a connection to that name"),
        ({"kind": Kind.FLOW, "at_least": True}, "the end of the connection"),
    ],
)
def test_what_was_not_seen_is_told(fields, missing):
    assert any(text.startswith(missing) for text in told(**fields)["not seen"])


def test_a_stack_is_a_hint_only():
    assert "a hint at the program" in told(ja4="t13d1812h1_85036bcba153_d41ae481755e")["ja4"][0]
    assert "of no library known here" in told(ja4="t13d0000h1_000000000000_000000000000")["ja4"][0]


@given(
    kind=st.sampled_from(Kind),
    name=st.none() | st.text(max_size=20) | st.sampled_from(["api.openai.com", "a\x1b[2Jb", "\udcff.example"]),
    path=st.none() | st.text(max_size=10),
    agent=st.none() | st.text(max_size=10),
    notes=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
def test_every_kind_is_explained_as_the_classifier_judges_and_in_single_lines(kind, name, path, agent, notes):
    one = seen(kind=kind, server_name=name, path=path, user_agent=agent, notes=notes)
    found = explain(one, CATALOGUE, CLASSIFIER)
    assert (found.service, found.confidence) == (
        CLASSIFIER.sight(one).service,
        CLASSIFIER.sight(one).confidence,
    )
    assert len(found.text().split("\n")) == len(found.lines)
    assert found.text().replace("\n", "").isprintable()


def test_every_kind_has_words():
    assert set(_WHAT) == set(Kind)


class Analyst:
    """A store that has one observation of a client."""

    def __init__(self, *fields: object) -> None:
        self._stored = fields

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, verb, asked, reply):
        assert (verb, asked.limit) == ("observations", 1)
        rows = [one for one in self._stored if one.n < asked.before]
        return reply(rows=len(rows)), msgspec.json.encode(rows[:1])


STORED = ObservationSummary(
    n=7, ts=1.5, until=9.0, count=3, sensor="s0", source="eth0", seen="tls", transport="tcp", leg="direct",
    client="a_0123456789abcdef", server="203.0.113.9", port=443, service="chatgpt", category="assistant", surface="web",
    confidence=0.5, name="chatgpt.com", ja4=None, user_agent=None, cause="direct_address", contradicts="another",
    bytes_up=1_000, at_least=True, evidence=("sni chatgpt.com",),
)  # fmt: skip


def test_a_stored_observation_is_told_as_recorded_and_judged_anew(monkeypatch, capsys):
    monkeypatch.setattr("appliance.cli.analyst.client_of", lambda _config: Analyst(STORED))
    assert main(["explain", "7"]) == 0
    out = capsys.readouterr().out
    for said in ("STORED AS 7", "s0 at eth0, 3 times", "confidence 0.50", "past the appliance by direct_address",
                 "point to another as well", "at least 1,000 up, 0 down", "as judged now", "(chatgpt)"):  # fmt: skip
        assert said in out
    assert main(["explain", "8"]) == 2
    assert "there is no observation 8" in capsys.readouterr().err


class Stdin:
    """Lines as a pipe brings them."""

    def __init__(self, data: bytes) -> None:
        import io

        self.buffer = io.BytesIO(data)


def test_the_command_explains_lines_from_stdin(monkeypatch, capsys):
    known = {"ts": 1, "src": "10.0.0.1", "sport": 1, "dst": "10.0.0.2", "dport": 443, "proto": "tcp", "kind": "tls"}
    lines = [{**known, "name": "chatgpt.com"}, {**known, "name": "www.example.com"}]
    data = b"\n".join(json.dumps(line).encode() for line in lines)
    monkeypatch.setattr("sys.stdin", Stdin(data))
    assert main(["explain", "-"]) == 1
    out = capsys.readouterr().out
    assert "(chatgpt)" in out
    assert "no AI service" in out
    monkeypatch.setattr("sys.stdin", Stdin(data.splitlines()[0]))
    assert main(["explain", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["explained"]["service"] == "chatgpt"


@pytest.mark.parametrize(("which", "data"), [("-", b"no json\n"), ("-", b'{"ts": 1}'), ("f_1", b"")])
def test_what_cannot_be_explained_is_refused(which, data, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", Stdin(data))
    assert main(["explain", which]) == 2
    assert "explain" in (said := capsys.readouterr().err) or "stdin:1" in said


def test_a_line_without_an_end_is_not_held_whole(monkeypatch, capsys):
    monkeypatch.setattr(command, "_MAX_LINE", 50)
    monkeypatch.setattr("sys.stdin", Stdin(b'{"proto": "' + b"x" * 200 + b'"}'))
    assert main(["explain", "-"]) == 2
    assert "stdin:1" in capsys.readouterr().err
