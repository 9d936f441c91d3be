"""Python's parser of HTML, for pages of strangers."""

from html.parser import HTMLParser


class PageParser(HTMLParser):
    """Takes what Python's own raises ``AssertionError`` for, ``<![`` with no known name behind it, for a comment, as
    browsers do.
    """

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)
