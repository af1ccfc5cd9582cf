"""Settings of every method of peft that fit an encoder 16 wide with 2 layers."""

from tiny_models import mode_of

from finegrid.config.definition import Mode

ATTENTION = ["query", "value"]  # not the key: its neighbours stay as they are
SETTINGS = {
    "LORA": {"r": 2},
    "ADALORA": {"init_r": 3, "target_r": 1},
    "ADAMSS": {"r": 4, "num_subspaces": 2},
    "BEFT": {},
    "BOFT": {"boft_block_size": 4},
    "C3A": {"block_size": 4},
    "DEFT": {"r": 2},
    "DELORA": {"r": 2},
    "FOURIERFT": {"n_frequency": 10},
    "FROD": {"sparse_rate": 0.1},
    "GLORA": {"r": 2},
    "GRALORA": {"r": 2},
    "HIRA": {"r": 2},
    "HRA": {"r": 2},
    "IA3": {"feedforward_modules": []},
    "LN_TUNING": {"target_modules": ["LayerNorm"]},
    "LOHA": {"r": 2},
    "LOKR": {"r": 2},
    "MISS": {"r": 2},
    "OFT": {"oft_block_size": 4},
    "OSF": {"effective_rank": 12},
    "PEANUT": {"r": 2},
    "PSOFT": {"r": 4},
    "PVERA": {"r": 4},
    "RANDLORA": {"r": 4},
    "ROAD": {"group_size": 4},
    "SHIRA": {"r": 2},
    "SUPERTUNING": {"sparsity": 0.9},
    "TINYLORA": {"u": 4},
    "TRAINABLE_TOKENS": {"target_modules": ["word_embeddings"], "token_indices": [1, 2, 3]},
    "UNILORA": {"theta_d_length": 12},
    "VBLORA": {"num_vectors": 6, "vector_length": 4},
    "VERA": {"r": 4},
    "WAVEFT": {"n_frequency": 10},
}


def settings_of(method: str) -> dict:
    """Return the keys of peft's configuration."""
    return {"peft_type": method, "target_modules": ATTENTION, **SETTINGS[method]}


def mode_with(method: str, **changes) -> Mode:
    """Return a mode with the adapters of a method, whose head trains, too."""
    return mode_of("adapters", peft=settings_of(method), **changes)
