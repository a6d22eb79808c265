// SPDX-License-Identifier: Apache-2.0

/// Texts as they are compared: lower case, without marks, articles and more than one space.
///
/// Numbers up to ten are digits. This is what the VQA evaluation compares, but for its list of
/// contractions (arXiv 1505.00468).
func normalisedAnswer(_ text: String) -> String {
    normalisedWords(text).filter { !articles.contains($0) }.map { numerals[$0] ?? $0 }
        .joined(separator: " ")
}

/// The words of a text in lower case, marks dropped.
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

private let articles: Set<String> = ["a", "an", "the"]
private let numerals = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
]
