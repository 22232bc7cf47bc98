"""A real OpenID Connect issuer behind TLS: `python issuer_driver.py CERTIFICATE KEY PORT`; prints its port."""

import sys

import oidc_provider_mock
from werkzeug.serving import make_server


def main(certificate: str, key: str, port: str) -> None:
    claims = {"groups": ["dev", "ops"], "department": "research"}
    people = [oidc_provider_mock.User(sub="maria", claims=claims)]
    app = oidc_provider_mock.app(user_claims=people)
    server = make_server("127.0.0.1", int(port), app, threaded=True, ssl_context=(certificate, key))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
