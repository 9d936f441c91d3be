"""``MODEL_CARD.md`` of a converted bundle: origin, licence, architecture, what was changed, limits."""

from typing import Final

from app.bundle.manifest import Manifest

CARD_FILE: Final = "MODEL_CARD.md"
_SHORTLIST: Final = {
    None: "The whole vocabulary is searched, without a lexical shortlist.",
    False: "The whole vocabulary is searched; with `PASSERELLE_SHORTLIST=on` only the lexical shortlist.",
    True: "Only the lexical shortlist is searched; with `PASSERELLE_SHORTLIST=off` the whole vocabulary.",
}


def render_card(manifest: Manifest) -> str:
    """Returns the card as Markdown.

    Args:
        manifest: Of the bundle, with its origin.
    """
    origin, limits = manifest.origin, manifest.limits
    assert origin is not None
    files = "\n".join(
        f"| {name} | {entry.bytes:,} | `{entry.sha256}` |" for name, entry in sorted(origin.files.items())
    )
    source = "" if origin.url is None else f"\n- published at <{origin.url}>"
    maker = f"\n- made by {origin.attribution}" if origin.attribution else ""
    edition = "" if origin.version is None else f"\n- version {origin.version}"
    vocabularies = "two vocabularies" if manifest.source_tokenizer is not None else "one vocabulary"
    return f"""# {manifest.name}: {manifest.source} to {manifest.target}

A published model, converted on {manifest.producer.created} by Passerelle {manifest.producer.passerelle}.
Its weights are unchanged: they are the same int8 numbers in another file format.

- licence {origin.licence}{maker}{source}{edition}
- architecture {origin.architecture}; Transformer encoder, SSRU decoder, {vocabularies}

| file | bytes | SHA-256 |
|---|---|---|
{files}

## How it decodes

Products are computed in integers with constant scales, as Marian's `int8shiftAlphaAll` does, so a sentence has the
same translation alone and in a batch. At the conversion, the graphs were compared with the model's equations. `<unk>`
is never written. {_SHORTLIST[None if manifest.shortlist is None else manifest.shortlist.is_default]}

## Limits

A segment has at most {limits.max_source_tokens - 1} pieces; longer ones are split. A translation has at most
{limits.max_target_ratio:g} times as many tokens as its source and 10 more, and never more than
{limits.max_target_tokens}. What the model was trained on and how well it translates, its publisher states; it was not
measured at the conversion.
"""
