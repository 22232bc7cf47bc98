"""docs/PERFORMANCE.md: what was measured, with which command, on what.

Rules: only numbers that a bench printed; each with its meaning and its target; the machine is told by what it is.
"""

import os
import platform
from collections.abc import Mapping

MEANINGS = {
    "requests_per_s": "unique 2 kB requests/s over kept TLS connections, one worker, every inline guard on",
    "mitmdump_requests_per_s": "the same through bare mitmdump in the same run",
    "ratio": "requests/s against mitmdump (target: at least 1.0)",
    "cpu_ms_per_request": "processor time of the worker per request",
    "mitmdump_cpu_ms_per_request": "processor time of mitmdump per request",
    "p50_ms": "median time of a request with two clients asking, through proxy and stand-in",
    "p99_ms": "99th percentile of the same",
    "added_ms_p50": "median time at 50 requests/s, less that of asking the provider itself (target: at most 4 ms)",
    "added_ms_p99": "the same, difference of 99th percentiles",
    "one_client_per_s": "requests/s of one client that asks again as soon as it is answered",
    "one_client_added_ms_p50": "what is added to each of these, difference of medians (target: at most 4 ms)",
    "mitmdump_added_ms_p50": "what bare mitmdump adds at 50 requests/s: much of it is a core that was idle",
    "mitmdump_added_ms_p99": "the same, difference of 99th percentiles",
    "mitmdump_one_client_per_s": "requests/s of one client of mitmdump that asks again at once",
    "mitmdump_one_client_added_ms_p50": "what is added to each of these, difference of medians",
    "litellm_requests_per_s": "2 kB requests/s through LiteLLM's proxy on our core, TLS on both sides, no guard on",
    "litellm_cpu_ms_per_request": "processor time of LiteLLM per request",
    "litellm_added_ms_p50": "what LiteLLM adds at 50 requests/s, difference of medians",
    "litellm_added_ms_p99": "the same, difference of 99th percentiles",
    "litellm_one_client_per_s": "requests/s of one client of LiteLLM that asks again at once",
    "litellm_one_client_added_ms_p50": "what is added to each of these, difference of medians",
    "litellm_guarded_requests_per_s": "the same with LiteLLM's own content filter: four patterns, request only",
    "litellm_guarded_cpu_ms_per_request": "processor time of LiteLLM per request so",
    "litellm_guarded_added_ms_p50": "what it adds so, difference of medians",
    "litellm_guarded_added_ms_p99": "the same, difference of 99th percentiles",
    "litellm_guarded_one_client_per_s": "requests/s of one client of it so that asks again at once",
    "litellm_guarded_one_client_added_ms_p50": "what is added to each of these, difference of medians",
    "portkey_requests_per_s": "the same through Portkey's gateway: no TLS to clients, for it offers none; no guard on",
    "portkey_cpu_ms_per_request": "processor time of Portkey per request",
    "portkey_added_ms_p50": "what Portkey adds at 50 requests/s, difference of medians",
    "portkey_added_ms_p99": "the same, difference of 99th percentiles",
    "portkey_one_client_per_s": "requests/s of one client of Portkey that asks again at once",
    "portkey_one_client_added_ms_p50": "what is added to each of these, difference of medians",
    "new_tls_per_s": "new TLS connections/s, one request on each",
    "mitmdump_new_tls_per_s": "the same through bare mitmdump in the same run",
    "new_tls_ratio": "new TLS connections/s against mitmdump (target: at least 2, stretch 3)",
    "large_added_ms_p50": "what bodies of 1 MB, sent one after the other by another client, add to a 2 kB request",
    "large_added_ms_p99": "the same, difference of 99th percentiles (target: at most 20 ms)",
    "large_per_s": "bodies of 1 MB/s meanwhile, analysed in a process of their own on the worker's core",
    "ttft_ms_p50": "median time from request to the first text of a streamed answer, every inline guard on",
    "ttft_added_ms_p50": "the same against the worker's own relay that reads nothing (target: at most 2 ms)",
    "ttft_leading_space_ms_p50": "the same where words carry their space before them: the last word waits for the next",
    "ttft_leading_space_added_ms_p50": "against the relay; deltas are 20 ms apart, so that is what a held word costs",
    "delta_ms_p50": "median time from writing a delta to the bytes that it causes at the client",
    "delta_added_ms_p50": "the same against the relay, difference of medians",
    "delta_added_ms_p99": "the same, difference of 99th percentiles (target: below 0.3 ms)",
    "deltas_per_s": "deltas/s of one worker, eight streams as fast as they come, all guards (target: at least 2,500)",
    "unread_deltas_per_s": "the same through the relay",
    "cpu_us_per_delta": "processor time of the worker per delta where each comes alone, microseconds",
    "unread_cpu_us_per_delta": "the same through the relay",
    "held_chars_p50": "characters of prose that wait after a delta of four, embedded policy (target: below 16)",
    "held_chars_p99": "the same, 99th percentile",
    "held_everything_chars_p50": "the same where everything that any detector knows is hidden",
    "held_everything_chars_p99": "the same, 99th percentile",
    "streams": "streamed answers at once, one delta a second each",
    "rss_mb": "most memory that the worker held meanwhile, MB resident (target: below 400)",
    "rss_before_mb": "the same before the first of them",
    "fanout_delta_ms_p50": "median time from writing a delta to the bytes that it causes",
    "fanout_delta_ms_p99": "the same, 99th percentile",
    "fanout_cpu_share": "share of its core that the worker used",
    "ms_2kb_p50": "all inline detectors together, without names, on unique texts of 2 kB (target: below 0.5 ms)",
    "ms_2kb_p95": "the same, 95th percentile (target: below 2 ms)",
    "ms_20kb_p50": "the same on 20 kB with 40 findings (target: below 5 ms)",
    "ms_200kb_p50": "the same on 200 kB with 40 findings (linear: 10 times the cost of 20 kB with 4 findings)",
    "ms_2mb_p50": "the same on 2 MB with 400 findings (linear: 100 times the cost of 20 kB with 4 findings)",
    "ms_turn_p50": "50 turns of 400 characters of which one is new, detectors with a warm cache (target: below 0.3 ms)",
    "ms_turn_whole_p50": "the same with parsing, places and coverage (target: below 1 ms)",
    "presidio_ms_2kb_p50": "stock presidio, patterns only, on the same texts of 2 kB in a process of its own",
    "re2_rules_ms_2kb_p50": "gitleaks' rules in RE2 on the same texts: secrets alone, words first, no entropy",
    "detect_secrets_ms_2kb_p50": "detect-secrets on the same texts as files: secrets alone",
    "scan.rss_mb": "resident memory of the process that was measured (target: a worker below 250)",
    "events_per_s": "audit events/s taken in by the store from a backlog",
    "paced_events_per_s": "audit events/s while a producer makes 5,000/s, the load of the next three rows",
    "visible_ms_p50": "from the journal to a named query's answer, median",
    "visible_ms_p95": "from the journal to a named query's answer, 95th percentile (target: at most 250 ms)",
    "query_ms_p95": "a page of a named query beside that load, 95th percentile",
    "packets_per_s": "packets/s, capture file to JSON lines, one core (target: 5 times nfstream, 10 times tshark)",
    "reader_packets_per_s": "packets/s of reading that file alone",
    "dpkt_packets_per_s": "packets/s of a loop over dpkt's objects on the same file",
    "scapy_packets_per_s": "packets/s of scapy's PcapReader on the beginning of it",
    "tshark_packets_per_s": "packets/s of tshark printing four fields of the same file",
    "nfstream_packets_per_s": "packets/s of nfstream (nDPI, one meter) on the same file",
    "replay.packets": "packets of the file, half of them generated, half from captures of others where they are",
    "replay.shared_packets": "packets of the file that stem from captures of others",
    "against_dpkt": "packets/s against dpkt",
    "against_scapy": "packets/s against scapy",
    "against_tshark": "packets/s against tshark",
    "against_nfstream": "packets/s against nfstream",
    "live.packets_per_s": "packets/s on a pair of virtual interfaces, mixed traffic (target: 300,000)",
    "dropped": "of the packets that pass the kernel filter, lost anywhere (target: 0)",
    "cpu_fraction": "of one core, taken by the process that reads packets (target: below 0.5)",
    "passed_fraction": "of all packets, let through by the kernel filter",
    "live.observations_per_s": "observations/s made of them",
    "missed": "of those dropped, counted by the kernel because its ring was full",
    "resident_mib": "memory of that process beside the ring, MiB, after half of the packets",
    "resident_grown_mib": "what came to it from then to the end (target: 0)",
    "live.packets": "packets sent",
    "lookup_ns": "processor time to look a host name up, mean of hits, misses and hostile names (target: below 2,000)",
    "slowest_lookup_ns": "the same for the slowest of these names",
    "catalogue_load_ms": "processor time to read the embedded catalogue at the start of a process (target: below 60)",
    "catalogue_names": "names in it",
    "route.hop_added_ms_p50": "what a route adds to a request through the appliance, median (target: at most 0.7 ms)",
    "route.hop_added_ms_p99": "the same, difference of 99th percentiles",
    "route.translated_hop_added_ms_p50": "the same where the route leads to a service of another dialect",
    "route.translated_delta_added_ms_p50": "what carrying over adds to a delta of a stream, difference of medians",
    "route.translated_delta_added_ms_p99": "the same, difference of 99th percentiles (target: below 0.2 ms)",
    "route.plain_ms_p50": "median time of a request without a route",
    "route.routed_ms_p50": "the same over a route",
    "route.requests": "requests that were timed",
    "decide.us_p50": "microseconds of processor time before a request may go: who, what holds, room (target: below 60)",
    "decide.us_p99": "the same, 99th percentile",
    "identity_us_p50": "of these, a proven identity found in the cache",
    "identity_us_p99": "the same, 99th percentile",
    "policy_us_p50": "of these, the verdict",
    "policy_us_p99": "the same, 99th percentile",
    "budget_us_p50": "of these, five counters found and reserved in the file that all workers share",
    "budget_us_p99": "the same, 99th percentile",
    "settle_us_p50": "processor time to settle it when the answer has gone",
    "settle_us_p99": "the same, 99th percentile",
    "compile_ms": "processor time to compile the rules",
    "decide.rules": "rules in force",
    "decide.identities": "people",
}
INTRODUCTION = """# Performance

Written by `make bench`. Ratios to a peer in the same run are what to keep: absolute numbers belong to the machine.
Every body that is benched is unique, so no cache of detections helps.
"""


_PEERS = ("litellm_", "portkey_")  # figures that are there with `--with-peers` only


def render(results: Mapping[str, Mapping[str, float]], seconds: float) -> str:
    """The page as Markdown."""
    machine = (
        f"Measured on {len(os.sched_getaffinity(0))} cores ({platform.machine()}), Python {platform.python_version()}."
    )
    parts = [INTRODUCTION, machine, ""]
    for name, numbers in results.items():
        peers = " --with-peers" if any(metric.startswith(_PEERS) for metric in numbers) else ""
        parts += [f"## {name}", "", f"`gnomon bench {name} --seconds {seconds:g}{peers}`", ""]
        parts += ["| metric | value | meaning |", "|---|--:|---|"]
        parts += [
            f"| `{metric}` | {value:g} | {MEANINGS.get(f'{name}.{metric}', MEANINGS.get(metric, ''))} |"
            for metric, value in numbers.items()
        ]
        parts.append("")
    return "\n".join(parts)
