"""Where Postgres cannot be reached, and where its password comes from."""

from pathlib import Path

import duckdb
import pytest
from tests.conftest import free_port

from lakehouse.settings import Settings, load_settings
from lakehouse.storage.duck import load_extension
from lakehouse.storage.postgres import PostgresError, attach, password


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    (home / "streaming" / "contracts").mkdir(parents=True)
    return load_settings({"home": home, "postgres_port": free_port()})


def given(settings: Settings, secret: str) -> Settings:
    return load_settings({"home": settings.home, "postgres_port": settings.postgres_port, "postgres_password": secret})


def test_the_extension_loads_though_its_file_bears_another_name() -> None:
    with duckdb.connect() as connection:
        load_extension(connection, "postgres")
        assert connection.execute("SELECT count(*) FROM duckdb_secrets()").fetchall() == [(0,)]


def test_a_server_that_is_away_is_named_with_the_way_to_start_it(settings: Settings) -> None:
    with duckdb.connect() as connection, pytest.raises(PostgresError) as error:
        attach(connection, given(settings, "word"))
    assert f"127.0.0.1:{settings.postgres_port}" in str(error.value)
    assert "Connection refused" in str(error.value)
    assert "lakehouse up --only postgres" in str(error.value)
    assert "word" not in str(error.value).replace("_PASSWORD", "")


def test_the_password_of_the_setting_comes_first(settings: Settings) -> None:
    settings.postgres_dir.mkdir(parents=True)
    settings.postgres_password_file.write_text("made\n")
    assert password(settings) == "made"
    assert password(given(settings, "set")) == "set"


def test_without_a_password_both_places_are_named(settings: Settings) -> None:
    with pytest.raises(PostgresError) as error:
        password(settings)
    assert "LAKEHOUSE_POSTGRES_PASSWORD" in str(error.value)
    assert str(settings.postgres_password_file) in str(error.value)


def test_a_quote_in_the_password_stays_part_of_it(settings: Settings) -> None:
    with duckdb.connect() as connection:
        with pytest.raises(PostgresError):
            attach(connection, given(settings, "it's"))
        assert connection.execute("SELECT name FROM duckdb_secrets()").fetchall() == [("postgres",)]
