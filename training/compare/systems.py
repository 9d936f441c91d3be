"""The systems that are compared, and what each demonstrates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class System:
    """One configuration of ``training/configs``.

    Attributes:
        name: Of the configuration.
        shows: What differs from ``plain``, in a few words.
    """

    name: str
    shows: str


# In the order of the table. Each system differs from `plain` in one thing.
SYSTEMS = (
    System("char-lstm", "characters as unit vectors, LSTM"),
    System("char-gru", "characters as unit vectors, GRU"),
    System("word-lstm", "whole words, the rest `<unk>`"),
    System("plain", "pieces of words, LSTM, last state starts the decoder"),
    System("free-running", "no teacher forcing"),
    System("scheduled-sampling", "between teacher forcing and free running"),
    System("repeat-vector", "only the source's vector enters the decoder"),
    System("reversed-source", "source read from its end"),
    System("context-rnn", "GRU, the source's vector at every step"),
    System("stacked", "three layers on each side, residual"),
    System("bidirectional", "source read both ways"),
    System("attention-dot", "attention, dot product"),
    System("attention-bahdanau", "attention, additive, between two layers"),
    System("attention-luong", "attention, general, with input feeding"),
    System("multitask", "four tasks in one model: French, German, Spanish, English again"),
    System("peephole", "gates that see the cell"),
    System("coupled-gates", "forgets as much as it takes in"),
)

WITHOUT_ATTENTION, WITH_ATTENTION = "plain", "attention-dot"
# Systems of the plot of BLEU by source length.
BY_LENGTH = ("plain", "reversed-source", "bidirectional", "context-rnn", "attention-dot", "attention-luong")
LEARNING = ("word-lstm", "plain", "repeat-vector", "free-running", "stacked", "attention-dot", "attention-bahdanau")
MAPPED_SENTENCE = "I told you that I did not want to go there."
ATTENTION_MAPS = ("attention-dot", "attention-bahdanau", "attention-luong")
# The decoder of this system receives nothing of a sentence but the encoder's last state.
PROJECTED = "plain"
# Tasks with exact answers, measured by the command `accuracy` instead of by BLEU.
TASKS = ("addition", "addition-reversed", "execute", "memory")
