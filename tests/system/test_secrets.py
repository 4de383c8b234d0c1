"""Passwords in addresses are replaced by stars, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from segsweep.system.secrets import has_password, masked, masked_address


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgresql://u:p@h/n", "postgresql://u:***@h/n"),
        ("postgresql://u:p:q/r@h/n", "postgresql://u:***@h/n"),
        ("postgresql://u:p@q@h/n", "postgresql://u:***@h/n"),
        ("postgresql://:p@h/n", "postgresql://:***@h/n"),
        ("pg://h/n?user=u&password=p&ssl=1", "pg://h/n?user=u&password=***&ssl=1"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgresql://u@h:54/n", "postgresql://u@h:54/n"),
        ("sweep=a:b@c", "sweep=a:b@c"),
        ("/data/studies.log", "/data/studies.log"),
    ],
)
def test_only_the_password(text, wanted):
    """In a text, and as an address of its own."""
    assert masked(text) == masked_address(text) == wanted
    assert has_password(text) == (text != wanted)
    assert masked(f"-m 'search.storage={text}' sweep=x") == f"-m 'search.storage={wanted}' sweep=x"


def test_a_password_with_a_space():
    """An address of its own ends at its end, not at a space."""
    assert masked_address("pg://u:p q@h/n") == "pg://u:***@h/n"


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1))
def test_any_password_that_sqlalchemy_writes(password):
    """Whatever its characters, the address reads as one with the password of three stars."""
    url = make_url("postgresql+psycopg://user@host:5432/name").set(password=password)
    text = url.render_as_string(hide_password=False)

    assert masked_address(text) == "postgresql+psycopg://user:***@host:5432/name"
    assert masked(text) == masked_address(text) or " " in text
