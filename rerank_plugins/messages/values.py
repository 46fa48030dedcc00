"""Values as messages show them."""


def described(value: object) -> str:
    """The type and a short representation of a value, for an error message."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
