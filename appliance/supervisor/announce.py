"""What `gnomon up` says on stdout once it serves: where it listens and how to use it. Pure text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from appliance.sanitise import one_line

if TYPE_CHECKING:
    from appliance.bus.control import Status

_KEY = '-H "Authorization: Bearer $OPENAI_API_KEY"'


def as_text(status: Status, flags: str, notes: list[str], *, tls: bool = False) -> str:
    """For people. `flags`: what other commands need to find this appliance, e.g. ` --config x.yaml`.

    `tls`: the listeners have a certificate of their own.
    """
    scheme = "https" if tls else "http"
    proxy, gateway = f"{scheme}://{status.proxy}", f"{scheme}://{status.gateway}"
    stage = "verdicts are recorded, no byte is changed" if status.stage == "observe" else "verdicts act"
    lines = [
        f"gnomon {status.version} is up: {status.workers} worker(s), stage {status.stage} ({stage})",
        "",
        f"  forward proxy   {proxy}",
        f"  gateway         {gateway}/v1",
        f"  evidence        {status.state_dir}",
        *(f"  sensor          {one_line(one.source)}: {one.state}" for one in status.sensors),
        "",
        "Use it:",
        f"  gnomon ca export{flags} > gnomon-ca.pem",
        f"  export HTTPS_PROXY={proxy} SSL_CERT_FILE=$PWD/gnomon-ca.pem     # an SDK through the proxy",
        f"  export OPENAI_BASE_URL={gateway}/v1                       # or through the gateway",
        f"  curl --cacert gnomon-ca.pem -x {proxy} {_KEY} https://api.openai.com/v1/models",
        "",
        f"Look: gnomon status{flags}   Enforce: gnomon stage enforce{flags}   Stop: gnomon down{flags}, or Ctrl-C",
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in notes)])


def as_json(status: Status) -> str:
    """One line for programs: the status record."""
    return msgspec.json.encode(status).decode()
