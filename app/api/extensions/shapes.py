"""POST /translate is the path of several dialects: which of them a body is written in."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from app.api.call import ApiCall
from app.api.extensions import deeplx, mtran
from app.api.fields import Fields
from app.api.responses import DEEPLX, DIALECT

Answer = Callable[[ApiCall], Awaitable[Response]]
# The fields that a body in the dialect has, of which LibreTranslate knows none.
_SHAPES: Final[tuple[tuple[frozenset[str], str, Answer], ...]] = (
    (frozenset({"text", "target_lang"}), DEEPLX, deeplx.answer),
    (frozenset({"text", "to"}), "", mtran.answer),
)


def other_dialect(call: ApiCall) -> Answer | None:
    """Return what answers a request to POST /translate; None if it is in LibreTranslate's dialect.

    Errors of the request are then written in the same dialect.
    """
    fields: Fields = call.fields
    if "q" in fields:
        return None
    for names, dialect, answer in _SHAPES:
        if names <= fields.keys():
            call.request.scope[DIALECT] = dialect
            return answer
    return None
