# SPDX-License-Identifier: Apache-2.0
"""Texts that tokenizers get wrong."""

import random
import unicodedata

HARD_TEXTS = [
    # Empty and almost empty
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", "\r", "\r\n", "\r\n\r\n", "a", "\0",
    # White space around and between words
    "Hello world", " Hello world", "Hello  world", "Hello   world ", "  Hello\tworld  ",
    "Hello\nworld", "Hello \nworld", "Hello\n world", "Hello \n \n world", "one\r\ntwo\r\n\r\nthree",
    "a\t b", "a \tb", "\t\tx", " \t x", "x\n\n\n\n  y", "x \n\t \r\n  y", "trailing ", "trailing  ",
    "trailing\n", "trailing \n", "    return x", "\n    return x", "a" + " " * 17 + "b", " " * 33,
    # Unicode's other spaces and look-alikes
    "a\u00a0b", "a\u00a0\u00a0b", "\u00a0", "a\u2003b", "a\u2009 b", "a\u3000b", "\u3000\u3000",
    "a\u2028b\u2029c", "a\u0085b", "a\u1680b", "a\u202fb\u205fc", "a\u200bb", "a\ufeffb", "a\u180eb",
    "a\u000bb\u000cc", "a\u001cb\u001fc",
    # The character that SentencePiece writes for a space
    "\u2581", "a\u2581b", " \u2581 ", "\u2581Hello \u2581world",
    # Contractions and apostrophes
    "I'm you're he'd we'll they've it's can't", "I'M YOU'RE HE'D WE'LL THEY'VE IT'S CAN'T",
    "i'Ll i'lL 'S 'T 'd 'D", "the cats' tails", "'tis 'twas", "rock'n'roll", "''s '''", "' s", "'",
    "I\u2019m you\u2019re", "'re'", "'r 'v 'l", "'\u017faid '\u017f", "o'clock'", "x'", "'\n's", " 's",
    # Numbers
    "0", "12", "123", "1234", "12345", "1234567890", " 1 22 333 4444", "3.14159", "1,000,000",
    "2024-06-07", "10:45", "v1.2.3", "x86_64", "1a2b3c", "٣٤٥ ٦", "१२३४", "๑๒๓๔", "½ ¼ Ⅷ ⅷ ② 🄌", "一二三",
    "x²+y³", "１２３４", "𝟏𝟐𝟑𝟒",
    # Punctuation and symbols
    "!", "!!!", "?!...", "a.b", "a, b; c: d", "(a [b] {c})", "--- *** ___ +++", "#include <stdio.h>",
    "a=b+c*d/e", "$5 £6 €7 ¥8", "50% & 60%", "\\n\\t\\\\", "<|not a token|>", "</p><s>", "<0x41><0xFF>",
    "https://example.org/a?b=c&d=%20#e", "name@example.org", "\n!", " !", "!\n\n", "!!\r\n x", "'\"`",
    "«quoted» “quoted” ‘quoted’", "…—–‐", "a/b\\c|d", "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./",
    # Composed and decomposed
    "é", "e\u0301", "ñandú nandu\u0301 n\u0303", "Å \u212b A\u030a", "ﬁ ﬂ ſ ß ẞ", "한국어 \u1112\u1161\u11ab",
    "q\u0307\u0323 q\u0323\u0307", "\u0301", " \u0301a", "a\u0301\u0302\u0303\u0304b", "İstanbul ıI",
    # Scripts
    "На картинке изображён дом.", "Στην εικόνα φαίνεται",
    "في الصورة قطة بيضاء", "مُحَمَّد", "בתמונה נראה כלב",
    "चित्र में एक लड़की", "क्षत्रिय ज्ञान", "ในภาพมีแมวสีขาว", "写真には、赤い自転車",
    "图片中有一只白色的猫。", "사진에는 빨간 자전거",
    "𠮷野家 𡘙", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "ᏣᎳᎩ ꭰꭱ", "𐐀𐐨 𝒜𝓑", "ʰʱ ˠ ᵃᵇ", "ªº", "DžǅǄ",
    # Emoji
    "😀", "😀😀 😀", "👩\u200d👩\u200d👧\u200d👦", "👍🏽", "🇩🇪🇫🇷", "❤️ ❤", "☎️1️⃣", "a😀b", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "text😀\n",
    # Control and other odd characters
    "a\0b", "\x01\x02\x1b[31m\x7f", "\u0080\u009f", "\ufffd", "\ufffe\uffff", "\U0010ffff", "\ue000",
    "\u202eabc\u202c", "soft\u00adhyphen", "\u061c\u200e\u200f",
    # Long runs
    "a" * 300, "ab" * 150, "!" * 200, " " * 300 + "x", "\n" * 200 + "x", "1" * 100, "é" * 100, "漢" * 60,
    "😀" * 40, "the " * 60, "A" * 17 + "b" * 17, "\t" * 65, " \n" * 40,
    # Sentences
    "What is the man in the blue jacket holding in his left hand?",
    "\nDescribe this picture in detail.",
    "A chat between a curious human and an artificial intelligence assistant.",
    "def f(x):\n    if x > 0:\n        return x ** 2\n\n    return -x\n",
    "Die Straßenbahn fährt über die Brücke; — l'église où l'on a célébré.",
]  # fmt: skip

FUZZ_ALPHABETS = [
    "ab cd 'sStTrReEvVlLmMdD",
    " \t\n\r\u00a0\u3000aA1!",
    "0123456789.,-+ xX٣९½",
    "the of and ing er !?\n'",
    "éèñüßа́бвعربहिन्दีไทย漢字かな한글 '",
    "😀👩\u200d👧🏽🇩🇪❤️ a\u0301\u0323\u200b\ufeff\u2581",
    "<|im_start|> </s> <s> <unk> [INST] \n",
]


def fuzz_texts(seed: int, count: int) -> list[str]:
    """Random texts from small alphabets and from all assigned Unicode characters."""
    generator = random.Random(seed)
    assigned = [
        chr(value)
        for value in range(0x110000)
        if unicodedata.category(chr(value)) not in ("Cn", "Cs", "Co")
    ]
    alphabets = [list(alphabet) for alphabet in FUZZ_ALPHABETS] + [assigned]
    return [
        "".join(generator.choices(alphabets[index % len(alphabets)], k=generator.randint(1, 40)))
        for index in range(count)
    ]
