// SPDX-License-Identifier: Apache-2.0

/// Why a GGUF file was refused, or why its metadata does not answer a question.
///
/// Every case names the file; offsets count bytes from its start.
public enum GGUFError: Error, Equatable {
    /// The file cannot be opened, is not a regular file, is empty or cannot be mapped.
    case unreadable(file: String, reason: String)
    /// The file does not start with `GGUF`.
    ///
    /// `start` holds its first bytes, `kind` the format they belong to.
    case notGGUF(file: String, start: [UInt8], kind: ForeignFile?)
    /// The file is written in big-endian byte order.
    case bigEndian(file: String)
    /// The file's version of the format is neither 2 nor 3.
    case unsupportedVersion(file: String, version: UInt32)
    /// The file ends before `needed` bytes of `place` at `offset`.
    case truncated(file: String, offset: Int, place: String, needed: UInt64, available: Int)
    /// The bytes of `place` at `offset` break a rule of the format.
    case malformed(file: String, offset: Int, place: String, problem: String)
    /// A tensor's element type has no decoder here; `type` is ggml's name or number.
    case unsupportedTensorType(file: String, tensor: String, type: String)
    /// The parts of a split file do not fit together.
    case split(file: String, problem: String)
    /// A metadata key that is needed is absent.
    case missingKey(file: String, key: String)
    /// A metadata value has another type than the one asked for.
    case wrongType(file: String, key: String, expected: String, found: String)
    /// A tensor that is needed is absent.
    case missingTensor(file: String, tensor: String)
}

extension GGUFError: CustomStringConvertible {
    /// One line that names the file, the place and what was expected.
    public var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "\(file): \(reason)"
        case .notGGUF(let file, _, let kind?):
            "\(file): not a GGUF file, but \(kind)"
        case .notGGUF(let file, let start, nil):
            "\(file): not a GGUF file: it starts with bytes \(hexadecimal(start)), expected "
                + "47 47 55 46 (\"GGUF\")"
        case .bigEndian(let file):
            "\(file): the file is big-endian; only little-endian GGUF files can be read"
        case .unsupportedVersion(let file, let version):
            "\(file): GGUF version \(version) at byte 4, expected 2 or 3"
        case .truncated(let file, let offset, let place, let needed, let available):
            "\(file): the file ends in \(place) at byte \(offset): \(needed) bytes needed, "
                + "\(available) left; it is corrupted or incomplete"
        case .malformed(let file, let offset, let place, let problem):
            "\(file): \(place) at byte \(offset): \(problem)"
        case .unsupportedTensorType(let file, let tensor, let type):
            "\(file): tensor '\(tensor)' has the unsupported type \(type)"
        case .split(let file, let problem):
            "\(file): \(problem)"
        case .missingKey(let file, let key):
            "\(file): the metadata lacks the key '\(key)'"
        case .wrongType(let file, let key, let expected, let found):
            "\(file): metadata '\(key)' is \(found), expected \(expected)"
        case .missingTensor(let file, let tensor):
            "\(file): the tensor '\(tensor)' is missing"
        }
    }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return bytes.map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined(separator: " ")
}
