"""Has watches see ordinary text before the first answer comes: their automaton is built as it is walked.

Rules: pure; what is found in the sample is thrown away. Without it the first words of a worker's first streams cost
some milliseconds each.
"""

from typing import Final

from appliance.inspect.stream.watch import Watcher
from appliance.model.detection import Selector

PIECE: Final = 4
CEILING: Final = 65536
SAMPLE: Final = """Sure! Here is a short summary of what you asked for, with the main points first. The quick brown fox
jumps over the lazy dog, and then it goes home; "why not?" she said, and he answered: because I don't know. You can use
the following steps to get started:

1. Install the package with your usual tools, then open a new terminal and check the version (for example 3.13.0).
2. Create a file called main.py in the project folder and paste the code below into it.
3. Run it. If something goes wrong, read the error message; most of the time it tells you which line is at fault.

```python
import json

def load(path: str) -> dict[str, int]:
    with open(path) as file:
        return {key: int(value) for key, value in json.load(file).items()}

print(load("data.json")["total"] * 2)
```

In 2024 about 15,000 people took part, 62 % of them for the first time. The total was $1,250.50, or 1.1 million for
the whole year. Let me know if you would like more, a table, or the same in German: Ich hoffe, das hilft Ihnen weiter.
Voici une autre phrase en français, y una más en español. Best regards, and thank you for the question!
* **Note:** this is an example, see https://example.com/docs/index.html for the rest of it.
{"name": "value", "items": [1, 2, 3], "ok": true, "text": "some words here", "id": "call_1"}
"""


def warm(watcher: Watcher, hides: tuple[Selector, ...]) -> None:
    """Walk the sample as an answer comes, in small pieces."""
    watch = watcher.watch("content", hides, (), CEILING)
    for at in range(0, len(SAMPLE), PIECE):
        watch.feed(SAMPLE[at : at + PIECE])
    watch.close()
