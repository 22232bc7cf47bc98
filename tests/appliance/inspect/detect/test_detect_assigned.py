"""Values that are secret by their name: what is taken, what is left, in whole texts and in pieces."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect.assigned import candidates
from appliance.inspect.detect.candidates import CANDIDATES, entities
from appliance.inspect.detect.judging import BEST
from appliance.inspect.overlap import cover
from appliance.inspect.stream.watching import Watching
from appliance.model.detection import Selector

ANY = (Selector(kinds=("secret",)),)
KEY = "q7Zt2mXw9Lr4Kd8v"
SPOKEN = "vkRWtbLqGXnfMPzs"  # no digit in it

TAKEN = [
    ('password = "hunter2!x"', "hunter2!x", "PASSWORD"),
    ("DB_PASSWORD=tr0ub4dor", "tr0ub4dor", "PASSWORD"),
    ('"admin_pass": "Winter2019",', "Winter2019", "PASSWORD"),
    ("password: 's3cr3t!'", "s3cr3t!", "PASSWORD"),
    ("my $pwd = 'abc$123';", "abc$123", "PASSWORD"),
    ("the password is hunter2", "hunter2", "PASSWORD"),
    ('The default password for the user "root" is "calvin9".', "calvin9", "PASSWORD"),
    ("<password>Sommer2024</password>", "Sommer2024", "PASSWORD"),
    ("define('DB_PASSWORD', 'x9!kLm22');", "x9!kLm22", "PASSWORD"),
    ("Server=db;User Id=sa;Password=geheim;Database=x;", "geheim", "PASSWORD"),
    (f'api_key: "{KEY}"', KEY, "GENERIC_SECRET"),
    (f"export SIGNING_SECRET={KEY}", KEY, "GENERIC_SECRET"),
    (f"clientSecret => '{KEY}',", KEY, "GENERIC_SECRET"),
    (f"?access_token={KEY}&x=1", KEY, "GENERIC_SECRET"),
    (f"Authorization: Bearer {KEY}", KEY, "AUTHORIZATION"),
    ("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "AUTHORIZATION"),
    (f"curl -u admin:{KEY} https://db.internal", KEY, "PASSWORD"),
    ("curl --user 'me:h0pk1ns~21s' http://x", "h0pk1ns~21s", "PASSWORD"),
    ("mysql -u root --password=Tr33house", "Tr33house", "PASSWORD"),
    ("machine api.test login ann password w1ndow", "w1ndow", "PASSWORD"),
    ("  password w1ndow7\n", "w1ndow7", "PASSWORD"),
    ('new NetworkCredential("ann@corp", "w1ndow!7")', "w1ndow!7", "PASSWORD"),
    ("password = 'plum orchard'", "plum orchard", "PASSWORD"),
    ('"passphrase": "purple horse battery staple"', "purple horse battery staple", "PASSWORD"),
    (f'api_key = "{SPOKEN}"', SPOKEN, "GENERIC_SECRET"),
    ('jwt_secret: "q4}\\7[Zw;&t>LmX?!v9|Rk"', "q4}\\7[Zw;&t>LmX?!v9|Rk", "GENERIC_SECRET"),
    ("token = a1b2c3.d4e5f6.g7h8i9", "a1b2c3.d4e5f6.g7h8i9", "GENERIC_SECRET"),
    ('if creds.secret != "green-lantern" {', "green-lantern", "GENERIC_SECRET"),
    ('curl -u "k8RwT52vQz!m:" https://db.internal', "k8RwT52vQz!m", "PASSWORD"),
    (f"  -u developer:{SPOKEN}", SPOKEN, "PASSWORD"),
    ("create user app with password 'w1ndow!7';", "w1ndow!7", "PASSWORD"),
    ("alter user app identified by 'w1ndow!7'", "w1ndow!7", "PASSWORD"),
    ('<add key="SmtpPassword" value="w1ndow!7"/>', "w1ndow!7", "PASSWORD"),
    ("define('DB_PASSWORD', 'geheim')", "geheim", "PASSWORD"),
    ("DEPLOY_TOKEN=3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "GENERIC_SECRET"),
]
LEFT = [
    "password = getpass()",
    "password = os.environ['DB_PASSWORD']",
    'password = "${DB_PASSWORD}"',
    "password: {{ vault_password }}",
    "password=<your-password>",
    "PASSWORD=changeme",
    'password = "xxxxxxxx"',
    "password = user_password",
    "self.password = password",
    "def login(user: str, password: str = None):",
    '"password": "Please enter your password"',
    "password: required",
    "The password is incorrect.",
    "the password is stored in the vault",
    "a token is a word",
    "the key, a value",
    "token_count = 4096",
    "max_tokens: 2048",
    'type: "password"',
    "<input type=password name=password>",
    "bypass = 'always'",
    "compass: north-east",
    "key = hashlib.blake2b(site_key, digest_size=32)",
    'api_key = "your-api-key"',
    "api_key: $API_KEY",
    "secret_name: my-service-secret",
    "token: null",
    "password_hash = sha256:0a1b2c3d4e5f",
    "https://example.com/password/reset",
    "curl -u $USER:$PASS https://x",
    "curl -u username:password https://x",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer <token>",
    "mysql --password",
    "mysql --password=$PASS",
    'credential="held:team"',
    "public_key_path = /etc/keys/public.pem",
    '"password": "must contain eight characters"',
    '"password": "Forgot it again"',
    "for name in ('pass', 'raise'):",
    '"password", "customer records"',
    "password = 'challengePassword'",
    "token = 'abcdefg98765+XKWPZ'",
    "TOKEN=7654321-gfedcba-xyz1",
    'token: "k-5678-5678-5678-0a9c31f7be2244d08e6f5b7c1d3a9e20"',
    "export SERVICE_TOKEN=svc_q7Zt2mXw9Lr4Kd8vB3nY...",
    'api_key: r"k[a-z0-9]{40,}"',
    '"password": "Contrase\\u00f1a"',
    "_authToken=5d1c9e20-7b3a-11ee-8c4f-0242ac130003",
    "expected_authorization=self._expected_authorization",
    "serve --plugin-secret auth-by-host",
    "wget -N -P common/ --password x/",
    "token = config1.attribute2",
    '{"name": "url-password", "entity": 1}',
    "what it keeps secret (Apache-2.0)",
    "curl -u username: https://x",
]


@pytest.fixture(scope="module")
def watching(detectors):
    return Watching(detectors)


def taken(detectors, text):
    return [(text[d.start : d.end], d.entity) for d in detectors.exact(text) if d.kind == "secret"]


@pytest.mark.parametrize(("text", "secret", "entity"), TAKEN, ids=[text for text, _, _ in TAKEN])
def test_taken(detectors, text, secret, entity):
    for before, after in (("", ""), ("# see\n", "\nok"), ("    ", "")):
        assert (secret, entity) in taken(detectors, before + text + after)


@pytest.mark.parametrize("text", LEFT)
def test_left(detectors, text):
    assert taken(detectors, text) == []


def test_a_guess_never_reaches_what_policies_act_on(detectors):
    for text, _, entity in TAKEN:
        assert all(d.score <= BEST < 0.5 for d in detectors.exact(text) if d.entity == entity)


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        (f"DATADOG_API_KEY={'0a1b2c3d4e5f6789' * 2}", "DATADOG_API_KEY"),
        ('"heroku_token": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"', "HEROKU_API_KEY"),
        (f"aws_secret_access_key = {'a1B/c3D+' * 5}", "AWS_SECRET_ACCESS_KEY"),
        (f"the mistral api key is {KEY * 2}.", "MISTRAL_API_KEY"),
    ],
)
def test_a_named_provider_and_a_shape_that_fits_make_a_key(detectors, text, entity):
    assert [d.score for d in detectors.exact(text) if d.entity == entity] == [0.8]


def test_what_is_refused_is_told_with_its_span_and_the_search_goes_on_inside_it():
    rule = next(one for one in CANDIDATES if one.name == "assigned-secret")
    text = "token: password = hunter2!x"
    refused, taken_ = candidates(rule, re.compile(rule.shape, re.ASCII), text, 0, len(text))
    assert (refused.score, refused.span) == (0.0, (0, 15))
    assert text[slice(*taken_.secret)] == "hunter2!x"
    assert {taken_.entity} <= set(entities(rule))


def test_a_provider_inside_another_word_is_none(detectors):
    assert all(d.entity != "OKTA_TOKEN" for d in detectors.exact(f"rooktable = 00{'a1B2c3D4' * 5}"))


@pytest.mark.parametrize("letter", ["=", "'", "password", "password = ", "key: key: ", "-u ", "a:b ", "Bearer "])
def test_texts_made_to_cost_stay_linear(detectors, letter):
    """By what is looked at: candidates are bounded, and after each the search goes on behind its name."""
    assert isinstance(detectors.exact(letter * (100_000 // len(letter))), tuple)


SAID = [text for text, _, _ in TAKEN] + LEFT
texts = st.lists(st.sampled_from([*SAID, " ", "\n", ", ", "so it is "]), min_size=1, max_size=5).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.integers(1, 12))
def test_in_pieces_as_in_the_whole(detectors, watching, text, length):
    watch = watching.watch("content", ANY, (), 1 << 16)
    pieces = [text[place : place + length] for place in range(0, len(text), length)]
    found = [one for piece in pieces for one in watch.feed(piece).found] + list(watch.close().found)
    assert tuple(found) == cover(one for one in detectors.exact(text) if ANY[0].takes(one))
