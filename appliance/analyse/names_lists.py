"""Words by which names are told: given names, given names that are words as well, places; and small sets of words.

Rules: read once, from the file beside this one, before the process gives up its files; lower case, except places, which
count only as they are written. Where the lists come from stands in the file.
"""

import unicodedata
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import msgspec


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PARTICLES: Final = _words(
    """
    al ap ben bin bint da dal das de degli dei del della der den di do dos du e el i ibn la las le les los mac ould
    ter ten van vande vanden vander von y zu zum zur af av
    """
)
TITLES: Final = _words(
    """
    mr mrs ms miss mx dr prof professor sir dame madam madame mme mlle monsieur herr frau fräulein señor señora sr
    sra srta signor signora sig dott dipl-ing rev reverend fr hon capt captain lt sgt col gen maj cmdr sheikh shri
    smt judge justice rabbi imam sister brother uncle aunt aunty grandpa grandma
    officer detective sergeant sheriff senator governor coach lord dj lil papa
    """
)
# Titles that are words or names as well: they count only with a capital or a full stop.
LOOSE_TITLES: Final = _words(
    """
    officer detective sergeant sheriff senator governor coach lord dj lil papa
    sir dame madam miss judge justice sister brother uncle aunt aunty grandpa grandma captain general fr col gen maj
    sig hon sr professor rev reverend imam rabbi lt
    """
)
AFTER_NAMES: Final = _words(
    """
    jr sr ii iii iv phd ph.d md m.d dds dvm esq mba cpa rn msc bsc dphil
    """
)
ORGANISATION_ENDS: Final = _words(
    """
    inc inc. ltd ltd. llc llp plc corp corp. corporation company co. gmbh ag kg ohg ug se s.a s.a. sa sas sarl srl
    spa bv b.v nv oy ab as aps pty pte limited incorporated group holding holdings partners associates bank
    university college institute institution foundation association society council committee commission ministry
    department agency authority hospital clinic school academy museum church airlines airways insurance consulting
    solutions technologies systems industries enterprises ventures capital labs laboratories pharmaceuticals motors
    energy logistics media records studios league federation union club team party services
    """
)
STREET_ENDS: Final = _words(
    """
    street st st. avenue ave ave. road rd rd. lane ln drive dr. boulevard blvd way court ct place pl square terrace
    parkway pkwy highway hwy circle crescent close gardens alley walk row mews quay straat laan weg straße strasse
    platz allee gasse apt apt. suite unit floor building room
    """
)
STREET_STARTS: Final = _words(
    """
    rue rua via calle avenida avenue boulevard place plaza piazza ulica ul ul. ctra paseo carrer camino chemin route
    allée impasse corso viale largo travessa estrada praça c/
    """
)
# Capitalised because a sentence, a heading or the language wants it so: no part of a name by itself.
NO_NAMES: Final = _words(
    """
    a an the this that these those i you he she it we they me him her us them my your his its our their mine yours
    and or but nor so yet if then else when while where why how what who whom whose which because since although
    though unless until after before as at by for from in into of off on onto out over per to toward under up upon
    with within without about above across against along among around behind below beneath beside between beyond
    despite down during except inside like near outside past through throughout is are was were be been being am do
    does did done have has had having will would shall should can could may might must ought not no yes ok okay
    please thanks thank dear hi hello hey regards sincerely best kind cheers yours sent subject re fwd cc bcc date
    name names first last middle full address email mail phone tel fax mobile contact customer client patient user
    employee manager director president chairman ceo cfo cto vp hr sales support team account id number order
    invoice payment card credit bank password login username key token secret note notes todo example sample test
    question answer prompt system assistant human ai bot model input output text title summary section chapter page
    table figure step part item list here there now today tomorrow yesterday monday tuesday wednesday thursday
    friday saturday sunday january february march april may june july august september october november december jan
    feb mar apr jun jul aug sep sept oct nov dec spring summer autumn winter morning afternoon evening night day
    week month year mr mrs ms miss dr prof write create give make tell show find get let use using used see say says
    said ask help need want know think look go come take put set run add call called read send check explain
    describe translate summarize summarise list compare generate rewrite act imagine suppose consider assume given
    old good great many much more most some any all each every both few other another such only just also very
    too well even still again ever never always often once twice one two three four five six seven eight nine ten
    however nobody everyone everybody someone somebody anyone anybody nothing everything people person officials
    therefore thus hence meanwhile moreover furthermore instead otherwise perhaps maybe actually really
    """
)
# Products, protocols and languages that models of names take for persons, places or companies.
PRODUCTS: Final = _words(
    """
    api apis json xml html css sql csv pdf url uri http https ssl tls tcp udp dns ip vpn ssh ftp smtp imap rest grpc
    sdk cli gui ide os cpu gpu ram ssd usb aws gcp s3 ec2 iam ssn ein itin pan iban bic swift cvv pin dob gdpr hipaa
    pci iso ascii utf unicode regex python java javascript typescript rust golang kotlin scala ruby perl php bash
    django flask fastapi react angular vue svelte node npm pip docker kubernetes helm terraform ansible jenkins jira
    confluence github gitlab bitbucket slack excel word outlook powerpoint teams zoom linux ubuntu debian windows
    macos android ios chrome firefox safari postgres postgresql mysql sqlite mongodb redis kafka spark hadoop pandas
    numpy pytorch tensorflow keras numpy scipy jupyter chatgpt gpt claude llama mistral gemini copilot bert openai
    anthropic siri alexa cortana lorem ipsum dolor foo bar baz qux todo fixme null none true false nan aadhaar
    aadhar passport license licence ssid uuid guid crud mvc oop orm jwt oauth saml sso mfa otp kyc aml roi kpi okr
    faq asap rsvp fyi eta q1 q2 q3 q4 covid nft atm tv pc ui ux qa pr ci cd ml nlp llm ocr rag etl bi crm erp
    """
)


class Lists(NamedTuple):
    """`given`: given names; `words`: given names that are ordinary words too; `places`: as they are written.

    `surnames`: family names that are nothing else.
    """

    given: frozenset[str]
    words: frozenset[str]
    places: frozenset[str]
    surnames: frozenset[str] = frozenset()

    def is_given(self, lower: str) -> bool:
        """Whether a word in lower case is a given name, with or without its accents."""
        return lower in self.given or (not lower.isascii() and _unaccented(lower) in self.given)

    def is_surname(self, lower: str) -> bool:
        """Whether a word in lower case is a family name, with or without its accents."""
        return lower in self.surnames or (not lower.isascii() and _unaccented(lower) in self.surnames)


class _File(msgspec.Struct):
    given: str
    words: str
    surnames: str
    places: str


@cache
def lists() -> Lists:
    """The lists of this release."""
    data = resources.files("appliance.analyse").joinpath("names_lists.json").read_bytes()
    file = msgspec.json.decode(data, type=_File)
    return Lists(
        frozenset(file.given.split()),
        frozenset(file.words.split()),
        frozenset(file.places.split("|")),
        frozenset(file.surnames.split()),
    )


def _unaccented(word: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", word) if not unicodedata.combining(one))
