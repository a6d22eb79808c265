// SPDX-License-Identifier: Apache-2.0
import UserText

/// Why a model cannot be evaluated.
public enum EvaluationError: Error, Equatable {
    /// A file cannot be read or written.
    case file(path: String, reason: String)
    /// The questions or the earlier answers are not text.
    case text(UserTextError)
    /// A line of the questions or the answers is invalid.
    case badLine(path: String, line: Int, problem: String)
    /// Two questions have the same id.
    case sameID(path: String, id: String, line: Int, earlierLine: Int)
    /// A file is no JSON.
    case notJSON(path: String, reason: String)
    /// An entry of a published set is not what its layout says; `place` is where it stands, such as `data[3].answers`.
    case badEntry(path: String, place: String, expected: String)
    /// A published set has other files.
    case fileCount(set: String, expected: String, found: Int)
    /// None of the pictures of a published set exist; `example` is where the first was looked for.
    case noPictures(count: Int, example: String)
    /// There are no questions.
    case noQuestions(path: String)
    /// A text has fewer tokens than a window takes.
    case textTooShort(path: String, tokens: Int, window: Int)
    /// A window has more tokens than the context.
    case windowTooLong(window: Int, context: Int)
    /// The file has answers of another run.
    case otherRun(path: String, found: String, expected: String)
}

extension EvaluationError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .file(let path, let reason): "\(path): \(reason)"
        case .text(let error): "\(error)"
        case .badLine(let path, let line, let problem): "\(path), line \(line): \(problem)"
        case .sameID(let path, let id, let line, let earlierLine):
            "\(path), line \(line): its id is \(id), as that of line \(earlierLine); expected another for every question"
        case .notJSON(let path, let reason): "\(path): expected JSON: \(reason)"
        case .badEntry(let path, let place, let expected):
            "\(path)\(place.isEmpty ? "" : ", ")\(place): expected \(expected)"
        case .fileCount(let set, let expected, let found):
            "\(set) is read from \(expected), not from \(found) file\(found == 1 ? "" : "s")"
        case .noPictures(let count, let example):
            "\(example): not found, and neither are the other pictures of \(count) questions; expected their folder "
                + "by --images"
        case .noQuestions(let path): "\(path): holds no questions"
        case .textTooShort(let path, let tokens, let window):
            "\(path): has \(tokens) tokens, expected at least the \(window) of a window"
        case .windowTooLong(let window, let context):
            "a window has \(window) tokens, expected at most the \(context) of the context"
        case .otherRun(let path, let found, let expected):
            "\(path): holds answers of \(found), not of \(expected)"
        }
    }
}
