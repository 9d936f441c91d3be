"""Translates the passages of a file in small batches, so that the engine's queue never holds a whole book."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.engine.sequence import FinishReason, Priority
from app.errors import DeadlineExceeded, EngineOverloaded, RequestCancelled
from app.files.document import Passage
from app.text.placeholder_finder import Terms
from app.translation.pending import Pending, block_until_done
from app.translation.translator import Plan, TranslationOptions, Translator

BATCH_PASSAGES: Final = 32
BATCH_CHARACTERS: Final = 4000
_BATCHES_AHEAD: Final = 2  # while one batch is decoded, the next one is prepared
_RETRY_SECONDS: Final = 0.2  # between two attempts to submit to a full queue


@dataclass(frozen=True, slots=True)
class _Batch:
    """Passages that the engine translates together, by their indices in the file."""

    indices: list[int]
    plan: Plan
    pending: Pending


class PassageTranslator:
    """Translates the passages of one file. It blocks, so it belongs on a thread that has no other work.

    Attributes:
        translated_characters: The characters that are translated so far. Other threads may read it.
    """

    def __init__(
        self,
        translator: Translator,
        deadline: float,
        cancelled: threading.Event,
        priority: Priority = Priority.BULK,
        terms: Terms | None = None,
    ) -> None:
        """Set up the translation of a file.

        Args:
            translator: Translates from the language of the file to the target language.
            deadline: A ``time.monotonic`` time for the whole file.
            cancelled: Another thread sets it when the file is not wanted any more.
            priority: The priority in the engine's queue.
            terms: The terms of a glossary.
        """
        self.translated_characters = 0
        self._translator = translator
        self._deadline = deadline
        self._cancelled = cancelled
        self._priority = priority
        self._terms = terms
        self._ahead: deque[_Batch] = deque()

    def translate(self, passages: Sequence[Passage]) -> list[str]:
        """Return the translations in the order of the passages.

        Raises:
            DeadlineExceeded: The file is not translated by the deadline.
            RequestCancelled: ``cancelled`` was set.
            EngineError: The engine could not answer.
            LimitExceeded: A single passage has more segments than a request may have.
        """
        translations = [passage.text for passage in passages]
        try:
            for indices in _divide(passages):
                if len(self._ahead) == _BATCHES_AHEAD:
                    self._finish_first(translations)
                options = TranslationOptions(text_format=passages[indices[0]].text_format, terms=self._terms)
                plan = self._translator.prepare([passages[index].text for index in indices], options, self._check)
                while (pending := self._submit(plan)) is None:
                    self._wait_for_queue(translations)
                self._ahead.append(_Batch(indices, plan, pending))
            while self._ahead:
                self._finish_first(translations)
        finally:
            for batch in self._ahead:
                batch.pending.cancel()
            self._ahead.clear()
        return translations

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise RequestCancelled("the translation of the file was cancelled")
        if time.monotonic() >= self._deadline:
            raise DeadlineExceeded("the file was not translated in time")

    def _submit(self, plan: Plan) -> Pending | None:
        """Give a plan to the engine; return None while its queue is full."""
        self._check()
        try:
            return self._translator.submit(plan, self._deadline, self._priority)
        except EngineOverloaded:
            return None

    def _wait_for_queue(self, translations: list[str]) -> None:
        if self._ahead:
            self._finish_first(translations)
        else:
            self._cancelled.wait(_RETRY_SECONDS)

    def _finish_first(self, translations: list[str]) -> None:
        """Wait for the oldest batch and store its translations by the indices of their passages."""
        batch = self._ahead[0]
        block_until_done(batch.pending, self._deadline, self._cancelled)
        found = self._translator.finish(batch.plan, batch.pending)
        for index, translation in zip(batch.indices, found, strict=True):
            if FinishReason.DEADLINE in translation.cut_reasons:
                raise DeadlineExceeded("the file was not translated in time")
            self.translated_characters += len(translations[index])
            translations[index] = translation.text
        self._ahead.popleft()


def _divide(passages: Sequence[Passage]) -> Iterator[list[int]]:
    """Yield the indices of passages that are translated together: of one format, within the limits of a batch."""
    for text_format in ("text", "html"):
        batch: list[int] = []
        characters = 0
        for index, passage in enumerate(passages):
            if passage.text_format != text_format:
                continue
            if batch and (len(batch) == BATCH_PASSAGES or characters + len(passage.text) > BATCH_CHARACTERS):
                yield batch
                batch, characters = [], 0
            batch.append(index)
            characters += len(passage.text)
        if batch:
            yield batch
