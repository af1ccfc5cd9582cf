"""A pretrained base model, from the hub or the user's own: what transformers loads, and nothing that it could run."""

import pickle
import tempfile
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from finegrid.config.hub_files import MODEL_FILES
from finegrid.config.model import Model
from finegrid.config.model_folder import model_folder
from finegrid.data import mirror
from finegrid.errors import InputError, in_words
from finegrid.files import read_json
from finegrid.modeling.architectures import DECODERS, check_architecture
from finegrid.modeling.hub_tokenizer import check_vocabulary, load_tokenizer, save_tokenizer
from finegrid.sealed import as_json

DRAW_SEED = 0
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
NAMED = 4  # names of weights in a message


def make_pretrained_model(model: Model, folder: Path, mirror_folder, fetched=None) -> dict:
    """Save the encoder and the tokenizer of a model, which the mirror, a folder or a package holds, into `folder`.

    The tensors are those that transformers loads, in float32 and under the names of its own parameters. A pooler that
    the checkpoint lacks is drawn. Returns the provenance: where the files are from, their sha256, the
    names of the weights that were drawn and of those, of an encoder by their names, that this one has no use for.

    Raises InputError if the files are not there, cannot be loaded or do not belong together, if the architecture is
    not supported, or if the model needs code of the repository.
    """
    if model.repo:
        source, files = mirror.repository("models", model.repo, MODEL_FILES, mirror_folder, fetched)
    else:
        source = model_folder(model, mirror_folder)
        files = mirror.files_of(source, str(source), "models/", MODEL_FILES)
    for name in files.files:
        check_no_pointer(source / name)
    config = read_json(source / "config.json")
    check_architecture(config if isinstance(config, dict) else {}, source / "config.json")
    with only_these_files(source, files.files) as staged, in_one_line(source, staged):
        encoder, drawn, unused = load_encoder(staged, source)
        tokenizer = load_tokenizer(staged, source, files.files)
        rows = encoder.get_input_embeddings().weight.shape[0]
        check_vocabulary(tokenizer, files.files, rows, source)
        set_padding(encoder.config, tokenizer, rows, source / "config.json")
        save_encoder(encoder, folder)
        save_tokenizer(tokenizer, folder, source)
    for what, names in (("drawn at random, as the checkpoint lacks them", drawn), ("not used", unused)):
        if names:
            print(f"weights {what}: {', '.join(names)}", flush=True)
    where = {"repo": model.repo, "folder": model.folder, "package": model.package and package_version(model.package)}
    told = {key: value for key, value in where.items() if value}
    return {"source": {**told, **as_json(files)}, "drawn": drawn, "unused": unused}


def package_version(name: str) -> str:
    """Return an installed package with its version, as pip spells it."""
    return f"{name}=={version(name)}"


def check_no_pointer(path: Path) -> None:
    """Raise InputError if a file is what git leaves in the place of a large file that was not fetched."""
    with open(path, "rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise InputError(f"{path}: only points to the file, which is in Git LFS; `git lfs pull` fetches it")


@contextmanager
def only_these_files(source: Path, names):
    """Give a folder that holds these files of a repository, as transformers reads whatever else it finds, too."""
    with tempfile.TemporaryDirectory(prefix="finegrid-") as staged:
        for name in names:
            Path(staged, name).symlink_to((source / name).resolve())
        yield Path(staged)


@contextmanager
def in_one_line(source: Path, staged: Path):
    """Turn what a library raises about the files of a repository into an InputError."""
    try:
        yield
    except InputError:
        raise
    except pickle.UnpicklingError:
        pickles = ", ".join(sorted(path.name for path in staged.glob("*.bin")))
        raise InputError(f"{source}: {pickles}: holds more than weights, or is damaged; it was not run") from None
    except OSError as error:
        if error.filename and not str(error.filename).startswith(str(staged)):  # a full disk
            raise
        raise InputError(f"{source}: cannot be loaded: {in_words(error).replace(str(staged), str(source))}") from None
    except Exception as error:  # a damaged or foreign file can make the libraries raise anything
        raise InputError(f"{source}: cannot be loaded: {in_words(error).replace(str(staged), str(source))}") from None


def load_encoder(staged: Path, source: Path):
    """Load the encoder; return it with the names of weights that were drawn and of those that were not used.

    Raises InputError, which names the weights, if the checkpoint lacks any but a pooler's, or if they do not fit the
    configuration or are not finite.
    """
    import torch
    from transformers.initialization import no_init_weights
    from transformers.models.auto import AutoModel, AutoModelForSequenceClassification

    settings = {
        "dtype": torch.float32,
        "output_loading_info": True,
        "weights_only": True,
        "ignore_mismatched_sizes": True,  # they are told below, by name
        "attn_implementation": "eager",  # the configuration may name a repository whose kernels would be run
        "local_files_only": True,
        "trust_remote_code": False,
    }
    torch.manual_seed(DRAW_SEED)
    encoder, loading = AutoModel.from_pretrained(staged, **settings)
    # The classifier may use less than the whole encoder: RoBERTa's has no pooler, Funnel's no decoder.
    with torch.device("meta"), no_init_weights():
        classifier = AutoModelForSequenceClassification.from_config(encoder.config)
    used = set(classifier.base_model.state_dict())
    if not used <= set(encoder.state_dict()):  # or more: Nomic BERT's has a pooler
        torch.manual_seed(DRAW_SEED)
        classifier, loading = AutoModelForSequenceClassification.from_pretrained(staged, **settings)
        encoder = classifier.base_model
    drawn = sorted(own_name(name, encoder) for name in loading["missing_keys"])
    drawn = [name for name in drawn if name in encoder.state_dict()]
    if len(drawn) == len(encoder.state_dict()):
        raise InputError(f"{source}: has no weights of {type(encoder).__name__}")
    for name, found, expected in sorted(loading["mismatched_keys"]):
        if own_name(name, encoder) in encoder.state_dict():
            raise InputError(
                f"{source}: {name} is {list(found)} in the weights, but {list(expected)} by config.json: they are of "
                "two models"
            )
    missing = [name for name in drawn if name in used and "pooler" not in name.split(".")]
    if missing:
        raise InputError(
            f"{source}: the weights lack {listed(missing)}, which {type(encoder).__name__} has by config.json"
        )
    broken = [name for name, parameter in encoder.named_parameters() if not parameter.isfinite().all()]
    if broken:
        raise InputError(f"{source}: weights are infinite or not a number: {listed(broken)}")
    # Heads of other tasks are left out here: whatever the checkpoint has besides the modules of the encoder.
    modules = tuple(f"{name}." for name, _ in encoder.named_children())
    unused = [name for name in loading["unexpected_keys"] if own_name(name, encoder).startswith(modules)]
    return encoder, drawn, sorted(unused)


def own_name(name: str, encoder) -> str:
    """Return the name of a classifier's weight in its encoder."""
    return name.removeprefix(f"{encoder.base_model_prefix}.")


def listed(names: list[str]) -> str:
    """Name a few weights and count the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def set_padding(config, tokenizer, rows: int, path: Path) -> None:
    """Fill in the token that batches are padded with. A decoder finds the last token of a text by it.

    Raises InputError if a decoder has none, or could take the end of a text for it.
    """
    if config.pad_token_id is not None and config.pad_token_id >= 0:
        return
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, config.eos_token_id)
    config.pad_token_id = next((each for each in candidates if isinstance(each, int) and 0 <= each < rows), None)
    last = tokenizer("a")["input_ids"][-1:]
    if config.model_type in DECODERS and config.pad_token_id in (None, *last):
        raise InputError(
            f"{path}: has no 'pad_token_id', without which {config.model_type} cannot read a batch of texts"
        )


def save_encoder(encoder, folder: Path) -> None:
    """Save the encoder's tensors and its configuration.

    Not by `save_pretrained`, which writes the names of the checkpoint back, such as LayerNorm.gamma.
    """
    from safetensors.torch import save_file

    tensors, places = {}, set()
    for name, tensor in encoder.state_dict().items():
        tensors[name] = tensor.clone() if tensor.data_ptr() in places else tensor.contiguous()  # some are tied
        places.add(tensor.data_ptr())
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = encoder.config
    vars(config).pop("auto_map", None)  # nothing saved may lead a later job to code of the repository
    config.architectures = [type(encoder).__name__]
    config.save_pretrained(folder)
