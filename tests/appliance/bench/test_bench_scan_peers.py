"""Peers of the scan bench: asked where they are installed, left out where they are not."""

import json

from appliance.bench import scan_peers


def test_without_an_environment_nothing_is_told(tmp_path):
    assert scan_peers.measured(["text"], 1.0, tmp_path) == {}


def test_an_environment_is_asked_with_the_texts_and_the_rules(tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        "#!/bin/sh\n"
        f'cp "$2" {tmp_path}/texts.json\n'
        'printf \'{"re2_rules_ms_2kb_p50": 0.5, "seconds": %s, "rules": "%s"}\' "$6" "$4"\n'
    )
    python.chmod(0o700)
    told = scan_peers.measured(["one", "t\u00f6o"], 3.0, tmp_path)
    assert told == {"re2_rules_ms_2kb_p50": 0.5, "seconds": 1.5, "rules": str(tmp_path / "gitleaks.toml")}
    assert json.loads((tmp_path / "texts.json").read_text(encoding="utf-8")) == ["one", "t\u00f6o"]
