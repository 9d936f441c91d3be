"""What is served and by what: bundles, their engines, caches, glossaries, reload, and the jobs in flight."""
