"""``python -m tricorn`` is the command ``tricorn``."""

from tricorn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
