// SPDX-License-Identifier: Apache-2.0

/// Rouge-L's F between an answer and the right one, as MileBench computes it (arXiv 2404.18532): 0 to 1.
///
/// Both are normalised as MileBench's `evaluate.py` does. Then the definition is that of the Python package `rouge`: the
/// words of the longest common subsequence, each counted once, over all pairs of sentences.
func rougeLScore(_ answer: String, _ right: String) -> Double {
    let found = sentences(mileBenchAnswer(answer))
    let expected = sentences(mileBenchAnswer(right))
    let (foundWords, expectedWords) = (Set(found.joined()), Set(expected.joined()))
    guard !foundWords.isEmpty, !expectedWords.isEmpty else { return 0 }
    var common: Set<Substring> = []
    for first in expected {
        for second in found { common.formUnion(longestCommonSubsequence(first, second)) }
    }
    let precision = Double(common.count) / Double(foundWords.count)
    let recall = Double(common.count) / Double(expectedWords.count)
    return 2 * (precision * recall) / (precision + recall + 1e-8)
}

/// The words of each sentence; a period ends one.
private func sentences(_ text: String) -> [[Substring]] {
    text.split(separator: ".").map { $0.split(whereSeparator: \.isWhitespace) }
}

/// The longest common subsequence; of several, the one that the package `rouge` finds.
private func longestCommonSubsequence(_ first: [Substring], _ second: [Substring]) -> [Substring] {
    // [first + 1, second + 1]: the length for the words before
    var lengths = Array(
        repeating: Array(repeating: 0, count: second.count + 1), count: first.count + 1)
    for row in first.indices {
        for column in second.indices {
            lengths[row + 1][column + 1] =
                first[row] == second[column]
                ? lengths[row][column] + 1
                : max(lengths[row][column + 1], lengths[row + 1][column])
        }
    }
    var words: [Substring] = []
    var (row, column) = (first.count, second.count)
    while row > 0, column > 0 {
        if first[row - 1] == second[column - 1] {
            words.append(first[row - 1])
            (row, column) = (row - 1, column - 1)
        } else if lengths[row - 1][column] > lengths[row][column - 1] {
            row -= 1
        } else {
            column -= 1
        }
    }
    return words
}
