"""`python -m services.local`: the `continuo` command."""

import sys

from services.local.cli import main

sys.exit(main())
