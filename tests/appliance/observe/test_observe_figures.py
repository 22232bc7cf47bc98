"""Which figures are shown, and that none names what comes from the network."""

import re

from observe_made import HEALTH, STATUS, ended, tallied

from appliance.observe.exposition import page
from appliance.observe.figures import figures
from appliance.store.tally_pages import COUNTERS, HISTOGRAMS


def test_all_parts():
    told = page(figures(tallied(ended()), HEALTH, STATUS))
    for line in (
        'gnomon_up{part="store"} 1',
        'gnomon_up{part="supervisor"} 1',
        'gnomon_tokens_total{service="openai",type="input"} 100',
        'gnomon_refusals_total{reason="quota"} 2',
        'gnomon_first_byte_seconds_count{service="openai"} 1',
        "gnomon_exchanges_running 1",
        'gnomon_store_rows{table="findings"} 3',
        "gnomon_store_last_commit_seconds 0.0025",
        'gnomon_info{version="1.2.3",stage="enforce"} 1',
        'gnomon_worker_flows{worker="w0"} 7',
        'gnomon_worker_journal_fill{worker="w0"} 0.25',
        'gnomon_sensor_capturing{sensor="sensor0"} 1',
        'gnomon_sensor_lost_last_minute{sensor="sensor0"} 3',
    ):
        assert line in told.split("\n")
    assert all(f"gnomon_{family.name}" in told for family in (*COUNTERS, *HISTOGRAMS))


def test_what_is_away_is_left_out_and_told():
    told = page(figures(None, None, None))
    assert [line for line in told.split("\n") if not line.startswith("#")] == [
        'gnomon_up{part="store"} 0', 'gnomon_up{part="supervisor"} 0', ""
    ]  # fmt: skip
    assert 'gnomon_up{part="store"} 0' in page(figures(tallied(), None, STATUS))


def test_labels_are_a_closed_set():
    """No people, addresses, hosts or models: nothing that the network could make many of."""
    told = page(figures(tallied(ended()), HEALTH, STATUS))
    labels = set(re.findall(r'([a-z_]+)="', told))
    assert labels == {"part", "service", "type", "reason", "le", "table", "version", "stage", "worker", "sensor"}
    assert {name for family in (*COUNTERS, *HISTOGRAMS) for name in family.labels} <= {
        *("service", "type", "reason", "effective", "outcome", "severity", "leg")
    }
    assert "gpt" not in told
    assert "api.openai.com" not in told
