"""What the operator may do: the table in code, the page, and what the client and kopf really ask for."""

from pathlib import Path

from continuo_operator.handlers import WATCHED
from continuo_operator.rbac import CLUSTER_ROLE, ROLE

PAGE = Path(__file__).parents[3] / "docs/operator.md"


def test_the_page_shows_the_table():
    rows = []
    for rule in (*ROLE, *CLUSTER_ROLE):
        group = f"`{rule.group}`" if rule.group else "core"
        rows.append(f"| {group} | `{rule.resource}` | {', '.join(rule.verbs)} | {rule.why} |")
    assert "\n".join(rows) in PAGE.read_text()


def test_no_right_deletes_reads_secrets_or_takes_everything():
    for rule in (*ROLE, *CLUSTER_ROLE):
        assert not {"delete", "deletecollection", "*", "escalate", "impersonate"} & set(rule.verbs)
        assert rule.resource not in {"secrets", "*"}


def test_what_is_watched_may_be_watched():
    allowed = {(rule.group, rule.resource) for rule in ROLE if {"list", "watch"} <= set(rule.verbs)}
    assert {(kind.value[0], kind.plural) for kind in WATCHED} == allowed
