"""``quality``: how good shipped bundles are on every domain there is a dev set of, as a page."""
