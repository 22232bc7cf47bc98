"""What a worker dials beside its exchanges is told to sensors like these: probes, key sets, directories."""

from pathlib import Path
from unittest import mock

from addons import chain as composition
from addons import probing
from addons.dialling import dialler_of
from appliance.config.identity_schema import Identity, TokenIssuer
from appliance.config.route_schema import Health, RouteEntry
from appliance.config.schema import Config, Egress, Gateway
from appliance.ledger.ledger import Ledger
from appliance.model.names import Stage
from appliance.supervisor import policy
from appliance.supervisor.evidence import counter_file, ensure_authority


def note(_near, _far):
    """Stands for the table."""


def test_every_dialler_of_a_worker_tells_its_connections(tmp_path):
    issuer = TokenIssuer(issuer="https://id.example", audience=("gnomon",), jwks="https://id.example/keys")
    config = Config(
        state_dir=str(tmp_path / "state"),
        run_dir=str(tmp_path / "run"),
        egress=Egress(hosts={"id.example:443": "127.0.0.1:1"}),
        identity=Identity(tokens=(issuer,)),
        gateway=Gateway(
            routes={"openai": RouteEntry(service="openai", target="https://a.example")}, health=Health(probe_s=60)
        ),
    )
    for folder in (config.state_dir, config.run_dir):
        Path(folder).mkdir(mode=0o700)
    ensure_authority(config)
    policy.ensure(config, Stage.ENFORCE)
    Ledger(counter_file(config), claim=False).close()
    made = mock.Mock(wraps=dialler_of)
    with (
        mock.patch.object(composition, "dialler_of", made),
        mock.patch.object(probing, "dialler_of", made),
        mock.patch.object(composition, "make_identification") as identification,
    ):
        composition.build_chain(config, "w0", note)
    assert [call.kwargs.get("opened") for call in made.call_args_list] == [note, note]
    assert identification.call_args.kwargs["opened"] is note
