"""A scorer whose model runs in another process or on another machine, and is asked over HTTP.

In: checked pairs. Out: the scores of a rerank server, in any of its dialects. Private to the
package: `HttpScorer` is public at the root.
"""
