"""The pieces that a model is built of."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.config_section import Fraction, Positive, Section

CellKind = Literal["lstm", "gru", "peephole", "coupled"]


class ModelConfig(Section):
    """The pieces of the model. ``units`` is the width of each decoder layer; each direction of the encoder has
    ``encoder_units``.

    - ``encoder_layers = 0``: no encoder, a decoder alone.
    - ``bridge``: how the encoder's last state starts the decoder. ``dense`` makes every state from that of the top
      layer; ``copy`` hands the states of layer i to layer i. Two hand over nothing: ``zero`` begins with zeros,
      ``start`` with states that are learned.
    - ``context``: a fixed vector of the source that enters every step, the last state or the mean or maximum of all.
    - ``attention`` has its place after ``layers_below`` decoder layers and before ``layers_above``.
    - ``input_feeding``: the last readout enters the next step (Luong et al. 2015, arXiv:1508.04025).
    - ``reads_tokens = false``: no token enters the decoder; it writes from the context alone.
    - ``readout``: a tanh layer of ``embedding`` units between the decoder and the scores.
    - ``residual``: each layer but the lowest of either side adds to what it reads.
    - ``layer_norm``: what each recurrent layer gives is normalised (Ba et al. 2016, arXiv:1607.06450).
    - ``recurrent_dropout``: of the states between steps, one mask for a whole sequence (Gal & Ghahramani 2016,
      arXiv:1512.05287).
    - ``encoder = "self-attention"``: layers of self-attention of ``encoder_units`` with ``encoder_heads`` each, under a
      recurrent decoder (Chen et al. 2018, arXiv:1804.09849). In place of a last state it hands over the mean of all.
    - ``attention_heads``: general attention asks so many questions at once, each of a part of the memory (Vaswani et
      al. 2017, arXiv:1706.03762).
    - ``forget_bias``: of an LSTM's forget gates at first. The higher, the longer a cell keeps what it holds before it
      learned to: at 1 for some steps, at 5 for a hundred (Gers et al. 2000, "Learning to forget"; Jozefowicz et al.
      2015, "An empirical exploration of recurrent network architectures").
    """

    cell: CellKind = "lstm"
    encoder: Literal["recurrent", "self-attention"] = "recurrent"
    encoder_heads: Positive = 4
    input: Literal["embedding", "one-hot"] = "embedding"
    embedding: Positive = 384
    encoder_units: Positive = 192
    encoder_layers: Annotated[int, Field(ge=0)] = 2
    bidirectional: bool = True
    reversed_source: bool = False
    bridge: Literal["dense", "copy", "zero", "start"] = "dense"
    context: Literal["none", "last", "mean", "max"] = "none"
    units: Positive = 384
    layers_below: Positive = 1
    layers_above: Annotated[int, Field(ge=0)] = 1
    attention: Literal["none", "dot", "general", "bahdanau"] = "general"
    attention_heads: Positive = 1
    input_feeding: bool = False
    reads_tokens: bool = True
    residual: bool = False
    layer_norm: bool = False
    forget_bias: float = 1.0
    readout: bool = True
    tied: bool = True
    dropout: Fraction = 0.2
    recurrent_dropout: Fraction = 0.0

    @property
    def memory_units(self) -> int:
        """The width of the encoder's outputs, both directions together."""
        return self.encoder_units * (2 if self.bidirectional else 1)

    @property
    def decoder_layers(self) -> int:
        return self.layers_below + self.layers_above

    @model_validator(mode="after")
    def _pieces_fit(self) -> "ModelConfig":
        same_width = self.memory_units == self.units
        if self.attention == "dot" and not same_width:
            raise ValueError(f"dot attention needs memory of {self.units} units, the encoder has {self.memory_units}")
        if self.bridge == "copy" and not (same_width and self.encoder_layers == self.decoder_layers):
            raise ValueError(
                f"bridge copy needs as many layers of as many units on both sides: the encoder has "
                f"{self.encoder_layers} of {self.memory_units}, the decoder {self.decoder_layers} of {self.units}"
            )
        if self.tied and not (self.readout and self.input == "embedding"):
            raise ValueError("tied needs a readout and input = 'embedding'")
        if self.input_feeding and not self.readout:
            raise ValueError("input_feeding needs a readout")
        if not self.reads_tokens and self.context == "none":
            raise ValueError("a decoder that reads no tokens needs a context")
        reads_source = self.attention != "none" or self.context != "none" or self.bridge in ("dense", "copy")
        if self.encoder_layers and not reads_source:
            raise ValueError("the decoder knows nothing of the source: give it a bridge, a context or attention")
        if not self.encoder_layers and reads_source:
            raise ValueError(
                f"encoder_layers = 0 leaves nothing to read: it needs bridge = 'zero' or 'start', context and "
                f"attention 'none'; they are {self.bridge!r}, {self.context!r} and {self.attention!r}"
            )
        if self.forget_bias != 1.0 and self.cell not in ("lstm", "peephole"):
            raise ValueError(f"forget_bias is {self.forget_bias}, a {self.cell} cell has no forget gate of its own")
        if self.recurrent_dropout and (self.cell not in ("lstm", "gru") or self.input_feeding):
            raise ValueError("recurrent_dropout is for lstm and gru cells without input_feeding")
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> "ModelConfig":
        if self.attention_heads > 1 and self.attention != "general":
            raise ValueError(f"attention_heads is {self.attention_heads}: only general attention has heads")
        if self.memory_units % self.attention_heads:
            raise ValueError(f"attention_heads ({self.attention_heads}) must divide the memory ({self.memory_units})")
        if self.encoder == "self-attention":
            if self.bidirectional or self.reversed_source or not self.encoder_layers or self.bridge == "copy":
                raise ValueError(
                    "encoder = 'self-attention' sees all at once and has no last states: it needs encoder_layers, "
                    "bidirectional = false, reversed_source = false and a bridge other than copy"
                )
            if self.encoder_units % self.encoder_heads:
                raise ValueError(
                    f"encoder_heads ({self.encoder_heads}) must divide encoder_units ({self.encoder_units})"
                )
        return self
