"""A secret is the name of a variable: what it holds is asked for late, and cut out of every text."""

import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_platform.ground.errors import InvalidDeclaration, SecretMissing
from feature_platform.ground.secret import Secret, hide_secrets

VALUE = "hunter2/%"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("SHOP_DB_PASSWORD", VALUE)
    return Secret("SHOP_DB_PASSWORD")


def test_the_value_is_looked_up_where_it_is_used(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret.reveal("Source `orders`") == VALUE
    monkeypatch.setenv("SHOP_DB_PASSWORD", "other")
    assert secret.reveal("Source `orders`") == "other"


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_one_error(
    secret: Secret, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(secret.name) if value is None else monkeypatch.setenv(secret.name, value)

    with pytest.raises(SecretMissing, match=r"^Source `orders` needs the environment variable `SHOP_DB_PASSWORD`"):
        secret.reveal("Source `orders`")


def test_neither_its_text_nor_a_pickle_of_it_has_the_value(secret: Secret) -> None:
    assert VALUE not in f"{secret!r}{secret}{vars(secret)}"
    assert VALUE.encode() not in pickle.dumps(secret)
    assert pickle.loads(pickle.dumps(secret)) == secret == Secret("SHOP_DB_PASSWORD")


@pytest.mark.parametrize("given", ["hunter2", "s3cr%t", "", None, 7, "A B"])
def test_what_looks_like_the_secret_itself_is_refused_and_not_shown(given: object) -> None:
    with pytest.raises(InvalidDeclaration) as raised:
        Secret(given)  # type: ignore[arg-type]

    assert not given or str(given) not in str(raised.value)


@given(value=st.text(min_size=3), before=st.text(), after=st.text())
def test_a_secret_is_cut_out_of_a_text_plain_and_escaped(value: str, before: str, after: str) -> None:
    hidden = hide_secrets(f"{before}{value}{after}{quote(value, safe='')}", [value])

    assert value not in hidden.replace("***", "\0") or value in f"{before}{after}"
    assert f"{before}***{after}***" == hidden or value in f"{before}***{after}"
