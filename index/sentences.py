"""Sentences, with exact offsets.

Rules over one regular expression, linear in the text. The sentence rule of Unicode (UAX 29, which
`semantic-text-splitter` follows) breaks after "Mr." and "Gen." before a name; a reader that is handed half a
sentence misses the answer, so abbreviations and initials are looked at here. Hard-wrapped lines are joined,
headings and list items are not.
"""

from __future__ import annotations

import re

# A short line without closing punctuation is a heading or a list item, a long one is a wrapped line.
WRAPPED_LINE = 50

_STOP = r"[.!?\u2026\u061f\u06d4\u0964]"
_MARK = r"[\u0300-\u036f\u200d\ufe00-\ufe0f]"
# Possessive, and begun only where a run of stops begins: else dotted lines would take quadratic time.
_BREAK = re.compile(
    rf"""(?<!{_STOP})(?P<stop>{_STOP}++["'\u201d\u2019\u00bb)\]]*+(?:\[\d{{1,3}}\])*+)(?=\s|$)  # .") .[1]
      | (?P<wide>[\u3002\uff01\uff1f]++["'\u201d\u2019\u300d\u300f\uff09]*+)(?!{_MARK})  # these need no space
      | (?P<line>\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])""",
    re.VERBOSE,
)
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st mt ft gen col lt sgt capt maj cmdr adm gov sen rep pres rev hon "
    "dept univ assn vs cf ca approx nos vol vols fig figs eq pp ed eds sec ch e.g i.e a.k.a "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri".split()
)
# Abbreviations that often end a sentence too, or are words: a break follows when the next word looks like a
# new start. The same goes for letters with full stops between them: U.S., a.m., C.S. Lewis.
_MAY_END = frozenset("co corp inc ltd plc llc bros jr sr sir etc al ph.d no art sat sun".split())
_STARTERS = frozenset(
    "the a an in on at it he she they we i this that these those but and or so as then after before when "
    "while if for from to with by its his her their our however meanwhile there what who why how "
    "where".split()
)
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]+$")
_NEXT_WORD = re.compile(r"\s*([^\s]+)")
_LOOK = 40  # characters looked at on either side of a stop


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Split `text[start:end]` into sentences.

    Returns:
        (start, end) offsets into `text`, in order, never overlapping, without surrounding white space.
        Together they cover every character that is not white space.
    """
    end = len(text) if end is None else end
    bounds: list[tuple[int, int]] = []
    first = line_start = start
    for match in _BREAK.finditer(text, start, end):
        if match.lastgroup == "line":
            is_break = _line_breaks(text, line_start, match.start(), match.end(), end)
            line_start = match.end()
        else:
            is_break = match.lastgroup == "wide" or _stop_breaks(text, match.start(), match.end(), end)
        if is_break:
            _append(text, first, match.end(), bounds)
            first = match.end()
    _append(text, first, end, bounds)
    return bounds


def sentence_around(text: str, start: int, end: int, window: int = 2000) -> tuple[int, int]:
    """The sentence or sentences that hold `text[start:end]`, at most `window` characters more a side."""
    low, high = max(0, start - window), min(len(text), end + window)
    around = [s for s in split_sentences(text, low, high) if s[1] > start and s[0] < end]
    return (around[0][0], around[-1][1]) if around else (start, end)


def _append(text: str, start: int, end: int, bounds: list[tuple[int, int]]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        bounds.append((start, end))


def _line_breaks(text: str, line_start: int, line_end: int, after: int, end: int) -> bool:
    line = text[line_start:line_end].rstrip()
    following = text[after : min(after + _LOOK, end)]
    next_line = following.splitlines()[0] if following else ""
    if not line or not next_line.strip():
        return True  # a blank line on either side
    return len(line) < WRAPPED_LINE or line[-1] in '.!?:\u2026\u201d"' or next_line.lstrip()[0] in "-*•#>|"


def _stop_breaks(text: str, stop: int, after: int, end: int) -> bool:
    following = _NEXT_WORD.match(text, after, min(after + _LOOK, end))
    next_word = following.group(1) if following else ""
    if next_word[:1].islower():
        return False
    if text[stop] != "." or text[stop : stop + 2] == "..":
        return True
    found = _LAST_WORD.search(text[max(0, stop - _LOOK) : stop])
    last = found.group(0) if found else ""
    word = last.lower()
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return last == "I"  # any other letter is an initial: J. Smith
    if word in _MAY_END or all(len(part) == 1 and part.isalpha() for part in word.split(".")):
        return next_word.strip("\"'\u201c\u2018(").lower() in _STARTERS
    return True
