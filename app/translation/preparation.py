"""Makes a request ready for the engine: its texts as parts, and each segment once, as the model reads it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.bundle.store import Bundle
from app.bundle.tokenizers import Tokenizer
from app.engine.sequence import SearchOptions
from app.errors import InvalidRequest
from app.text.inline import Splitting, TextFormat, extract_flows
from app.text.languages import is_legible
from app.text.masking import Masked, TextRules, hide_placeholders, mask, mask_text, read_plainly, reveal_placeholders
from app.text.placeholder_finder import Terms
from app.text.placeholder_kinds import TERM_CHARACTER
from app.text.segmentation import Piece, shorten, split
from app.text.tag_roles import NO_RULES, TagRules
from app.text.words import is_in_capitals
from app.translation.assembly import Part, build_parts

_RESTORED: Final = re.compile(r"[\d()\[\]{}]")


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """What a request may choose. The options that are not listed are those of ``SearchOptions``.

    Attributes:
        beam_size: None for the bundle's own.
        alternatives: How many other translations are wanted; they widen the beam, or with a temperature each segment is
            drawn once more for each.
        text_format: How the texts are read.
        tags: What the request says about tags of HTML and XML.
        splitting: Where texts are cut; None for what the format has.
        keeps_form: Whether a translation begins and ends as its segment does.
        alignment: Whether ``Translation.alignment`` is wanted.
        target_prefix: The given beginning of the first segment's translation, for a single text.
        typed: A beginning that is not forced; stand-ins are only kept distinct from its words.
        placeholders: Whether placeholders and ``terms`` are kept from the model.
        terms: Those of a glossary.
    """

    beam_size: int | None = None
    alternatives: int = 0
    text_format: TextFormat = "text"
    tags: TagRules = NO_RULES
    splitting: Splitting | None = None
    keeps_form: bool = False
    alignment: bool = False
    target_prefix: str = ""
    typed: str = ""
    placeholders: bool = True
    terms: Terms | None = None
    no_repeat_ngram: int = 0
    temperature: float = 0.0
    top_k: int = 50
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that is ready for the engine.

    Attributes:
        texts: The parts of each text.
        segments: Every segment once, however often it stands in the texts.
        masked: For each segment with placeholders or in capitals what the model reads instead, None for the others.
        sources: The token ids of each segment.
        options: How each segment is decoded.
        alternatives: How many other translations of each text are wanted.
        is_aligned: Whether the alignment was requested.
        tagged: The numbers of the segments that have tags.
        keeps_form: Whether a translation begins and ends as its segment does.
        draws: How often each segment is decoded, each time with another seed.
    """

    texts: tuple[tuple[Part, ...], ...]
    segments: tuple[str, ...]
    masked: tuple[Masked | None, ...]
    sources: tuple[tuple[int, ...], ...]
    options: tuple[SearchOptions, ...]
    alternatives: int
    is_aligned: bool
    tagged: frozenset[int | None] = frozenset()
    keeps_form: bool = False
    draws: int = 1


class SegmentList:
    """Collects the segments of some texts.

    Args:
        tokenizer: That of the model.
        max_source_tokens: How many tokens of a segment the model can read.
        rules: Those of the request. The first segment is not the same as a later one with its text where the rules have
            a prefix, because its translation is.
        check: Called before each piece of work; raises where the request is not wanted any more.

    Attributes:
        segments: As they stand in the texts.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_source_tokens: int,
        rules: TextRules,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.segments: list[str] = []
        self._check = check
        self._tokenizer = tokenizer
        self._max_source_tokens = max_source_tokens
        self._rules = rules
        self._encoded: dict[str, tuple[int, ...]] = {}
        self._numbers: dict[str, int] = {}
        self._masked: dict[str, Masked] = {}

    @property
    def masked(self) -> tuple[Masked | None, ...]:
        """For each segment with placeholders, or in capitals, what the model reads instead."""
        return tuple(self._masked.get(segment) for segment in self.segments)

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """The token ids of what the model reads for each segment."""
        return tuple(
            self._encode(segment if masked is None else masked.read)
            for segment, masked in zip(self.segments, self.masked, strict=True)
        )

    def split(self, text: str, is_whole: bool = False) -> list[Piece]:
        """Splits a text into pieces and masks its segments.

        Args:
            text: Any text.
            is_whole: Whether it is one sentence, which is cut only where it is too long for the model.

        Returns:
            The pieces; joined, they are the text, and every segment among them is short enough for the model.
        """
        rules = self._rules
        self._check()
        hidden, placeholders = hide_placeholders(text, rules) if rules.masking else (text, [])
        short = [part for piece in split(hidden, rules.source, is_whole) for part in shorten(piece, self._fits)]
        pieces: list[Piece] = []
        for piece, own, hidden_text in reveal_placeholders(short, placeholders) if placeholders else _keep(short):
            if piece.is_segment and TERM_CHARACTER not in hidden_text and not is_legible(hidden_text, rules.source):
                pieces.append(Piece(piece.text, is_segment=False))
                continue
            in_capitals = rules.masking and not rules.prefix and is_in_capitals(hidden_text)
            is_read_otherwise = own or in_capitals or read_plainly(hidden_text, rules) != hidden_text
            if piece.is_segment and is_read_otherwise and piece.text not in self._masked:
                self._masked[piece.text] = mask(piece.text, hidden_text, own, rules)
            pieces.append(piece)
        return pieces

    def number(self, segment: str) -> int:
        """Returns the number of a segment, which is added if it is new."""
        if segment in self._numbers:
            return self._numbers[segment]
        if self.segments or not self._rules.prefix:
            self._numbers[segment] = len(self.segments)
        self.segments.append(segment)
        return len(self.segments) - 1

    def _fits(self, hidden: str) -> bool:
        read = mask_text(hidden, self._rules) if self._rules.masking else hidden
        return len(self._encode(read)) <= self._max_source_tokens

    def _encode(self, text: str) -> tuple[int, ...]:
        if text not in self._encoded:
            self._check()
            self._encoded[text] = tuple(self._tokenizer.encode_source(text))
        return self._encoded[text]


def _keep(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, list[str], str]]:
    """Yields what ``reveal_placeholders`` does for a text without placeholders."""
    return ((piece, [], piece.text) for piece in pieces)


class Planner:
    """Makes requests ready for one bundle.

    Args:
        bundle: Gives the tokenizer, the limits and the default search.
        rules: Those of its direction, without terms and prefix.
    """

    def __init__(self, bundle: Bundle, rules: TextRules) -> None:
        self.has_attention = bool(bundle.manifest.signature.memory_names)
        self._rules = rules
        self._tokenizer = bundle.tokenizer
        self._max_source_tokens = bundle.manifest.limits.max_source_tokens
        self._search = bundle.manifest.search

    def prepare(
        self, texts: Sequence[str], options: TranslationOptions, check: Callable[[], None] = lambda: None
    ) -> Plan:
        """Splits, masks and tokenizes; arguments and errors as ``Translator.prepare``."""
        rules = replace(
            self._rules,
            terms=options.terms,
            prefix=options.target_prefix or options.typed,
            masking=options.placeholders,
        )
        segments = SegmentList(self._tokenizer, self._max_source_tokens, rules, check)
        parts = tuple(tuple(_split_parts(text, options, segments, rules)) for text in texts)
        masked = segments.masked
        search = self.choose_search(options)
        searches = [self._watch(search, segment, one) for segment, one in zip(segments.segments, masked, strict=True)]
        tagged = {part.segment for of_text in parts for part in of_text if part.has_tags} - {None}
        for number in tagged:
            assert number is not None
            searches[number] = replace(searches[number], align=self.has_attention)
        if options.target_prefix and searches:
            prefix = self._encode_prefix(texts, options.target_prefix, masked[0])
            searches[0] = replace(searches[0], prefix=prefix)
        return Plan(
            texts=parts,
            segments=tuple(segments.segments),
            masked=masked,
            sources=segments.sources,
            options=tuple(searches),
            alternatives=options.alternatives,
            is_aligned=options.alignment,
            tagged=frozenset(tagged),
            keeps_form=options.keeps_form,
            draws=1 + options.alternatives if options.temperature else 1,
        )

    def choose_search(self, options: TranslationOptions) -> SearchOptions:
        """Returns how a segment without placeholders and tags is decoded.

        Raises:
            InvalidRequest: An option cannot be honoured.
        """
        beam_size = self._search.beam_size if options.beam_size is None else options.beam_size
        if beam_size >= 1:  # SearchOptions refuses a smaller one with the value that the request has
            beam_size = max(beam_size, options.alternatives + 1)
        if options.temperature:
            if (options.beam_size or 1) > 1:
                raise InvalidRequest(f"with a temperature there is no beam: beam_size is {options.beam_size}")
            beam_size = 1
        # For alternatives the whole beam, because some of its hypotheses differ in tokens and not in text.
        hypotheses = max(1, beam_size) if options.alternatives and not options.temperature else 1
        if options.alignment and not self.has_attention:
            raise InvalidRequest("alignment is not possible here: the model of these languages has no attention")
        return SearchOptions(
            beam_size,
            hypotheses,
            self._search.length_penalty,
            align=options.alignment,
            no_repeat_ngram=options.no_repeat_ngram,
            temperature=options.temperature,
            top_k=options.top_k,
            seed=options.seed,
        )

    def _watch(self, search: SearchOptions, segment: str, masked: Masked | None) -> SearchOptions:
        """Returns the search for a segment.

        One with stand-ins needs every hypothesis of the beam, because the best may lack a stand-in, and any other those
        that cost nothing. Stand-ins, numbers and brackets are restored by the attention.
        """
        if masked is not None and masked.stand_ins:
            return replace(search, align=self.has_attention, hypotheses=search.beam_size)
        is_aligned = search.align or (self.has_attention and _RESTORED.search(segment) is not None)
        return replace(search, align=is_aligned, spares=not search.temperature)

    def _encode_prefix(self, texts: Sequence[str], prefix: str, masked: Masked | None) -> tuple[int, ...]:
        if len(texts) > 1:
            raise InvalidRequest(f"target_prefix goes with a single text, not with {len(texts)}")
        if len(prefix.splitlines()) > 1:
            raise InvalidRequest("target_prefix has a line break; it is the beginning of one sentence")
        opening = prefix.strip()
        return tuple(self._tokenizer.encode(opening if masked is None else masked.mask_prefix(opening)))


def _split_parts(text: str, options: TranslationOptions, segments: SegmentList, rules: TextRules) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for flow in extract_flows(text, options.text_format, options.tags, options.splitting, rules):
        pieces = segments.split(flow.text, flow.is_whole)
        of_flow = build_parts(text, flow, pieces, segments.number, end, rules)
        if of_flow:
            parts += of_flow
            end = of_flow[-1].offsets.ends[-1]
    return [*parts, Part(kept=text[end:])] if end < len(text) else parts
