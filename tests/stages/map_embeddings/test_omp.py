import numpy as np
import pytest
import tiny_vectors
import tiny_vocabularies as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.errors import UserError
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import COPIED, SIMILAR, MappingTask
from stages.map_embeddings.omp import pursue


def by_the_book(target, atoms, k):
    """Take the atom with the largest inner product with the residual, fit all taken by least squares, k times."""
    taken, weights = [], np.zeros(len(atoms))
    residual = target
    for _ in range(k):
        if np.linalg.norm(residual) <= 1e-6 * np.linalg.norm(target):
            break
        products = np.abs(atoms @ residual)
        products[taken] = -1
        taken.append(int(products.argmax()))
        fitted = np.linalg.lstsq(atoms[taken].T, target, rcond=None)[0]
        residual = target - fitted @ atoms[taken]
    weights[taken] = fitted if taken else 0
    return weights


@pytest.mark.parametrize(("dimension", "k"), [(24, 1), (24, 10), (24, 24), (8, 64)])
def test_is_orthogonal_matching_pursuit_by_the_book(dimension, k):
    generator = np.random.default_rng(1)
    atoms = generator.standard_normal((120, dimension)).astype(np.float32)
    atoms *= generator.uniform(0.2, 3, (120, 1)).astype(np.float32)
    targets = generator.standard_normal((40, dimension)).astype(np.float32)
    expected = np.array([by_the_book(target, atoms.astype(np.float64), k) for target in targets.astype(np.float64)])
    np.testing.assert_allclose(pursue(targets, atoms, k).toarray(), expected, atol=1e-5 * np.abs(expected).max())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.integers(1, 20))
def test_dependent_atoms_and_zeros_stay_finite_and_the_fit_is_no_worse_than_nothing(seed, number, rank, k):
    generator = np.random.default_rng(seed)
    atoms = generator.integers(-2, 3, (number, rank)) @ generator.integers(-2, 3, (rank, 6))
    targets = generator.integers(-2, 3, (5, 6)).astype(np.float64)
    weights = pursue(targets, atoms.astype(np.float32), k)
    assert np.isfinite(weights.data).all()
    left = np.linalg.norm(targets - weights @ atoms, axis=1)
    assert (left <= np.linalg.norm(targets, axis=1) + 1e-9).all()
    assert (np.diff(weights.indptr) <= min(k, 6)).all()


WORDS = ["house", " boat", "tree", "s"]


def test_a_donor_model_goes_before_token_vectors(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", WORDS)
    target = tiny.load(tmp_path / "target", "sentencepiece", [*WORDS, " huis"])
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(target), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    donor = LlamaForCausalLM(config)
    table = donor.get_input_embeddings().weight.detach().numpy()
    new, old = target.ids["▁huis"], target.ids["▁boat"]
    table[old] *= 100  # the largest inner product, so it is taken first
    table[new] = -2 * table[old]
    donor.save_pretrained(target.folder)
    weights = INIT_METHODS["omp"](MappingTask(source, target, donor=target.folder), k=3)
    assert weights.how[new] == SIMILAR
    assert weights.how[old] == COPIED
    row = weights.weights[new]
    assert row.indices.tolist() == [source.ids["Ġboat"]]
    np.testing.assert_allclose(row.data, [-2.0], rtol=1e-6)
    with pytest.raises(UserError, match="has not the vocabulary of"):
        INIT_METHODS["omp"](MappingTask(source, target, donor=source.folder), k=3)


def test_neither_donor_nor_vectors(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", WORDS)
    with pytest.raises(UserError, match="init method 'omp' needs token vectors"):
        INIT_METHODS["omp"](MappingTask(source, source), k=3)
    task = MappingTask(source, source, token_vectors=tiny_vectors.write(tmp_path / "v", np.zeros((3, 2))))
    with pytest.raises(UserError, match="vectors of shape"):
        INIT_METHODS["omp"](task, k=3)
