"""Requests of each dialect in each other's: what is asked stays what was asked, and what does not is told by name."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from translate_world import APIS, CHAT, GEMINI, LACKS, MESSAGES, OLLAMA, PAIRS, PNG, RESPONSES, asked, path_of

from appliance.route.translate import Asked, Refusal, plan
from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.chat_asked import read as read_chat
from appliance.route.translate.conversation import (
    Conversation,
    Format,
    Media,
    Reasoning,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from appliance.route.translate.losses import HARMLESS, LACKING, Losses, Refused

MODELS = {"model-a": "model-b"}
FEATURES = (
    ("system",),
    ("image",),
    ("url",),
    ("tools",),
    ("tools", "stream"),
    ("results", "system"),
    ("named",),
    ("schema",),
    ("stop",),
    ("stream",),
)


def carried(source: str, target: str, ask: dict, *, stream: bool = False) -> Asked | Refusal:
    body = json.dumps(ask, ensure_ascii=False).encode()
    return plan(source, target, MODELS).request(path_of(source, stream=stream), body)


def normal(conversation: Conversation) -> Conversation:
    """Without what no dialect promises: ids that were made, names of schemas, details, and whose promise it is."""
    ids: dict[str, str] = {}

    def same(part):
        if isinstance(part, ToolUse | ToolResult):
            part = msgspec.structs.replace(part, id=ids.setdefault(part.id, str(len(ids))))
        if isinstance(part, ToolUse):
            return msgspec.structs.replace(part, arguments=json.dumps(json.loads(part.arguments)))
        return (
            Media(part.kind, part.media_type if part.data else "", part.data, part.url)
            if isinstance(part, Media)
            else part
        )

    turns = tuple(Turn(turn.role, tuple(same(part) for part in turn.parts)) for turn in conversation.turns)
    tools = tuple(Tool(tool.name, tool.description, json.dumps(json.loads(tool.schema))) for tool in conversation.tools)
    form = conversation.format and Format(json.dumps(json.loads(conversation.format.schema)))
    plain = {"model": "", "usage": True, "framing": "sse"}
    return msgspec.structs.replace(conversation, turns=turns, tools=tools, format=form, **plain)


@pytest.mark.parametrize("features", FEATURES, ids="-".join)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_is_asked_stays_what_was_asked(source, target, features):
    missing = [each for each in features if each in LACKS.get(source, ())]
    if missing:
        assert "stop" in missing or source == OLLAMA
        return
    stream = "stream" in features
    made = carried(source, target, asked(source, *features), stream=stream)
    if LACKS.get(target, set()) & set(features):
        assert isinstance(made, Refusal)
        assert made.status == 400
        assert any(word in made.reason for word in ("stop", "tool_choice", "pictures"))
        return
    assert isinstance(made, Asked), made
    assert made.path == path_of(target, stream=stream).replace("model-a", "model-b")
    there = DIALECTS[target].read(made.path, made.body, Losses())
    by_hand = json.dumps(asked(target, *features)).encode()
    expected = DIALECTS[target].read(path_of(target, stream=stream), by_hand, Losses())
    assert settled(there) == settled(drawn_otherwise(expected, made.losses))
    assert there.model == "model-b"
    assert all(
        loss.field.rpartition(".")[2] in {"cache_control", "strict", "format_name", "temperature"}
        for loss in made.losses
    )


@pytest.mark.parametrize("api", APIS)
def test_requests_written_by_hand_say_the_same_in_every_dialect(api):
    made = normal(
        DIALECTS[api].read(path_of(api), json.dumps(asked(api, "results", "system", "image")).encode(), Losses())
    )
    assert made.system == ("Be brief.",)
    assert set(made.turns[0].parts) == {Text("Weather?"), Media("image", "image/png", PNG)}
    calls, results = made.turns[1], made.turns[2]
    assert [(part.name, part.arguments) for part in calls.parts] == [
        ("get_weather", '{"city": "Paris"}'),
        ("get_weather", '{"city": "Rome"}'),
    ]
    assert [(part.id, part.name, part.parts) for part in results.parts] == [
        ("0", "get_weather", (Text("sun"),)),
        ("1", "get_weather", (Text("rain"),)),
    ]
    assert (made.max_tokens, made.sampling) == (100, Sampling(0.5))


def test_headers_that_the_other_service_needs_and_those_it_would_not_know():
    ask = json.dumps(asked(CHAT)).encode()
    made = plan(CHAT, MESSAGES, MODELS).request(path_of(CHAT), ask, ("openai-organization", "openai-beta"))
    assert ("anthropic-version", "2023-06-01") in made.set_headers
    assert "openai-organization" in made.drop_headers
    assert {loss.field for loss in made.losses} == {"openai-beta", "temperature"}
    back = plan(MESSAGES, CHAT, MODELS).request(path_of(MESSAGES), json.dumps(asked(MESSAGES)).encode())
    assert "anthropic-version" in back.drop_headers


REFUSED = [
    (CHAT, {"n": 2}, "n"),
    (CHAT, {"logit_bias": {"5": 1}}, "logit_bias"),
    (CHAT, {"logprobs": True}, "logprobs"),
    (CHAT, {"web_search_options": {}}, "web_search_options"),
    (CHAT, {"functions": [{"name": "f"}]}, "functions"),
    (CHAT, {"brand_new": 1}, "brand_new"),
    (CHAT, {"system": "Be rude."}, "system"),
    (GEMINI, {"max_tokens": 5, "title": "x"}, "title"),
    (OLLAMA, {"thinking": True}, "thinking"),
    (CHAT, {"messages": [{"role": "user", "content": "x", "name": "ann"}]}, "messages[].name"),
    (CHAT, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    (RESPONSES, {"previous_response_id": "resp_0"}, "previous_response_id"),
    (RESPONSES, {"conversation": "conv_0"}, "conversation"),
    (RESPONSES, {"background": True}, "background"),
    (RESPONSES, {"truncation": "auto"}, "truncation"),
    (RESPONSES, {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    (MESSAGES, {"mcp_servers": [{"url": "https://x.test"}]}, "mcp_servers"),
    (MESSAGES, {"container": "c"}, "container"),
    (MESSAGES, {"context_management": {"edits": []}}, "context_management"),
    (MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
    (GEMINI, {"cachedContent": "cachedContents/1"}, "cachedContent"),
    (GEMINI, {"tools": [{"googleSearch": {}}]}, "tools[].googleSearch"),
    (GEMINI, {"generationConfig": {"candidateCount": 2}}, "candidateCount"),
    (GEMINI, {"contents": [{"parts": [{"executableCode": {"code": "1"}}]}]}, "executableCode"),
    (OLLAMA, {"options": {"mirostat": 1}}, "options.mirostat"),
    (OLLAMA, {"raw": True}, "raw"),
]


@pytest.mark.parametrize(("source", "more", "field"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_has_no_counterpart_is_refused_by_name(source, more, field):
    for target in APIS:
        if target == source:
            continue
        made = carried(source, target, asked(source) | more)
        assert isinstance(made, Refusal)
        assert field in made.reason
        assert made.status == 400
        assert field in made.body.decode()


HARMLESS_ONES = [
    (
        CHAT,
        {"seed": 7, "user": "u", "store": True, "service_tier": "auto"},
        MESSAGES,
        {"seed", "store", "service_tier", "max_tokens", "temperature"},
    ),
    (CHAT, {"top_p": 0.5}, MESSAGES, {"temperature", "top_p"}),
    (CHAT, {"prediction": {"type": "content", "content": "x"}}, GEMINI, {"prediction"}),
    (CHAT, {"reasoning_effort": "high"}, MESSAGES, {"effort", "temperature"}),
    (MESSAGES, {"top_k": 5}, CHAT, {"top_k"}),
    (MESSAGES, {"metadata": {"user_id": "u"}}, GEMINI, {"user"}),
    (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, CHAT, {"shown"}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"}, OLLAMA, {"tools"}),
    (GEMINI, {"safetySettings": []}, CHAT, {"safetySettings"}),
    (OLLAMA, {"keep_alive": "5m", "options": {"num_ctx": 4096}}, CHAT, {"keep_alive", "options.num_ctx"}),
]


@pytest.mark.parametrize(("source", "more", "target", "fields"), HARMLESS_ONES)
def test_what_is_harmless_is_told(source, more, target, fields):
    ask = asked(source) | more
    if "seed" in more:
        del ask["max_completion_tokens"]
    made = carried(source, target, ask)
    assert isinstance(made, Asked), made
    assert {loss.field for loss in made.losses} == fields
    assert all(loss.why for loss in made.losses)


def test_what_says_what_is_so_anyway_is_no_loss():
    plain = {"n": 1, "logprobs": False, "logit_bias": {}, "modalities": ["text"], "seed": None, "brand_new": None}
    for target in APIS[1:]:
        told = {loss.field for loss in carried(CHAT, target, asked(CHAT) | plain).losses}
        assert told == ({"temperature"} if target == MESSAGES else set())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"messages": 5}', b"\xff", b"[" * 5000])
def test_bodies_that_are_no_request_are_refused(api, body):
    for target in APIS:
        if target != api:
            made = plan(api, target, MODELS).request(path_of(api), body)
            assert isinstance(made, Refusal) or (body == b'{"messages": 5}' and api in {RESPONSES, GEMINI})


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/messages/batches", "/v1/models"])
def test_other_calls_of_a_dialect_are_refused(path):
    made = plan(MESSAGES, CHAT, MODELS).request(path, json.dumps(asked(MESSAGES)).encode())
    assert isinstance(made, Refusal)


def test_servers_that_are_not_openais_own_get_the_older_names():
    ask = json.dumps(asked(MESSAGES, "stream")).encode()
    own = json.loads(plan(MESSAGES, CHAT, {}).request(path_of(MESSAGES), ask).body)
    other = json.loads(plan(MESSAGES, CHAT, {}, older=True, asks_usage=False).request(path_of(MESSAGES), ask).body)
    assert (own["max_completion_tokens"], own["stream_options"]) == (100, {"include_usage": True})
    assert other["max_tokens"] == 100
    assert not {"max_completion_tokens", "stream_options"} & set(other)


def test_a_dialect_that_nobody_knows_has_no_plan():
    assert isinstance(plan("cohere.chat", CHAT, {}), Refusal)
    assert isinstance(plan(CHAT, "bedrock.converse", {}), Refusal)
    assert isinstance(plan(None, CHAT, {}), Refusal)
    assert isinstance(plan(CHAT, None, {}), Refusal)
    assert isinstance(plan(CHAT, CHAT, {}), Refusal)


def test_a_model_can_lead_nowhere_else():
    for model in ("", "a?b", "x%2f", "a\nb", "m" * 300):
        made = plan(CHAT, GEMINI, {"model-a": model}).request(path_of(CHAT), json.dumps(asked(CHAT)).encode())
        assert isinstance(made, Refusal)


def test_instructions_between_turns_go_in_front_where_they_must():
    ask = asked(CHAT, "system")
    ask["messages"] += [{"role": "assistant", "content": "Sun."}, {"role": "developer", "content": "Now rhyme."}]
    made = carried(CHAT, MESSAGES, ask)
    assert [block["text"] for block in json.loads(made.body)["system"]] == ["Be brief.", "Now rhyme."]
    assert {loss.field for loss in made.losses} == {"system", "temperature"}
    assert "Now rhyme." in carried(CHAT, OLLAMA, ask).body.decode()
    assert carried(CHAT, OLLAMA, ask).losses == ()


def test_a_picture_as_a_tools_result_is_carried_or_refused():
    ask = asked(MESSAGES, "results")
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    ask["messages"][2]["content"][0]["content"] = [picture]
    assert PNG in carried(MESSAGES, RESPONSES, ask).body.decode()
    for target in (CHAT, GEMINI, OLLAMA):
        assert isinstance(carried(MESSAGES, target, ask), Refusal)


def test_a_tools_failure_is_told_where_there_is_no_mark_for_it():
    ask = asked(MESSAGES, "results")
    ask["messages"][2]["content"][0]["is_error"] = True
    assert [loss.field for loss in carried(MESSAGES, CHAT, ask).losses] == ["is_error"]
    assert '"error":"sun"' in carried(MESSAGES, GEMINI, ask).body.decode()


def test_arguments_keep_their_digits():
    ask = asked(CHAT, "results")
    big = '{"n":123456789012345678901234567890}'
    ask["messages"][1]["tool_calls"][0]["function"]["arguments"] = big
    for target in APIS[1:]:
        assert "123456789012345678901234567890" in carried(CHAT, target, ask).body.decode()
    ask["messages"][1]["tool_calls"][0]["function"]["arguments"] = '{"n":'
    assert isinstance(carried(CHAT, MESSAGES, ask), Refusal)


def test_how_long_a_model_thinks_goes_along_where_every_model_takes_it():
    ask = asked(MESSAGES) | {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 9000}
    assert json.loads(carried(MESSAGES, GEMINI, ask).body)["generationConfig"]["thinkingConfig"] == {
        "thinkingBudget": 8192,
        "includeThoughts": True,
    }
    assert json.loads(carried(MESSAGES, CHAT, ask).body)["reasoning_effort"] == "medium"
    shown = asked(GEMINI) | {"generationConfig": {"thinkingConfig": {"thinkingBudget": 4000, "includeThoughts": True}}}
    made = carried(GEMINI, MESSAGES, shown)
    assert "thinking" not in json.loads(made.body)
    assert "effort" in {loss.field for loss in made.losses}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
OBJECTS = st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers() | TEXTS, max_size=3)
SCHEMAS = st.just({"type": "object", "properties": {"city": {"type": "string"}}})
PICTURES = st.just(Media("image", "image/png", PNG))


@st.composite
def conversations(draw) -> Conversation:
    """What every dialect can say: no picture by URL, no named tool."""
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 3))):
        said = [Text(draw(TEXTS))]
        turns.append(Turn(Role.USER, (*draw(st.lists(PICTURES, max_size=1)), *said)))
        calls = [
            ToolUse(f"call_{number}_{each}", draw(NAMES), json.dumps(draw(OBJECTS)))
            for each in range(draw(st.integers(0, 3)))
        ]
        text = [Text(draw(TEXTS))] if draw(st.booleans()) or not calls else []
        turns.append(Turn(Role.ASSISTANT, (*text, *calls)))
        if calls:
            turns.append(Turn(Role.USER, tuple(ToolResult(each.id, each.name, (Text(draw(TEXTS)),)) for each in calls)))
    tools = [
        Tool(name, draw(TEXTS), json.dumps(draw(SCHEMAS))) for name in draw(st.lists(NAMES, max_size=2, unique=True))
    ]
    return Conversation(
        model="model-a",
        turns=tuple(turns),
        system=tuple(draw(st.lists(TEXTS, max_size=1))),
        tools=tuple(tools),
        choice=ToolChoice(draw(st.sampled_from(["", "auto"])) if tools else ""),
        sampling=Sampling(draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])), draw(st.none() | st.just(0.9))),
        max_tokens=draw(st.integers(1, 9999)),
        format=draw(st.none() | st.builds(Format, SCHEMAS.map(json.dumps))),
        stream=draw(st.booleans()),
    )


def drawn_otherwise(conversation: Conversation, losses) -> Conversation:
    """Without what of sampling was told to be left out."""
    gone = {loss.field: None for loss in losses if loss.field in {"temperature", "top_p"}}
    return msgspec.structs.replace(conversation, sampling=msgspec.structs.replace(conversation.sampling, **gone))


def settled(conversation: Conversation) -> Conversation:
    made = normal(conversation)
    turns = []
    for turn in made.turns:  # results and what is said beside them are one turn or two, and pictures stand first
        if turns and turns[-1].role is turn.role:
            turns[-1] = Turn(turn.role, turns[-1].parts + turn.parts)
        else:
            turns.append(turn)
    turns = [Turn(turn.role, tuple(sorted(turn.parts, key=lambda part: str(type(part))))) for turn in turns]
    return msgspec.structs.replace(made, turns=tuple(turns), choice=ToolChoice())


@pytest.mark.parametrize("api", APIS)
@given(conversation=conversations())
def test_writing_and_reading_loses_nothing_that_is_not_told(api, conversation):
    losses = Losses()
    path, body = DIALECTS[api].write(conversation, losses)
    assert {loss.field for loss in losses.settle()} <= {"format_name", "temperature", "top_p"}
    assert api == MESSAGES or not losses.told() or {loss.field for loss in losses.told()} == {"format_name"}
    back = DIALECTS[api].read(path, msgspec.json.encode(body), losses)
    assert {loss.field for loss in losses.settle()} <= {"format_name", "store", "temperature", "top_p"}
    assert settled(back) == settled(drawn_otherwise(conversation, losses.told()))


@given(conversation=conversations(), pair=st.sampled_from(PAIRS))
def test_there_and_back_is_the_same(conversation, pair):
    source, target = pair
    losses = Losses()
    path, body = DIALECTS[source].write(conversation, losses)
    there = plan(source, target, {}).request(path, msgspec.json.encode(body))
    assert isinstance(there, Asked), there
    back = plan(target, source, {}).request(there.path, there.body)
    assert isinstance(back, Asked), back
    gone = (*there.losses, *back.losses, *losses.told())
    assert settled(back.conversation) == settled(drawn_otherwise(conversation, gone))


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "messages",
                        "content",
                        "role",
                        "type",
                        "input",
                        "contents",
                        "parts",
                        "tools",
                        "function",
                        "model",
                        "text",
                        "options",
                        "system",
                        "tool_calls",
                    ]
                ),
                each,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    api=st.sampled_from(APIS),
)
def test_whatever_comes_is_answered(value, api):
    for target in APIS:
        if target != api:
            made = plan(api, target, {"*": "m"}).request(path_of(api), json.dumps(value).encode())
            assert isinstance(made, Asked | Refusal)


def test_reasoning_of_earlier_turns_is_told_unless_it_is_the_services_own():
    signed = Conversation("m", (Turn(Role.ASSISTANT, (Thinking("hm", "foreign"), Text("x"))),), max_tokens=5)
    _, body = DIALECTS[MESSAGES].write(signed, Losses())
    made = plan(MESSAGES, GEMINI, {}).request(path_of(MESSAGES), msgspec.json.encode(body))
    assert {loss.field for loss in made.losses} == {"signature", "thinking"}
    assert "foreign" not in made.body.decode()


def test_the_table_of_harmless_fields_gives_a_reason_for_each():
    assert all(len(why) > 10 for why in (*HARMLESS.values(), *LACKING.values()))
    losses = Losses()
    losses.tell("messages[3].content[0].cache_control")
    losses.tell("a\nb")
    with pytest.raises(Refused, match=r"a\?b"):
        losses.settle()


def test_an_effort_that_is_none_is_refused():
    with pytest.raises(Refused, match="reasoning_effort"):
        read_chat("", b'{"messages":[],"reasoning_effort":"wild"}', Losses())
    assert read_chat("", b'{"messages":[],"reasoning_effort":"xhigh"}', Losses()).reasoning == Reasoning("high")


def test_a_schema_is_not_made_strict_on_the_way():
    """There `strict` is on unless it is switched off, and that changes what a schema may say."""
    assert json.loads(carried(CHAT, RESPONSES, asked(CHAT, "tools")).body)["tools"][0]["strict"] is False


def test_results_stand_before_what_is_said_beside_them():
    ask = asked(GEMINI, "results")
    ask["contents"][2]["parts"].insert(0, {"text": "Here."})
    content = json.loads(carried(GEMINI, MESSAGES, ask).body)["messages"][2]["content"]
    assert [block["type"] for block in content] == ["tool_result", "tool_result", "text"]


@pytest.mark.parametrize(("target", "key"), [(GEMINI, "functionResponse"), (OLLAMA, "tool_name")])
def test_results_name_their_tool(target, key):
    body = json.loads(carried(CHAT, target, asked(CHAT, "results")).body)
    if target == GEMINI:
        assert [part[key]["name"] for part in body["contents"][2]["parts"]] == ["get_weather"] * 2
    else:
        assert [message[key] for message in body["messages"] if message["role"] == "tool"] == ["get_weather"] * 2


def test_pictures_of_the_models_side_are_refused_where_only_text_is_taken():
    ask = asked(GEMINI)
    ask["contents"].append({"role": "model", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]})
    for target in (CHAT, RESPONSES, MESSAGES):
        assert isinstance(carried(GEMINI, target, ask), Refusal)


def test_reasons_break_no_line_and_bodies_that_are_deep_break_nothing():
    tool = {"type": "a\r\nb\x1b[31m\u202e" * 9}
    made = carried(CHAT, MESSAGES, asked(CHAT) | {"tools": [tool]})
    assert isinstance(made, Refusal)
    assert made.reason.isprintable()
    for depth in (100, 900, 990, 5000):
        deep = '{"a":' * depth + "1" + "}" * depth
        for source in APIS:
            text = json.dumps(asked(source, "results", "tools")).replace('{"city": "Paris"}', deep)
            text = text.replace(json.dumps(json.dumps({"city": "Paris"})), json.dumps(deep))
            for target in APIS:
                if target != source:
                    result = plan(source, target, {}).request(path_of(source), text.encode())
                    assert isinstance(result, Asked | Refusal)


@pytest.mark.parametrize("target", [CHAT, RESPONSES, GEMINI, OLLAMA])
def test_a_name_that_a_document_loses_is_told(target):
    ask = asked(MESSAGES)
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    ask["messages"][0]["content"].append({"type": "document", "title": "A tale", "source": source})
    made = carried(MESSAGES, target, ask)
    assert "Once." in made.body.decode()
    assert [loss.field for loss in made.losses] == ["title"]
