"""A week of a site, made up row by row, and what is told of it: over the real tables."""

import asyncio

import pytest

from appliance.config.schema import SignalsConfig
from appliance.findings.signals import DAY_S, HOUR_S
from appliance.model.errors import PeerError
from appliance.store.bench import opened
from appliance.store.signal_queries import cells, habits
from appliance.store.signals import Signals

NOW = 1_763_700_000.0
HOUR = NOW // HOUR_S * HOUR_S
CONFIG = SignalsConfig(prompts=100, logprobs=10, repeats=20, models=5, conversations=50)


EMBEDS = ({"api": "'openai.embeddings'"}, {"api": "'gemini.embed'"}, {"api": "'anthropic.count_tokens'"})


class Site:
    """Writes exchanges as rows of the event table, all copies of one that was taken in."""

    def __init__(self, desk):
        self.desk, self.n = desk, 1_000
        event = opened("x", "w0", NOW - 40 * DAY_S)
        self.desk.see(event)

    def ask(self, who, at, count=1, **said):
        """`count` requests of `who` in the hour at `at`; values are SQL over `i`, the number of the request."""
        columns = {
            "n": f"{self.n} + i", "ts": f"{at} + i % 3600", "principal": f"'{who}'", "client": f"'a_{who}'",
            "identity_method": "'basic'", "service": "'openai'", "surface": "'api'", "api": "'openai.chat'",
            "body_digest": "'d' || i", "model": "'gpt-4o'", "conversation": "'c' || i % 3", "entities": "[]::VARCHAR[]",
            "effective": "'allow'",
        } | said  # fmt: skip
        replaced = ", ".join(f"{value} AS {name}" for name, value in columns.items())
        self.desk.connection.execute(
            f"INSERT INTO exchange_open SELECT o.* REPLACE ({replaced}) "
            f"FROM exchange_open o, range({count}) AS r(i) WHERE o.n < 1000"
        )
        self.n += count

    def week(self, days=9, people=20):
        """Office days: each person 22 requests in each of two hours."""
        for day in range(1, days + 1):
            for hour in (9, 14):
                at = HOUR - day * DAY_S - hour * HOUR_S
                who = f"'p_' || i % {people}"
                self.ask("", at, 22 * people, principal=who, conversation=f"'c' || i // {11 * people}")


@pytest.fixture
def site(desk):
    return Site(desk)


class Inline:
    """Reader and writer at once: runs what it is given."""

    def __init__(self, connection):
        self.connection = connection

    async def run(self, query):
        return query(self.connection)

    async def call(self, job):
        return job()


def look(site, config=CONFIG, now=NOW):
    inline = Inline(site.desk.connection)
    signals = Signals(config, (inline, inline, site.desk.findings), lambda: now)
    return signals, asyncio.run(signals.look())


def told(site):
    rows = site.desk.connection.execute(
        "SELECT client, text FROM finding_evidence WHERE kind = 'signal' ORDER BY client, text"
    ).fetchall()
    return [(who, text.partition(":")[0]) for who, text in rows]


def test_an_ordinary_week_tells_nothing(site):
    site.week()
    site.ask("p_3", HOUR, 25)
    assert look(site)[1] == 0
    assert told(site) == []


def test_a_week_with_a_thief_a_loop_and_a_fan(site):
    site.week()
    site.ask("p_thief", HOUR, 500, entities="['LOGPROBS_ASKED']")
    site.ask("p_loop", HOUR, 200, body_digest="'same'")
    site.ask("p_fan", HOUR, 90, model="'m' || i % 30", conversation="'k' || i")
    signals, found = look(site)
    assert told(site) == [
        ("p_fan", "conversations"), ("p_fan", "models"), ("p_loop", "repeats"), ("p_thief", "logprobs"),
        ("p_thief", "prompts"),
    ]  # fmt: skip
    assert found == 5
    rows = site.desk.rows()
    stolen, flood = rows["extraction", "openai"], rows["flooding", "openai"]
    assert (stolen.severity, stolen.governed, stolen.people, stolen.governance) == ("high", 500, 1, "governed")
    assert (flood.severity, flood.governed, flood.people) == ("medium", 290, 2)
    text = site.desk.connection.execute("SELECT text FROM finding_evidence WHERE text LIKE 'prompts:%'").fetchone()[0]
    assert text == "prompts: 500 distinct requests of one caller in an hour; usual here are at most 22, told above 100"
    assert asyncio.run(signals.look()) == 0


def test_what_was_told_is_not_told_again_after_a_restart(site):
    site.week()
    site.ask("p_thief", HOUR, 500)
    look(site)
    before = site.desk.rows()["extraction", "openai"]
    site.ask("p_thief", HOUR, 100, body_digest="'e' || i")
    look(site)
    assert site.desk.rows()["extraction", "openai"] == before
    site.ask("p_thief", HOUR, 50, entities="['LOGPROBS_ASKED']")
    look(site)
    assert told(site) == [("p_thief", "logprobs"), ("p_thief", "prompts")]
    assert site.desk.rows()["extraction", "openai"].governed == before.governed


def test_a_new_site_is_told_of_ten_times_the_least_only(site):
    site.ask("p_1", HOUR, 1000)
    assert look(site)[1] == 0
    site.ask("p_1", HOUR, 1, body_digest="'more'")
    assert look(site)[1] == 1


def test_refused_calls_pages_and_unread_bodies_do_not_count(site):
    site.week()
    for said in ({"effective": "'block'"}, {"method": "'GET'"}, {"api": "NULL"}, {"service": "NULL"}, *EMBEDS):
        site.ask("p_x", HOUR, 300, **said)
    assert [cell for cell in cells(site.desk.connection, HOUR, NOW) if cell.who == "p_x"] == []


def test_callers_without_a_name_are_their_addresses(site):
    site.ask("p_anybody", HOUR, 3, identity_method="'none'", client="'a_' || i")
    assert {cell.who for cell in cells(site.desk.connection, HOUR, NOW)} == {"a_0", "a_1", "a_2"}


def test_habits_are_the_busy_hours_before_this_one(site):
    for hour in range(1, 21):
        site.ask("p_1", HOUR - hour * HOUR_S, hour)
    site.ask("p_1", HOUR, 900)
    site.ask("p_1", HOUR - 29 * DAY_S, 900)
    (found,) = habits(site.desk.connection, NOW, 95)
    assert (found.who, found.since, found.prompts) == ("p_1", HOUR - 20 * HOUR_S, 19)


def test_a_fault_is_told_and_findings_go_on(site, monkeypatch):
    site.week(days=8, people=2)
    site.ask("p_thief", HOUR, 500)
    monkeypatch.setattr(site.desk.findings._merge, "merge", lambda *_: 1 / 0)
    look(site)
    assert [note for note, _ in site.desk.faults] == ["signals_not_told"]
    site.desk.faults.clear()
    assert look(site)[1] == 1
    assert ("extraction", "openai") in site.desk.rows()


@pytest.mark.parametrize(("enough", "expected"), [(14, [28, 14, None]), (None, [28, 14, 7])])
async def test_too_much_history_is_asked_for_in_smaller_parts_and_then_told(desk, enough, expected):
    days = []

    class Slow(Inline):
        async def run(self, query):
            days.append(query.keywords.get("days"))
            if days[-1] != enough:
                raise PeerError("the query took longer than 10 s", 503)
            return []

    signals = Signals(CONFIG, (Slow(desk.connection), Inline(desk.connection), desk.findings), lambda: NOW)
    with pytest.raises(PeerError):
        await signals.look()
    assert days == expected
