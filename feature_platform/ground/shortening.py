"""How long a value may be where people read it: in errors, alerts, records, checks and pages.

The quarantine keeps rows whole; everything else shows the beginning of what is long, and says how much it left out.
"""

LONGEST = 200


def shorten(text: str, longest: int = LONGEST) -> str:
    """Return the text, or its beginning with how many characters were left out.

    >>> shorten("x" * 3_000_000, 4)
    'xxxx... (2,999,996 more characters)'
    """
    left_out = len(text) - longest
    return text if left_out <= 0 else f"{text[:longest]}... ({left_out:,} more characters)"


def shorten_value(value: object, longest: int = LONGEST) -> object:
    """Return the value as it is when it is short; a longer one as the beginning of its text.

    >>> shorten_value([1, 2]), shorten_value(["x" * 300], 4)
    ([1, 2], "['xx... (300 more characters)")
    """
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return shorten(value, longest)
    written = repr(value) if isinstance(value, (int, bytes, list, tuple, dict)) else str(value)
    return value if len(written) <= longest else shorten(written, longest)
