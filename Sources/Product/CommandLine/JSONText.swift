// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// A value as JSON on one line, with sorted keys.
///
/// Non-finite numbers are the strings "inf", "-inf" and "nan".
func jsonText(
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
func jsonOutput(
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
