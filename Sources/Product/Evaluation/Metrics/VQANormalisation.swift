// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Normalises an answer as EvalAI does for TextVQA and VizWiz.
///
/// The steps and their order are those of `EvalAIAnswerProcessor` in facebookresearch/mmf, which lmms-eval and LLaVA use.
func evalAIAnswer(_ text: String) -> String {
    let words = text.lowercased().replacingOccurrences(of: ",", with: "")
        .replacingOccurrences(of: "?", with: "").replacingOccurrences(of: "'s", with: " 's")
    return vqaAnswer(words)
}

/// Normalises an answer as VQAv2's evaluation does (arXiv 1505.00468).
func vqaAnswer(_ text: String) -> String {
    withoutVQAPunctuation(onOneLine(text)).lowercased().split(whereSeparator: \.isWhitespace)
        .map { numerals[String($0)] ?? String($0) }.filter { !articles.contains($0) }
        .map { contractions[$0] ?? $0 }.joined(separator: " ")
}

/// A text without line ends, tabs, and space around it.
func onOneLine(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0 == "\n" || $0 == "\t" ? " " : $0 })
    ).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// Drops the punctuation of a text as VQA's evaluation does.
///
/// A mark disappears if it stands beside a space anywhere in the text, or if the text has a comma between digits. Otherwise
/// it becomes a space. A period stays before a digit.
///
/// - Parameter mostCommas: how many commas may stand between the digits.
func withoutVQAPunctuation(_ text: String, mostCommas: Int = .max) -> String {
    let scalars = Array(text.unicodeScalars)
    var loose: Set<Unicode.Scalar> = []
    for (first, second) in zip(scalars, scalars.dropFirst()) {
        if first == " " { loose.insert(second) }
        if second == " " { loose.insert(first) }
    }
    let dropsAll = hasCommasBetweenDigits(scalars, mostCommas)
    let kept = scalars.compactMap { scalar -> Unicode.Scalar? in
        guard vqaMarks.contains(scalar) else { return scalar }
        return dropsAll || loose.contains(scalar) ? nil : " "
    }
    // The published expression is given 32, the value of a flag, as the most periods to drop.
    var periods = 32
    var result = String.UnicodeScalarView()
    for (index, scalar) in kept.enumerated() {
        let isBeforeDigit = index + 1 < kept.count && isDigit(kept[index + 1])
        if scalar == ".", !isBeforeDigit, periods > 0 {
            periods -= 1
        } else {
            result.append(scalar)
        }
    }
    return String(result)
}

private func hasCommasBetweenDigits(_ scalars: [Unicode.Scalar], _ most: Int) -> Bool {
    // Commas since the last digit; nil where something else followed it.
    var commas: Int?
    for scalar in scalars {
        if isDigit(scalar) {
            if let commas, (1...most).contains(commas) { return true }
            commas = 0
        } else {
            commas = scalar == "," ? commas.map { $0 + 1 } : nil
        }
    }
    return false
}

private func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .decimalNumber
}

private let vqaMarks = Set(#";/[]"{}()=+\_-><@`,?!"#.unicodeScalars)

/// VQA's contractions by the spellings that lack one of their apostrophes.
private let contractions: [String: String] = {
    let words = """
        'ow's'at 'twas ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't \
        haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've \
        must've mustn't needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've \
        somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll \
        that's there'd there'd've there're there's they'd they'd've they'll they're they've wasn't we'd've we've \
        weren't what'll what're what's what've when's where'd where's where've who'd who'd've who'll who's who've \
        why'll why're why's won't would've wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're \
        you've
        """.split(separator: " ").map(String.init)
    // The only one that the published list turns round.
    var contractions = ["somebody'd": "somebodyd"]
    for word in words {
        for index in word.indices where word[index] == "'" {
            var spelling = word
            spelling.remove(at: index)
            contractions[spelling] = word
        }
    }
    return contractions
}()
