"""The window over a paged list: whatever happens, rows are unique and bounded, and the selection stays on its row."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tui.client_state.rows import HELD, STEP, Asked, Page, Window


class Row(NamedTuple):
    rank: int
    id: str
    text: str = ""


def window() -> Window:
    return Window(lambda row: row.id, lambda row: row.rank)


def serve(rows, asked: Asked) -> Page:
    """As the store pages: highest rank first, `before` exclusive."""
    fitting = sorted(
        (row for row in rows if asked.before is None or row.rank < asked.before), key=lambda row: -row.rank
    )
    page = fitting[: asked.limit]
    return Page(page, asked.before, page[-1].rank if len(fitting) > len(page) else None, len(rows))


def many(count, start=0):
    return [Row(rank, f"id{rank}") for rank in range(start, start + count)]


def test_the_first_page_selects_its_first_row():
    held = window()
    assert held.at == -1
    assert held.take(serve(many(250), held.ask_again()))
    assert (len(held.rows), held.at, held.selected.rank, held.total) == (STEP, 0, 249, 250)


def test_the_selection_follows_a_row_that_moves():
    held, rows = window(), many(20)
    held.take(serve(rows, held.ask_again()))
    held.select(15)
    chosen = held.selected
    moved = chosen._replace(rank=100)
    held.take(serve([moved if row == chosen else row for row in rows], held.ask_again()))
    assert (held.at, held.selected) == (0, moved)


def test_a_row_that_left_gives_the_selection_to_its_neighbour():
    held, rows = window(), many(20)
    held.take(serve(rows, held.ask_again()))
    held.select(5)
    held.take(serve([row for row in rows if row != held.selected], held.ask_again()))
    assert held.at == 5
    held.take(serve([], held.ask_again()))
    assert (held.at, held.selected) == (-1, None)


def test_down_to_the_end_and_up_again():
    held, rows = window(), many(1_234)
    held.take(serve(rows, held.ask_again()))
    seen = {row.id for row in held.rows}
    while (asked := held.ask_older()) is not None:
        assert held.take(serve(rows, asked))
        assert len(held.rows) <= HELD
        seen |= {row.id for row in held.rows}
    assert len(seen) == 1_234
    assert held.rows[-1].rank == 0
    while (asked := held.ask_newer()) is not None:
        assert held.take(serve(rows, asked))
        assert len(held.rows) <= HELD
    assert held.start is None
    assert held.rows[0].rank == 1_233


def test_paused_rows_stand_still_and_what_came_is_counted():
    held, rows = window(), many(10)
    held.take(serve(rows, held.ask_again()))
    held.pause(on=True)
    before = list(held.rows)
    fresh = [*rows[:-1], rows[-1]._replace(text="changed"), Row(50, "new"), Row(51, "newer")]
    assert not held.take(serve(fresh, held.ask_again()))
    assert held.rows == before
    assert held.fresh == 3
    assert held.ask_older() is None
    held.pause(on=False)
    assert (held.rows[0].id, held.fresh, len(held.rows)) == ("newer", 0, 12)


def test_an_answer_to_what_is_no_longer_asked_changes_nothing():
    held, rows = window(), many(300)
    held.take(serve(rows, held.ask_again()))
    late = serve(rows, Asked(57, STEP))
    assert not held.take(late)
    assert held.rows[0].rank == 299


def test_a_new_filter_begins_at_the_top_and_keeps_rows_until_the_answer():
    held, rows = window(), many(900)
    held.take(serve(rows, held.ask_again()))
    while (asked := held.ask_older()) is not None:
        held.take(serve(rows, asked))
    held.reset()
    assert held.rows
    assert held.ask_again().before is None
    held.take(serve(many(3), held.ask_again()))
    assert len(held.rows) == 3


steps = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, 700), st.integers(0, 3_000)),
        st.tuples(st.just("add"), st.integers(0, 3_000), st.integers(1, 150)),
        st.tuples(st.just("drop"), st.integers(0, 700), st.integers(1, 150)),
        st.tuples(st.just("select"), st.integers(-5, 700), st.just(0)),
        st.tuples(st.sampled_from(("again", "older", "newer", "pause", "reset")), st.just(0), st.just(0)),
    ),
    max_size=25,
)


def follow(held, rows, word, one, two) -> None:
    """One step: at the store, or of the person, or a question and its answer."""
    match word:
        case "move" if f"id{one}" in rows:
            rows[f"id{one}"] = Row(two + one / 1_000, f"id{one}")
        case "add":
            rows |= {f"new{one}-{at}": Row(one + at / 1_000 + 0.5, f"new{one}-{at}") for at in range(two)}
        case "drop":
            for at in range(one, one + two):
                rows.pop(f"id{at}", None)
        case "select":
            held.select(one)
        case "pause":
            held.pause(on=not held.paused)
        case "reset":
            held.reset()
        case "again" | "older" | "newer":
            answered(held, rows, getattr(held, f"ask_{word}")())


def answered(held, rows, asked) -> None:
    if asked is None:
        return
    chosen = held.selected
    held.take(serve(rows.values(), asked))
    if chosen is not None and any(row.id == chosen.id for row in held.rows):
        assert held.selected.id == chosen.id


@given(steps)
@settings(max_examples=150, deadline=None)
def test_rows_are_unique_bounded_and_in_order_and_the_selection_is_held(given_steps):
    held = window()
    rows = {row.id: row for row in many(700, start=1)}
    for word, one, two in given_steps:
        follow(held, rows, word, one, two)
        ids = [row.id for row in held.rows]
        assert len(set(ids)) == len(ids) <= HELD
        assert (held.at >= 0) == bool(held.rows and held.loaded)
    if not held.paused:
        held.take(serve(rows.values(), held.ask_again()))
        ranks = [row.rank for row in held.rows]
        assert ranks == sorted(ranks, reverse=True)
