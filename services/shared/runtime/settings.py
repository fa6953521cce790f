"""Settings: the environment, read once at start into frozen objects and passed on as arguments.

A group of settings is a frozen `msgspec.Struct`. A field `lease_s` is read from `CONTINUO_LEASE_S`; a
field whose type is another group is read from the same environment. The meaning stands in the annotation
and becomes docs/configuration.md:

    class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
        lease_s: Annotated[float, Meta(gt=0, description="Seconds a lease lives without renewal.")] = 6.0
        redis: RedisSettings

Fields may be str, int, float, bool, `Literal`, `Secret`, a tuple of these (comma-separated), a group, or
`X | None`. Another variable's name: `Meta(extra={"env": "CONTINUO_ACKS"})`. An empty variable counts as
unset. A `Secret` may stand in a file instead, which `CONTINUO_..._FILE` names. Checks across fields go into
the group's `__post_init__`, as ValueErrors. All faults are reported at once, each naming its variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from services.shared.runtime.secret import Secret as Secret
from services.shared.runtime.secret import SecretFile

PREFIX = "CONTINUO_"
FILE = "_FILE"
"""Behind the variable of a secret: names a file that holds it."""

Settings = TypeVar("Settings", bound=msgspec.Struct)


class SettingsError(Exception):
    """The environment does not say what this process needs; one sentence per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Described:
    """One setting, for the reference page."""

    variable: str
    kind: str
    default: str | None
    """As it would be written in the environment; None when the setting is required."""
    meaning: str
    group: type[msgspec.Struct]


def load(settings_type: type[Settings], environ: Mapping[str, str]) -> Settings:
    """Read a group and the groups inside it. Raises SettingsError naming every wrong or missing variable."""
    faults: list[str] = []
    loaded = _load(settings_type, environ, faults)
    if faults or loaded is None:
        raise SettingsError(faults)
    return cast(Settings, loaded)


def describe(settings_type: type[msgspec.Struct]) -> Iterator[Described]:
    """All settings of a group and of the groups inside it, in their order."""
    for field, kind, meta in _fields(settings_type):
        if isinstance(kind, inspect.StructType):
            yield from describe(kind.cls)
            continue
        meaning = (meta.description or "") if meta else ""
        variable = _variable(field, meta)
        yield Described(variable, _expected(kind), _default(field), meaning, settings_type)


def _load(settings_type: type[msgspec.Struct], environ: Mapping[str, str], faults: list[str]) -> object:
    values: dict[str, Any] = {}
    before = len(faults)
    for field, kind, meta in _fields(settings_type):
        if isinstance(kind, inspect.StructType):
            values[field.name] = _load(kind.cls, environ, faults)
            continue
        variable = _variable(field, meta)
        text = environ.get(variable, "").strip()
        path = environ.get(variable + FILE, "").strip() if _is_secret(kind) else ""
        if text and path:
            faults.append(f"{variable} and {variable}{FILE} are both set; expected one of them")
        elif path:
            values[field.name] = SecretFile(path)
        elif text:
            values[field.name] = _value(variable, text, field.type, kind, faults)
        elif field.required:
            wanted = f": {meta.description}" if meta and meta.description else ""
            faults.append(f"{variable} is not set; expected {_expected(kind)}{wanted}")
    if len(faults) > before:
        return None
    try:
        return settings_type(**values)
    except ValueError as fault:
        faults.append(f"{settings_type.__name__}: {fault}")
        return None


def _value(variable: str, text: str, annotation: Any, kind: inspect.Type, faults: list[str]) -> Any:
    raw = [part.strip() for part in text.split(",") if part.strip()] if _is_list(kind) else text
    try:
        return msgspec.convert(raw, annotation, strict=False, dec_hook=_hook)
    except msgspec.ValidationError:
        seen = "a value that is not shown" if _is_secret(kind) else repr(text)
        faults.append(f"{variable} is {seen}; expected {_expected(kind)}")
        return None


def _hook(wanted: type, raw: Any) -> Any:
    if wanted is Secret and isinstance(raw, str):
        return Secret(raw)
    raise NotImplementedError(f"settings cannot hold {wanted}")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: Any
    required: bool
    default: Any


_Fields = Iterator[tuple[_Field, inspect.Type, msgspec.Meta | None]]


def _fields(settings_type: type[msgspec.Struct]) -> _Fields:
    """Each field with its plain type and its annotation, looked up as msgspec itself resolves them."""
    for info in msgspec.structs.fields(settings_type):
        kind: inspect.Type = inspect.type_info(info.type)
        meta = next((m for m in getattr(info.type, "__metadata__", ()) if isinstance(m, msgspec.Meta)), None)
        while isinstance(kind, inspect.Metadata):
            kind = kind.type
        default = info.default
        if default is msgspec.NODEFAULT and info.default_factory is not msgspec.NODEFAULT:
            default = info.default_factory()
        yield _Field(info.name, info.type, info.required, default), kind, meta


def _variable(field: _Field, meta: msgspec.Meta | None) -> str:
    named = (meta.extra or {}).get("env") if meta else None
    return str(named) if named else PREFIX + field.name.upper()


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _is_list(kind: inspect.Type) -> bool:
    lists = (inspect.VarTupleType, inspect.ListType, inspect.FrozenSetType, inspect.SetType)
    return any(isinstance(member, lists) for member in _members(kind))


def _is_secret(kind: inspect.Type) -> bool:
    return any(isinstance(member, inspect.CustomType) and member.cls is Secret for member in _members(kind))


def _expected(kind: inspect.Type) -> str:  # noqa: PLR0911 - a table of kinds
    """What a person has to write, in words."""
    match kind:
        case inspect.Metadata():
            return _expected(kind.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _bounds(kind)
        case inspect.FloatType():
            return "a number" + _bounds(kind)
        case inspect.LiteralType():
            return " or ".join(str(value) for value in kind.values)
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return f"{_expected(kind.item_type)}, several with commas between"
        case inspect.UnionType():
            return " or ".join(_expected(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.CustomType():
            return "a secret text"
        case inspect.StrType(pattern=str(pattern)):
            return f"a text like {pattern}"
        case _:
            return "a text"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    limits = [(kind.ge, "at least"), (kind.gt, "more than"), (kind.le, "at most"), (kind.lt, "less than")]
    words = [f"{word} {limit}" for limit, word in limits if limit is not None]
    return " of " + " and ".join(words) if words else ""


def _default(field: _Field) -> str | None:
    if field.required:
        return None
    value = field.default
    if isinstance(value, tuple | list | set | frozenset):
        return ",".join(str(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value or value == 0 else ""
