"""The encoder's vectors of sentences in two dimensions, and whether similar sentences have similar vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from app.bundle.store import Bundle
from app.bundle.tokenizers import PAD_ID
from app.engine.model import Graphs
from app.engine.states import padded_width

# Groups of sentences with similar meanings.
GROUPS: dict[str, tuple[str, ...]] = {
    "being tired": ("I'm tired.", "I am very tired.", "I feel tired.", "We are tired.", "I was so tired."),
    "asking the way": (
        "Where is the station?",
        "Where is the nearest station?",
        "Where's the bank?",
        "Where is the post office?",
        "Where can I find the station?",
    ),
    "eating": (
        "I want to eat something.",
        "I would like to eat.",
        "Let's eat something.",
        "I want something to eat.",
        "We want to eat now.",
    ),
    "Tom and work": (
        "Tom works here.",
        "Tom doesn't work here.",
        "Tom used to work here.",
        "Tom is working now.",
        "Tom works very hard.",
    ),
    "weather": (
        "It's raining.",
        "It is raining today.",
        "It rained yesterday.",
        "It will rain tomorrow.",
        "It's snowing.",
    ),
    "not knowing": (
        "I don't know.",
        "I don't know him.",
        "I don't know why.",
        "I don't know what to do.",
        "Nobody knows.",
    ),
}


@dataclass(frozen=True)
class Projection:
    """Vectors of sentences in two dimensions.

    Attributes:
        sentences: The sentences.
        groups: Group of each sentence.
        pca: Coordinates by PCA, ``[sentences, 2]``.
        tsne: Coordinates by t-SNE, ``[sentences, 2]``.
        explained: Share of the variance that the two axes of PCA keep.
        neighbours: Share of the sentences whose nearest neighbour, by the full vectors, belongs to the same group.
    """

    sentences: tuple[str, ...]
    groups: tuple[str, ...]
    pca: NDArray[np.float64]
    tsne: NDArray[np.float64]
    explained: float
    neighbours: float


def project(bundle: Bundle, graphs: Graphs, groups: Mapping[str, tuple[str, ...]] | None = None) -> Projection:
    """Encodes sentences and projects their vectors with PCA (Pearson 1901) and t-SNE (van der Maaten & Hinton 2008).

    Args:
        bundle: The bundle.
        graphs: Its graphs.
        groups: Sentences by group; None for ``GROUPS``.
    """
    groups = GROUPS if groups is None else groups
    sentences = tuple(sentence for some in groups.values() for sentence in some)
    names = tuple(name for name, some in groups.items() for _ in some)
    vectors = encoder_vectors(bundle, graphs, sentences)
    pca = PCA(n_components=2)
    flat = pca.fit_transform(vectors)
    perplexity = min(5.0, (len(sentences) - 1) / 3)
    tsne = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=1).fit_transform(vectors)
    nearest = NearestNeighbors(n_neighbors=2).fit(vectors).kneighbors(vectors, return_distance=False)[:, 1]
    own = np.mean([names[index] == name for index, name in zip(nearest, names, strict=True)])
    return Projection(sentences, names, flat, tsne, float(pca.explained_variance_ratio_.sum()), float(own))


def encoder_vectors(bundle: Bundle, graphs: Graphs, sentences: tuple[str, ...]) -> NDArray[np.float64]:
    """Returns the decoder's first states for each sentence, concatenated: ``[sentences, states]``."""
    sources = [bundle.tokenizer.encode_source(sentence) for sentence in sentences]
    lengths = np.array([len(source) for source in sources], np.int32)
    ids = np.full((len(sources), padded_width(int(lengths.max()))), PAD_ID, np.int32)
    for row, source in enumerate(sources):
        ids[row, : len(source)] = source
    _, states = graphs.encode(ids, lengths)
    return np.concatenate([states[name] for name in sorted(states)], axis=1).astype(np.float64)
