import re
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.address import DEFAULT_STORE, check_uri, resolve_uri, sqlite_path


def test_a_named_uri_goes_before_the_environment_and_that_before_the_default(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert resolve_uri(None, tmp_path) == "http://server:5000"
    assert resolve_uri("https://other", tmp_path) == "https://other"


def test_a_relative_sqlite_file_is_meant_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_uri("sqlite:///here.db", Path("x")) == f"sqlite:///{tmp_path}/here.db"
    assert sqlite_path("sqlite:////abs/here.db?timeout=3") == Path("/abs/here.db")
    assert sqlite_path("http://server") is None


def test_the_default_store_of_a_journal_stays_it_whatever_the_environment_names_later(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert resolve_uri(DEFAULT_STORE, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize("name", ["100% mine", "why?", "a%20b", "plain #1"])
def test_a_folder_s_name_may_hold_what_means_something_in_a_uri(name, tmp_path):
    uri = resolve_uri(DEFAULT_STORE, tmp_path / name)
    assert make_url(uri).database == str(tmp_path / name / "mlflow.db")  # what MLflow opens
    assert sqlite_path(uri) == tmp_path / name / "mlflow.db"


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "./mlruns", "file:mlruns", "htp://server", "C:\\runs"])
def test_what_can_not_be_a_store_is_told(uri):
    with pytest.raises(TrackingError, match="sqlite:///"):
        check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://", "names no host"),
        ("https:///path", "names no host"),
        ("http://a:99999", "Port out of range"),
        ("http://a:b", "Port could not be"),
        ("http://[::1", "Invalid IPv6"),
        ("sqlite://", "is a folder: name a file"),
        ("sqlite:////", "is a folder: name a file"),
        ("sqlite:///:memory:", "in the memory alone"),
    ],
)
def test_an_address_where_nothing_can_ever_be_is_told(uri, why, tmp_path):
    with pytest.raises(TrackingError, match=re.escape(why)):
        check_uri(resolve_uri(uri, tmp_path))


def test_a_home_is_found_in_an_address(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve_uri("sqlite:///~/runs.db", Path("x")) == "sqlite:////home/me/runs.db"


@pytest.mark.parametrize(
    "uri", ["sqlite:///a.db", "http://a", "http://[::1]:5000/path", "databricks", "postgresql+psycopg2://u:p@h/d"]
)
def test_what_can_be_a_store_passes(uri):
    check_uri(uri)


def test_a_file_out_of_reach_for_now_may_be_one(monkeypatch):
    def refused(path):
        raise PermissionError

    monkeypatch.setattr(Path, "is_dir", refused)
    check_uri("sqlite:////theirs/a.db")
