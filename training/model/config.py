"""The table ``[model]`` of a run: the parts that a model is built from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.config_section import Fraction, Positive, Section

CellKind = Literal["lstm", "gru", "peephole", "coupled"]


class ModelConfig(Section):
    """The parts of the model.

    Attributes:
        cell: The recurrent cell of both sides.
        encoder: ``recurrent``, or layers of self-attention under a recurrent decoder (Chen et al. 2018,
            arXiv:1804.09849). The latter hands over the mean of its outputs instead of a last state.
        encoder_heads: Heads of each layer of self-attention.
        input: Whether tokens enter by an embedding or as unit vectors.
        embedding: Width of the embedding.
        encoder_units: Width of each direction of an encoder layer.
        encoder_layers: Layers of the encoder. 0 means no encoder, a decoder alone.
        bidirectional: Whether the encoder reads in both directions.
        reversed_source: Whether the encoder reads the source backwards (Sutskever et al. 2014, arXiv:1409.3215).
        bridge: How the decoder's first states are made. ``dense`` computes every state from the last state of the top
            encoder layer, and ``copy`` copies the states of layer i to layer i. Two use nothing of the source:
            ``zero`` starts with zeros, ``start`` with learned states.
        context: A fixed vector of the source that enters every step: the last state, or the mean or maximum of all.
        units: Width of each decoder layer.
        layers_below: Decoder layers before the attention.
        layers_above: Decoder layers after the attention.
        attention: ``dot`` and ``general`` (Luong et al. 2015, arXiv:1508.04025), or ``bahdanau`` (Bahdanau et al.
            2015, arXiv:1409.0473).
        attention_heads: Heads of general attention, each of which attends to a part of the memory (Vaswani et al.
            2017, arXiv:1706.03762).
        input_feeding: Whether the last readout enters the next step (Luong et al. 2015).
        reads_tokens: Whether tokens enter the decoder. Without them it writes from the context alone.
        residual: Whether each layer but the lowest of either side adds its outputs to its inputs.
        layer_norm: Whether the outputs of each recurrent layer are normalised (Ba et al. 2016, arXiv:1607.06450).
        forget_bias: First bias of an LSTM's forget gates. The higher it is, the longer an untrained cell keeps its
            content: at 1 for a few steps, at 5 for a hundred (Gers et al. 2000, "Learning to forget"; Jozefowicz et
            al. 2015, "An empirical exploration of recurrent network architectures").
        readout: Whether a tanh layer of ``embedding`` units precedes the output layer.
        tied: Whether the output layer shares the table of the embedding (Press & Wolf 2017, arXiv:1608.05859).
        dropout: Between layers.
        recurrent_dropout: Of the states between steps, with one mask for a whole sequence (Gal & Ghahramani 2016,
            arXiv:1512.05287).
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
            raise ValueError("the decoder receives nothing of the source: give it a bridge, a context or attention")
        if not self.encoder_layers and reads_source:
            raise ValueError(
                f"encoder_layers = 0 gives the decoder nothing to read: it needs bridge = 'zero' or 'start', context "
                f"and attention 'none'; they are {self.bridge!r}, {self.context!r} and {self.attention!r}"
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
                    "encoder = 'self-attention' has no direction and no last states: it needs encoder_layers, "
                    "bidirectional = false, reversed_source = false and a bridge other than copy"
                )
            if self.encoder_units % self.encoder_heads:
                raise ValueError(
                    f"encoder_heads ({self.encoder_heads}) must divide encoder_units ({self.encoder_units})"
                )
        return self
