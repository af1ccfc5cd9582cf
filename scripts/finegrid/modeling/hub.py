"""A backbone from the model hub, stored as safetensors whatever the hub holds, and without any code of its own."""

import pickle

from finegrid.data import mirror as hub
from finegrid.errors import InputError

DRAW_SEED = 0


def make_hub_model(settings: dict, folder, mirror, fetched=None) -> dict:
    """Save the encoder and the tokenizer of `settings["repo"]`, which the mirror holds, into `folder`.

    Weights that the checkpoint lacks, such as a pooler's, are drawn. Returns the provenance: the repository, its
    revision, the sha256 of its files, and the names of the weights that were drawn. Raises InputError if they are
    not there, or if the model needs code of the repository.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    source, entry = hub.repository("models", settings["repo"], hub.MODEL_FILES, mirror, fetched)
    safely = {"local_files_only": True, "trust_remote_code": False}
    torch.manual_seed(DRAW_SEED)
    try:
        model, loading = AutoModel.from_pretrained(
            source,
            dtype=torch.float32,
            output_loading_info=True,
            weights_only=True,
            attn_implementation="eager",  # as a configuration may name a repository whose kernels then are run
            **safely,
        )
        tokenizer = AutoTokenizer.from_pretrained(source, **safely)
    except pickle.UnpicklingError:
        raise InputError(f"{source / hub.WEIGHTS[1]}: holds more than weights, or is damaged; it was not run") from None
    except Exception as error:  # a damaged file, or one of another kind, can make the libraries raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{source}: cannot be loaded: {reason}") from None
    drawn = sorted(loading["missing_keys"])
    if len(drawn) == len(model.state_dict()):
        raise InputError(f"{source}: none of its weights is one of {type(model).__name__}")
    # Neither may lead a later job to code of the repository.
    vars(model.config).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)
    tokenizer.chat_template = None  # programs in a language of templates, by names of the repository's choice
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"source": {"repo": settings["repo"], **entry}, "drawn": drawn}
