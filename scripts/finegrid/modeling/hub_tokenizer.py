"""The tokenizer of a repository: there, of this model, and the same after saving."""

from pathlib import Path

from finegrid.config.hub_files import VOCABULARY_FILES
from finegrid.data.tokenizer import SETTINGS, TOKEN_TYPES, TOKENIZER, ModelTokenizer, read_tokenizer
from finegrid.errors import InputError, in_words
from finegrid.files import read_json, write_json

# Texts of many scripts and habits, which the saved tokenizer has to cut as transformers cuts them.
SAMPLES = (
    "The quick brown fox, which didn't jump over 13 lazy dogs!",
    "Été à Málaga: naïve façade, coöperation, Straße, ÅNGSTRÖM, I\u0307stanbul, Ｆｕｌｌ width ﬁ",
    "Việt Nam cafe\u0301 and Café, zero\u200bwidth, soft\u00adhyphen, \ufeffmark",
    "自然言語処理は楽しい。 他来到了网易杭研大厦 한국어 문장입니다 ภาษาไทยง่ายมาก",
    "Привет, мир! Γειά σου Κόσμε שלום עולם مرحبا بالعالم नमस्ते दुनिया",
    "👍🏽 👩‍👩‍👧 🇩🇪 ♥️ ™ ½ 𝒳 \U0001f9ff",
    "  leading,\ttab,\nnew line,\r\nwindows,\u00a0no-break   and trailing  ",
    "http://example.org/a_b?c=d&e=%20 user@example.org #tag @name C++ e.g. U.S.A. 3.14e-10 1,000,000",
    "antidisestablishmentarianism " + "a" * 120 + " CamelCaseWord snake_case_word ALLCAPS",
    '<br /> &amp; {"json": [1, 2]} `code` \\n ... --- \'\' "" “quotes” ‘single’ – —',
)
CUT = 12  # tokens, for cut texts
WHAT_TO_DO = (
    "if you have a tokenizer.json that cuts texts the same way, put it into the repository's folder and set "
    '"tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json; else choose another model'
)
VOCABULARY_SAMPLES = 64
ALTERNATIVES = ("tokenizer.model", "tiktoken.model", "tekken.json")  # where transformers looks besides


def load_tokenizer(staged: Path, source: Path, files):
    """Load the tokenizer as transformers does. Raises InputError if it is not one of the package tokenizers."""
    from transformers.models.auto import AutoTokenizer
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(staged, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged or foreign file can make the libraries raise anything
        found = ", ".join(name for name in files if any(map(Path(name).match, VOCABULARY_FILES))) or "no vocabulary"
        reason = in_words(error).replace(str(staged), str(source))
        if isinstance(error, ImportError):  # only tokenizers in Python need other packages
            reason = f"{reason}; {WHAT_TO_DO}"
        raise InputError(f"{source}: its tokenizer ({found}) cannot be loaded: {reason}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(
            f"{source}: {type(tokenizer).__name__} has no fast version, which is needed here; {WHAT_TO_DO}"
        )
    return tokenizer


def check_vocabulary(tokenizer, files, rows: int, source: Path) -> None:
    """Raise InputError unless the repository has a vocabulary that fits embeddings of so many rows."""
    nothing = f"{source}: the repository has no vocabulary that fits the model"
    if not any(name.startswith("tokenizer.") and name.endswith(".json") for name in files):
        needed = {
            key: name for key, name in tokenizer.vocab_files_names.items() if key in ("vocab_file", "merges_file")
        }
        others = ALTERNATIVES if "merges_file" not in needed else ()
        lacking = [name for name in needed.values() if name not in files]
        if not needed or (lacking and not any(name in files for name in others)):
            wanted = " and ".join(needed.values()) or "any other vocabulary"
            raise InputError(f"{nothing}: {type(tokenizer).__name__} needs tokenizer.json, or {wanted}")
    tokens = tokenizer.get_vocab()
    largest = max(tokens, key=tokens.get, default=None)
    if largest is not None and tokens[largest] >= rows:
        raise InputError(
            f"{source}: the vocabulary is larger than the model's embeddings, which have {rows} rows: its token "
            f"{largest!r} is number {tokens[largest]}"
        )
    try:
        known = knows_its_own_words(tokenizer)
    except Exception as error:  # plain exceptions of the package, such as one for a vocabulary without [UNK]
        raise InputError(f"{nothing}: {in_words(error)}") from None
    if not known:
        raise InputError(
            f"{nothing}: {type(tokenizer).__name__} turns every word into {tokenizer.unk_token or 'nothing'}"
        )


def own_words(tokenizer) -> list[str]:
    """Return the texts of some tokens of the vocabulary that are not special."""
    special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    ordinary = [number for token, number in sorted(tokenizer.get_vocab().items()) if token not in special]
    chosen = ordinary[:: len(ordinary) // VOCABULARY_SAMPLES + 1]
    return [text for text in (tokenizer.decode([number]) for number in chosen) if text.strip()]


def knows_its_own_words(tokenizer) -> bool:
    """Whether some text becomes a token that is neither special nor the one for unknown words."""
    not_words = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    ids = tokenizer([*own_words(tokenizer), *SAMPLES], add_special_tokens=False)["input_ids"]
    return any(number not in not_words for text in ids for number in text)


def save_tokenizer(tokenizer, folder: Path, source: Path) -> None:
    """Save a tokenizer with all that tells how a text becomes the model's input.

    Raises InputError if what was saved cuts texts in another way.
    """
    from transformers.models.auto import AutoTokenizer

    for key in ("auto_map", "fast_tokenizer_files"):  # code, and names that the files have in the repository
        tokenizer.init_kwargs.pop(key, None)
    tokenizer.chat_template = None  # templates are programs, in files named by the repository
    tokenizer.save_pretrained(folder)
    settings = {
        "model_input_names": list(tokenizer.model_input_names),
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "split_special_tokens": tokenizer.split_special_tokens,
    }
    write_json(folder / SETTINGS, {**read_json(folder / SETTINGS), **settings})
    reloaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    words = own_words(tokenizer)
    texts = [*SAMPLES, *words, " ".join(words), *(f"so {token} it is" for token in tokenizer.all_special_tokens), ""]
    for inputs in ((texts,), (texts, texts[::-1])):
        for length in (None, CUT):
            compare(tokenizer, reloaded, read_tokenizer(folder, length), inputs, length, source)


def compare(tokenizer, reloaded, saved: ModelTokenizer, texts: tuple, length: int | None, source: Path) -> None:
    """Raise InputError if the saved tokenizer cuts texts, or pairs of them, in another way than the loaded one."""
    found = saved.encode([pair if len(pair) == 2 else pair[0] for pair in zip(*texts, strict=True)])
    for each in (tokenizer, reloaded):
        expected = each(*texts, truncation=length is not None, max_length=length)
        for row, encoding in enumerate(found):
            same = expected["input_ids"][row] == encoding.ids
            if TOKEN_TYPES in expected:
                same = same and expected[TOKEN_TYPES][row] == encoding.type_ids
            if not same:
                raise InputError(
                    f"{source}: its {type(tokenizer).__name__} cannot be saved faithfully: the {TOKENIZER} made of it "
                    f"gives {texts[0][row]!r} other tokens"
                )
