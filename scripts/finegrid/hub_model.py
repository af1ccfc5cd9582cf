"""A backbone from the model hub, stored as safetensors whatever the hub holds."""

from finegrid.errors import InputError
from finegrid.hub import obtain

# No pickle is asked for where the repository has safetensors, and never a file of code.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
FILES = ["config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"]
FILES += ["special_tokens_map.json"]


def make_hub_model(settings: dict, folder, lock_file, mirror) -> dict:
    """Take the encoder and tokenizer of `settings["repo"]` from the hub or a mirror and save both
    into `folder`.

    Returns the provenance: repository, revision, and the sha256 of the files taken. Raises
    InputError if they are not to be had.
    """
    from transformers import AutoModel, AutoTokenizer

    source, entry = obtain(settings["source"], settings["repo"], "model", [*FILES, *WEIGHTS], lock_file, mirror)
    if not any(name in entry["files"] for name in WEIGHTS):
        raise InputError(f"models/{settings['repo']}: has none of {', '.join(WEIGHTS)}")
    # transformers reads a .bin file by torch.load(weights_only=True), which runs no code of the file's.
    AutoModel.from_pretrained(source, local_files_only=True, trust_remote_code=False).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False).save_pretrained(folder)
    return {"source": {"repo": settings["repo"], **entry}}
