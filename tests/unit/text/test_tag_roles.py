"""The table of HTML tags: each tag once, and roles of different readers that agree where they must."""

from itertools import combinations

import pytest

from app.text.tag_roles import TagRole, select_tags


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (TagRole.PAGE_CUT, TagRole.BLOCK),
        (TagRole.PAGE_VOID, TagRole.VOID),
        (TagRole.MARKDOWN_VOID, TagRole.PAGE_VOID),
        (TagRole.EPUB_WORD, TagRole.KEPT),
        (TagRole.RAW, TagRole.PAGE_KEPT),
    ],
)
def test_a_role_that_implies_another(narrow: TagRole, wide: TagRole) -> None:
    assert select_tags(narrow) < select_tags(wide)


@pytest.mark.parametrize(
    "roles",
    [
        (TagRole.EPUB_INLINE, TagRole.EPUB_WORD, TagRole.EPUB_POINT, TagRole.EPUB_BREAK),
        (TagRole.VOID, TagRole.RAW),
        (TagRole.VOID, TagRole.KEPT),
        (TagRole.PAGE_CUT, TagRole.PAGE_KEPT),
        (TagRole.BLOCK, TagRole.APART),
    ],
)
def test_roles_that_exclude_one_another(roles: tuple[TagRole, ...]) -> None:
    for one, other in combinations(roles, 2):
        assert not select_tags(one) & select_tags(other)


def test_names_are_in_small_letters_and_all_have_a_role() -> None:
    for role in TagRole:
        assert select_tags(role)
        assert all(name == name.lower() and name.isalnum() for name in select_tags(role))
