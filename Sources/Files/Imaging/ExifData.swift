// SPDX-License-Identifier: Apache-2.0

/// The first directory of EXIF data (a TIFF structure), for its orientation.
///
/// It is read as Pillow reads it (`TiffImagePlugin.ImageFileDirectory_v2`): numbers may have any type, and an
/// entry whose value lies beyond the end ends the directory.
struct ExifData {
    private let bytes: ArraySlice<UInt8>
    private let isBigEndian: Bool

    /// Nil unless the bytes, after up to two signatures, are a TIFF structure.
    init?(_ data: [UInt8]) {
        let signature = Array("Exif\0\0".utf8)
        var rest = data[...]
        for _ in 0..<2 where rest.starts(with: signature) { rest = rest.dropFirst(signature.count) }
        bytes = rest
        isBigEndian = rest.starts(with: "MM".utf8)
        // Some cameras write the number 42 in the other byte order.
        let magics = ["MM\0*", "MM*\0", "II*\0", "II\0*"]
        guard rest.count >= 8, magics.contains(where: { rest.starts(with: $0.utf8) }) else {
            return nil
        }
    }

    /// The value of the orientation tag: nil without the tag, 0 if the value is not an integer.
    var orientation: Int? { firstValue(ofTag: 0x0112) }

    /// The number of bytes in a value of each type.
    private static let valueBytes = [
        1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
    ]

    private func firstValue(ofTag wanted: Int) -> Int? {
        guard let directory = number(at: 4, length: 4),
            let count = number(at: directory, length: 2)
        else { return nil }
        var storedApart = 0
        for entry in 0..<count {
            let start = directory + 2 + entry * 12
            guard let tag = number(at: start, length: 2),
                let type = number(at: start + 2, length: 2),
                let values = number(at: start + 4, length: 4),
                let offset = number(at: start + 8, length: 4)
            else { return nil }
            guard let size = Self.valueBytes[type].map({ $0 * values }), size > 0 else { continue }
            if size > 4 {
                storedApart += size
                // Values longer than the data together are skipped. A value beyond the end ends the directory.
                guard storedApart <= bytes.count else { continue }
                guard offset + size <= bytes.count else { return nil }
            }
            if tag == wanted { return value(ofType: type, at: size > 4 ? offset : start + 8) }
        }
        return nil
    }

    /// An integer value; 0 for values of other types.
    private func value(ofType type: Int, at offset: Int) -> Int {
        func bits(_ length: Int, at place: Int) -> Int { number(at: place, length: length) ?? 0 }
        func ratio(_ numerator: Int, _ denominator: Int) -> Int {
            denominator != 0 && numerator % denominator == 0 ? numerator / denominator : 0
        }
        func whole(_ number: Double) -> Int { Int(exactly: number) ?? 0 }
        return switch type {
        case 3: bits(2, at: offset)
        case 4, 13: bits(4, at: offset)
        case 5: ratio(bits(4, at: offset), bits(4, at: offset + 4))
        case 6: Int(Int8(truncatingIfNeeded: bits(1, at: offset)))
        case 8: Int(Int16(truncatingIfNeeded: bits(2, at: offset)))
        case 9: Int(Int32(truncatingIfNeeded: bits(4, at: offset)))
        case 10:
            ratio(
                Int(Int32(truncatingIfNeeded: bits(4, at: offset))),
                Int(Int32(truncatingIfNeeded: bits(4, at: offset + 4))))
        case 11:
            whole(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits(4, at: offset)))))
        case 12: whole(Double(bitPattern: UInt64(bitPattern: Int64(bits(8, at: offset)))))
        case 16: bits(8, at: offset)
        default: 0
        }
    }

    /// An unsigned number; nil beyond the end.
    ///
    /// Numbers of eight bytes keep their bit pattern.
    private func number(at offset: Int, length: Int) -> Int? {
        let field = bytes.dropFirst(offset).prefix(length)
        guard field.count == length else { return nil }
        return isBigEndian
            ? field.reduce(0) { $0 << 8 | Int($1) }
            : field.reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
