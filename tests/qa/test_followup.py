import pytest

from qa.followup import Turn, leans, noun_phrases, understood

ARREST = Turn("Who was arrested in Japan?", (), "Carlos Ghosn")


@pytest.mark.parametrize(
    "question",
    [
        "and when did she leave?", "But why?", "Why?", "since when", "For how long?", "How?", "how much",
        "Who?",
        "what about Renault?", "How about in 2018?", "with or without pay?",
        "Who is her lawyer?", "where does he live", "What does it do?", "Who saved it?",
        "who's its president?",
        "How many of them are over 70?", "what does each of those cost", "In what year was that?",
        "What did they say about the strike?", "Who's going to run it?", "how did they lend books after that",
        "and the ones in Scotland?", "Where does she want another one?",
    ],
)  # fmt: skip
def test_these_lean_on_what_came_before(question):
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    [
        "Where was Carlos Ghosn arrested?", "What did Luther say about his critics?", "Andorra is how large?",
        "When did the company say it would move?", "How long does it take to build a car?",
        "What time is it?",
        "What is it called when steam drives a turbine?", "Is it possible to appeal?",
        "Who moved his court to Warsaw?",
        "Which articles state that powers stay with member states?", "What is that company's profit?",
        "How much does it cost to enter?", "Why did farmers in Bavaria block their roads?", "reactor power",
        "In which case was it held that treaties are binding?", "What whale is the largest?",
        "who leads renault",
    ],
)  # fmt: skip
def test_these_stand_alone_and_are_never_changed(question):
    assert not leans(question)
    assert understood(question, [ARREST]) == (question, ())


def test_what_a_question_leans_on_is_said_after_it():
    assert understood("and when was he charged?", [ARREST])[0] == "When was he charged (Japan, Carlos Ghosn)?"
    assert understood("Why", [ARREST]) == ("Why (Japan, Carlos Ghosn)?", ("Japan", "Carlos Ghosn"))


def test_it_is_handed_on_from_turn_to_turn():
    asked, context = understood("When?", [ARREST])
    second = Turn("When?", context, "2018")
    assert asked == "When (Japan, Carlos Ghosn)?"
    assert understood("and why?", [ARREST, second])[0] == "Why (2018, Japan, Carlos Ghosn)?"


def test_what_the_question_says_itself_is_not_repeated():
    assert understood("When did he leave Japan?", [ARREST])[0] == "When did he leave Japan (Carlos Ghosn)?"


def test_a_long_answer_is_not_repeated():
    turn = Turn("What happened?", (), "a very long story of nine words or more")
    assert understood("Why?", [turn]) == ("Why?", ())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("And in Scotland?", "When will the shops in Scotland close?"),
        ("the ones in Scotland", None),
        ("What about the ones in Scotland?", "When will the shops in Scotland close?"),
        ("and back in 2018?", "When will the shops in 2018 close?"),
        ("and for good?", "When will the shops in York close for good?"),
        ("what about the offices?", "When will the shops in York close: the offices?"),
    ],
)
def test_a_part_takes_its_place_in_the_last_question(question, expected):
    turn = Turn("When will the shops in York close?", (), "in May")
    assert understood(question, [turn])[0] == (expected or question)


def test_a_long_question_says_what_it_is_about():
    assert not leans("and why " + "did the firm not pay " * 20)


def test_without_turns_nothing_is_changed():
    assert understood("and why?", []) == ("and why?", ())
    assert understood("and?", [ARREST])[0] == "and?"


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ("How many wafers were lost at Selatan?", ["wafers", "Selatan"]),
        ("Which taxi firm has the newest cars?", ["taxi firm", "the newest cars"]),
        ("When will Tilbrook's shops in North Yorkshire close?", ["Tilbrook", "North Yorkshire"]),
        ("Who's the head of Sao Mai Biologics?", ["the head", "Sao Mai Biologics"]),
        ("Why is the sky blue?", ["the sky blue"]),
        ("Who?", []),
    ],
)
def test_noun_phrases(question, phrases):
    assert noun_phrases(question) == phrases
