"""All passages of a file through a translator, a few at a time, so that the engine's queue never holds a whole book."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from typing import Final

from app.engine.sequence import FinishReason, Priority
from app.errors import DeadlineExceeded, EngineOverloaded, RequestCancelled
from app.files.document import Passage
from app.text.glossary_terms import Terms
from app.translation.pending import GRACE_SECONDS, Pending
from app.translation.translator import Plan, TranslationOptions, Translator

BATCH_PASSAGES: Final = 32
BATCH_CHARACTERS: Final = 4000
_BATCHES_AHEAD: Final = 2  # while one is decoded, the next is made ready
_LOOK_SECONDS: Final = 0.2  # how often it is asked whether anybody still waits


class PassageTranslator:
    """Translates the passages of one file. Blocks, so it belongs on a thread that has nothing else to do.

    ``done`` counts the characters that are translated; other threads may read it.
    """

    def __init__(
        self,
        translator: Translator,
        deadline: float,
        cancelled: threading.Event,
        priority: Priority = Priority.BULK,
        terms: Terms | None = None,
    ) -> None:
        """:param deadline: a ``time.monotonic`` time, of the whole file.
        :param cancelled: is set once nobody waits any more.
        :param terms: of a glossary.
        """
        self.done = 0
        self._translator = translator
        self._deadline = deadline
        self._cancelled = cancelled
        self._priority = priority
        self._terms = terms

    def translate(self, passages: Sequence[Passage]) -> list[str]:
        """The translations, in the order of the passages.

        :raises DeadlineExceeded: the deadline came first.
        :raises RequestCancelled: nobody waits any more.
        :raises EngineError: the engine could not answer.
        :raises LimitExceeded: a single passage has more segments than a request may have.
        """
        translations = [passage.text for passage in passages]
        ahead: deque[tuple[list[int], Plan, Pending]] = deque()
        try:
            for places in _batches(passages):
                if len(ahead) == _BATCHES_AHEAD:
                    self._finish(ahead, translations)
                options = TranslationOptions(text_format=passages[places[0]].text_format, terms=self._terms)
                plan = self._translator.prepare([passages[place].text for place in places], options)
                while (pending := self._submitted(plan)) is None:
                    self._rest(ahead, translations)
                ahead.append((places, plan, pending))
            while ahead:
                self._finish(ahead, translations)
        finally:
            for _, _, pending in ahead:
                pending.cancel()
        return translations

    def _submitted(self, plan: Plan) -> Pending | None:
        """None while the queue is full."""
        self._check()
        try:
            return self._translator.submit(plan, self._deadline, self._priority)
        except EngineOverloaded:
            return None

    def _rest(self, ahead: deque[tuple[list[int], Plan, Pending]], translations: list[str]) -> None:
        """Let the queue become shorter."""
        if ahead:
            self._finish(ahead, translations)
        else:
            self._cancelled.wait(_LOOK_SECONDS)

    def _finish(self, ahead: deque[tuple[list[int], Plan, Pending]], translations: list[str]) -> None:
        places, plan, pending = ahead[0]
        while not pending.done.done():
            wait([pending.done], _LOOK_SECONDS)
            if self._cancelled.is_set():
                raise RequestCancelled("nobody waits for the file any more")
            if time.monotonic() > self._deadline + GRACE_SECONDS:
                pending.answer_late()
                wait([pending.done], GRACE_SECONDS)
                self._check()
        pending.done.result()
        for place, found in zip(places, self._translator.finish(plan, pending), strict=True):
            if FinishReason.DEADLINE in found.cut_reasons:
                raise self._too_late()
            self.done += len(translations[place])
            translations[place] = found.text
        ahead.popleft()

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise RequestCancelled("nobody waits for the file any more")
        if time.monotonic() >= self._deadline:
            raise self._too_late()

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded("the file was not translated in time")


def _batches(passages: Sequence[Passage]) -> Iterator[list[int]]:
    """Places of passages that are translated together: of one format, few, and not too long together."""
    for text_format in ("text", "html"):
        batch: list[int] = []
        characters = 0
        for place, passage in enumerate(passages):
            if passage.text_format != text_format:
                continue
            if batch and (len(batch) == BATCH_PASSAGES or characters + len(passage.text) > BATCH_CHARACTERS):
                yield batch
                batch, characters = [], 0
            batch.append(place)
            characters += len(passage.text)
        if batch:
            yield batch
