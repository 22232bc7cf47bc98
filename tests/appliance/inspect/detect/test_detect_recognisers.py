"""Our own recognisers of personal data, through the same tables, prefilter and exact pass as presidio's."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_texts import matching, seeded

from appliance.inspect.detect import context, hyperscan
from appliance.inspect.detect.pii import Found, judged, weighed, without_duplicates
from appliance.inspect.detect.recognisers_address import ADDRESS
from appliance.inspect.detect.recognisers_own import OWN, version

COUNTED = 0.4
OURS = {one.name for one in OWN}


def found(detectors, text, entity=None):
    wanted = [one for one in detectors.exact(text) if one.rule in OURS and one.score >= COUNTED]
    return [text[one.start : one.end] for one in wanted if entity in {None, one.entity}]


ADDRESSES = (
    "742 Evergreen Terrace, Springfield, IL 62704",
    "1600 Pennsylvania Avenue, Washington, DC 20500",
    "221B Baker Street, London NW1 6XE",
    "58 Lauzon Parkway",
    "4589 40th Street Suite 603 Calgary AB",
    "12 rue de la Paix, 75002 Paris",
    "Calle de Alcalá 45, 28014 Madrid",
    "Viale Europa 22",
    "Friedrichstraße 43, 10117 Berlin",
    "Keizersgracht 123, 1015 CJ Amsterdam",
    "Rua Augusta 1508",
    "17 Família Marques 19\n Apt. 618",
    "P.O. Box 1234",
    "76556 29 Rue de Tanger\n> Suite 399\n> Cite Ben Hjel\n> Tunisia 56004",
    "89 Gammelhavn 36\n Apt. 591\n Anholt\n People's Republic of China 75271",
    "60 Main Street, Turkovice u Prelouce, Bulgaria 83572",
    "Unit 5599 Box 3418\nDPO AA 11483",
    "USNS Frías\nFPO AA 88037",
    "17693 Király u. 15.\nLyss, nan 50662",
    "376 Rákóczi út 13. Suite 104 Veszprém VE",
    "Frørupvej 58",
    "180 Sahantie 72",
    "Λεωφόρος Αλεξάνδρου 189",
    "corner of ul. Jesionowa 127 and Philip Bypass",
    "corner of frankfurter allee 73 and edmunds street",
    "42 machelsesteenweg 197",
    "36 rue de pologne",
    "19 guipúzcoa 1268\n apt. 013\n rocha\n norway 13453",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_found_whole(detectors, address):
    assert address in found(detectors, f"please send it to {address}.", "STREET_ADDRESS")


def test_words_beside_it_raise_a_faint_one(detectors):
    faint = "98 Grote Baan 477"
    assert found(detectors, f"his address: {faint}, thanks", "STREET_ADDRESS")
    assert not found(detectors, f"he chose {faint} and left", "STREET_ADDRESS")


@pytest.mark.parametrize(
    "text",
    [
        "10 January 2024 was cold, and 3 March 1999 was not",
        "there are 3 ways down the road, 5 miles of it",
        "Windows 10 Drive C, Section 4 Place of Work, 350 RPS]",
        "on May 18, 1980, Mount St. Helens erupted",
        "def street(number): return 12 * Road.length",
        "brigade 5 met renegade 7 in decade 3",
        "SELECT 0 AS bypass, 0 AS route, 1 AS place",
        "two rooms, 5 people in apt 3. Unit 5 Box 7 of the kit",
        "Infanterie 5, Partie 3, Sympathie 4; fill 3 via email",
        "a corner of the table and the chair",
    ],
)
def test_prose_and_code_are_no_address(detectors, text):
    assert not found(detectors, text, "STREET_ADDRESS")


VALUES = (
    ("her Steuer-ID is 86 095 742 719", "DE_TAX_ID", "86 095 742 719"),
    ("Personalausweis T220001293", "DE_ID_CARD", "T220001293"),
    ("KVNR A123456780", "DE_HEALTH_INSURANCE", "A123456780"),
    ("2 55 08 14 168 025 38", "FR_NIR", "2 55 08 14 168 025 38"),
    ("DNI 12345678Z", "ES_DNI", "12345678Z"),
    ("X1234567L", "ES_NIE", "X1234567L"),
    ("RSSMRA85T10A562S", "IT_FISCAL_CODE", "RSSMRA85T10A562S"),
    ("BSN 111222333", "NL_BSN", "111222333"),
    ("PESEL 44051401359", "PL_PESEL", "44051401359"),
    ("personnummer 811228-9874", "SE_PERSONNUMMER", "811228-9874"),
    ("Aadhaar 2341 2341 2346", "IN_AADHAAR", "2341 2341 2346"),
    ("PAN ABCPE1234F", "IN_PAN", "ABCPE1234F"),
    ("111.444.777-35", "BR_CPF", "111.444.777-35"),
    ("SIN 130 692 544", "CA_SIN", "130 692 544"),
    ("BSN 1112.22.333", "NL_BSN", "1112.22.333"),
    ("phone: 467 3395", "PHONE_NUMBER", "467 3395"),
    ("Mobile:\n432 03 163", "PHONE_NUMBER", "432 03 163"),
    ("maestro card number is 675984103431?", "CREDIT_CARD", "675984103431"),
    ("credit card 2221 0000 0000 0009", "CREDIT_CARD", "2221 0000 0000 0009"),
    ("national insurance AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
    ("Medicare 1EG4-TE5-MK73", "US_MBI", "1EG4-TE5-MK73"),
    ("NPI 1234567893", "US_NPI", "1234567893"),
    ("routing number 021000021", "US_ABA_ROUTING", "021000021"),
    ("VIN 1M8GDM9AXKP042788", "VEHICLE_ID", "1M8GDM9AXKP042788"),
    ("IMEI 490154203237518", "IMEI", "490154203237518"),
    ("passport number: XG9382049.", "PASSPORT", "XG9382049"),
    ("driver's license D245-938-19-203", "DRIVER_LICENSE", "D245-938-19-203"),
    ("bank account number 3847283911", "BANK_ACCOUNT", "3847283911"),
    ("sort code 20-00-00", "UK_SORT_CODE", "20-00-00"),
    ("SWIFT: DEUTDEFF500", "SWIFT_BIC", "DEUTDEFF500"),
    ("Tax ID 94-2841935", "TAX_ID", "94-2841935"),
    ("Patient MRN ALPHA-442021", "MEDICAL_RECORD", "ALPHA-442021"),
    ("insurance number 77422-AZC", "INSURANCE_ID", "77422-AZC"),
    ("cvv 123, valid thru 08/27", "CARD_SECURITY_CODE", "123"),
    ("cvv 123, valid thru 08/27", "CARD_EXPIRY", "08/27"),
    ("born on 2/7/1961 in", "DATE_OF_BIRTH", "2/7/1961"),
    ("date of birth: 7 March 1971", "DATE_OF_BIRTH", "7 March 1971"),
    ("postcode SW1A 1AA", "POSTAL_CODE", "SW1A 1AA"),
    ("wallet 0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO", "0x52908400098527886E0F7030069857D2E4169EE7"),
)


@pytest.mark.parametrize(("text", "entity", "value"), VALUES)
def test_the_value_is_found_without_its_name(detectors, text, entity, value):
    assert value in found(detectors, text, entity)


@pytest.mark.parametrize(
    "text",
    [
        "order 111222333 and ticket 44051401359 and 1234567893",  # check digits hold by chance, no word beside
        "PAN ABCPE12345, DNI 12345678A, personnummer 811228-9875",  # check digits do not hold
        "GB 12 34 56 C and RSSMRA85T10A562T",
        "the passport office, your driver's license, my account manager",
        "he was born in Rome; valid through May",
        "build 20250929, 2024-08-06T12:30:00Z, sha 0x52908400",
    ],
)
def test_nothing_is_found_without_a_reason(detectors, text):
    assert found(detectors, text) == []


GROUPED = (
    ("CA_SIN", ("130", "692", "544"), "social insurance"),
    ("AU_TFN", ("123", "456", "782"), "tax file"),
    ("CH_AHV", ("756", "9217", "0769", "85"), "AHV"),
)


@pytest.mark.parametrize(("entity", "groups", "word"), GROUPED)
@pytest.mark.parametrize("sign", [" ", "-", "."])
def test_a_checked_number_in_groups_needs_no_word_beside_it(detectors, entity, groups, word, sign):
    value = sign.join(groups)
    assert value in found(detectors, f"it is {value}.", entity)
    assert value in found(detectors, f"{word} {value}, thanks", entity)
    assert value not in found(detectors, f"it is {value[:-1]}{(int(value[-1]) + 1) % 10}.", entity)
    assert value not in found(detectors, f"it is {value}{sign.strip()}123 or 1{value}", entity)


@pytest.mark.parametrize(("entity", "groups", "word"), GROUPED)
def test_a_checked_number_in_one_needs_a_word_unless_its_prefix_tells(detectors, entity, groups, word):
    value = "".join(groups)
    assert value in found(detectors, f"{word} {value}, thanks", entity)
    assert (value in found(detectors, f"it is {value}.", entity)) is (entity == "CH_AHV")


@pytest.mark.parametrize("text", ["phone 212-555-0123", "tel +49 30 901820", "card 4111 1111 1111 1111"])
def test_what_presidio_finds_is_told_once(detectors, text):
    told = [one for one in detectors.exact(text) if one.entity in {"PHONE_NUMBER", "CREDIT_CARD"}]
    assert len(told) == 1


@pytest.mark.parametrize(
    "text", ["phone call on 2024-01-02 10", "mobile: 12-11-2023", "tel 12 34", "card 123456789012"]
)
def test_dates_and_short_numbers_are_no_phones_and_no_cards(detectors, text):
    assert not found(detectors, text, "PHONE_NUMBER")
    assert not found(detectors, text, "CREDIT_CARD")


def test_below_the_least_score_nothing_is_said_at_all(detectors):
    assert not [one for one in detectors.exact("order 111222333") if one.rule in OURS]


PIECES = [text for text, _, _ in VALUES] + list(ADDRESSES) + ["\n", " ", ", ", "é", "\u0967", "address", "12", "St"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_the_prefilter_loses_nothing(detectors, text):
    want, words = [], context.Surroundings(text, detectors.tokenizer)
    for recogniser, rules in detectors._pii.recognisers[-len(OWN) :]:
        matches: list[Found] = []
        for rule, expression in rules:
            for match in expression.finditer(text):
                matches += judged(match, 0, rule.score, recogniser)
        want += weighed(without_duplicates(matches), recogniser, words)
    assert [one for one in detectors.exact(text) if one.rule in OURS] == sorted(want)


def test_a_signal_ends_inside_every_match(detectors):
    rules = [
        (rule, compiled)
        for recogniser, pairs in detectors._pii.recognisers
        for rule, compiled in pairs
        if getattr(rule, "signal", "")
    ]
    assert len(rules) > len(ADDRESS.patterns)
    expressions = [hyperscan.Expression(rule.signal, hyperscan.SUPERSET) for rule, _ in rules]
    database = hyperscan.Database(hyperscan.compile_expressions(expressions))
    for number, (rule, compiled) in enumerate(rules):
        for seed in range(6):
            text = f" {matching(rule.expression, 26, seeded(seed), 4)} ."
            ends = database.hits(text).get(number, [])
            for match in compiled.finditer(text):
                assert any(match.start() <= end < match.end() for end in ends), (rule.name, match.group())


def test_names_are_one_each_and_the_version_tells_of_them():
    assert len(OURS) == len(OWN)
    assert version() == version()
