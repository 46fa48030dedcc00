"""`python -m rerank_plugins.cli` is `rerank`."""

from rerank_plugins.cli import main

raise SystemExit(main())
