"""A passage that knows which of its characters every part of it needs."""

from typing import Any, Self


class Passage(str):
    """A passage whose first characters are its header: a title, or fields of its metadata.

    It is a string of header and text, and is scored like any other string. If it is cut into
    windows, each window has the header, and places count the characters of `text`.

    Attributes:
        header: What stands in front of the text, with the white space that separates the two.
        footer: What stands behind the text in the same way.
    """

    header: str
    footer: str

    def __new__(cls, text: str, header: str = "", footer: str = "") -> Self:
        """The header, the text and the footer joined.

        Args:
            text: The text of the passage.
            header: What stands in front of it, up to the first character of the text.
            footer: What stands behind it.
        """
        passage = super().__new__(cls, f"{header}{text}{footer}")
        passage.header, passage.footer = header, footer
        return passage

    @classmethod
    def of(cls, passage: str) -> "Passage":
        """The passage itself, or a string as a passage without a header."""
        return passage if isinstance(passage, Passage) else cls(passage)

    def __reduce__(self) -> tuple[Any, ...]:
        return Passage, (self.text, self.header, self.footer)

    @property
    def text(self) -> str:
        """The passage without header and footer."""
        return self[len(self.header) : len(self) - len(self.footer)]

    def part(self, start: int, end: int) -> "Passage":
        """A part of the text, with the header and the footer.

        Args:
            start: The first character of the text.
            end: The one after the last.
        """
        return Passage(self.text[start:end], self.header, self.footer)
