"""A real OpenLDAP server on loopback, with people, groups and TLS, for as long as a `with` lasts."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from appliance.standin.certificates import write_certificates

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/bin:/usr/lib/openldap")
SLAPADD = shutil.which("slapadd", path="/usr/sbin:/usr/bin")
MODULES, SCHEMA = Path("/usr/lib/ldap"), Path("/etc/ldap/schema")
MISSING = not (SLAPD and SLAPADD and (SCHEMA / "inetorgperson.schema").exists())
HOST = "localhost"
PASSWORDS = {"maria": "correct horse: battery", "jürgen": "Grüße aus Köln", "paul": "secret", "twin": "x"}
SERVICE, SERVICE_PASSWORD = "cn=reader,dc=example,dc=test", "of the service"
CONFIG = """\
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
pidfile {folder}/slapd.pid
modulepath {modules}
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind=128
database mdb
suffix "dc=example,dc=test"
rootdn "cn=root,dc=example,dc=test"
rootpw root
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn="cn=reader,dc=example,dc=test" read by self read by * none
"""
BASE = """\
dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=test
objectClass: organizationalUnit
ou: groups

dn: ou=more,ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: more

dn: cn=reader,dc=example,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: of the service

dn: ou=elsewhere,dc=example,dc=test
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/ou=people,dc=example,dc=test
"""
PERSON = """
dn: uid={uid},{ou}dc=example,dc=test
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
departmentNumber: research
userPassword: {password}
"""
GROUP = """
dn: cn={name},ou=groups,dc=example,dc=test
objectClass: groupOfNames
cn: {name}
member: uid={member},ou=people,dc=example,dc=test
"""
# slapadd fills no back links, as the running server would.
MEMBER_OF = "memberOf: cn=dev,ou=groups,dc=example,dc=test\nmemberOf: cn=Ops\\, night,ou=groups,dc=example,dc=test\n"


class Slapd:
    def __init__(self, folder: Path, tls: int, clear: int, ca: Path) -> None:
        self.folder, self.tls, self.clear, self.ca = folder, tls, clear, ca
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        where = f"ldaps://127.0.0.1:{self.tls} ldap://127.0.0.1:{self.clear}"
        command = [SLAPD, "-f", str(self.folder / "slapd.conf"), "-h", where, "-d", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in (self.tls, self.clear):
            self._wait(port)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert time.monotonic() < deadline
                assert self.process.poll() is None
                time.sleep(0.02)
            else:
                return


@contextmanager
def slapd_at(folder: Path, names=(HOST,)):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir()
    ca, certificate, key = write_certificates(folder, names)
    text = CONFIG.format(schema=SCHEMA, folder=folder, modules=MODULES, ca=ca, certificate=certificate, key=key)
    (folder / "slapd.conf").write_text(text)
    people = "".join(PERSON.format(uid=uid, ou="ou=people,", password=word) for uid, word in PASSWORDS.items())
    people = people.replace("uid: maria\n", f"uid: maria\n{MEMBER_OF}", 1)
    people += PERSON.format(uid="twin", ou="ou=more,ou=people,", password="x")
    groups = GROUP.format(name="dev", member="maria") + GROUP.format(name="Ops\\, night", member="maria")
    (folder / "base.ldif").write_text(BASE + people + groups.replace("cn: Ops\\, night", "cn: Ops, night"), "utf-8")
    command = [SLAPADD, "-f", str(folder / "slapd.conf"), "-l", str(folder / "base.ldif")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    server = Slapd(folder, _free(), _free(), ca)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]
