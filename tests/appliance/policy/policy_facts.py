"""Builders for policy tests: facts, rules, decisions and compiled policies with sensible defaults."""

from typing import Any

from appliance.model.catalogue import Catalogue, Service
from appliance.model.decision import Decision, Scope
from appliance.model.detection import Coverage, Label
from appliance.model.facts import Facts
from appliance.model.names import DecisionKind, DetectionKind, Disposition, Layer, Stage
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.rules import LabelMatch, Match, Rule, Then
from appliance.policy.snapshot import PolicySnapshot

NOW = 1_800_000_000.0
OPENAI = Service(id="openai", name="OpenAI", owner="OpenAI", category="model_api", domains=("api.openai.com",))
CATALOGUE = Catalogue((OPENAI,), "test")


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "principal": "p_alice",
        "client": "a_1",
        "service": "openai",
        "category": "model_api",
        "host": "api.openai.com",
        "port": 443,
        "method": "POST",
        "path": "/v1/chat/completions",
        "api": "openai.chat",
        "model": "gpt-5",
        "coverage": Coverage(length=2, structure=2),
    }
    return Facts(**(given | changes))


def label(entity: str = "EMAIL_ADDRESS", kind: DetectionKind = DetectionKind.PII, score: float = 1.0) -> Label:
    return Label(entity, kind, 1, score)


def rule(name: str, disposition: Disposition, match: Match | None = None, **changes: Any) -> Rule:
    then = changes.pop("then", {})
    return Rule(id=name, match=match or Match(), then=Then(disposition=disposition, **then), **changes)


def decision(number: int, kind: DecisionKind, **changes: Any) -> Decision:
    given: dict[str, Any] = {"ts": NOW, "author": "ann", "role": "analyst", "service": "openai", "scope": Scope()}
    return Decision(number=number, decision=kind, **(given | changes))


def policy(
    *rules: Rule, decisions: tuple[Decision, ...] = (), stage: Stage = Stage.ENFORCE, catalogue: Catalogue = CATALOGUE
) -> Policy:
    snapshot = PolicySnapshot(version=1, created=NOW, stage=stage, rules=rules, decisions=decisions)
    return compile_policy(snapshot, catalogue, b"k" * 32, person=lambda name: f"p_{name}")


__all__ = ["CATALOGUE", "NOW", "OPENAI", "LabelMatch", "Layer", "Match", "decision", "facts", "label", "policy", "rule"]
