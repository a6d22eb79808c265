// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A JSON object on one line.
///
/// Setting a value leaves the bytes of all others unchanged.
struct JSONObjectLine {
    private var members: [(key: String, value: [UInt8])] = []

    /// An object without members.
    init() {}

    /// Reads a line; nil if it is not a JSON object.
    init?(_ line: some Collection<UInt8>) {
        guard (try? JSONSerialization.jsonObject(with: Data(line))) is [String: Any] else {
            return nil
        }
        // The scanner relies on the text being a valid object.
        var scanner = Scanner(bytes: Array(line))
        scanner.skip("{")
        while let key = scanner.key() {
            scanner.skip(":")
            members.append((key, scanner.value()))
            scanner.skip(",")
        }
    }

    /// A string member; nil if there is none of that key and type.
    func text(_ key: String) -> String? {
        members.last(where: { $0.key == key }).flatMap {
            try? JSONDecoder().decode(String.self, from: Data($0.value))
        }
    }

    /// Whether the object has a member of that key.
    func has(_ key: String) -> Bool { members.contains { $0.key == key } }

    /// Sets a string member; a new one comes last.
    mutating func set(_ key: String, to text: String) {
        // The last of several members with the same key counts.
        if let index = members.lastIndex(where: { $0.key == key }) {
            members[index].value = Self.encoded(text)
        } else {
            members.append((key, Self.encoded(text)))
        }
    }

    /// The object without a line end.
    var bytes: [UInt8] {
        let parts = members.map { Self.encoded($0.key) + [UInt8(ascii: ":")] + $0.value }
        return Array("{".utf8) + parts.joined(separator: [UInt8(ascii: ",")]) + Array("}".utf8)
    }

    private static func encoded(_ text: String) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let data = try? encoder.encode(text) else {
            preconditionFailure("texts can be encoded")
        }
        return Array(data)
    }

    /// Scans the text of an object.
    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        mutating func skipBlanks() {
            while position < bytes.count, " \t\r\n".utf8.contains(bytes[position]) {
                position += 1
            }
        }

        /// Skips a punctuation mark, if it comes next.
        mutating func skip(_ mark: Unicode.Scalar) {
            skipBlanks()
            if position < bytes.count, bytes[position] == UInt8(ascii: mark) { position += 1 }
            skipBlanks()
        }

        mutating func key() -> String? {
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return nil }
            let start = position
            passString()
            return try? JSONDecoder().decode(String.self, from: Data(bytes[start..<position]))
        }

        /// The bytes of a value, up to the comma or brace after it.
        mutating func value() -> [UInt8] {
            let start = position
            var depth = 0
            while position < bytes.count {
                switch bytes[position] {
                case UInt8(ascii: "\""):
                    passString()
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return trimmed(start) }
                    depth -= 1
                case UInt8(ascii: ",") where depth == 0: return trimmed(start)
                default: break
                }
                position += 1
            }
            return trimmed(start)
        }

        private func trimmed(_ start: Int) -> [UInt8] {
            var value = bytes[start..<position]
            while let last = value.last, " \t\r\n".utf8.contains(last) { value.removeLast() }
            return Array(value)
        }

        private mutating func passString() {
            position += 1
            while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            position = min(position + 1, bytes.count)
        }
    }
}
