"""A store and events for the journal's tests."""

from appliance.journal.record import decode_line
from appliance.model.event import ExchangeClosed, ExchangeOpened
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition, Outcome, Stage


def opened(name: str) -> ExchangeOpened:
    facts = Facts(principal="p_1", client="a_1", host="api.openai.com", port=443, method="POST", path="/v1/x")
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.OBSERVE)
    return ExchangeOpened(name, 1.0, "w0", facts, verdict, "a" * 64, "b" * 64)


def closed(name: str) -> ExchangeClosed:
    return ExchangeClosed(name, 2.0, Outcome.COMPLETED, status=200)


class Store:
    """Takes lines as the real one does: in order, each once, the mark as answer. `fail`: raised by the next calls."""

    def __init__(self):
        self.lines: dict[tuple[str, int], list[bytes]] = {}
        self.calls: list[tuple[int, int]] = []
        self.fail: list[Exception] = []
        self.take: int | None = None  # lines taken of each batch

    def __call__(self, producer, epoch, first_seq, last_seq, lines, oldest):
        if self.fail:
            raise self.fail.pop()
        self.calls.append((first_seq, last_seq))
        held = self.lines.setdefault((producer, epoch), [])
        batch = lines.splitlines(keepends=True)
        assert len(batch) == last_seq - first_seq + 1
        if first_seq > len(held) + 1:
            if first_seq != oldest:
                return len(held)
            held.extend([b""] * (first_seq - len(held) - 1))
        fresh = batch[len(held) + 1 - first_seq :]
        held.extend(fresh[: self.take] if self.take is not None else fresh)
        return len(held)

    def events(self, producer="w0", epoch=1):
        return [decode_line(line).event for line in self.lines.get((producer, epoch), [])]

    def outcomes(self, producer="w0", epoch=1):
        """Exchange -> kinds in order."""
        found: dict[str, list[str]] = {}
        for event in self.events(producer, epoch):
            if event.exchange:
                found.setdefault(event.exchange, []).append(event.kind)
        return found


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))
