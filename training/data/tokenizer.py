"""Learning of vocabularies from the training text; ``app.bundle.tokenizers`` reads and applies them."""

import io
from collections.abc import Iterable, Sequence

import sentencepiece

from app.bundle.tokenizers import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    CharacterTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    WordTokenizer,
    normalise_typography,
)
from training.data.config import TokenizerConfig
from training.errors import CorpusError


def tag_piece(target: str) -> str:
    """Returns the vocabulary entry of the tag that selects a target language."""
    return f"<2{target}>"


def learn_tokenizer(texts: Iterable[str], config: TokenizerConfig, seed: int, targets: Sequence[str] = ()) -> Tokenizer:
    """Learns one vocabulary for both sides, so that the embedding can be tied to the output layer.

    Args:
        texts: Sentences of both sides.
        config: Kind and size of the vocabulary.
        seed: Of the sample that SentencePiece draws.
        targets: Languages that need a tag. A tag is a control symbol, so no text is ever encoded as one.

    Raises:
        CorpusError: The text is too small for ``config.vocabulary_size``; the message names the size that would fit.
    """
    if config.kind == "characters":
        return CharacterTokenizer.learn(texts)
    if config.kind == "words":
        return WordTokenizer.learn(texts, config.vocabulary_size)
    return _learn_sentencepiece(texts, config, seed, [tag_piece(target) for target in targets])


def _learn_sentencepiece(
    texts: Iterable[str], config: TokenizerConfig, seed: int, tags: Sequence[str]
) -> SentencePieceTokenizer:
    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(seed)
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=(normalise_typography(text) for text in texts),
            model_writer=model,
            model_type=config.algorithm,
            vocab_size=config.vocabulary_size,
            input_sentence_size=config.max_sentences,
            shuffle_input_sentence=True,
            character_coverage=0.9999,
            byte_fallback=True,
            split_digits=True,
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            pad_piece=SPECIAL_TOKENS[PAD_ID],
            bos_piece=SPECIAL_TOKENS[BOS_ID],
            eos_piece=SPECIAL_TOKENS[EOS_ID],
            unk_piece=SPECIAL_TOKENS[UNK_ID],
            control_symbols=list(tags),
            num_threads=2,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise CorpusError(
            f"tokenizer of {config.vocabulary_size} tokens cannot be learned from this text: {error}"
        ) from error
    return SentencePieceTokenizer(model.getvalue())
