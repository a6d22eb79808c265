// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A GQA answer for comparison: lower case, without ASCII punctuation.
///
/// That is `exact_match` of lmms-eval with the options of its task `gqa`.
func gqaAnswer(_ text: String) -> String {
    let letters = text.trimmingCharacters(in: .whitespacesAndNewlines).lowercased().unicodeScalars
        .filter { !asciiPunctuation.contains($0) }
    return String(String.UnicodeScalarView(letters))
}

private let asciiPunctuation = Set(##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##.unicodeScalars)

/// Whether an answer says yes by POPE's rule (arXiv 2305.10355): every answer whose first sentence has none of the words
/// No, not and no.
func popeSaysYes(_ answer: String) -> Bool {
    let sentence = answer.split(separator: ".", omittingEmptySubsequences: false).first ?? ""
    let words = sentence.replacingOccurrences(of: ",", with: "").split(separator: " ")
    return !words.contains { $0 == "No" || $0 == "not" || $0 == "no" }
}

/// Whether an answer says yes by MME's rule (arXiv 2306.13394); nil if it says neither yes nor no.
///
/// Its first four letters decide, as in `parse_pred_ans` of MME's `calculation.py` and lmms-eval.
func mmeSaysYes(_ answer: String) -> Bool? {
    let text = answer.lowercased().trimmingCharacters(in: .whitespacesAndNewlines)
        .replacingOccurrences(of: ".", with: "")
    if text == "y" { return true }
    if text == "n" { return false }
    let start = text.prefix(4)
    if start.contains("yes") { return true }
    return start.contains("no") ? false : nil
}

/// The letter of a ScienceQA answer by the rule of lmms-eval's task `scienceqa`, which is LLaVA's: the whole answer, or a
/// capital letter and a period at its start.
func scienceQALetter(_ answer: String) -> String {
    let text = answer.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let first = text.first, first.isUppercase, text.dropFirst().first == "." else {
        return text.lowercased()
    }
    return first.lowercased()
}

/// The letter of a SEED-Bench answer by the rule of lmms-eval's task `seedbench`: the first character.
func seedBenchLetter(_ answer: String) -> String {
    answer.trimmingCharacters(in: .whitespacesAndNewlines).prefix(1).lowercased()
}
