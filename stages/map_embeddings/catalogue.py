"""All init methods: importing their modules registers them. Imports neither torch nor transformers."""

from stages.map_embeddings import aligned, baselines, focus, omp, subtoken_mean, trans_tokenize, wechsel
from stages.map_embeddings.methods import INIT_METHODS

__all__ = ["INIT_METHODS", "aligned", "baselines", "focus", "omp", "subtoken_mean", "trans_tokenize", "wechsel"]
