// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TokenPruning

/// What automatic budgets leave of one model's answers, measured on its user's own questions.
///
/// It lies beside the text model, and every command that loads the model follows it. `trimllava eval --calibrate` writes it.
public struct Calibration: Sendable, Equatable {
    /// What was left of the unpruned answers, by the tokens that were kept.
    public let rule: AutomaticRule
    /// The selector that was measured.
    public let selector: String
    /// The number of questions.
    public let questions: Int

    /// A calibration by these measurements.
    public init(rule: AutomaticRule, selector: String, questions: Int) {
        (self.rule, self.selector, self.questions) = (rule, selector, questions)
    }

    /// Where the calibration of a text model lies: `llava.auto.json` for `llava.gguf`.
    public static func path(beside text: String) -> String {
        FilePath(text).withoutExtension.adding(".auto.json").text
    }

    /// The most bytes of a file; a calibration has some hundred.
    private static let mostBytes = 1 << 16

    /// Reads the calibration of a text model.
    ///
    /// - Returns: nil where there is none.
    /// - Throws: `CalibrationError` for a file that is none, or cannot be read.
    public static func read(beside text: String) throws(CalibrationError) -> Calibration? {
        let path = path(beside: text)
        let file: MappedFile
        do {
            file = try MappedFile(path: path)
        } catch .missing {
            return nil
        } catch .unreadable(let reason) {
            throw .unreadable(path: path, reason: reason)
        } catch {
            throw .malformed(path: path)
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard file.bytes.count <= mostBytes,
            let content = try? decoder.decode(Content.self, from: Data(file.bytes)),
            content.schemaVersion == OutputSchema.version,
            let rule = AutomaticRule(measured: content.points)
        else { throw .malformed(path: path) }
        return Calibration(rule: rule, selector: content.selector, questions: content.questions)
    }

    /// The file's text.
    package func json() throws -> String {
        try jsonOutput(
            Content(
                schemaVersion: OutputSchema.version, selector: selector, questions: questions,
                points: rule.points))
    }

    /// The fields of the file.
    private struct Content: Codable {
        let schemaVersion: Int
        let selector: String
        let questions: Int
        let points: [AutomaticRule.Point]
    }
}

/// Why the file in the place of a calibration is not followed.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
    /// The system refuses it; the reason says why.
    case unreadable(path: String, reason: String)
    /// It does not hold a calibration.
    case malformed(path: String)

    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .malformed(let path):
            "\(path) is no calibration of automatic budgets, expected what eval --calibrate writes"
        }
    }
}
