"""Passwords in addresses of databases, which are never written or shown."""

import re

STARS = "***"
_IN_ADDRESS = re.compile(r"(://[^:/@\s]*):\S*@")
_IN_QUERY = re.compile(r"([?&](?:password|passwd|pwd|sslpassword)=)[^&\s'\"]+", re.IGNORECASE)


def masked(text: str) -> str:
    """Return *text* with the password of each address in it replaced by stars."""
    return _IN_QUERY.sub(rf"\1{STARS}", _IN_ADDRESS.sub(rf"\1:{STARS}@", text))


def masked_address(address: str) -> str:
    """Return one address without its password, whatever characters that has."""
    scheme, there, rest = address.partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    if not (there and at and colon):
        return masked(address)
    return masked(f"{scheme}://{user}:{STARS}@{place}")


def has_password(word: str) -> bool:
    """Whether a word of a command is, or holds, an address with a password in it."""
    return masked_address(word) != word
