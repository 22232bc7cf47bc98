"""Mail addresses inside paths and queries, which presidio's own expression takes for a part of something else."""

import pytest

ADDRESS = "anna.berg@corp-mail.com"


def found(detectors, text):
    wanted = [one for one in detectors.exact(text) if one.entity == "EMAIL_ADDRESS" and one.score >= 0.4]
    return {text[one.start : one.end] for one in wanted}


@pytest.mark.parametrize(
    "text",
    [
        f"http://jira/users?email={ADDRESS}&x=1",
        f"GET /users/{ADDRESS}/edit HTTP/1.1",
        f"![x](https://pictures.example/?d={ADDRESS})",
        f"http://localhost:8080/{ADDRESS}",
        f"http://tracker.corp.local/a?b=c&by={ADDRESS}",
        f'{{"key": "users/{ADDRESS}"}}',
        f"file:///home/{ADDRESS}#x",
        f"/a?to='{ADDRESS}'",
    ],
)
def test_an_address_in_a_path_is_found_by_itself(detectors, text):
    assert ADDRESS in found(detectors, text)


@pytest.mark.parametrize(
    "text",
    [
        "uses: actions/checkout@v4.1",
        "import '/npm/vue@3.2.1/dist/vue.global.js'",
        "icons/arrow@2x.png",
        "/users/anna@localhost/edit",
        "/etc/wireguard@.service",
        "GET /@vite/client?t=1@x",
    ],
)
def test_what_is_no_address_is_none(detectors, text):
    assert found(detectors, text) == set()


def test_what_presidio_finds_is_not_found_twice(detectors):
    text = f"email={ADDRESS}, mailto:{ADDRESS}"
    assert sum(one.entity == "EMAIL_ADDRESS" for one in detectors.exact(text)) == 2
