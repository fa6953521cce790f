"""A worker without the protections of its log, for the control of a test that searches what comes out."""

import logging
import sys

from services.shared.runtime import discretion, lifecycle, whereabouts
from services.shared.runtime import logging as house

discretion.hear_python = lifecycle.hear_python = lambda: None  # type: ignore[assignment]
whereabouts.whereabouts = lambda error: {"error": repr(error)}  # type: ignore[assignment]
house.Strangers = lambda _: discretion.Strangers(None)  # type: ignore[assignment,misc,return-value]

from services.conversation.__main__ import main  # noqa: E402 - what it imports is to be without protection

if __name__ == "__main__":
    configure = house.configure

    def talkative(*words: object, **more: object) -> None:
        """Everything foreign at debug, too."""
        configure(*words, **more)  # type: ignore[arg-type]
        logging.getLogger().setLevel(logging.DEBUG)

    house.configure = talkative
    sys.exit(main())
