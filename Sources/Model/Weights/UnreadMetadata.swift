// SPDX-License-Identifier: Apache-2.0
import GGUF

/// The metadata keys that a configuration does not read, and their effects.
///
/// A key whose value changes what the model computes is refused by name, because answers would
/// silently be wrong. An unknown key is reported.
package struct UnreadMetadata {
    /// What a key means.
    package enum Rule {
        /// A configuration reads it.
        case read
        /// It does not change the computation.
        case harmless
        /// It changes the computation unless each of its numbers is one of these; true counts as 1.
        case off([Float])
    }

    /// What all keys start with: the architecture's name.
    package let prefix: String
    /// The keys without their prefix; one that ends in a full stop stands for all that start with it.
    package let rules: [String: Rule]

    package init(prefix: String, rules: [String: Rule]) {
        (self.prefix, self.rules) = (prefix, rules)
    }

    /// The most keys that a warning names.
    private static let mostNamed = 6

    /// Checks all keys of a file that start with the prefix.
    ///
    /// - Returns: a warning if there are unknown keys.
    /// - Throws: `ModelError.unsupported` for a key that changes the computation.
    package func check(_ metadata: GGUFMetadata) throws(ModelError) -> [String] {
        var unknown: [String] = []
        for entry in metadata.entries where entry.key.hasPrefix("\(prefix).") {
            switch rule(for: String(entry.key.dropFirst(prefix.count + 1))) {
            case .read, .harmless: continue
            case .off(let neutral): try check(entry.key, entry.value, neutral, metadata)
            case nil: unknown.append(entry.key)
            }
        }
        guard !unknown.isEmpty else { return [] }
        let named = unknown.prefix(Self.mostNamed).joined(separator: ", ")
        let more = unknown.count > Self.mostNamed ? ", …" : ""
        let noun = unknown.count == 1 ? "key" : "keys"
        return [
            "\(metadata.fileName): \(unknown.count) unknown metadata \(noun), not considered: "
                + "\(named)\(more)"
        ]
    }

    private func rule(for key: String) -> Rule? {
        if let rule = rules[key] { return rule }
        return rules.first { $0.key.hasSuffix(".") && key.hasPrefix($0.key) }?.value
    }

    private func check(
        _ key: String, _ value: GGUFValue, _ neutral: [Float], _ metadata: GGUFMetadata
    ) throws(ModelError) {
        func isNeutral(_ number: Float) -> Bool {
            // Numbers that were rounded on their way to the file still count.
            neutral.contains { abs($0 - number) <= 1e-5 * abs($0) }
        }
        let numbers = value.numbers
        if let numbers, numbers.allSatisfy(isNeutral) { return }
        let text = numbers.map { $0.prefix(8).map { "\($0)" }.joined(separator: ", ") }
        throw .unsupported(
            file: metadata.fileName, key: key, value: text ?? "of type \(value.typeName)",
            supported: neutral.map { "\($0)" }.joined(separator: ", "))
    }
}

extension GGUFValue {
    /// The value's numbers, or nil for texts.
    fileprivate var numbers: [Float]? {
        switch self {
        case .uint8(let number): [Float(number)]
        case .int8(let number): [Float(number)]
        case .uint16(let number): [Float(number)]
        case .int16(let number): [Float(number)]
        case .uint32(let number): [Float(number)]
        case .int32(let number): [Float(number)]
        case .uint64(let number): [Float(number)]
        case .int64(let number): [Float(number)]
        case .float32(let number): [number]
        case .float64(let number): [Float(number)]
        case .bool(let isTrue): [isTrue ? 1 : 0]
        case .string: nil
        case .array(let array):
            array.elementType == .string
                ? nil : array.prefix(array.count).flatMap { $0.numbers ?? [] }
        }
    }
}
