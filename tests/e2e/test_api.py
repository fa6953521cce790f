"""The back ends' door, on a real server: who gets in, what is answered, and what it is told when not."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.wire import rpc
from tests.support.back_end import USER_HEADER, BackEnd, KeysFile, api_door, problem
from tests.support.door import Door, page_of
from tests.support.open_bus import fresh_user
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeysFile:
    return KeysFile(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def door(redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory, keys: KeysFile) -> Iterator[Door]:
    with api_door(redis, tmp_path_factory.mktemp("door"), keys) as door:
        yield door


@pytest.fixture
async def back_end(door: Door, keys: KeysFile) -> AsyncIterator[BackEnd]:
    """One that nobody else is."""
    name = fresh_user("billing")
    async with BackEnd(keys.address, keys.add(name), name=name) as back_end:
        yield back_end


async def test_a_back_end_says_something_as_a_user_and_the_users_device_hears_it(
    door: Door, back_end: BackEnd
) -> None:
    ann = fresh_user("ann")
    acting = back_end.acting(ann)
    talk = (await acting.done("conversation.create", title="Plans"))["conversation"]
    device = await door.arrive(ann)
    await device.ask(subscribe={"channel": f"conversation:{talk}"})
    sent = await acting.done("conversation.send", conversation=talk, id=new_id(), text="hello")
    [event] = await device.events(f"conversation:{talk}", 1)
    assert (event["data"]["type"], event["data"]["user"]) == ("message.created", ann)
    assert event["data"]["message"] == sent["message"]
    assert event["offset"] == sent["position"]["offset"]
    presence = await acting.client.get(f"/presence/{talk}")
    assert [each["user"] for each in presence.json()["presence"].values()] == [ann]
    assert (presence.json()["num_clients"], presence.json()["num_users"]) == (1, 1)
    await device.connection.close()
    await acting.client.aclose()


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer other", "Basic {key}", "{key}"])
async def test_nobody_comes_in_without_a_key(back_end: BackEnd, shown: str | None) -> None:
    back_end.client.headers.pop("authorization")
    headers = {} if shown is None else {"Authorization": shown.format(key=back_end.key)}
    for answer in (
        await back_end.client.get("/census", headers=headers),
        await back_end.raw("/conversation/list", b"{", **headers),
        await back_end.client.get("/presence/x", headers=headers),
    ):
        assert problem(answer)["code"] == 101
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert problem(answer)["detail"].startswith("a key" if shown is None else "this is none of the keys")


async def test_two_authorizations_are_none(back_end: BackEnd) -> None:
    twice = [("Authorization", f"Bearer {back_end.key}")] * 2
    back_end.client.headers.pop("authorization")
    assert (await back_end.client.get("/census", headers=twice)).status_code == 401


async def test_keys_turn_without_a_restart_and_a_name_may_have_two(door: Door, keys: KeysFile) -> None:
    old = keys.add("turning")
    before = keys.path.read_text()
    new, other = keys.add("turning"), keys.add("shop")

    async def statuses() -> list[int]:
        found = []
        for key in (old, new, other):
            async with BackEnd(keys.address, key) as asking:
                found.append((await asking.client.get("/census")).status_code)
        return found

    assert await statuses() == [200, 200, 200]
    both = keys.path.read_text()
    keys.path.write_text(both.replace(before.splitlines()[-1], "# taken out"))
    assert await statuses() == [401, 200, 200]
    keys.path.write_text(before)
    assert await statuses() == [200, 401, 401]


async def test_a_line_that_is_no_key_is_named_by_its_number_and_never_shown(
    door: Door, back_end: BackEnd, keys: KeysFile
) -> None:
    good = keys.path.read_text()
    keys.path.write_text(f"{good}a-secret-in-the-wrong-place\nshop:{'0' * 63}\n")
    assert (await back_end.client.get("/census")).status_code == 200, "the others hold"
    told, behind = (await door.checks())["api keys"], len(good.splitlines())
    assert told == {"ok": False, "malformed_lines": f"{behind + 1}, {behind + 2}", "malformed": 2}
    assert await door.status("/readyz") == 200, "devices are not kept out by it"
    assert '"api keys malformed"' in door.log()
    assert "secret-in" not in door.log()
    keys.path.write_text(good)
    assert (await back_end.client.get("/census")).status_code == 200
    assert (await door.checks())["api keys"] == {"ok": True}


async def test_a_file_that_is_gone_lets_nobody_in_and_is_said(
    door: Door, back_end: BackEnd, keys: KeysFile
) -> None:
    kept = keys.path.read_text()
    keys.path.unlink()
    answer = await back_end.client.get("/census")
    assert (answer.status_code, problem(answer)["code"]) == (503, 100)
    keys.path.write_text(kept)
    assert (await back_end.client.get("/census")).status_code == 200


@pytest.mark.parametrize("named", ["", "two words", "service:billing", "a" * 65, "a,b", "ann\u00e9"])
async def test_who_names_no_user_is_told_so_and_never_let_through_as_the_service(
    back_end: BackEnd, named: str
) -> None:
    headers = [(USER_HEADER.encode(), named.encode("latin-1"))]
    answer = await back_end.client.post("/conversation/list", json={}, headers=headers)
    told = problem(answer)
    assert (told["status"], told["code"], told["field"]) == (400, 107, USER_HEADER)


async def test_two_users_are_none(back_end: BackEnd) -> None:
    twice = [(USER_HEADER, "ann"), (USER_HEADER, "bob")]
    answer = await back_end.client.post("/conversation/list", json={}, headers=twice)
    assert problem(answer)["field"] == USER_HEADER


@pytest.mark.parametrize(
    "path", ["/nothing", "/conversation", "/conversation/list/", "/presence/a/b", "/", "/a%0ab"]
)
async def test_what_is_no_route_is_404(back_end: BackEnd, path: str) -> None:
    answer = await back_end.client.get(path)
    assert (problem(answer)["status"], problem(answer)["code"]) == (404, 104)


@pytest.mark.parametrize(("path", "allowed"), [("/conversation/list", "POST"), ("/census", "GET, HEAD")])
async def test_a_route_names_the_methods_it_takes(back_end: BackEnd, path: str, allowed: str) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"} - {
        *allowed.split(", ")
    }:
        answer = await back_end.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), method


async def test_an_old_token_is_revoked_and_a_user_sent_away_by_a_back_end(
    door: Door, back_end: BackEnd, bus: Bus
) -> None:
    ann, bob = fresh_user("ann"), fresh_user("bob")
    device, other = await door.arrive(ann), await door.arrive(bob)
    assert (await back_end.client.post("/tokens/revoke", json={"user": ann})).json() == {}
    assert (await device.closed())[0] == 3500
    assert (await back_end.client.post(f"/users/{bob}/disconnect", json={"reconnect": True})).json() == {}
    assert (await other.closed())[0] == 3011
    again = await door.arrive(bob)
    assert (await back_end.client.post(f"/users/{bob}/disconnect")).json() == {}
    assert (await again.closed())[0] == 3503
    entries = [each async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
    by = [(each.action, each.target, each.connection) for each in entries if each.actor == back_end.service]
    assert by == [
        ("revoked", ann, back_end.service),
        ("disconnected", bob, back_end.service),
        ("disconnected", bob, back_end.service),
    ]


async def test_a_token_that_has_ended_by_itself_is_not_revoked(back_end: BackEnd) -> None:
    told = problem(await back_end.client.post("/tokens/revoke", json={"jti": "a", "until": 5}))
    assert (told["status"], told["field"]) == (400, "until")


async def test_what_is_the_services_alone_no_user_does(back_end: BackEnd) -> None:
    async with back_end.acting("ann") as acting:
        for answer in (
            await acting.client.get("/census"),
            await acting.client.post("/users/bob/disconnect"),
            await acting.client.post("/tokens/revoke", json={"user": "bob"}),
        ):
            told = problem(answer)
            assert (told["status"], told["code"], told["field"]) == (403, 403, USER_HEADER)


async def test_denials_stand_in_the_audit_log_with_the_back_end_that_met_them(
    door: Door, back_end: BackEnd, bus: Bus
) -> None:
    eve, talk = fresh_user("eve"), new_id()
    for asking in (back_end.acting(eve), BackEnd(back_end.address, "no key of ours")):
        async with asking:
            await asking.call("conversation.history", conversation=talk)
            await asking.client.get(f"/presence/{talk.upper()}")

    async def denied() -> dict[tuple[str, str], Any]:
        found = [each async for each in bus.audit.export().until(await bus.audit.now_ms() + 1)]
        told = {(each.actor, each.target): each for each in found if each.action == "denied"}
        all_of_it = {(who, what) for who in (eve, "") for what in ("conversation.history", "presence")}
        return told if all_of_it <= told.keys() else {}

    told = await eventually(denied)
    known, nobody = told[eve, "conversation.history"], told["", "conversation.history"]
    for each in (known, told[eve, "presence"]):
        assert (each.connection, each.conversation, each.code) == (back_end.service, talk, 103)
    assert (nobody.connection, nobody.conversation, nobody.code) == ("", "", 101)


async def test_requests_are_counted_by_route_and_never_by_what_is_no_route(
    door: Door, back_end: BackEnd
) -> None:
    for _ in range(2):
        await back_end.client.get(f"/{new_id()}")
        await back_end.client.get(f"/presence/{new_id()}", headers={USER_HEADER: "ann"})
    lines = (await page_of(door.pages, "/metrics")).splitlines()
    told = [
        line for line in lines if line.startswith(("continuo_api_requests_total{", "continuo_api_seconds"))
    ]
    routes = {line.partition('route="')[2].partition('"')[0] for line in told}
    known = (await back_end.client.get("/openapi.json")).json()["paths"]
    assert {"other", "/api/v1/presence/{conversation}"} <= routes <= {"other", *known}
    assert any(line.startswith('continuo_api_requests_total{route="other",status="404"}') for line in told)
    presence = 'continuo_api_requests_total{route="/api/v1/presence/{conversation}",status="403"}'
    assert any(line.startswith(presence) for line in told)


async def test_the_document_has_every_rpc(door: Door, keys: KeysFile) -> None:
    async with BackEnd(keys.address, "none") as nobody:
        document = (await nobody.client.get("/openapi.json")).json()
    described = {path: list(each) for path, each in document["paths"].items()}
    for name, method in rpc.METHODS.items():
        route = f"/api/v1/{name.replace('.', '/')}"
        assert described[route] == ["post"]
        assert document["paths"][route]["post"]["description"] == method.meaning
