"""`syncline deprecate`, `retire` and `withdraw`: what they decide, what they refuse, and what they say."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from syncline.catalog.events import PolicyKind, SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.contracts.model import Version as Number
from syncline.ports.log import OutcomeKind
from syncline.telemetry.reports import AgentStatus
from syncline.telemetry.violations import PUBLISHER, Reporter, ViewCounts, ViolationCounts
from tests.unit.agent.world import CATALOG, Cluster, registration, release, subscription
from tests.unit.cli.cluster import Cli
from tests.unit.inspection.enactor import Enactor, tell
from tests.unit.state.world import Version

FIRST = Version.make(7)
MINOR = Version.make(8, version="1.1.0", extra=True)
WHY = ("--reason", "INC-7: nobody needs it")
UNTIL = ("--until", "2099-06-30")
STRICT = SubscriptionDeclared("strict", "inputs", PolicyKind.PIN, 1)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster whose bundle has two releases; `model` follows, `strict` is pinned to the first."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR))
    cluster.decide(release(FIRST), subscription(), STRICT)
    cluster.decide(release(MINOR, number=2, features=("mean", "extra")))
    return Cli.on(cluster, monkeypatch, capsys)


def picture(cli: Cli) -> Picture:
    """What stands in the catalog."""
    catalog = CatalogClient(cli.cluster.log, CATALOG, clock=SystemClock(), client_id="tests")
    try:
        return catalog.catch_up(5)
    finally:
        catalog.close()


def decisions(cli: Cli) -> int:
    """How many records the catalog has."""
    return len(cli.cluster.read(CATALOG))


def roll_out(cli: Cli) -> None:
    """Release 2 live and final."""
    assert cli("rollout", "start", "inputs@2", *WHY)[0] == 0
    Enactor(cli.cluster).enact()
    assert cli("rollout", "promote", "inputs", *WHY, "--yes")[0] == 0
    enactor = Enactor(cli.cluster, claim=picture(cli).coordination.claim)
    enactor.enact()
    assert picture(cli).coordination.standing("inputs") == 2


def agent(name: str = "strict/a", **changed: Any) -> AgentStatus:
    """An agent that is there."""
    now_us = SystemClock().now_us()
    whole = AgentStatus(name, name.partition("/")[0], now_us, "LIVE", "", "inputs", 1, 2, 99, 1, 0, 0, ())
    return replace(whole, **changed)


def published(reference: str, *, ago_s: int = 60) -> ViolationCounts:
    """What a job says of its last window."""
    end_us = SystemClock().now_us() - ago_s * 1_000_000
    return ViolationCounts(
        Reporter(PUBLISHER, "flights-job"), end_us - 60_000_000, end_us, (ViewCounts(reference, 500, 0, ()),)
    )


def test_a_deprecation_has_who_why_until_when_and_what_instead(cli: Cli) -> None:
    """P11; and it names the consumers that are to leave."""
    code, out, err = cli(
        "deprecate", "delay@1.0", *UNTIL, "--since", "2026-01-01", "--alternative", "delay@1.1", *WHY
    )

    assert (code, err) == (0, "")
    assert "delay@1.0  (active)" in out
    assert "needed by model (inputs@1, its agents serve it)" in out
    assert "needed by strict (inputs@1, policy: pinned to 1)" in out
    stands = picture(cli).deprecated["delay", Number(1, 0)]
    assert stands.payload == ViewVersionDeprecated(
        "delay", Number(1, 0), date(2026, 1, 1), date(2099, 6, 30), "delay@1.1"
    )
    assert (stands.decision.actor, stands.decision.reason) == ("ada", WHY[1])


def test_a_whole_major_is_deprecated_at_once(cli: Cli) -> None:
    """`delay@1`: each version is a decision of its own; what is so already stays."""
    assert cli("deprecate", "delay@1.1", *UNTIL, "--since", "2026-01-01", *WHY)[0] == 0

    document = cli.json("deprecate", "delay@1", *UNTIL, "--since", "2026-01-01", *WHY)

    assert document["decided"] is True
    assert [each["what"] for each in document["ended"]] == ["delay@1.0"]
    assert document["unchanged"] == ["delay@1.1: deprecated so already, at catalog offset 6, by ada"]
    assert set(picture(cli).deprecated) == {("delay", Number(1, 0)), ("delay", Number(1, 1))}
    again = cli.json("deprecate", "delay@1", *UNTIL, "--since", "2026-01-01", *WHY)
    assert (again["decided"], again["catalog_offsets"], decisions(cli)) == (False, [], 8)


def test_a_deprecation_can_be_put_off(cli: Cli) -> None:
    """The new dates stand, and it says whose they take the place of."""
    assert cli("deprecate", "delay@1.0", *UNTIL, *WHY)[0] == 0

    code, _, err = cli("deprecate", "delay@1.0", "--until", "2100-01-01", *WHY)

    assert code == 0
    assert (
        "was supported until 2099-06-30: this takes the place of what ada decided at catalog offset 6" in err
    )
    assert picture(cli).deprecated["delay", Number(1, 0)].payload.until == date(2100, 1, 1)


def test_a_deprecation_that_is_over_already_is_told(cli: Cli) -> None:
    """It is decided all the same: what happened is written down."""
    code, _, err = cli("deprecate", "delay@1.0", "--since", "2020-01-01", "--until", "2020-02-01", *WHY)

    assert code == 0
    assert "2020-02-01 is over already" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deprecate", "dely@1.0", *UNTIL], "Did you mean `delay`?"),
        (["deprecate", "delay@2", *UNTIL], "There is delay@1.0, delay@1.1"),
        (["deprecate", "delay@1.7", *UNTIL], "There is delay@1.0, delay@1.1"),
        (["deprecate", "delay@1.0", *UNTIL, "--alternative", "delay@2"], "the catalog has no delay@2"),
        (["deprecate", "delay@1.0", *UNTIL, "--alternative", "dely"], "Did you mean `delay`?"),
        (["deprecate", "delay@1.0", *UNTIL, "--alternative", "delay@1.0"], "take the place of itself"),
        (["deprecate", "delay@1", *UNTIL, "--alternative", "delay"], "take the place of itself"),
        (["retire", "dely@1.0"], "Did you mean `delay`?"),
        (["retire", "delay@2"], "There is delay@1.0, delay@1.1"),
        (["withdraw", "modle"], "Did you mean `model`?"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(cli: Cli, arguments: list[str], said: str) -> None:
    """One sentence, exit 1, and nothing is decided."""
    before = decisions(cli)

    code, out, err = cli(*arguments, *WHY)

    assert (code, out, decisions(cli)) == (1, "", before)
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["deprecate", "delay", *UNTIL, *WHY],
        ["deprecate", "delay@1:mean", *UNTIL, *WHY],
        ["deprecate", "Delay@1", *UNTIL, *WHY],
        ["deprecate", "delay@1", *WHY],
        ["deprecate", "delay@1", "--until", "tomorrow", *WHY],
        ["deprecate", "delay@1", "--until", "2026-02-30", *WHY],
        ["deprecate", "delay@1", "--until", "2026-01-01", "--since", "2026-01-02", *WHY],
        ["deprecate", "delay@1", *UNTIL, "--alternative", "the new one", *WHY],
        ["deprecate", "delay@1", *UNTIL],
        ["deprecate", "delay@1", *UNTIL, "--reason", " "],
        ["retire", "delay", *WHY],
        ["retire", "delay@1"],
        ["retire", *WHY],
        ["withdraw", "model"],
        ["withdraw", "model", "--reason", ""],
    ],
)
def test_half_an_ending_is_a_usage_error(cli: Cli, arguments: list[str]) -> None:
    """Exit 64: a version, days of the calendar, and a reason always."""
    before = decisions(cli)

    code, out, _ = cli(*arguments)

    assert (code, out, decisions(cli)) == (64, "", before)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (["--until", "2027-02-30"], "the calendar has no 2027-02-30"),
        (["--until", "30.6.2027"], "'30.6.2027' is no day: write it as 2027-06-30"),
        (["--until", "2020-01-01"], "--until 2020-01-01 is over already: name a day from today on"),
        (["--until", "2020-01-01", "--since", "2020-01-02"], "is before --since 2020-01-02: exchange them"),
        (
            [*UNTIL, "--since", "2098-01-01"],
            "--since 2098-01-01 is yet to come, and a deprecation counts at once",
        ),
    ],
)
def test_days_that_make_no_sense_are_told_in_plain_words(cli: Cli, days: list[str], said: str) -> None:
    """Each names the option that was given, what is wrong with it, and what to write."""
    before = decisions(cli)

    code, out, err = cli("deprecate", "delay@1.0", *days, *WHY)

    assert (code, out, decisions(cli)) == (64, "", before)
    assert said in err


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (["--actor", "   "], "it is blank: say who decides"),
        (["--actor", "ad\udce4"], "character 3 is no Unicode text"),
        (["--reason", "INC-7 \udce4"], "character 7 is no Unicode text"),
    ],
)
def test_who_and_why_are_text(cli: Cli, who: list[str], said: str) -> None:
    """P11: a blank who, or bytes that are no UTF-8, are refused before anything is shown or decided."""
    before = decisions(cli)

    code, out, err = cli("withdraw", "strict", *WHY, *who)

    assert (code, out, decisions(cli)) == (64, "", before)
    assert said in err


def test_a_blank_who_of_the_environment_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """P11: SYNCLINE_ACTOR is held to the same."""
    monkeypatch.setenv("SYNCLINE_ACTOR", "   ")

    code, _, err = cli("withdraw", "strict", *WHY)

    assert code == 64
    assert "it is blank" in err


def test_what_was_decided_before_brokers_went_away_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two stands; of the second it is told that it may, and which command shows it."""
    propose = CatalogClient.propose

    def away_after_the_first(catalog: CatalogClient, *given: Any, **named: Any) -> list[int]:
        told = named.pop("on_recorded")

        def tell_and_go(payload: Any, offset: int) -> None:
            told(payload, offset)
            cli.cluster.log.fail_next_appends(1, OutcomeKind.UNKNOWN)

        return propose(catalog, *given, **named, on_recorded=tell_and_go)

    monkeypatch.setattr(CatalogClient, "propose", away_after_the_first)

    code, _, err = cli("deprecate", "delay@1", *UNTIL, *WHY)

    assert code == 1
    assert "It may have been recorded, or may still be: `syncline catalog log --about delay`" in err
    assert err.endswith("Decided before: delay@1.0 at 6\n")


def test_what_is_still_needed_is_not_retired(cli: Cli) -> None:
    """Each consumer is named with its release and what to do about it; nothing is decided."""
    before = decisions(cli)

    code, out, err = cli("retire", "delay@1.0", *WHY)

    assert (code, out, decisions(cli)) == (1, "", before)
    said, first, second = err.splitlines()
    assert said == "syncline: delay@1.0 is still needed, and nothing was retired:"
    assert first == (
        "  delay@1.0: model (inputs@1, its agents serve it): `syncline rollout start inputs@2 --reason …`, and promote "
        "it when it is live; or, if it is gone, `syncline withdraw model --reason …`"
    )
    assert second == (
        "  delay@1.0: strict (inputs@1, policy: pinned to 1): change the policy of strict so that it takes inputs@2, "
        "and apply; or, if it is gone, `syncline withdraw strict --reason …`"
    )


def test_of_a_range_that_is_needed_in_part_nothing_is_retired(cli: Cli) -> None:
    """And no remedy leads to another version of the range."""
    before = decisions(cli)

    code, _, err = cli("retire", "delay@1", *WHY)

    assert (code, decisions(cli)) == (1, before)
    take_out = "take it out of inputs{}, `syncline apply`, and `syncline rollout start inputs@3 --reason …`"
    assert f"delay@1.0: model (inputs@1, its agents serve it): {take_out.format('')}" in err
    assert f"delay@1.1: model (inputs@2, policy: the newest): {take_out.format('')}" in err
    assert take_out.format(", let strict take that release") in err


def test_during_a_rollout_its_end_is_the_remedy(cli: Cli) -> None:
    """The old release is kept until it is final."""
    assert cli("withdraw", "strict", *WHY)[0] == 0
    assert cli("rollout", "start", "inputs@2", *WHY)[0] == 0
    Enactor(cli.cluster).enact()

    code, _, err = cli("retire", "delay@1.0", *WHY)

    assert code == 1
    assert "model (inputs@1, live, or kept until the rollout is final)" in err
    assert "`syncline rollout promote inputs --reason …`" in err


def test_what_every_release_names_is_taken_out_first(cli: Cli) -> None:
    """A view that no release can do without: the next release has to."""
    cli.cluster.decide(SubscriptionWithdrawn("strict"))
    other = Version.make(20, view="strict")
    cli.cluster.make_topics(other)
    cli.cluster.decide(registration(other), release(other, bundle="lone"), subscription("lone"))

    code, _, err = cli("retire", "strict@1.0", *WHY)

    assert code == 1
    assert "take it out of lone, `syncline apply`, and `syncline rollout start lone@2 --reason …`" in err


def test_from_deprecated_to_retired(cli: Cli) -> None:
    """Rolled out, the pinned consumer withdrawn: now it goes, and the catalog says who and why."""
    assert cli("deprecate", "delay@1.0", "--since", "2020-01-01", "--until", "2020-02-01", *WHY)[0] == 0
    assert cli("withdraw", "strict", *WHY)[0] == 0
    roll_out(cli)

    code, out, err = cli("retire", "delay@1.0", *WHY)

    assert (code, err) == (0, "")
    assert "delay@1.0  (deprecated)" in out
    stands = picture(cli).retired["delay", Number(1, 0)]
    assert stands.payload == ViewVersionRetired("delay", Number(1, 0))
    assert (stands.decision.actor, stands.decision.reason) == ("ada", WHY[1])
    assert f"at offset {stands.offset}" in out


def test_what_was_never_deprecated_or_is_promised_for_longer_is_retired_with_a_warning(cli: Cli) -> None:
    """Who needs it is known from the catalog; whom nobody told is not, so a person shall know."""
    cli.cluster.decide(SubscriptionWithdrawn("strict"), SubscriptionWithdrawn("model"))
    assert cli("deprecate", "delay@1.1", *UNTIL, *WHY)[0] == 0

    document = cli.json("retire", "delay@1", *WHY)

    never, longer = document["warnings"]
    assert "delay@1.0 was never deprecated" in never
    assert "syncline deprecate delay@1.0 --until DATE --reason …" in never
    assert "delay@1.1 is to be supported until 2099-06-30, which is not over" in longer
    assert len(picture(cli).retired) == 2


def test_who_still_publishes_or_serves_it_is_told(cli: Cli) -> None:
    """A job of the last hour, and an agent that is there; not what was longer ago, or is silent."""
    cli.cluster.decide(SubscriptionWithdrawn("strict"), SubscriptionWithdrawn("model"))
    for report in (
        published("delay@1.0"),
        published("delay@1.1", ago_s=7_200),
        agent(),
        agent("strict/b", reported_at_us=1),
        agent("strict/c", state="STOPPED"),
    ):
        tell(cli.cluster, report)

    warnings = "\n".join(cli.json("retire", "delay@1", *WHY)["warnings"])

    assert "delay@1.0 was published within the last hour by flights-job" in warnings
    assert "delay@1.0 is still served by strict/a (inputs@1)" in warnings
    assert "strict/b" not in warnings
    assert "strict/c" not in warnings
    assert "delay@1.1 was published" not in warnings


def test_what_is_retired_already_is_told_and_decided_once(cli: Cli) -> None:
    """Retiring again changes nothing, and is no failure; deprecating it is."""
    cli.cluster.decide(SubscriptionWithdrawn("strict"), SubscriptionWithdrawn("model"))
    assert cli("retire", "delay@1.0", *WHY)[0] == 0
    before = decisions(cli)

    code, out, _ = cli("retire", "delay@1.0", *WHY)

    assert (code, decisions(cli)) == (0, before)
    assert f"delay@1.0: retired already, at catalog offset {before - 1}, by ada" in out
    code, _, err = cli("deprecate", "delay@1.0", *UNTIL, *WHY)
    assert (code, decisions(cli)) == (1, before)
    assert "delay@1.0 is retired already" in err
    assert cli("deprecate", "delay@1.1", *UNTIL, "--alternative", "delay@1.0", *WHY)[0] == 1


def test_a_withdrawn_subscription_is_gone(cli: Cli) -> None:
    """P11; apply only adds, so this is how a consumer ends, and it says to remove its file."""
    tell(cli.cluster, agent())

    code, out, err = cli("withdraw", "strict", *WHY)

    assert code == 0
    assert "strict  (inputs, policy pin: 1)" in out
    assert "remove strict from the folder of definitions, too" in err
    assert "its agents still run, and will have nothing to serve: strict/a" in err
    assert set(picture(cli).subscriptions) == {"model"}
    code, _, err = cli("withdraw", "strict", *WHY)
    assert code == 1
    assert "there is no live subscription of strict" in err


def test_who_withdraws_the_last_consumer_is_told(cli: Cli) -> None:
    """Nobody reads the bundle then; of a required one nothing more is said, as no rollout waits for it."""
    cli.cluster.decide(SubscriptionWithdrawn("strict"), replace(subscription(), required=True))

    warnings = cli.json("withdraw", "model", *WHY)["warnings"]

    assert warnings[1:] == ["nobody else reads inputs"]


@pytest.mark.parametrize("arguments", [["deprecate", "delay@1.0", *UNTIL], ["withdraw", "strict"]])
def test_on_a_terminal_it_shows_and_asks(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Without a yes nothing is decided; --yes does not ask."""
    before = decisions(cli)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)

    code, out, err = cli(*arguments, *WHY)

    assert (code, decisions(cli)) == (1, before)
    assert arguments[1] in out
    assert "Nothing was decided" in err
    assert cli(*arguments, *WHY, "--yes")[0] == 0


def test_who_was_overtaken_while_asked_is_told_and_changes_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: the first in the catalog counts, the other exits 1 and looks again."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    def meanwhile(*_: object, **__: object) -> bool:
        cli.cluster.decide(
            ViewVersionDeprecated("delay", Number(1, 0), date(2026, 1, 1), date(2030, 1, 1), "delay@1.1")
        )
        return True

    monkeypatch.setattr("click.confirm", meanwhile)

    code, _, err = cli("deprecate", "delay@1.0", *UNTIL, *WHY)

    assert code == 1
    assert "view delay was changed at catalog offset 6" in err
    assert "look at what stands now, and decide again" in err
    assert picture(cli).deprecated["delay", Number(1, 0)].payload.until == date(2030, 1, 1)


def test_a_range_is_finished_although_others_decide_about_other_things(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coordinator writes all the time; only what concerns the view is in the way."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)

    def meanwhile(*_: object, **__: object) -> bool:
        cli.cluster.decide(SubscriptionDeclared("other", "inputs", PolicyKind.FOLLOW))
        return True

    monkeypatch.setattr("click.confirm", meanwhile)

    assert cli("deprecate", "delay@1", *UNTIL, *WHY)[0] == 0
    assert len(picture(cli).deprecated) == 2


@pytest.mark.parametrize("command", ["retire", "deprecate", "withdraw"])
def test_before_the_first_apply_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """As every command that looks at the cluster."""
    options = UNTIL if command == "deprecate" else ()

    code, _, err = Cli.on(Cluster(), monkeypatch, capsys)(command, "delay@1", *options, *WHY)

    assert code == 1
    assert "syncline apply" in err
