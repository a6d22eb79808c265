// SPDX-License-Identifier: Apache-2.0

/// A metadata value with the type that the file gives it.
public enum GGUFValue: Sendable, Equatable {
    /// An unsigned 8-bit integer.
    case uint8(UInt8)
    /// A signed 8-bit integer.
    case int8(Int8)
    /// An unsigned 16-bit integer.
    case uint16(UInt16)
    /// A signed 16-bit integer.
    case int16(Int16)
    /// An unsigned 32-bit integer.
    case uint32(UInt32)
    /// A signed 32-bit integer.
    case int32(Int32)
    /// A single-precision number.
    case float32(Float)
    /// A truth value.
    case bool(Bool)
    /// A UTF-8 string.
    case string(String)
    /// A list of values of one type.
    case array(GGUFArray)
    /// An unsigned 64-bit integer.
    case uint64(UInt64)
    /// A signed 64-bit integer.
    case int64(Int64)
    /// A double-precision number.
    case float64(Double)

    /// The type of the value.
    public var type: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string: .string
        case .array: .array
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }
}

/// The elements of a metadata array.
///
/// All have the same type, and arrays do not nest.
public enum GGUFArray: Sendable, Equatable {
    /// Unsigned 8-bit integers.
    case uint8([UInt8])
    /// Signed 8-bit integers.
    case int8([Int8])
    /// Unsigned 16-bit integers.
    case uint16([UInt16])
    /// Signed 16-bit integers.
    case int16([Int16])
    /// Unsigned 32-bit integers.
    case uint32([UInt32])
    /// Signed 32-bit integers.
    case int32([Int32])
    /// Single-precision numbers.
    case float32([Float])
    /// Truth values.
    case bool([Bool])
    /// UTF-8 strings.
    case string([String])
    /// Unsigned 64-bit integers.
    case uint64([UInt64])
    /// Signed 64-bit integers.
    case int64([Int64])
    /// Double-precision numbers.
    case float64([Double])

    /// The type of the elements.
    public var elementType: GGUFValueType {
        switch self {
        case .uint8: .uint8
        case .int8: .int8
        case .uint16: .uint16
        case .int16: .int16
        case .uint32: .uint32
        case .int32: .int32
        case .float32: .float32
        case .bool: .bool
        case .string: .string
        case .uint64: .uint64
        case .int64: .int64
        case .float64: .float64
        }
    }

    /// The number of elements.
    public var count: Int {
        switch self {
        case .uint8(let elements): elements.count
        case .int8(let elements): elements.count
        case .uint16(let elements): elements.count
        case .int16(let elements): elements.count
        case .uint32(let elements): elements.count
        case .int32(let elements): elements.count
        case .float32(let elements): elements.count
        case .bool(let elements): elements.count
        case .string(let elements): elements.count
        case .uint64(let elements): elements.count
        case .int64(let elements): elements.count
        case .float64(let elements): elements.count
        }
    }
}

/// The type of a metadata value; the raw value is its number in the file.
public enum GGUFValueType: UInt32, CaseIterable, Sendable {
    case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64
    case float64

    /// The name that the format's specification and its tools use.
    public var name: String {
        switch self {
        case .uint8: "u8"
        case .int8: "i8"
        case .uint16: "u16"
        case .int16: "i16"
        case .uint32: "u32"
        case .int32: "i32"
        case .float32: "f32"
        case .bool: "bool"
        case .string: "str"
        case .array: "arr"
        case .uint64: "u64"
        case .int64: "i64"
        case .float64: "f64"
        }
    }
}

extension GGUFValue {
    /// The type as llama.cpp's tools print it: `u32`, or `arr[str,32000]` for an array.
    public var typeName: String {
        guard case .array(let array) = self else { return type.name }
        return "arr[\(array.elementType.name),\(array.count)]"
    }
}

extension GGUFArray {
    /// The first `limit` elements, or all when there are fewer.
    public func prefix(_ limit: Int) -> [GGUFValue] {
        switch self {
        case .uint8(let elements): elements.prefix(limit).map(GGUFValue.uint8)
        case .int8(let elements): elements.prefix(limit).map(GGUFValue.int8)
        case .uint16(let elements): elements.prefix(limit).map(GGUFValue.uint16)
        case .int16(let elements): elements.prefix(limit).map(GGUFValue.int16)
        case .uint32(let elements): elements.prefix(limit).map(GGUFValue.uint32)
        case .int32(let elements): elements.prefix(limit).map(GGUFValue.int32)
        case .float32(let elements): elements.prefix(limit).map(GGUFValue.float32)
        case .bool(let elements): elements.prefix(limit).map(GGUFValue.bool)
        case .string(let elements): elements.prefix(limit).map(GGUFValue.string)
        case .uint64(let elements): elements.prefix(limit).map(GGUFValue.uint64)
        case .int64(let elements): elements.prefix(limit).map(GGUFValue.int64)
        case .float64(let elements): elements.prefix(limit).map(GGUFValue.float64)
        }
    }
}
