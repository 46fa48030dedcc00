"""Values as messages show them."""


def described(value: object) -> str:
    """A value for an error message: type and a short representation."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
