"""The folder of this machine: its secret, its notes, its tokens, its command line."""

import stat
import sys
from pathlib import Path

import jwt
import pytest

from services.local.apikey import line
from services.local.cli import main
from services.local.ending import LocalError
from services.local.home import Home, InUseError, Running
from services.local.supervisor import backoff_s
from services.local.tokens import issue


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "made")
    secret = home.secret({})
    assert len(secret) >= 32
    assert Home(tmp_path / "made").secret({}) == secret
    assert stat.S_IMODE((tmp_path / "made" / "secret").stat().st_mode) == 0o600


def test_a_secret_in_the_environment_comes_first(tmp_path: Path) -> None:
    assert Home(tmp_path).secret({"CONTINUO_TOKEN_HMAC_SECRET": "given"}) == "given"
    assert not (tmp_path / "secret").exists()


def test_who_only_reads_the_secret_makes_none(tmp_path: Path) -> None:
    home = Home(tmp_path / "made")
    assert home.known_secret({"CONTINUO_TOKEN_HMAC_SECRET": "given"}) == "given"
    with pytest.raises(LocalError, match="no `continuo up` was started in this folder"):
        home.known_secret({})
    assert not home.folder.exists()
    secret = home.secret({})
    assert home.known_secret({}) == secret


def test_the_key_of_back_ends_is_made_once_and_again_where_it_is_lost(tmp_path: Path) -> None:
    home = Home(tmp_path / "made")
    file = home.api_keys({})
    key = home.api_key.read_text()
    assert file.read_text() == f"{line('local', key)}\n"
    assert stat.S_IMODE(home.api_key.stat().st_mode) == 0o600
    file.write_text(f"{file.read_text()}{line('billing', 'theirs')}\n")
    assert home.api_keys({}).read_text().count("\n") == 2
    home.api_key.unlink()
    assert home.api_keys({}).read_text().splitlines()[1:] == [
        line("billing", "theirs"),
        line("local", home.api_key.read_text()),
    ]
    assert home.api_keys({"CONTINUO_API_KEYS_FILE": "/elsewhere"}) == Path("/elsewhere")


def test_what_runs_is_found_by_the_next_command(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.running() is None
    home.note(Running(["ws://one", "ws://two"], "a:1,b:2"))
    assert home.running() == Running(["ws://one", "ws://two"], "a:1,b:2")


def test_a_folder_is_claimed_by_one_at_a_time(tmp_path: Path) -> None:
    with Home(tmp_path).claimed(), pytest.raises(InUseError, match="another"), Home(tmp_path).claimed():
        pass
    with Home(tmp_path).claimed():
        pass


def test_a_token_names_its_user_and_ends(tmp_path: Path) -> None:
    secret = Home(tmp_path).secret({})
    claims = jwt.decode(
        issue(secret, "ana", now_s=1000, ttl_s=60), secret, ["HS256"], options={"verify_exp": False}
    )
    assert claims == {"sub": "ana", "iat": 1000, "exp": 1060}


def test_the_token_command_prints_a_token_and_refuses_a_name_no_user_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTINUO_HOME", str(tmp_path))
    monkeypatch.delenv("CONTINUO_TOKEN_HMAC_SECRET", raising=False)
    secret = Home(tmp_path).secret({})
    assert main(["token", "--user", "ana"]) == 0
    printed = capsys.readouterr().out.strip()
    assert jwt.decode(printed, secret, ["HS256"])["sub"] == "ana"
    with pytest.raises(SystemExit) as ended:
        main(["token", "--user", "no spaces"])
    assert ended.value.code == 2


def test_a_missing_library_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    monkeypatch.delitem(sys.modules, "services.local.tokens", raising=False)
    assert main(["token", "--user", "ana"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "continuo: the library jwt is missing: install continuo-server[local]"
    ]


def test_restarts_come_later_and_later_up_to_a_bound() -> None:
    assert [backoff_s(deaths) for deaths in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert backoff_s(20) == 5.0
