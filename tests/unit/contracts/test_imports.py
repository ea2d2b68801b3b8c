"""What a publisher without Arrow may import."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pyarrow", "pyruhvro", "numpy", "pandas", "jsonschema", "pydantic", "open_data_contract_standard")


def test_a_publisher_of_rows_needs_no_arrow() -> None:
    """Document, Avro form, row check and row codec import none of the heavy packages."""
    names = ", ".join(
        f"syncline.contracts.{n}"
        for n in ("odcs.document", "codec.avro", "checks.rows", "codec.encode", "codec.decode_row")
    )
    program = f"import sys, {names}; print([name for name in {HEAVY!r} if name in sys.modules])"

    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )

    assert answer.stdout.strip() == "[]"
