"""What an export holds beside the views of the evidence file: further views, and the table that tells what it is."""

from typing import Final

import msgspec


class OwnView(msgspec.Struct, frozen=True):
    """A view: the query, what it shows, and what its columns mean."""

    statement: str
    comment: str
    columns: dict[str, str]


# Made where the evidence file has none of that name.
OWN_VIEWS: Final = {
    "v_refusals": OwnView(
        "SELECT n, ts, make_timestamp(CAST(ts * 1000000 AS BIGINT)) AS at, worker, reason, client, principal, host, "
        "port, detail, listener FROM refusals",
        "Connections and requests that were refused before they became an exchange",
        {
            "n": "Row number in this store",
            "ts": "When, epoch seconds",
            "at": "When, UTC",
            "worker": "Which proxy worker refused it",
            "reason": "Why, in one word of the vocabulary",
            "client": "Digest of the client's address",
            "principal": "Digest of who asked",
            "host": "Host that was asked for",
            "port": "Port that was asked for",
            "detail": "Why, in more words",
            "listener": "proxy, gateway or peer (of edges)",
        },
    ),
    "v_notices": OwnView(
        "SELECT n, ts, make_timestamp(CAST(ts * 1000000 AS BIGINT)) AS at, worker, severity, note, detail FROM notices",
        "What the appliance told its operator",
        {
            "n": "Row number in this store",
            "ts": "When, epoch seconds",
            "at": "When, UTC",
            "worker": "Which process told it; store: the evidence store itself",
            "severity": "info, warning or alarm",
            "note": "What, in one word",
            "detail": "What, in more words",
        },
    ),
}

# Columns of table export_info: name, type, comment.
INFO: Final = (
    ("gnomon_version", "VARCHAR", "Version of the program that made the export"),
    ("schema_version", "INTEGER", "Number of the newest migration of the evidence"),
    ("made", "DOUBLE", "When it was made, epoch seconds"),
    ("since", "DOUBLE", "Begin of the span, epoch seconds; 0: from the beginning"),
    ("until", "DOUBLE", "End of the span, epoch seconds, itself not included"),
    ("pseudonymised", "BOOLEAN", "Whether names, addresses and free text were replaced or left out"),
    ("author", "VARCHAR", "Who asked for it, as the system knows the user; a pseudonym where pseudonymised"),
    ("role", "VARCHAR", "The role in which it was asked for"),
    ("rows", "MAP(VARCHAR, BIGINT)", "Rows of every view at the time of making"),
    (
        "chain_heads",
        "STRUCT(producer VARCHAR, epoch BIGINT, seq BIGINT, digest VARCHAR)[]",
        "Where the chain of records of every producer stood: number and SHA-256 of its newest record",
    ),
)
