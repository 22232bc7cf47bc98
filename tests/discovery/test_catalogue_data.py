"""The embedded data: sound, sourced, without contradictions, of the size that is claimed, and known to the lists."""

import csv
from pathlib import Path

import msgspec
import pytest

from appliance.ca.groups import MAX_OCTETS, grouped, octets
from appliance.ca.reach import reach_of
from appliance.config import yaml_source
from appliance.config.catalogue import embedded, embedded_files, load_catalogue
from appliance.config.catalogue_file import CatalogueFile, faults_of
from appliance.config.catalogue_reference import SOURCES, render_reference
from appliance.config.conversion import convert
from appliance.model.catalogue import CATEGORIES

ROOT = Path(__file__).parents[2]
LISTS = ROOT.parent / "shared" / "data" / "catalogue" / "candidates.csv"
CATALOGUE = load_catalogue()
SERVICES = list(CATALOGUE.services.values())
# Named as API hosts by those lists, and none: clouds' own storage, sign-in, examples, documentation, web search.
NO_API = {
    *(
        "127.0.0.1",
        "*.api.aws",
        "aws.amazon.com",
        "blog.google",
        "boto3.amazonaws.com",
        "bucket.s3.region.amazonaws.com",
    ),
    *("cloud.google.com", "cloud.ibm.com", "cloudfront.net", "devcenter.heroku.com", "developers.google.com"),
    *("developers.sber.ru", "duckduckgo.com", "help.aliyun.com", "html.spec.whatwg.org", "huggingface.github.io"),
    *("iam.cloud.ibm.com", "login.microsoftonline.com", "s3.region.amazonaws.com", "s3.us-west-2.amazonaws.com"),
    *("storage.googleapis.com", "vercel.com", "your-searxng-instance.com", "api.dataforseo.com"),
}


def test_there_are_at_least_900_names() -> None:
    names = [name for service in SERVICES for name in service.names]
    assert len(names) == len(set(names)) >= 900


@pytest.mark.parametrize(("name", "data"), list(embedded_files()), ids=lambda made: str(made)[:60])
def test_a_file_is_what_an_operators_file_must_be(name: str, data: bytes) -> None:
    document = yaml_source.parse(b'{"services": ' + data.strip() + b"}", name)
    strict = convert(document, CatalogueFile).services
    assert [(service.id, *fault) for service in strict for fault in faults_of(service)] == []
    assert list(strict) == [one for one, place in embedded().values() if place.startswith(name)]
    ids = [service.id for service in strict]
    assert ids == sorted(set(ids))
    assert {service.category for service in strict} == {Path(name).stem}
    lines = data.decode().splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    assert len(lines) == len(ids) + 2
    for number, line in enumerate(lines[1:-1]):
        assert msgspec.json.decode(line.rstrip(","))["id"] == ids[number]


def test_no_id_stands_in_two_files() -> None:
    assert len(embedded()) == sum(len(msgspec.json.decode(data)) for _, data in embedded_files())


def test_every_category_and_source_is_known() -> None:
    assert {service.category for service in SERVICES} == set(CATEGORIES)
    assert [service.id for service in SERVICES if not service.sources] == []
    assert {source for service in SERVICES for source in service.sources} == set(SOURCES)


def test_no_name_is_dead_or_lies_in_another_owners() -> None:
    covered = [
        (service, name, hit)
        for service in SERVICES
        for name in service.domains
        for hit in CATALOGUE.covering(name.removeprefix("."))
        if hit.entry != name
    ]
    assert [(name, hit.entry) for service, name, hit in covered if hit.service is service] == []
    strange = [
        (name, service.owner, hit.entry, hit.service.owner)
        for service, name, hit in covered
        if hit.service.owner != service.owner and not hit.service.shared_host
    ]
    assert strange == []


def test_every_pattern_has_regions_and_every_statement_a_place() -> None:
    assert [service.id for service in SERVICES if service.patterns and not service.regions] == []
    said = [one for one in SERVICES if one.trains_on_data or one.retention_days is not None]
    assert len(said) > 30
    assert [one.id for one in said if not (one.terms or "").startswith("https://")] == []


@pytest.mark.parametrize(
    "host",
    [
        *("github.com", "amazonaws.com", "s3.amazonaws.com", "googleapis.com", "storage.googleapis.com", "google.com"),
        *("microsoft.com", "cloudfront.net", "azure.com", "blob.core.windows.net", "akamaiedge.net", "cloudflare.net"),
        *("slack.com", "zoom.us", "salesforce.com", "bing.com", "fastly.net", "vercel.app", "netlify.app", "x.com"),
        *("tencentcloudapi.com", "baidu.com", "aliyuncs.com", "yandex.net", "ibm.com", "oraclecloud.com", "dns.google"),
    ],
)
def test_what_is_not_ai_is_not_taken_in(host: str) -> None:
    assert CATALOGUE.match(host) is None
    assert CATALOGUE.match("x9." + host) is None


def test_the_constraints_of_a_handshake_stay_small() -> None:
    # One group of names goes out in a handshake. 64 groups are 64 signatures at a renewal, and 64 to check at a start.
    groups = grouped(reach_of(CATALOGUE.domains()))
    assert max(octets(group) for group in groups) <= MAX_OCTETS
    assert len(groups) <= 64


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "reference" / "catalogue.md").read_text()
    assert page == render_reference(), (
        "run: python -m appliance.config.catalogue_reference > docs/reference/catalogue.md"
    )


@pytest.mark.shared
def test_nearly_every_api_host_of_public_registries_is_known() -> None:
    if not LISTS.exists():
        pytest.skip("../shared/data is not here")
    with LISTS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in {"litellm", "models.dev"}]
    hosts = {row["domain"] for row in rows} - NO_API
    missed = sorted(host for host in hosts if CATALOGUE.match(host.replace("*", "eu-west-1")) is None)
    assert len(hosts) > 260
    assert len(missed) / len(hosts) < 0.03, missed
