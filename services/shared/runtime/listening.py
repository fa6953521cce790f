"""The error of who wants to listen where it cannot."""


class CannotListenError(OSError):
    """An address that is taken or not this machine's; the text names it and says why."""

    def __init__(self, host: str, port: int, fault: OSError) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {fault.strerror}")
