"""`python -m evalsuite.cli`."""

from evalsuite.cli import main

raise SystemExit(main())
