"""`python -m embedded_model RECIPE --data DATA --output RUN` runs a recipe."""

from embedded_model.command import main

raise SystemExit(main())
