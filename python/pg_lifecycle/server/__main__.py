"""``python -m pg_lifecycle.server``: which servers can be had here."""

import sys

from pg_lifecycle.server.serve import main

sys.exit(main(sys.argv[1:] or ["list"]))
