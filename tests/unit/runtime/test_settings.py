from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from services.shared.runtime.settings import Secret, SettingsError, describe, load


class Store(msgspec.Struct, frozen=True, kw_only=True):
    store_hosts: Annotated[tuple[str, ...], Meta(description="Where the store is.")]
    acks: Annotated[Literal["replica", "master"], Meta(extra={"env": "CONTINUO_STORE_ACKS"})] = "replica"
    store_password: Secret | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True):
    store: Store
    lease_s: Annotated[float, Meta(gt=0, description="Seconds.")] = 6.0
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 64
    verbose: bool = False
    secret: Secret = Secret("")
    low: int = 1
    high: int = 5

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def read(**environ: str) -> Service:
    return load(Service, {"CONTINUO_STORE_HOSTS": "a:1"} | environ)


def faults(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read(**environ)
    return refused.value.faults


def test_defaults_hold_where_the_environment_is_silent():
    settings = read()
    assert (settings.lease_s, settings.partitions, settings.verbose) == (6.0, 64, False)


def test_values_are_read_in_the_type_of_their_field():
    settings = read(CONTINUO_LEASE_S="0.5", CONTINUO_PARTITIONS="8", CONTINUO_VERBOSE="true")
    assert (settings.lease_s, settings.partitions, settings.verbose) == (0.5, 8, True)


def test_a_list_is_split_at_commas_and_trimmed():
    assert read(CONTINUO_STORE_HOSTS=" a:1, b:2 ,").store.store_hosts == ("a:1", "b:2")


def test_an_inner_group_reads_the_same_environment_also_under_another_name():
    assert read(CONTINUO_STORE_ACKS="master").store.acks == "master"


def test_an_empty_variable_counts_as_unset():
    assert read(CONTINUO_PARTITIONS="  ").partitions == 64


def test_a_missing_variable_is_named_with_what_it_means():
    with pytest.raises(
        SettingsError, match=r"CONTINUO_STORE_HOSTS is not set.*Where the store is"
    ) as refused:
        load(Service, {})
    assert len(refused.value.faults) == 1


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CONTINUO_PARTITIONS", "0", "a whole number of at least 1 and at most 1024"),
        ("CONTINUO_PARTITIONS", "many", "a whole number"),
        ("CONTINUO_LEASE_S", "-1", "a number of more than 0"),
        ("CONTINUO_VERBOSE", "perhaps", "true or false"),
        ("CONTINUO_STORE_ACKS", "all", "master or replica"),
    ],
)
def test_a_wrong_value_is_shown_beside_what_was_expected(variable: str, value: str, expected: str):
    (fault,) = faults(**{variable: value})
    assert fault.startswith(f"{variable} is '{value}'; expected {expected}")


def test_all_faults_are_reported_at_once():
    assert len(faults(CONTINUO_PARTITIONS="0", CONTINUO_STORE_ACKS="all", CONTINUO_LEASE_S="x")) == 3


def test_a_check_across_fields_names_its_group():
    assert faults(CONTINUO_LOW="9") == ["Service: low is above high"]


def test_a_secret_shows_itself_only_when_asked():
    settings = read(CONTINUO_SECRET="open sesame", CONTINUO_STORE_PASSWORD="swordfish")
    assert settings.secret.reveal() == "open sesame"
    seen = f"{settings!r} {settings} {settings.secret} {[settings.store.store_password]}"
    assert "sesame" not in seen
    assert "swordfish" not in seen


def test_secrets_are_equal_by_value_and_empty_ones_are_false():
    assert Secret("a") == Secret("a") != Secret("b")
    assert not Secret("")


def test_every_setting_is_described_with_its_variable_default_and_meaning():
    rows = {row.variable: row for row in describe(Service)}
    assert rows["CONTINUO_STORE_HOSTS"].default is None
    assert rows["CONTINUO_LEASE_S"].meaning == "Seconds."
    assert rows["CONTINUO_VERBOSE"].default == "false"
    assert rows["CONTINUO_STORE_ACKS"].group is Store
    assert "sesame" not in str(rows)


def test_a_secret_in_a_file_is_read_anew_at_every_use(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("first\n")
    secret = read(CONTINUO_SECRET_FILE=str(file)).secret
    assert secret == Secret("first")
    file.write_text("second\n")
    assert secret.reveal() == "second"
    assert repr(secret) == "Secret(***)"


def test_a_secret_whose_file_is_taken_away_is_no_longer_in_force(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("first")
    secret = read(CONTINUO_SECRET_FILE=str(file)).secret
    file.unlink()
    assert not secret


def test_a_secret_whose_file_cannot_be_read_stays_as_it_was(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("first")
    secret = read(CONTINUO_SECRET_FILE=str(file)).secret
    assert secret
    file.write_bytes(b"\xff")
    assert secret.reveal() == "first"


def test_a_secret_is_named_once():
    [fault] = faults(CONTINUO_SECRET="a", CONTINUO_SECRET_FILE="/b")
    assert fault == "CONTINUO_SECRET and CONTINUO_SECRET_FILE are both set; expected one of them"


def test_only_a_secret_may_stand_in_a_file():
    assert read(CONTINUO_LOW_FILE="/nowhere").low == 1
