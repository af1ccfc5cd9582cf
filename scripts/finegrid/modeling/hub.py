"""A base model from the model hub: saved as safetensors whatever the hub holds, and without any code of its own."""

import pickle

from finegrid.config.definition import Model
from finegrid.config.hub_files import MODEL_FILES, WEIGHTS
from finegrid.data import mirror
from finegrid.errors import InputError
from finegrid.sealed import as_json

DRAW_SEED = 0


def make_hub_model(model: Model, folder, mirror_folder, fetched=None) -> dict:
    """Save the encoder and the tokenizer of `model.repo`, which the mirror holds, into `folder`.

    Weights that the checkpoint lacks, such as a pooler's, are drawn. Returns the provenance: the repository, its
    revision, the sha256 of its files, and the names of the weights that were drawn. Raises InputError if the files are
    not there or cannot be loaded, or if the model needs code of the repository.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    source, files = mirror.repository("models", model.repo, MODEL_FILES, mirror_folder, fetched)
    safely = {"local_files_only": True, "trust_remote_code": False}
    torch.manual_seed(DRAW_SEED)
    try:
        encoder, loading = AutoModel.from_pretrained(
            source,
            dtype=torch.float32,
            output_loading_info=True,
            weights_only=True,
            attn_implementation="eager",  # the configuration may name a repository whose kernels would be run
            **safely,
        )
        tokenizer = AutoTokenizer.from_pretrained(source, **safely)
    except pickle.UnpicklingError:
        raise InputError(f"{source / WEIGHTS[1]}: holds more than weights, or is damaged; it was not run") from None
    except Exception as error:  # a damaged or foreign file can make the libraries raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{source}: cannot be loaded: {reason}") from None
    drawn = sorted(loading["missing_keys"])
    if len(drawn) == len(encoder.state_dict()):
        raise InputError(f"{source}: has no weights of {type(encoder).__name__}")
    # Nothing saved may lead a later job to code of the repository.
    vars(encoder.config).pop("auto_map", None)
    tokenizer.init_kwargs.pop("auto_map", None)
    tokenizer.chat_template = None  # templates are programs, in files named by the repository
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"source": {"repo": model.repo, **as_json(files)}, "drawn": drawn}
