"""A certificate without DNS names is known by its common name; its date keeps nobody from starting."""

import datetime as dt

import msgspec

from appliance.peers.preflight import check


def test_the_common_name_counts_where_there_is_no_other(peerage, sidecar):
    path, _ = peerage.authority.issue("pod-a")
    path.chmod(0o600)
    assert list(check(msgspec.structs.replace(sidecar(1), central=peerage.central_of(path, "localhost:1")))) == []


def test_one_that_has_ended_is_no_fault_of_the_configuration(peerage, sidecar):
    path = peerage.peer("pod-a", ends=dt.timedelta(hours=-1))
    assert list(check(msgspec.structs.replace(sidecar(1), central=peerage.central_of(path, "localhost:1")))) == []
