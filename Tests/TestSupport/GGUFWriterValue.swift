// SPDX-License-Identifier: Apache-2.0

/// A metadata value as `GGUFWriter` stores it: ggml's type number and the encoded bytes.
public struct GGUFWriterValue: Sendable {
    let type: UInt32
    let image: GGUFImage

    /// Any type number with any bytes.
    public static func raw(type: UInt32, _ bytes: [UInt8]) -> Self {
        var image = GGUFImage()
        image.append(bytes)
        return Self(type: type, image: image)
    }

    /// A u8.
    public static func uint8(_ value: UInt8) -> Self { raw(type: 0, [value]) }
    /// An i8.
    public static func int8(_ value: Int8) -> Self { raw(type: 1, littleEndianBytes(value)) }
    /// A u16.
    public static func uint16(_ value: UInt16) -> Self { raw(type: 2, littleEndianBytes(value)) }
    /// An i16.
    public static func int16(_ value: Int16) -> Self { raw(type: 3, littleEndianBytes(value)) }
    /// A u32.
    public static func uint32(_ value: UInt32) -> Self { raw(type: 4, littleEndianBytes(value)) }
    /// An i32.
    public static func int32(_ value: Int32) -> Self { raw(type: 5, littleEndianBytes(value)) }
    /// An f32.
    public static func float32(_ value: Float) -> Self {
        raw(type: 6, littleEndianBytes(value.bitPattern))
    }
    /// A bool.
    public static func bool(_ value: Bool) -> Self { raw(type: 7, [value ? 1 : 0]) }
    /// A string.
    public static func string(_ value: String) -> Self {
        var image = GGUFImage()
        image.append(text: value, field: "text")
        return Self(type: 8, image: image)
    }
    /// A u64.
    public static func uint64(_ value: UInt64) -> Self { raw(type: 10, littleEndianBytes(value)) }
    /// An i64.
    public static func int64(_ value: Int64) -> Self { raw(type: 11, littleEndianBytes(value)) }
    /// An f64.
    public static func float64(_ value: Double) -> Self {
        raw(type: 12, littleEndianBytes(value.bitPattern))
    }

    /// An array of strings.
    public static func strings(_ values: [String]) -> Self { array(of: 8, values.map(string)) }
    /// An array of bools.
    public static func bools(_ values: [Bool]) -> Self { array(of: 7, values.map(bool)) }
    /// An array of i32.
    public static func int32s(_ values: [Int32]) -> Self { array(of: 5, values.map(int32)) }
    /// An array of f32.
    public static func float32s(_ values: [Float]) -> Self { array(of: 6, values.map(float32)) }

    /// An array whose elements have the given type number.
    public static func array(of type: UInt32, _ elements: [Self]) -> Self {
        var image = GGUFImage()
        image.append(type, field: "element type")
        image.append(UInt64(elements.count), field: "element count")
        for (index, element) in elements.enumerated() {
            image.append(element.image, named: "element \(index)")
        }
        return Self(type: 9, image: image)
    }
}
