// SPDX-License-Identifier: Apache-2.0

/// Normalises a text for comparison: lower case, single spaces, no punctuation and no articles.
///
/// Numbers up to ten become digits. This is the spirit of the VQA evaluation, which `vqaAnswer` follows to the letter.
func normalisedAnswer(_ text: String) -> String {
    normalisedWords(text).filter { !articles.contains($0) }.map { numerals[$0] ?? $0 }
        .joined(separator: " ")
}

/// The words of a text in lower case, without punctuation.
func normalisedWords(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    func end() {
        if !word.isEmpty { words.append(word) }
        word = ""
    }
    let characters = Array(text.lowercased())
    for (index, character) in characters.enumerated() {
        let isInNumber =
            (character == "." || character == ",") && index > 0 && characters[index - 1].isNumber
            && index + 1 < characters.count && characters[index + 1].isNumber
        if character.isLetter || character.isNumber || isInNumber {
            word.append(character)
        } else if character != "'" && character != "’" {
            end()
        }
    }
    end()
    return words
}

let articles: Set<String> = ["a", "an", "the"]
let numerals = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
]
