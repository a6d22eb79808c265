// SPDX-License-Identifier: Apache-2.0
import GGUF

/// Why a vocabulary cannot be used, or a prompt cannot be built.
public enum TokenizationError: Error, Equatable {
    /// The metadata lacks a key or holds another type than expected.
    case metadata(GGUFError)
    /// A key names something that is not implemented.
    case unsupported(file: String, key: String, value: String, supported: [String])
    /// An array that describes the tokens does not have one element per token.
    case lengthMismatch(file: String, key: String, expected: Int, found: Int)
    /// An element of an array breaks a rule.
    case malformed(file: String, key: String, index: Int, problem: String)
    /// A key names a token that the vocabulary does not have.
    case tokenOutOfRange(file: String, key: String, token: Int, count: Int)
    /// Two tokens have the same text.
    case duplicate(file: String, first: Int, second: Int, text: String)
    /// Neither the metadata nor the vocabulary identifies the template that the model was trained with.
    case unknownTemplate(file: String, choices: [String])
    /// The vocabulary lacks a token of the chosen template.
    case templateNeedsToken(file: String, template: String, token: String)
    /// The number of markers in the prompt differs from the number of pictures.
    case pictureCount(markers: Int, pictures: Int)
}

extension TokenizationError: CustomStringConvertible {
    /// One line that names the file, the place and what was expected.
    public var description: String {
        switch self {
        case .metadata(let error):
            "\(error)"
        case .unsupported(let file, let key, let value, let supported):
            "\(file): metadata '\(key)' is '\(value)', which is not supported; supported: "
                + supported.joined(separator: ", ")
        case .lengthMismatch(let file, let key, let expected, let found):
            "\(file): metadata '\(key)' has \(found) elements, expected \(expected), one per token"
        case .malformed(let file, let key, let index, let problem):
            "\(file): metadata '\(key)', element \(index): \(problem)"
        case .tokenOutOfRange(let file, let key, let token, let count):
            "\(file): metadata '\(key)' names token \(token), but the vocabulary has \(count) tokens"
        case .duplicate(let file, let first, let second, let text):
            "\(file): tokens \(first) and \(second) have the same text '\(text)'"
        case .unknownTemplate(let file, let choices):
            "\(file): cannot tell the chat template from the metadata; choose one of "
                + choices.joined(separator: ", ")
        case .templateNeedsToken(let file, let template, let token):
            "\(file): the template '\(template)' needs the token '\(token)', which the vocabulary "
                + "does not have"
        case .pictureCount(let markers, let pictures):
            "the prompt places \(markers) picture(s) with <image>, but \(pictures) were given"
        }
    }
}
