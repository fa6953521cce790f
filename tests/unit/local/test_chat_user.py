"""Who talks in `continuo chat`: the user of the token, where there is one."""

from pathlib import Path

import pytest

from services.local import chat
from services.local.cli import main
from services.local.ending import LocalError
from services.local.terminal import Terminal
from services.local.tokens import issue

SECRET = "a secret for tokens, long enough for all"


@pytest.fixture
def talking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts, and whose unsent messages were looked for; no chat goes further."""
    noted: list[str] = []

    class Noted(Terminal):
        def __init__(self, prompt: str) -> None:
            noted.append(prompt)
            super().__init__(prompt)

    def far_enough(folder: Path, user: str, servers: object) -> None:
        noted.append(user)
        raise LocalError("far enough")

    monkeypatch.setenv("CONTINUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONTINUO_TOKEN_HMAC_SECRET", SECRET)
    monkeypatch.setattr(chat, "Terminal", Noted)
    monkeypatch.setattr(chat, "unsent_of", far_enough)
    return noted


def test_with_a_token_its_user_talks(talking: list[str]) -> None:
    main(["chat", "--token", issue(SECRET, "bob", now_s=0)])
    main(["chat", "--token", issue(SECRET, "bob", now_s=0), "--user", "bob"])
    assert talking == ["bob> ", "bob"] * 2


def test_without_one_it_is_the_user_named_or_alice(talking: list[str]) -> None:
    main(["chat"])
    main(["chat", "--user", "carl"])
    assert talking == ["alice> ", "alice", "carl> ", "carl"]


def test_a_token_of_somebody_else_is_refused(talking: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--token", issue(SECRET, "bob", now_s=0), "--user", "alice"]) == 1
    assert talking == []
    assert capsys.readouterr().out.splitlines() == [
        "continuo chat: the token is for 'bob', not for 'alice': leave out --user"
    ]


@pytest.mark.parametrize("token", ["no-token", issue(SECRET, "../bob", now_s=0), "a.b.c"])
def test_what_names_no_user_is_refused(
    talking: list[str], capsys: pytest.CaptureFixture[str], token: str
) -> None:
    assert main(["chat", "--token", token]) == 1
    assert talking == []
    assert capsys.readouterr().out.splitlines() == ["continuo chat: the token given names no user"]


def test_without_a_secret_in_this_folder_there_is_none_made(
    talking: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("CONTINUO_TOKEN_HMAC_SECRET")
    for command in (["chat"], ["token", "--user", "alice"]):
        assert main(command) == 1
        assert "no `continuo up` was started in this folder" in capsys.readouterr().out
    assert talking == []
    assert not (tmp_path / "home").exists()
