"""What the operator tells the detectors, gathered from configuration and state folder.

Rules: every process that detects gathers the same: workers, their analysers and `gnomon scan`; the site key is read
only where there are dictionaries, and only the key derived for them goes on. Asking whether there is anything loads no
detector.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.config import calibration
from appliance.config.site_key import load_site_key

if TYPE_CHECKING:
    from appliance.config.schema import Config
    from appliance.inspect.detect.settings import Settings

DICTIONARIES = "dictionaries"  # below state_dir


def has_more(config: Config) -> bool:
    """Whether the operator has told the detectors anything."""
    calibrated = (Path(config.state_dir) / calibration.FILE).exists()
    told = config.inspect.recognisers or config.inspect.sensitivity or config.inspect.packages
    return bool(told) or calibrated or _any_made(config)


def detection_settings(config: Config) -> Settings:
    """OperatorError: a file of the operator's cannot be used."""
    from appliance.config import dictionaries
    from appliance.config.packages import load_packages
    from appliance.config.recognisers_file import load_recognisers
    from appliance.inspect.detect.settings import Settings
    from appliance.inspect.injection.model import shipped

    state = Path(config.state_dir)
    rules = load_recognisers(Path(config.inspect.recognisers)) if config.inspect.recognisers else ()
    held = dictionaries.load(state, load_site_key(state)) if _any_made(config) else ()
    levels = tuple(sorted(config.inspect.sensitivity.items()))
    packages = load_packages(Path(config.inspect.packages)) if config.inspect.packages else ()
    thresholds = calibration.load(state, shipped().version)
    return Settings(
        recognisers=rules, dictionaries=held, sensitivity=levels, packages=packages, injection_thresholds=thresholds
    )


def _any_made(config: Config) -> bool:
    return any((Path(config.state_dir) / DICTIONARIES).glob("*"))
