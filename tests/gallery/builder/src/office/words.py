"""What an office says."""

import os


def signed(text: str) -> str:
    return f"{text}. {os.environ['OFFICE']}"
