"""A passage that knows which of its first characters are a header."""


class Passage(str):
    """A passage whose first characters are its header: a title, or fields of its metadata.

    It is a string, header and text together, and is scored like any other string. What is done to
    a part of a passage alone, windows and spans, keeps the header: each window starts with it, and
    places count the characters of `text`.

    Attributes:
        header: What stands in front of the text, with the white space that separates the two.
    """

    header: str

    def __new__(cls, text: str, header: str = "") -> "Passage":
        """The header and the text joined.

        Args:
            text: The text of the passage.
            header: What stands in front of it, up to the first character of the text.
        """
        passage = super().__new__(cls, header + text)
        passage.header = header
        return passage

    def __reduce__(self) -> tuple[type["Passage"], tuple[str, str]]:
        return type(self), (self.text, self.header)

    @property
    def text(self) -> str:
        """The passage without its header."""
        return self[len(self.header) :]
