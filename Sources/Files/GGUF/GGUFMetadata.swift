// SPDX-License-Identifier: Apache-2.0

/// The key-value pairs at the head of a GGUF file.
///
/// The typed getters return nil for an absent key and throw `GGUFError.wrongType` for a value of
/// another kind.
public struct GGUFMetadata: Sendable {
    /// The file that the pairs come from, for messages.
    public let fileName: String

    /// All pairs, in the order of the file.
    public let entries: [(key: String, value: GGUFValue)]

    /// Positions in `entries`, by the bytes of the key: `String` equates canonically equivalent texts.
    private let positions: [[UInt8]: Int]

    init(fileName: String, entries: [(key: String, value: GGUFValue)], positions: [[UInt8]: Int]) {
        self.fileName = fileName
        self.entries = entries
        self.positions = positions
    }

    /// The value of a key, or nil.
    public subscript(key: String) -> GGUFValue? {
        positions[Array(key.utf8)].map { entries[$0].value }
    }

    /// A string.
    public func string(_ key: String) throws(GGUFError) -> String? {
        try value(key, "a string") { if case .string(let value) = $0 { value } else { nil } }
    }

    /// A truth value.
    public func bool(_ key: String) throws(GGUFError) -> Bool? {
        try value(key, "a bool") { if case .bool(let value) = $0 { value } else { nil } }
    }

    /// An array of truth values.
    public func bools(_ key: String) throws(GGUFError) -> [Bool]? {
        try array(key, "an array of bools") { array in
            if case .bool(let elements) = array { Array(elements) } else { nil }
        }
    }

    /// An integer of any width that fits `Int`.
    public func integer(_ key: String) throws(GGUFError) -> Int? {
        try value(key, "an integer") { $0.integer }
    }

    /// A number of any type, rounded to single precision.
    public func float(_ key: String) throws(GGUFError) -> Float? {
        try value(key, "a number") { value in
            switch value {
            case .float32(let number): number
            case .float64(let number): Float(number)
            default: value.integer.map(Float.init)
            }
        }
    }

    /// An array of strings.
    public func strings(_ key: String) throws(GGUFError) -> [String]? {
        try array(key, "an array of strings") {
            if case .string(let elements) = $0 { elements } else { nil }
        }
    }

    /// An array of integers of any one width.
    public func integers(_ key: String) throws(GGUFError) -> [Int]? {
        try array(key, "an array of integers") { $0.integers }
    }

    /// An array of numbers of any one type, rounded to single precision.
    public func floats(_ key: String) throws(GGUFError) -> [Float]? {
        try array(key, "an array of numbers") { array in
            switch array {
            case .float32(let elements): elements
            case .float64(let elements): elements.map { Float($0) }
            default: array.integers?.map { Float($0) }
            }
        }
    }

    /// The value that a getter finds, such as `required("llama.block_count", metadata.integer)`.
    ///
    /// - Throws: `GGUFError.missingKey` when the key is absent, and the errors of the getter.
    public func required<Value>(
        _ key: String, _ getter: (String) throws(GGUFError) -> Value?
    ) throws(GGUFError) -> Value {
        guard let value = try getter(key) else {
            throw .missingKey(file: fileName, key: key)
        }
        return value
    }

    private func value<Value>(
        _ key: String, _ expected: String, _ convert: (GGUFValue) -> Value?
    ) throws(GGUFError) -> Value? {
        guard let stored = self[key] else { return nil }
        guard let converted = convert(stored) else {
            throw .wrongType(
                file: fileName, key: key, expected: expected, found: stored.typeName)
        }
        return converted
    }

    private func array<Value>(
        _ key: String, _ expected: String, _ convert: (GGUFArray) -> [Value]?
    ) throws(GGUFError) -> [Value]? {
        try value(key, expected) { if case .array(let array) = $0 { convert(array) } else { nil } }
    }
}

extension GGUFValue {
    /// The value of an integer type; nil for other types and for unsigned values above `Int.max`.
    fileprivate var integer: Int? {
        switch self {
        case .uint8(let value): Int(value)
        case .int8(let value): Int(value)
        case .uint16(let value): Int(value)
        case .int16(let value): Int(value)
        case .uint32(let value): Int(value)
        case .int32(let value): Int(value)
        case .uint64(let value): Int(exactly: value)
        case .int64(let value): Int(value)
        case .float32, .float64, .bool, .string, .array: nil
        }
    }
}

extension GGUFArray {
    /// The elements of an integer type; nil for other types and unsigned values above `Int.max`.
    fileprivate var integers: [Int]? {
        switch self {
        case .uint8(let elements): elements.map { Int($0) }
        case .int8(let elements): elements.map { Int($0) }
        case .uint16(let elements): elements.map { Int($0) }
        case .int16(let elements): elements.map { Int($0) }
        case .uint32(let elements): elements.map { Int($0) }
        case .int32(let elements): elements.map { Int($0) }
        case .uint64(let elements):
            elements.allSatisfy { $0 <= Int.max } ? elements.map { Int($0) } : nil
        case .int64(let elements): elements.map { Int($0) }
        case .float32, .float64, .bool, .string: nil
        }
    }
}
