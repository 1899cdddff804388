"""``python -m tricorn`` is the command ``tricorn``."""

from tricorn.cli import main

raise SystemExit(main())
