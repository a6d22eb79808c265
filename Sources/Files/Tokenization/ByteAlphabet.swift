// SPDX-License-Identifier: Apache-2.0

/// The printable characters that byte-level vocabularies write bytes as, first used by GPT-2.
///
/// The visible characters of Latin-1 stand for themselves. The other 68 bytes, in order, are written as U+0100
/// and the characters after it.
enum ByteAlphabet {
    private static let visible: [ClosedRange<UInt8>] = [33...126, 161...172, 174...255]

    /// The byte of each scalar value; -1 for values that are not in the alphabet.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 256 + 68)
        var next = 256
        for byte in UInt8.min...UInt8.max {
            if visible.contains(where: { $0.contains(byte) }) {
                bytes[Int(byte)] = Int16(byte)
            } else {
                bytes[next] = Int16(byte)
                next += 1
            }
        }
        return bytes
    }()

    /// The bytes that `piece` stands for; nil if one of its characters is not in the alphabet.
    static func decode(_ piece: String) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(piece.utf8.count)
        for scalar in piece.unicodeScalars {
            guard scalar.value < bytes.count, bytes[Int(scalar.value)] >= 0 else { return nil }
            decoded.append(UInt8(bytes[Int(scalar.value)]))
        }
        return decoded
    }
}
