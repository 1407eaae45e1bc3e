"""Entry of ``python -m pg_lifecycle``."""

import sys

from pg_lifecycle.cli import main

sys.exit(main())
