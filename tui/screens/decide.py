"""The decision dialog: who is bound, by which door, for how long, why, and what it would have done.

Rules: nothing is sent before its consequence, or that it is not known, has been on the screen; a block or redirect has
the focus on Cancel, so that the first enter never stops traffic; what is sent names the policy that the consequence
was worked out with. A refusal leaves the dialog open with its words.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Select, Static

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.tasks import spawn
from appliance.model.names import DecisionKind, Surface
from tui.client_state import form as forms
from tui.client_state.form import Form
from tui.client_state.spans import LONG, Line, Span, foreign, line
from tui.refresher import Refresher
from tui.widgets.field import Field
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.widget import Widget

    from appliance.model.finding import Finding
    from appliance.store.finding_pages import FindingDetail, Preview
    from tui.desk import Desk

PROBED = 16  # routes tried for the first that the store would accept


class DecideScreen(ModalScreen[None]):
    """About one finding; closes when the store has taken the decision."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, desk: Desk, finding: Finding, kind: DecisionKind, detail: FindingDetail | None = None) -> None:
        super().__init__()
        self.desk, self.finding, self._detail = desk, finding, detail
        self.routes = desk.standing.state.routes
        self.form = Form.about(finding, kind, self.routes)
        self.preview: Preview | None = None
        self.unknown = ""
        self._looked_at = -1
        self._previewed: Form | None = None
        self._probe = kind is DecisionKind.REDIRECT and len(self.routes) > 1
        self._sending = False
        self._refusal = ""
        self.refresher = Refresher("preview", self.fetch, self._preview_failed)

    # what it looks like

    def compose(self) -> ComposeResult:
        """Headline, one line per answer, the consequence, the two buttons."""
        with VerticalScroll(classes="dialog", id="decide", can_focus=False):
            yield Lines(*self._headline(), id="headline")
            yield self._row("Whom", _select("scope", self._scopes(), self.form.scope))
            yield self._row("Group", Field(placeholder="name of the group", id="group", compact=True, max_length=256))
            yield self._row("Surface", _select("surface", forms.surfaces(self.finding), self.form.surface or ""))
            if self.form.kind is DecisionKind.REDIRECT:
                options = [(foreign(route), route) for route in self.routes] or [("there is no route", "")]
                yield self._row("Route", _select("route", options, self.form.route))
            lasting = [(label, str(at)) for at, (label, _) in enumerate(forms.EXPIRIES)]
            yield self._row("Expires", _select("expiry", lasting, "0"))
            reason = Field(placeholder="may stay empty", id="reason", compact=True, max_length=forms.MAX_REASON)
            yield self._row("Reason", reason)
            yield Lines(id="consequence")
            with Horizontal(classes="answers"):
                yield Button(Content("Cancel"), id="cancel", compact=True)
                yield Button(Content("Apply"), id="apply", compact=True)

    def _row(self, label: str, widget: Widget) -> Horizontal:
        return Horizontal(Static(Content(label), classes="label"), widget, classes="answer", id=f"row-{widget.id}")

    def _headline(self) -> list[Line]:
        return [line(self.desk.standing.badge(), "  ", *forms.headline(self.form))]

    def _scopes(self) -> list[tuple[str, str]]:
        people, hosts = (self._detail.people, self._detail.hosts) if self._detail else ((), ())
        return forms.scopes(people, hosts, self.desk.names.show)

    def on_mount(self) -> None:
        """Look at the consequence at once."""
        self.query_one("#row-group").display = False
        self.query_one("#cancel" if self.form.dangerous else "#apply").focus()
        self.desk.listen(self.heard)
        self._show()
        self.refresher.due()
        if self._detail is None:
            spawn(self._read_parties(), "parties of a finding")

    async def on_unmount(self) -> None:
        """Stop looking."""
        self.desk.forget(self.heard)
        await self.refresher.stop()

    def heard(self, topic: str) -> None:
        """The stage may have changed, or the store is back."""
        self._show()
        if topic == "up":
            self.refresher.due()

    def _show(self) -> None:
        for lines in self.query("#headline").results(Lines):
            lines.tell(self._headline())
        enforcing = self.desk.standing.enforcing
        told = forms.consequence(self.form, self.preview, enforcing=enforcing, unknown=self.unknown)
        if self._refusal:
            told.append(line(Span(foreign(self._refusal, LONG), "bad")))
        for lines in self.query("#consequence").results(Lines):
            lines.tell(told)

    async def _read_parties(self) -> None:
        try:
            self._detail = await self.desk.finding(self.finding.id)
        except (RemoteError, Unreachable):
            return  # everyone and a group can be chosen all the same
        for select in self.query("#scope").results(Select):
            chosen = self.form.scope
            with self.prevent(Select.Changed):
                select.set_options(_options(self._scopes()))
                select.value = chosen

    # the consequence

    async def fetch(self) -> None:
        """What the form as it stands would have done."""
        if self._probe:
            await self._first_fitting_route()
        form, looked_at = self.form, self.desk.standing.version
        if form.faults():
            self._previewed = None
            self._show()
            return
        preview = await self.desk.preview(form.proposal(self.desk.clock()))
        if form is self.form:
            self.preview, self.unknown, self._looked_at, self._previewed = preview, "", looked_at, form
            self._show()

    async def _first_fitting_route(self) -> None:
        """The first route that the store would not refuse; the first of all when it would refuse each."""
        self._probe = False
        for route in self.routes[:PROBED]:
            tried = self.form.having(route=route)
            if (await self.desk.preview(tried.proposal(self.desk.clock()))).refusal is None:
                if self.form.route == self.routes[0]:
                    self._choose_route(tried, route)
                return

    def _choose_route(self, tried: Form, route: str) -> None:
        self.form = tried
        for select in self.query("#route").results(Select):
            with self.prevent(Select.Changed):
                select.value = route

    def _preview_failed(self, words: str) -> None:
        self.preview, self.unknown, self._looked_at = None, words, self.desk.standing.version
        self._previewed = self.form
        self._show()

    # answers

    def _change(self, **changes: object) -> None:
        changed = self.form.having(**changes)
        if changed == self.form:
            return
        same = changed.having(reason="") == self.form.having(reason="")
        was_shown = self._previewed is self.form
        self.form, self._refusal = changed, ""
        if same and was_shown:
            self._previewed = changed  # a reason changes no consequence
        elif not same:
            self.preview, self.unknown, self._previewed = None, "", None
            self.refresher.due()
        self._show()

    @on(Select.Changed)
    def selected(self, event: Select.Changed) -> None:
        """One of the lists."""
        value = str(event.value)
        match event.select.id:
            case "scope":
                self.query_one("#row-group").display = value == forms.GROUP
                self._change(scope=value)
            case "surface":
                self._change(surface=Surface(value) if value else None)
            case "route":
                self._change(route=value)
            case "expiry":
                self._change(lasts=forms.EXPIRIES[int(value)][1])

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """Group or reason."""
        if event.input.id in {"group", "reason"}:
            self._change(**{event.input.id: event.value})

    @on(Input.Submitted)
    def submitted(self) -> None:
        """Enter in a text leads to Apply; it applies nothing."""
        self.query_one("#apply").focus()

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Cancel, or Apply."""
        if event.button.id == "cancel":
            self.dismiss()
        elif not self._sending and self._previewed is self.form and not self.form.faults():
            self._sending = True
            spawn(self._send(), "decide", self._broken)

    def action_give_up(self) -> None:
        """Leave; nothing is decided."""
        if not self._sending:
            self.dismiss()

    async def _send(self) -> None:
        try:
            decided = await self.desk.decide(self.form.proposal(self.desk.clock()), self._looked_at)
        except RemoteError as error:
            await self._refused(error.message)
        except Unreachable as error:
            await self._refused(f"nobody knows whether it was taken; the decisions log (3) will tell. {error}")
        else:
            number, version = decided.decision.number, decided.version
            have, of = self.desk.standing.applied(version)
            self.app.notify(f"decision {number} is policy {version}, applied on {have}/{of}", markup=False)
            self.dismiss()
        finally:
            self._sending = False

    async def _refused(self, words: str) -> None:
        """Tell why, and look again at what is so now."""
        self._refusal = words
        self._previewed = None
        with contextlib.suppress(RemoteError, Unreachable):  # the banner tells
            await self.desk.refresh_standing()
        self._show()
        self.refresher.due()

    def _broken(self, error: BaseException) -> None:
        self._sending = False
        self._refusal = f"a fault of the terminal's own: {type(error).__name__}: {error}"
        self._show()


def _options(choices: Sequence[tuple[str, str]]) -> list[tuple[Text, str]]:
    """Labels as text that is never read as markup."""
    return [(Text(label), value) for label, value in choices]


def _select(name: str, choices: Sequence[tuple[str, str]], value: str) -> Select[str]:
    # Labels are rich Text: Textual takes them and never reads them as markup; its annotation knows only str.
    return Select(_options(choices), value=value, allow_blank=False, compact=True, id=name)
