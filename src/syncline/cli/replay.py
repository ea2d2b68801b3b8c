"""`syncline dlq replay`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from syncline.cli.letter_filters import letter_filters
from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output, counted
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog.events import ViewVersionRegistered
    from syncline.catalog.fold import Picture
    from syncline.inspection.dead_letters import FoundLetter, Wanted
    from syncline.inspection.replay import Prospect
    from syncline.ports.log import Log

_CHUNK = 2_000
_CHUNK_BYTES = 32_000_000
_LISTED = 50
_FLUSH_S = 10.0


@click.command()
@click.argument("where", metavar="[VIEW|TOPIC]", required=False)
@letter_filters
@click.option(
    "--as",
    "version",
    metavar="VERSION",
    help="Write the rows anew under this version of the same MAJOR, as 1.4: its defaults added, its limits checked.",
)
@click.option("--yes", is_flag=True, help="Do it. Without this it is only said what would be done.")
@click.option(
    "--limit",
    default=_LISTED,
    show_default=True,
    type=click.IntRange(min=0),
    help="Letters to name one by one.",
)
@connection_settings
@output_option
def replay(
    where: str | None,
    *,
    wanted: Wanted,
    version: str | None,
    yes: bool,
    limit: int,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Publish dead letters again that agents would apply now; a dry run, unless --yes is given.

    Each letter is judged anew, as an agent would judge it now. Those that still break a rule are not sent: the
    output says what to do about them. Replaying twice changes nothing, and an older event never buries a newer one.
    """
    from syncline.cli.letters import open_catalog
    from syncline.clock import SystemClock
    from syncline.errors import LogError, UnknownBundle
    from syncline.inspection.dead_letters import DeadLetters, topics_meant
    from syncline.inspection.rewriting import target_version

    log, picture = open_catalog(settings)
    topics = topics_meant(picture, where)
    if version is not None and len(topics) > 1:
        raise UnknownBundle(
            f"--as is for one topic, and these are meant: {', '.join(topics)}. Name one of them"
        )
    target = target_version(picture, topics[0], version) if version is not None and topics else None
    tally = _Tally(limit, by_name=wanted.names is not None)
    no_letters = 0
    for topic in topics:
        letters = DeadLetters(log, [topic], wanted)
        one = _OneTopic(log, picture, topic, target, SystemClock().now_us() // 1_000)
        one.replay(letters, tally, send=yes)
        no_letters += letters.no_letters
    missing = sorted((wanted.names or frozenset()) - tally.names)
    if output.is_json:
        output.document({**tally.document(dry_run=not yes), "not_found": missing, "no_letters": no_letters})
    else:
        tally.show(output, dry_run=not yes)
    if missing:
        raise LogError(
            f"there is no dead letter {', '.join(missing)} in {', '.join(topics)}; "
            "`syncline dlq list` shows those that there are"
        )
    return 1 if tally.failed_count else 0


@dataclass
class _OneTopic:
    """The letters of one feature topic, chunk by chunk: judged, and sent where that was asked for."""

    log: Log
    picture: Picture
    topic: str
    target: ViewVersionRegistered | None
    now_ms: int

    def replay(self, letters: Iterable[FoundLetter], tally: _Tally, *, send: bool) -> None:
        """Judge all of them, and send those that would be applied."""
        from syncline.inspection.replay import Replay
        from syncline.inspection.resending import Resending

        judge = Replay(self.picture, self.topic, target=self.target)
        writer = self.log.writer(client_id="syncline-dlq-replay") if send else None
        try:
            resending = Resending(writer, self.topic) if writer is not None else None
            for chunk in _chunks(letters):
                prospects = list(judge.judge(chunk, now_ms=self.now_ms))
                tally.count(self.topic, prospects)
                if resending is not None:
                    resending.send(each for each in prospects if each.fault is None)
            if resending is not None:
                tally.sent += resending.sent
                tally.failed_count += resending.failed_count
                tally.failed += [(self.topic, *failed) for failed in resending.failed]
        finally:
            if writer is not None:
                writer.close(_FLUSH_S)


@dataclass
class _Tally:
    """What is told in the end: counts by outcome, and the first letters by name."""

    limit: int
    by_name: bool
    letters: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of those met, where letters were asked for by name."""
    count_all: int = 0
    applied: int = 0
    sent: int = 0
    failed_count: int = 0
    failed: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, topic: str, prospects: Iterable[Prospect]) -> None:
        """Take in what was judged."""
        for each in prospects:
            fault = each.fault
            self.count_all += 1
            self.applied += fault is None
            if self.by_name:
                self.names.add(each.found.name)
            rule = "" if fault is None else fault.rule
            group = self.groups.setdefault(
                (topic, rule, _outcome(each)),
                {
                    "topic": topic,
                    "outcome": _outcome(each),
                    "rule": rule,
                    "count": 0,
                    "remedy": fault.remedy if fault else "",
                },
            )
            group["count"] += 1
            if len(self.letters) < self.limit:
                self.letters.append(
                    {
                        "id": each.found.name,
                        "topic": topic,
                        "outcome": _outcome(each),
                        "rule": rule,
                        "message": fault.message if fault else "; ".join(map(str, each.observed)),
                        "partition": each.partition,
                    }
                )

    def document(self, *, dry_run: bool) -> dict[str, Any]:
        """As JSON data."""
        return {
            "dry_run": dry_run,
            "count": self.count_all,
            "would_be_applied": self.applied,
            "still_broken": self.count_all - self.applied,
            "sent": self.sent,
            "not_acknowledged": self.failed_count,
            "failed": [{"topic": topic, "id": name, "reason": why} for topic, name, why in self.failed],
            "groups": list(self.groups.values()),
            "letters": self.letters,
        }

    def show(self, output: Output, *, dry_run: bool) -> None:
        """For people."""
        if not self.count_all:
            output.line("No dead letters.", style="green")
            return
        output.table(
            ["topic", "outcome", "rule", "count"],
            [
                [group["topic"], group["outcome"], group["rule"], str(group["count"])]
                for group in self.groups.values()
            ],
            right=["count"],
        )
        output.line()
        output.table(
            ["topic", "id", "outcome", "message"],
            [[each["topic"], each["id"], each["outcome"], each["message"]] for each in self.letters],
        )
        if self.count_all > len(self.letters):
            output.say(f"{self.count_all - len(self.letters)} more are not named; --limit names more")
        for remedy, rules in self._remedies().items():
            output.say(f"{', '.join(rules)}: {remedy}")
        if dry_run:
            what = f"{counted(self.applied, 'letter')} would be applied: --yes publishes them."
            output.line("Nothing was published. " + (what if self.applied else "No letter would be applied."))
            return
        if not self.applied:
            output.line("Nothing was published: no letter would be applied.")
            return
        output.line(f"Published {counted(self.sent, 'letter')}, each acknowledged.", style="green")
        for topic, name, reason in self.failed:
            output.say(f"{topic} {name} was not acknowledged: {reason}")
        if self.failed_count:
            output.say(
                f"{self.failed_count} were not acknowledged and may or may not be in the log: run it again, which "
                "harms nothing"
            )

    def _remedies(self) -> dict[str, list[str]]:
        """What to do, each once, and the rules with their counts for which it is done."""
        counts: dict[str, dict[str, int]] = {}
        for group in self.groups.values():
            if group["remedy"]:
                rules = counts.setdefault(group["remedy"], {})
                rules[group["rule"]] = rules.get(group["rule"], 0) + group["count"]
        return {
            remedy: [f"{rule} ({count})" for rule, count in rules.items()] for remedy, rules in counts.items()
        }


def _outcome(prospect: Prospect) -> str:
    if prospect.fault is None:
        return "would be applied, in part INVALID" if prospect.observed else "would be applied"
    return "would hold its partition" if prospect.fault.holds else "still breaks"


def _chunks(letters: Iterable[FoundLetter]) -> Iterator[list[FoundLetter]]:
    chunk: list[FoundLetter] = []
    size = 0
    for found in letters:
        chunk.append(found)
        size += len(found.letter.value or b"")
        if len(chunk) >= _CHUNK or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
