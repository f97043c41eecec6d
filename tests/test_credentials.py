import pytest

from mnist_trainer.credentials import STORES, hidden, hide, hide_in, with_password

URIS = {
    "https://user:secret@host:5000/path": "https://host:5000/path",
    "https://secret@host": "https://host",
    "http://user:s@cret@host": "http://host",
    "htp://user:secret@host": "htp://host",  # misspelt: a message will show it
    "postgresql+psycopg2://user:se/cret@host:5432/base": "postgresql+psycopg2://user@host:5432/base",
    "postgresql+psycopg2://user:secret@host/base": "postgresql+psycopg2://user@host/base",
    "mysql+pymysql://user:secret@host/base": "mysql+pymysql://user@host/base",
    "mssql+pyodbc://user:secret@host/base?driver=x": "mssql+pyodbc://user@host/base?driver=x",
    "postgresql://host/base?user=me&password=secret&connect_timeout=3": (
        "postgresql://host/base?user=me&password=&connect_timeout=3"
    ),
    "mssql+pyodbc:///?odbc_connect=PWD%3Dsecret": "mssql+pyodbc:///?odbc_connect=",
}
HARMLESS = (
    "sqlite:////home/me:you@work/mlflow.db",
    "http://127.0.0.1:5000/a@b",
    "databricks://profile",
    "mysql://user@host/base",
    "default",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv(STORES, "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize("uri", URIS)
def test_a_password_is_hidden_and_given_back(uri):
    assert hide(uri) == hidden(uri) == URIS[uri]
    assert with_password(URIS[uri]) == uri
    assert hidden(f"it failed at {uri} twice: '{uri}'") == f"it failed at {URIS[uri]} twice: '{URIS[uri]}'"


@pytest.mark.parametrize("uri", HARMLESS)
def test_what_holds_no_password_stays(uri):
    assert hide(uri) == with_password(uri) == uri


def test_only_stores_of_an_override_are_looked_at_and_a_sweep_may_name_several():
    given = ["tracking.uri=https://a:b@one,https://c:d@two", "name=https://a:b@one"]
    assert hide_in(given) == ["tracking.uri=https://one,https://two", given[1]]
    assert [with_password(f"https://{host}") for host in ("one", "two")] == ["https://a:b@one", "https://c:d@two"]


def test_the_environment_may_have_it_for_a_later_command(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@host")
    assert with_password("https://host") == "https://user:secret@host"
    assert with_password("https://other") == "https://other"
