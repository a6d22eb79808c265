// SPDX-License-Identifier: Apache-2.0

extension ByteReader {
    /// The key-value pairs of a header.
    mutating func metadata(count: UInt64) throws(GGUFError) -> GGUFMetadata {
        var entries: [(key: String, value: GGUFValue)] = []
        var positions: [[UInt8]: Int] = [:]
        for index in 0..<count {
            let start = offset
            let key = try string("the key of metadata pair \(index)")
            guard !key.isEmpty else {
                throw malformed(at: start, "the key of metadata pair \(index)", "is empty")
            }
            guard positions.updateValue(entries.count, forKey: Array(key.utf8)) == nil else {
                throw malformed(at: start, "metadata '\(key)'", "the key occurs twice")
            }
            let type = try valueType("metadata '\(key)'")
            entries.append((key, try value(of: type, "metadata '\(key)'")))
        }
        return GGUFMetadata(fileName: file.path, entries: entries, positions: positions)
    }

    private mutating func valueType(_ place: String) throws(GGUFError) -> GGUFValueType {
        let start = offset
        let number: UInt32 = try integer("the type of \(place)")
        guard let type = GGUFValueType(rawValue: number) else {
            throw malformed(at: start, place, "has the unknown value type \(number)")
        }
        return type
    }

    private mutating func value(
        of type: GGUFValueType, _ place: String
    ) throws(GGUFError) -> GGUFValue {
        switch type {
        case .uint8: .uint8(try integer(place))
        case .int8: .int8(try integer(place))
        case .uint16: .uint16(try integer(place))
        case .int16: .int16(try integer(place))
        case .uint32: .uint32(try integer(place))
        case .int32: .int32(try integer(place))
        case .float32: .float32(Float(bitPattern: try integer(place)))
        case .bool: .bool(try truthValues(count: 1, place)[0])
        case .string: .string(try string(place))
        case .array: .array(try array(place))
        case .uint64: .uint64(try integer(place))
        case .int64: .int64(try integer(place))
        case .float64: .float64(Double(bitPattern: try integer(place)))
        }
    }

    private mutating func array(_ place: String) throws(GGUFError) -> GGUFArray {
        let typeOffset = offset
        let type = try valueType("the elements of \(place)")
        let countOffset = offset
        let stored: UInt64 = try integer("the length of \(place)")
        guard stored <= GGUFLimits.arrayElements else {
            throw malformed(
                at: countOffset, place,
                "an array of \(stored) elements, expected at most \(GGUFLimits.arrayElements)")
        }
        let count = Int(stored)
        switch type {
        case .uint8: return .uint8(try integers(UInt8.self, count: count, place))
        case .int8: return .int8(try integers(Int8.self, count: count, place))
        case .uint16: return .uint16(try integers(UInt16.self, count: count, place))
        case .int16: return .int16(try integers(Int16.self, count: count, place))
        case .uint32: return .uint32(try integers(UInt32.self, count: count, place))
        case .int32: return .int32(try integers(Int32.self, count: count, place))
        case .float32:
            let bits = try integers(UInt32.self, count: count, place)
            return .float32(bits.map { Float(bitPattern: $0) })
        case .bool: return .bool(try truthValues(count: count, place))
        case .string: return .string(try strings(count: count, place))
        case .array:
            throw malformed(at: typeOffset, place, "arrays of arrays are not allowed")
        case .uint64: return .uint64(try integers(UInt64.self, count: count, place))
        case .int64: return .int64(try integers(Int64.self, count: count, place))
        case .float64:
            let bits = try integers(UInt64.self, count: count, place)
            return .float64(bits.map { Double(bitPattern: $0) })
        }
    }

    private mutating func truthValues(count: Int, _ place: String) throws(GGUFError) -> [Bool] {
        let start = offset
        let bytes = try integers(UInt8.self, count: count, place)
        if let index = bytes.firstIndex(where: { $0 > 1 }) {
            throw malformed(
                at: start + index, place, "a bool is stored as \(bytes[index]), expected 0 or 1")
        }
        return bytes.map { $0 == 1 }
    }

    private mutating func strings(count: Int, _ place: String) throws(GGUFError) -> [String] {
        // Every string takes at least the eight bytes of its length.
        try require(UInt64(count) * 8, place)
        var elements: [String] = []
        elements.reserveCapacity(count)
        for index in 0..<count {
            elements.append(try string("element \(index) of \(place)"))
        }
        return elements
    }
}
