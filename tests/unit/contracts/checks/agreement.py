"""Whether everything that judges a row says the same of it: rows, columns, slices, and what both decode lanes give."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.columns import compile_columns
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.decode import Decoder
from syncline.contracts.codec.encode import Encoder
from syncline.errors import WireError
from tests.unit.contracts.checks import generated

if TYPE_CHECKING:
    from syncline.contracts.checks.columns import ColumnCheck
    from syncline.contracts.checks.rows import RowCheck
    from syncline.contracts.model import Contract


@dataclass(slots=True)
class Mix:
    """What kinds of rows and violations were among the pairs."""

    pairs: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    lanes: int = 0


def pair(seed: int, most_rows: int = 10) -> tuple[Contract, list[dict[str, Any]]]:
    """The contract and the rows of a seed."""
    random = Random(seed)
    of = generated.contract(random)
    return of, [generated.row(random, of) for _ in range(random.randint(1, most_rows))]


def disagreement(
    of: Contract, rows: list[dict[str, Any]], mix: Mix | None = None, *, lanes: bool
) -> str | None:
    """What says something else than the list of violations does; None when all agree.

    Args:
        of: the contract.
        rows: rows that columns can hold.
        mix: where to count what was seen.
        lanes: whether to encode, and to decode in both lanes, what can be encoded.
    """
    check, columns = compile_rows(of), compile_columns(of)
    violations = [check.explain(row) for row in rows]
    wanted = [not found for found in violations]
    if [list(check(row)) for row in rows] != violations:
        return "the quick pass and the explanation differ"
    whole = generated.batch(of, rows)
    if columns(whole).tolist() != wanted:
        return f"columns say {columns(whole).tolist()}, rows {wanted}"
    half = len(rows) // 2
    if columns(whole.slice(half)).tolist() != wanted[half:]:
        return "columns judge a slice otherwise"
    if mix is not None:
        mix.pairs += 1
        mix.rules.update(violation.rule for found in violations for violation in found)
        mix.rows.update(
            "passes" if not found else "breaks one" if len(found) == 1 else "several" for found in violations
        )
    return _lanes_disagree(of, rows, wanted, mix=mix, check=check, columns=columns) if lanes else None


def _lanes_disagree(
    of: Contract,
    rows: list[dict[str, Any]],
    wanted: list[bool],
    *,
    mix: Mix | None,
    check: RowCheck,
    columns: ColumnCheck,
) -> str | None:
    encoder, decoder = Encoder(of), Decoder(avro_text(of))
    payloads, verdicts = [], []
    for row, verdict in zip(rows, wanted, strict=True):
        try:
            payloads.append(encoder.encode(row))
        except WireError:
            if verdict:
                return "a row that keeps its contract cannot be encoded"
            continue
        verdicts.append(verdict)
    # The fast lane takes no fewer rows than a handful.
    times = 8 // len(rows) + 1
    fast = decoder.decode(payloads * times)
    if fast.bad:
        return f"the decoder refuses what the encoder wrote: {fast.bad[0]}"
    if columns(fast.batch).tolist() != verdicts * times:
        return "columns judge decoded batches otherwise"
    if [not check(decoder.decode_row(payload)) for payload in payloads] != verdicts:
        return "rows from the slow lane are judged otherwise"
    if mix is not None:
        mix.lanes += decoder.has_fast_lane
    return None


def odd_disagreement(seed: int) -> str | None:
    """Whether the quick pass differs from the explanation on a row with a value or name of any kind in it."""
    random = Random(seed)
    of = generated.contract(random)
    check = compile_rows(of)
    row = generated.row(random, of)
    for _ in range(6):
        name = random.choice([*row, "stranger"])
        odd = dict(row)
        match random.randint(0, 4):
            case 0:
                odd.pop(name, None)
            case 1:
                odd[random.choice(["\ud800", 5, None])] = 1  # type: ignore[index]
            case _:
                odd[name] = random.choice(generated.odd_values())
        quick, slow = list(check(odd)), check.explain(odd)
        if quick != slow:
            return f"quick {quick}, explained {slow}"
    return None


def smallest(of: Contract, rows: list[dict[str, Any]], *, lanes: bool) -> str:
    """The disagreement of as few rows, rules and features as still disagree, as text."""
    for single in rows:
        if disagreement(of, [single], lanes=lanes):
            rows = [single]
            break
    for rule in of.rules:
        fewer = replace(of, rules=tuple(each for each in of.rules if each is not rule))
        if disagreement(fewer, rows, lanes=lanes):
            of = fewer
    for feature in of.features:
        named = {name for rule in of.rules for name in rule.features}
        fewer = replace(of, features=tuple(each for each in of.features if each is not feature))
        cut = [{name: value for name, value in row.items() if name != feature.name} for row in rows]
        if feature.name not in named and fewer.features and disagreement(fewer, cut, lanes=lanes):
            of, rows = fewer, cut
    return f"{disagreement(of, rows, lanes=lanes)}\n{of.features}\n{of.rules}\n{rows}"
