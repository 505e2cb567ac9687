"""The document pane: HTML of a document's text with one place marked. Every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from index import Document
from index.passages import is_inside_character
from index.store import Entry

LISTED = 200  # documents
SHOWN = 40_000  # characters shown at once: a browser lays out more too slowly to follow an answer

_PANE = Markup("""<section class="document" data-document="{id}" data-from="{start}" tabindex="0"
aria-label="Document: {title}"><h2>{title}</h2>{earlier}<div class="text">{before}{marked}{after}</div>{later}
</section>""")
_MARK = Markup("""<mark>{}</mark>""")
_MORE = Markup("""<button type="button" class="more" data-document="{id}" data-start="{at}" data-end="{at}">
{words}</button>""")
_NONE = Markup("""<section class="document empty"><p>There is no document here.</p></section>""")
_ROW = Markup("""<li{current}><button type="button" class="open" data-document="{id}" data-start="0"
data-end="0">{title}</button> <span class="size">{size:,} characters</span> <button type="button"
class="remove" data-remove="{id}" aria-label="Remove {title}" title="Remove">✕</button></li>""")
_REST = Markup("""<li class="rest">and {:,} more</li>""")
_LIST = Markup("""<ul class="documents" aria-label="Documents">{}</ul>""")


def document_pane(document: Document | None, start: int = 0, end: int = 0) -> str:
    """A document with the characters from `start` to `end` marked; of a long one, the text around them.

    Args:
        document: None for the statement that there is none.
        start: character of it where the mark begins.
        end: where it ends; equal to `start` it marks nothing, and a long document is shown from there.
    """
    if document is None:
        return _NONE
    text = document.text
    low, high = _shown(text, start, end)
    earlier = _more(document, max(0, low - SHOWN), "Earlier text") if low > 0 else ""
    later = _more(document, high, "Later text") if high < len(text) else ""
    return _PANE.format(
        id=document.id,
        title=document.title,
        start=low,
        earlier=earlier,
        before=_exact(text[low:start]),
        marked=_MARK.format(_exact(text[start:end])) if end > start else "",
        after=_exact(text[end:high]),
        later=later,
    )


def document_list(entries: Sequence[Entry], current: str) -> str:
    """The documents with buttons to open and remove them; `current` is the id of the one that is open."""
    rows = [
        _ROW.format(
            id=entry.id,
            title=entry.title,
            size=entry.characters,
            current=Markup(' class="current" aria-current="true"') if entry.id == current else "",
        )
        for entry in entries[:LISTED]
    ]
    if len(entries) > LISTED:
        rows.append(_REST.format(len(entries) - LISTED))
    return _LIST.format(Markup("").join(rows))


def _shown(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of a text that is shown: all of it, or the surroundings of a place."""
    if len(text) <= SHOWN:
        return 0, len(text)
    low = start if end == start else max(0, (start + end - SHOWN) // 2)
    low = min(low, len(text) - SHOWN)
    high = low + SHOWN
    while is_inside_character(text, low):
        low -= 1
    while is_inside_character(text, high):
        high += 1
    return low, max(high, end)


def _exact(text: str) -> Markup:
    """Escaped, with carriage returns that a browser would drop: offsets are counted on the page too."""
    return escape(text).replace("\r", Markup("&#13;"))


def _more(document: Document, at: int, words: str) -> Markup:
    return _MORE.format(id=document.id, at=at, words=words)
