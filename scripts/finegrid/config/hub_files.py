"""What a run takes from the hub: repositories and the patterns of their files."""

from finegrid.config.definition import Config

# The forms that weights come in, the best first: a file, or an index and the shards that it lists. Of a repository with
# several forms only the first is asked for and read. The last two are pickles.
WEIGHTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
# The second line is for tokenizers of sentencepiece and of BPE without a tokenizer.json.
VOCABULARY_FILES = (
    *("tokenizer.json", "tokenizer.*.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"),
    *("spm.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"),
    *("tiktoken.model", "bpe.codes", "entity_vocab.json"),
)
MODEL_FILES = (
    *("config.json", "tokenizer_config.json", "special_tokens_map.json"),
    *VOCABULARY_FILES,
    *(pattern for form in WEIGHTS for pattern in form),
)


def hub_files(config: Config) -> dict[str, dict[str, list[str]]]:
    """Return, for each model and each task of source 'hub', its repository with the patterns of its files.

    {"model/<model>": {"models/owner/name": [patterns]}, "data/<task>": {"datasets/owner/name": [patterns]}}
    """
    files = {}
    for model in config.models.values():
        if model.source == "hub":
            files[f"model/{model.name}"] = {f"models/{model.repo}": list(MODEL_FILES)}
    for task in config.tasks.values():
        if task.source == "hub":
            files[f"data/{task.name}"] = {f"datasets/{task.repo}": sorted(task.patterns)}
    return files


def is_inside(name: str) -> bool:
    """Whether a name, or a pattern of names, is a plain path below the folder of a repository."""
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))
