"""What a SentencePiece model may be made of, looked at before SentencePiece reads it: text, and known rules for text.

SentencePiece checks scores, kinds and bytes itself. But it takes pieces that are no UTF-8, with which every later call
may fail; and the table that says which characters become which, a trie in bytes, it reads as it is. One that somebody
has made can turn a letter into a page of text.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from google.protobuf.message import DecodeError

from app.bundle.messages import Fields, message_class
from app.errors import BundleFormatError

# The numbers are those of sentencepiece_model.proto.
_FIELDS: Final[Fields] = {
    "Model": {"pieces": (1, True, "Piece"), "normalizer": (3, False, "Rules"), "denormalizer": (5, False, "Rules")},
    "Piece": {"piece": (1, False, "bytes")},
    "Rules": {"table": (2, False, "bytes")},
}
# SHA-256 of the tables of SentencePiece 0.2.3. Those of the version that is installed are known as well.
_TABLES: Final = {
    "nfkc": "7e46d9e08af4b6a37991b04fb8388644c1595a0abcd0f26d6a5d575e2a3663ea",
    "nfkc_cf": "d8dfef3d6db0eef0742f8b55a73aee7fce6c1e21d26a09b8d3d4b52c42a791cb",
    "nmt_nfkc": "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844",
    "nmt_nfkc_cf": "2c03512e62f9ed965ec90d85314211b63b5b8aa0395311ea2147eec9ff738907",
}


def check_sentencepiece_file(content: bytes) -> None:
    """Refuse a model that may harm, or fail later.

    :raises BundleFormatError: it is no SentencePiece model, a piece is no UTF-8, or it has rules of its own for
        characters.
    """
    try:
        model = _model_class().FromString(content)
    except DecodeError as error:
        raise BundleFormatError(f"not a SentencePiece model ({len(content)} bytes): {error}") from None
    for number, piece in enumerate(model.pieces):
        try:
            piece.piece.decode("utf-8")
        except UnicodeDecodeError:
            raise BundleFormatError(f"piece {number} ({piece.piece[:40]!r}) is no UTF-8") from None
    for rules in (model.normalizer, model.denormalizer):
        digest = hashlib.sha256(rules.table).hexdigest()
        if rules.table and digest not in _known_tables():
            known = ", ".join(("identity", *_TABLES))
            raise BundleFormatError(
                f"its rules for characters ({len(rules.table)} bytes, SHA-256 {digest[:16]}...) are none of {known}"
            )


@cache
def _known_tables() -> frozenset[str]:
    folder = files("sentencepiece").joinpath("package_data")
    found = [one.read_bytes() for one in folder.iterdir() if one.name.endswith(".bin")] if folder.is_dir() else []
    return frozenset((*_TABLES.values(), *(hashlib.sha256(table).hexdigest() for table in found)))


@cache
def _model_class() -> Any:
    return message_class("sentencepiece_file", _FIELDS, "Model")
