"""The server of the chat: its API, its MCP tool, its limits and its doors."""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from index import Document, InputError
from qa import ArticleQA
from qa.cli import main
from ui.session import Session

QUESTIONS = (
    "Where was Carlos Ghosn arrested?",
    "What is Renault investing in?",
    "What is the capital of France?",
    "What is Nissan's restructuring focused on?",
    "Who was arrested?",
)


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_the_api_gives_the_answer_as_json(chat, bot):
    given = Client(chat, verbose=False).predict(QUESTIONS[0], api_name="/answer")
    expected = json.loads(json.dumps(bot.answer(QUESTIONS[0]).to_dict()))
    assert given | {"seconds": 0} == expected | {"seconds": 0}


def test_curl_can_call_it(chat):
    event = post(f"{chat}/gradio_api/call/answer", {"data": [QUESTIONS[0]]})["event_id"]
    with urllib.request.urlopen(f"{chat}/gradio_api/call/answer/{event}", timeout=60) as stream:
        lines = stream.read().decode().splitlines()
    assert lines[0] == "event: complete"
    assert json.loads(lines[1].removeprefix("data: "))[0]["text"] == "Japan"


def test_the_api_is_documented_and_is_all_there_is(chat):
    client = Client(chat, verbose=False)
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/answer"]
    assert [parameter["parameter_name"] for parameter in endpoints["/answer"]["parameters"]] == ["question"]
    assert "exact words" in endpoints["/answer"]["description"]


def test_a_bad_question_is_an_error_with_its_sentence(chat):
    with pytest.raises(AppError, match="The question is empty: ask something"):
        Client(chat, verbose=False).predict(" ", api_name="/answer")


def test_fifty_ask_at_once_and_each_gets_its_own_answer(chat, bot):
    clients = [Client(chat, verbose=False) for _ in range(10)]
    asked = [QUESTIONS[number % len(QUESTIONS)] for number in range(50)]

    def one(number):
        return clients[number % len(clients)].predict(asked[number], api_name="/answer")

    with ThreadPoolExecutor(50) as pool:
        given = list(pool.map(one, range(50)))
    expected = {question: bot.answer(question).text for question in QUESTIONS}
    assert [answer["question"] for answer in given] == asked
    assert [answer["text"] for answer in given] == [expected[question] for question in asked]


def health(url):
    """(HTTP status, JSON) of the chat's state."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_tells_its_state(chat):
    status, facts = health(chat)
    assert (status, set(facts), facts["status"]) == (200, {"status", "version", "seconds"}, "ok")
    assert facts["version"] == version("article-qa")
    assert 0 < facts["seconds"] <= health(chat)[1]["seconds"]


def test_its_state_follows_the_index(chats, tmp_path):
    """Asked without a password; an index that is taken away is said, and found again when it is back."""
    shelf, away = tmp_path / "shelf", tmp_path / "away"
    for name in ("acme", "bolt"):
        (tmp_path / f"{name}.txt").write_text(f"{name} is led by Ada Berg.")
        assert main(["index", "add", str(shelf), str(tmp_path / f"{name}.txt")]) == 0
        if name == "acme":
            url = chats.start(
                "--index", str(shelf), environment=os.environ | {"ARTICLE_QA_AUTH": "ada:secret"}
            )
            assert health(url)[0] == 200
    assert health(url)[0] == 200
    shelf.rename(away)
    status, facts = health(url)
    assert (status, facts["status"]) == (503, "unavailable")
    assert str(tmp_path) not in json.dumps(facts)  # nobody had to give a password
    away.rename(shelf)
    assert health(url)[0] == 200


def test_answers_are_logged_without_their_texts(chats):
    url = chats.start("--log")
    client = Client(url, verbose=False)
    given = [client.predict(question, api_name="/answer") for question in QUESTIONS[:3]]
    with pytest.raises(AppError):
        client.predict(" ", api_name="/answer")
    *lines, last = [json.loads(line) for line in chats.stop(url).splitlines()]
    assert (set(last), last["error"]) == ({"time", "seconds", "error"}, True)
    assert [set(line) for line in lines] == [{"time", "seconds", "answered", "confidence"}] * 3
    for line, answer in zip(lines, given, strict=True):
        assert line["answered"] == answer["answered"]
        assert line["confidence"] == pytest.approx(answer["confidence"], abs=1e-4)
        assert line["seconds"] == pytest.approx(answer["seconds"], abs=1e-4)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(line["time"])) < timedelta(minutes=5)


def test_the_answers_of_a_conversation_are_logged(bot, caplog):
    session = Session(bot)
    with caplog.at_level("INFO", "article_qa"):
        for question in ("Who was arrested?", "When?", "", "Hello!"):
            session.ask(question)
    lines = [json.loads(record.message) for record in caplog.records]
    answered = [turn.answer.answered for turn in session.turns[:2]]
    assert [line.get("answered", "error") for line in lines] == [*answered, "error"]


def test_the_waiting_for_the_index_is_logged_too(tmp_path, caplog):
    engine = ArticleQA.open(tmp_path / "shelf", create=True)
    engine.put(Document.from_text("Acme is led by Ada Berg."))
    store, view = engine._store, engine._store.view
    session = Session(engine)

    def slow():
        time.sleep(0.5)
        return view()

    def away():
        time.sleep(0.5)
        raise InputError("The server is away.")

    with caplog.at_level("INFO", "article_qa"):
        for store.view in (slow, away):
            session.ask("Who leads Acme?")
    assert session.turns[0].answer.text == "Ada Berg"
    assert session.turns[1].error == "The server is away."
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line.get("error", False) for line in lines] == [False, True]
    assert all(0.5 < line["seconds"] < 30 for line in lines)
    assert "Acme" not in caplog.text


def test_it_is_an_mcp_tool(chats):
    url = chats.start("--mcp")

    async def call():
        async with (
            streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            result = await session.call_tool(tools[0].name, {"question": QUESTIONS[0]})
            return tools, result.content[0].text

    with ThreadPoolExecutor(1) as pool:  # Playwright's event loop runs in this thread
        tools, text = pool.submit(asyncio.run, call()).result()
    assert len(tools) == 1
    assert tools[0].name.endswith("answer")
    assert "exact words" in tools[0].description
    assert "Japan" in text


def test_nobody_enters_without_the_password(chats, browser):
    url = chats.start(environment=os.environ | {"ARTICLE_QA_AUTH": "ada:secret:word"})
    with pytest.raises(ValueError, match=r"authenticate|401|credential"):
        Client(url, verbose=False)
    client = Client(url, auth=("ada", "secret:word"), verbose=False)
    assert client.predict(QUESTIONS[0], api_name="/answer")["text"] == "Japan"


@pytest.mark.parametrize("pair", ["ada", "ada:", ":secret"])
def test_half_a_password_is_one_sentence(pair, capsys):
    assert main(["chat", "--no-browser", "--auth", pair]) == 2
    assert "take USER:PASSWORD" in capsys.readouterr().err


def test_mcp_with_a_password_is_one_sentence(capsys):
    assert main(["chat", "--no-browser", "--auth", "ada:secret", "--mcp"]) == 2
    assert "--mcp does not work with a password" in capsys.readouterr().err


def test_a_host_of_another_machine_is_one_sentence(capsys):
    assert main(["chat", "--no-browser", "--host", "192.0.2.1"]) == 2
    assert "Cannot listen on 192.0.2.1 port 7860" in capsys.readouterr().err


def test_the_page_knows_the_path_of_its_proxy(chats):
    url = chats.start("--root-path", "/qa")
    with urllib.request.urlopen(f"{url}/config", timeout=60) as response:
        assert json.load(response)["root"].endswith("/qa")


@pytest.mark.parametrize("size", ["0mb", "twenty", "kb", "1.5mb"])
def test_sizes_are_checked(size, capsys):
    with pytest.raises(SystemExit):
        main(["chat", "--max-upload", size])
    assert "such as 20mb" in capsys.readouterr().err


def test_feedback_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    assert main(["chat", "--no-browser", "--feedback", str(tmp_path)]) == 2
    assert "give another --feedback file" in capsys.readouterr().err
