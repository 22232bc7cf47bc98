"""`python -m appliance.cli`: the same as `gnomon`."""

import sys

from appliance.cli import main

sys.exit(main())
