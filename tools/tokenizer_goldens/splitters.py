# SPDX-License-Identifier: Apache-2.0
"""How published tokenizers split text into words, as their tokenizer.json says it."""

from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Split

CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
WHITE_SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BEFORE = r"[^\r\n\p{L}\p{N}]?"
# What DeepSeek-LLM takes for letters, digits and punctuation of its own.
DEEPSEEK_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-"
    "\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90"
    "-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
    "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-"
    "\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d"
    "\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
)
IDEOGRAPHS = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
ASCII_PUNCTUATION = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"


def modern(number: str, letters: str = r"\p{L}", after: str = r"[\r\n]*") -> str:
    """The expression of Llama-3 and Qwen2."""
    return (
        rf"(?i:{CONTRACTIONS})|{BEFORE}[{letters}]+|{number}"
        rf"| ?[^\s{letters}\p{{N}}]+{after}|{WHITE_SPACE}"
    )


def cased(number: str, suffix: str) -> str:
    """The expression of Tekken and GPT-4o, which begins words at capital letters."""
    return (
        rf"{BEFORE}{UPPER}*{LOWER}+{suffix}|{BEFORE}{UPPER}+{LOWER}*{suffix}|{number}"
        rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{WHITE_SPACE}"
    )


def split(expression: str) -> PreTokenizer:
    return Split(Regex(expression), "isolated")


def classic() -> PreTokenizer:
    """GPT-2's rule, which `tokenizers` has built in."""
    return ByteLevel(add_prefix_space=False, use_regex=True)


SENTENCE_PARTS = r" ?[^(\s|.,!?…。，、।۔،)]+"
SPLITTERS: dict[str, list[PreTokenizer]] = {
    "llama-bpe": [split(modern(r"\p{N}{1,3}"))],
    "qwen2": [split(modern(r"\p{N}"))],
    "qwen35": [split(modern(r"\p{N}", r"\p{L}\p{M}"))],
    "seed-coder": [split(modern(r"\p{N}", after="").replace(r"\p{N}]+|", r"\p{N}\r\n]+|"))],
    "minicpm5": [split(r"\p{N}{1,3}"), split(modern(r"\p{N}+"))],
    "gpt-2": [classic()],
    "smollm": [Digits(individual_digits=True), classic()],
    "falcon": [
        split(r"[\p{P}\$\+<=>\^~\|`]+"),
        split(
            rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)",
        ),
        split("[0-9][0-9][0-9]"),
    ],
    "default": [
        split(r"[\p{P}\$\+<=>\^~\|]+"),
        split(
            rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)",
        ),
        Digits(individual_digits=False),
        split("[0-9][0-9][0-9]"),
    ],
    "tekken": [split(cased(r"\p{N}", ""))],
    "gpt-4o": [split(cased(r"\p{N}{1,3}", rf"(?i:{CONTRACTIONS})?"))],
    "deepseek-llm": [
        split("[\r\n]"),
        split(rf"\s?[{DEEPSEEK_LETTERS}]+"),
        split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
        split(r"\s+$"),
        split(IDEOGRAPHS),
        Digits(individual_digits=False),
    ],
    "deepseek-coder": [
        split("[\r\n]"),
        split(r"\s?\p{L}+"),
        split(r"\s?\p{P}+"),
        split(IDEOGRAPHS),
        Digits(individual_digits=True),
    ],
    "deepseek-v3": [
        split(r"\p{N}{1,3}"),
        split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
        split(
            rf"{ASCII_PUNCTUATION}[A-Za-z]+|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+"
            rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{WHITE_SPACE}"
        ),
    ],
    "poro-chat": [split(SENTENCE_PARTS)],
    "viking": [split(SENTENCE_PARTS), Digits(individual_digits=True)],
}
# Tokenizers that compose characters before they split a text.
COMPOSING = ["qwen2"]


def splitter(name: str) -> PreTokenizer:
    """The pre-tokenizer of a model family, with GPT-2's alphabet of bytes at its end."""
    steps = SPLITTERS[name]
    if not any(isinstance(step, ByteLevel) for step in steps):
        steps = [*steps, ByteLevel(add_prefix_space=False, use_regex=False)]
    return pre_tokenizers.Sequence(steps)


def word_lengths(name: str, text: str) -> list[int]:
    """The number of characters of each word of a text."""
    words = splitter(name).pre_tokenize_str(text)
    return [end - start for _, (start, end) in words]
