"""docs/reference/cli.md, made from the parser: every command with its arguments and options.

Rules: the words in the parser are the only place where a command is described; a test compares the page with this, and
demands words for everything that can be typed.
"""

import argparse
from collections.abc import Iterator

from appliance.cli.parser import build

_HEAD = """\
# Command line

Answers go to stdout, messages to stderr. Exit codes: 0 done, 1 found something that the caller asked to fail on, 2
wrong use, configuration or environment, told in one message. Every command takes `--help`.

Made from the parser by `python -m appliance.cli.reference`.
"""


def render_reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_command(*command) for command in commands())])


def commands() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Every command that runs something: its words, its help, its parser."""
    yield from _below("gnomon", "", build())


def described(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """What can be typed after a command, with its words; without `--help`."""
    for action in _actions(parser):
        if not isinstance(action, argparse._HelpAction):  # noqa: SLF001 - argparse has no public name for it
            yield _form(action), _words(action)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no public way to list them


def _below(
    words: str, help_text: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    group = next((each for each in _actions(parser) if isinstance(each.choices, dict)), None)
    if group is None:
        yield words, help_text, parser
        return
    told = {choice.dest: choice.help or "" for choice in group._choices_actions}  # type: ignore[attr-defined]  # noqa: SLF001 - the words of sub-commands stand nowhere else
    for name, inner in dict(group.choices or {}).items():
        yield from _below(f"{words} {name}", told.get(name, ""), inner)


def _command(words: str, help_text: str, parser: argparse.ArgumentParser) -> str:
    rows = [f"| `{_cell(form)}` | {_cell(text)} |" for form, text in described(parser)]
    table = "\n".join(["| argument | meaning |", "|---|---|", *rows]) if rows else ""
    return f"## `{words}`\n\n{help_text[:1].upper()}{help_text[1:].rstrip('.')}.\n\n{table}".rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _form(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"[{value}]" if action.nargs == "?" else str(value)
    return "/".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")


def _words(action: argparse.Action) -> str:
    text = action.help or ""
    notes = ["needed"] if action.required and action.option_strings else []
    if isinstance(action.default, list):
        notes.append("may be given several times")
    elif action.default not in (None, False, argparse.SUPPRESS) and "default" not in text:
        notes.append(f"default: {action.default}")
    return f"{text} ({'; '.join(notes)})" if text and notes else text


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_reference())
