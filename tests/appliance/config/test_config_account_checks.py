"""What is refused in `accounts` and `gateway.sealing`."""

import pytest

from appliance.config.account_checks import faults, sealing_fault
from appliance.config.account_schema import Accounts, Sealing
from appliance.config.load import load
from appliance.model.errors import OperatorError


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        (Accounts(corporate={"openai_organisation": ("org-a",)}), "openai_organization"),
        (Accounts(corporate={"key": ("",)}), "1 to 128"),
        (Accounts(tenants={"chatgtp": {"X": "y"}}), "chatgpt"),
        (Accounts(tenants={"chatgpt": {}}), "name its headers"),
        (Accounts(tenants={"chatgpt": {"ChatGPT-Allowed-Workspace": "w"}}), "ChatGPT-Allowed-Workspace-Id"),
        (Accounts(tenants={"deepseek": {"X": "a\nb"}}), "visible ASCII"),
    ],
)
def test_what_is_wrong_with_accounts(accounts, words):
    ((_, what),) = faults(accounts, frozenset({"chatgpt", "deepseek"}))
    assert words in what


def test_what_is_sound():
    tenants = {"chatgpt": {"chatgpt-allowed-workspace-id": "w"}, "deepseek": {"X-Any": "y"}}
    assert not list(faults(Accounts(corporate={"key": ("k_1",)}, tenants=tenants), frozenset({"deepseek"})))


@pytest.mark.parametrize(
    ("sealing", "words"),
    [
        (Sealing(), "exactly one"),
        (Sealing(file="a", credential="b"), "exactly one"),
        (Sealing(command=("unseal",)), "whole path"),
        (Sealing(credential="../x"), "a name"),
    ],
)
def test_what_is_wrong_with_sealing(sealing, words):
    assert words in sealing_fault(sealing)
    assert sealing_fault(None) == ""


def test_a_restriction_whose_hosts_stay_sealed_is_no_restriction(tmp_path):
    file = tmp_path / "gnomon.yaml"
    text = "accounts: {tenants: {microsoft: {Restrict-Access-To-Tenants: corp.example}}}\n"
    file.write_text(text)
    with pytest.raises(OperatorError, match="stay sealed"):
        load(file)
    file.write_text(text + "egress: {intercept: all}\n")
    assert load(file).accounts.tenants


def test_in_a_file(tmp_path):
    file = tmp_path / "gnomon.yaml"
    file.write_text("gateway: {sealing: {file: kek}}\naccounts: {corporate: {openai_organization: [org-a]}}\n")
    config = load(file)
    assert config.gateway.sealing.file == str(tmp_path / "kek")
    file.write_text("gateway: {sealing: {}}\naccounts: {corporate: {nothing: [a]}}\n")
    with pytest.raises(OperatorError, match="exactly one") as caught:
        load(file)
    assert "no such kind of id" in str(caught.value)
