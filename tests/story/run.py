"""`make story`: play one message's story, keep its spans in docs/trace.jsonl, draw them, print them."""

import asyncio
import sys
import tempfile
from pathlib import Path

from services.local.kept_traces import FILE_VARIABLE, INTO_VARIABLE, RATIO_VARIABLE
from services.local.trace import told
from tests.story.picture import PICTURE, RECORDED, of_file
from tests.story.scene import Where, played


async def main() -> int:
    """0 when it was played to its end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.jsonl"
        tracing = {INTO_VARIABLE: "file", FILE_VARIABLE: str(file), RATIO_VARIABLE: "1"}
        story = await played(
            Path(folder), Where(tracing, tracing, lambda name: file.exists() and name in file.read_text())
        )
        print("\n".join(told(file, story.message)))
        RECORDED.write_bytes(file.read_bytes())
    PICTURE.write_text(of_file(RECORDED))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
