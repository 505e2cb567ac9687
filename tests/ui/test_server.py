"""The server of the chat: its API, its MCP tool, its limits and its doors."""

import asyncio
import json
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from qa.cli import main

QUESTIONS = (
    "Where was Carlos Ghosn arrested?",
    "What is Renault investing in?",
    "What is the capital of France?",
    "What is Nissan's restructuring focused on?",
    "Who was arrested?",
)
LIMIT = 1000  # bytes, of an upload in these tests


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


def test_a_file_above_the_limit_is_refused(chats, visit, tmp_path):
    page = visit(chats.start("--max-upload", f"{LIMIT}b"))
    path = tmp_path / "large.txt"
    path.write_text("x" * (LIMIT + 1))
    page.get_by_text("Add documents").click()
    page.locator("input[type=file]").first.set_input_files(str(path))
    page.get_by_text("exceed the maximum allowed size").first.wait_for()
    assert page.locator("#documents li").count() == 1


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


@pytest.mark.parametrize("size", ["0mb", "twenty", "kb", "1.5mb"])
def test_sizes_are_checked(size, capsys):
    with pytest.raises(SystemExit):
        main(["chat", "--max-upload", size])
    assert "such as 20mb" in capsys.readouterr().err


def test_feedback_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    assert main(["chat", "--no-browser", "--feedback", str(tmp_path)]) == 2
    assert "give another --feedback file" in capsys.readouterr().err
