"""Parent proxies as configured: their credentials come from files, and what is missing is told."""

import pytest
import seam_world  # noqa: F401 - imports mitmproxy with its one known warning quietened

from addons.dialling import parents_of, trusting
from appliance.config.credentials import write_key
from appliance.config.route_schema import ViaEntry
from appliance.config.schema import Config, Egress
from appliance.model.errors import OperatorError


def config(tmp_path, credential="held:parent"):
    entry = ViaEntry(proxy="https://proxy.example.com:3128", hosts=(".OpenAI.com",), credential=credential)
    return Config(state_dir=str(tmp_path / "state"), egress=Egress(via=(entry, ViaEntry(proxy="http://10.0.0.9:8080"))))


def test_a_parent_has_the_credentials_of_its_file(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    write_key(config(tmp_path), "parent", b"me:secret")
    one, two = parents_of(config(tmp_path))
    assert (one.host, one.port, one.hosts, one.secret, one.fault) == (
        *("proxy.example.com", 3128, (".openai.com",), b"me:secret", ""),
    )
    assert one.tls is not None
    assert (two.host, two.port, two.tls, two.secret) == ("10.0.0.9", 8080, None, None)


@pytest.mark.parametrize("value", [None, b"without-a-colon"])
def test_what_cannot_be_used_is_a_fault_that_does_not_show_it(tmp_path, value):
    (tmp_path / "state").mkdir(mode=0o700)
    if value:
        write_key(config(tmp_path), "parent", value)
    parent = parents_of(config(tmp_path))[0]
    assert parent.secret is None
    assert "credential parent" in parent.fault
    assert "colon" not in parent.fault


def test_a_bundle_that_is_none_is_refused(tmp_path):
    with pytest.raises(OperatorError, match="ca_bundle"):
        trusting(str(tmp_path / "nothing"))
