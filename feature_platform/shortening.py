"""How long a value may be where people read it: in errors, alerts, records, checks and pages."""

LONGEST = 200


def shorten(text: str, longest: int = LONGEST) -> str:
    """Return the text, or its beginning with how many characters were left out.

    >>> shorten("x" * 3_000_000, 4)
    'xxxx... (2,999,996 more characters)'
    """
    left_out = len(text) - longest
    return text if left_out <= 0 else f"{text[:longest]}... ({left_out:,} more characters)"
