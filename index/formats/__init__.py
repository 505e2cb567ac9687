"""File formats: from the bytes of a web page, PDF or Word document to text with page starts.

The parsers are other people's C and C++, and files come from anywhere, so each file is read in a process of
its own, with limits on time and memory (`extraction`); the parsers (`html`, `pdf`, `docx`) run there only.
What a file is shows in its bytes, not in its name.
"""

from index.formats.extraction import Extract, extract
from index.formats.recognition import HTML_SUFFIXES, TEXT, recognise

__all__ = ["HTML_SUFFIXES", "TEXT", "Extract", "extract", "recognise"]
