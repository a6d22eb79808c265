// SPDX-License-Identifier: Apache-2.0
import Foundation
import Weights

/// The fields of everything that is written for other programs.
///
/// `docs/output.md` describes them.
package enum OutputSchema {
    /// Rises when a field changes its name or its meaning.
    ///
    /// New fields leave it as it is.
    package static let version = 1

    /// Seconds as they are written: to the microsecond.
    package static func seconds(_ seconds: Double) -> Double { rounded(seconds, parts: 1e6) }

    /// A rate as it is written: to a thousandth.
    package static func rate(_ perSecond: Double) -> Double { rounded(perSecond, parts: 1e3) }

    /// A number to some parts of 1; larger ones than have such parts stay as they are.
    private static func rounded(_ number: Double, parts: Double) -> Double {
        let scaled = number * parts
        return scaled.magnitude < 0x1p53 ? scaled.rounded() / parts : number
    }
}

/// A value as JSON on one line, with sorted keys.
///
/// Non-finite numbers are the strings "inf", "-inf" and "nan".
package func jsonText(
    _ value: some Encodable, keys: JSONEncoder.KeyEncodingStrategy = .useDefaultKeys
) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = keys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// The line of JSON that a command writes for scripts: an object with the fields of `value` and the versions of
/// the schema and the program.
package func jsonOutput(
    _ value: some Encodable, keys: JSONEncoder.KeyEncodingStrategy = .convertToSnakeCase
) throws -> String {
    try jsonText(VersionedOutput(content: value), keys: keys) + "\n"
}

/// The fields of an object, and the versions of the schema and the program.
private struct VersionedOutput<Content: Encodable>: Encodable {
    let content: Content

    private enum Field: String, CodingKey {
        case schemaVersion = "schema_version"
        case trimllavaVersion = "trimllava_version"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Field.self)
        try container.encode(OutputSchema.version, forKey: .schemaVersion)
        try container.encode(Release.version, forKey: .trimllavaVersion)
        try content.encode(to: encoder)
    }
}
