"""DistilBERT: BERT without token types, with names of its own."""

from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.bert import Bert, LayerNames

_NAMES = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attended="attention.out_lin",
    attended_norm="sa_layer_norm",
    inner="ffn.lin1",
    outer="ffn.lin2",
    outer_norm="output_layer_norm",
)


def distilbert(config: Config, prefix: str) -> Bert:
    """DistilBERT.

    Raises:
        NoGraphError: The config has something that this description does not know.
    """
    # Positions made of sines are stored as a table all the same.
    config.ignore("qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds")
    width = config.size("dim")
    return Bert(
        prefix=prefix,
        vocabulary=config.size("vocab_size"),
        positions=config.size("max_position_embeddings"),
        types=0,
        width=width,
        embedding_width=width,
        layers=config.size("n_layers"),
        heads=config.size("n_heads"),
        inner=config.size("hidden_dim"),
        activation=config.activation("activation", "gelu"),
        epsilon=1e-12,
        layer="transformer.layer",
        names=_NAMES,
    )
