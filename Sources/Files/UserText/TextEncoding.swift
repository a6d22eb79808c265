// SPDX-License-Identifier: Apache-2.0

/// The encoding of a text, recognised by its byte order mark.
enum TextEncoding {
    case utf8
    case utf16LittleEndian
    case utf16BigEndian

    /// UTF-16 without a mark is recognised by this many Latin characters.
    ///
    /// Fewer could be a list of short names between NULs.
    private static let tellingUnits = 4

    /// The encoding of a text and the length of its byte order mark.
    ///
    /// - Throws: `UserTextError.otherEncoding` for UTF-32, and for UTF-16 without a mark.
    static func recognized(
        in bytes: [UInt8], place: String
    ) throws(UserTextError) -> (encoding: TextEncoding, markLength: Int) {
        if bytes.starts(with: [0xFF, 0xFE, 0, 0]) || bytes.starts(with: [0, 0, 0xFE, 0xFF]) {
            throw .otherEncoding(place: place, name: "UTF-32")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return (.utf8, 3) }
        if bytes.starts(with: [0xFF, 0xFE]) { return (.utf16LittleEndian, 2) }
        if bytes.starts(with: [0xFE, 0xFF]) { return (.utf16BigEndian, 2) }
        if isUTF16WithoutMark(bytes) {
            throw .otherEncoding(place: place, name: "UTF-16 without a byte order mark")
        }
        return (.utf8, 0)
    }

    /// Whether every other byte at the start is a NUL.
    private static func isUTF16WithoutMark(_ bytes: [UInt8]) -> Bool {
        let start = bytes.prefix(2 * tellingUnits)
        guard start.count == 2 * tellingUnits else { return false }
        let zeros = start.map { $0 == 0 }
        let alternating = (0..<zeros.count).map { $0 % 2 == 1 }
        return zeros == alternating || zeros == alternating.map(!)
    }

    /// Converts UTF-16 after a mark of two bytes to UTF-8.
    ///
    /// - Throws: `UserTextError.notUTF16` with the offset of the first invalid code unit.
    static func utf8(
        fromUTF16 bytes: [UInt8], isBigEndian: Bool, place: String
    ) throws(UserTextError) -> [UInt8] {
        var units = stride(from: 2, to: bytes.count - 1, by: 2).lazy.map { index in
            let (low, high) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            return isBigEndian ? low << 8 | high : high << 8 | low
        }.makeIterator()
        var decoder = UTF16()
        var (text, offset) = ([UInt8](), 2)
        while true {
            switch decoder.decode(&units) {
            case .scalarValue(let scalar):
                text += UTF8.encode(scalar).map(Array.init) ?? []
                offset += 2 * UTF16.width(scalar)
            case .emptyInput:
                guard bytes.count % 2 == 0 else { throw .notUTF16(place: place, offset: offset) }
                return text
            case .error: throw .notUTF16(place: place, offset: offset)
            }
        }
    }
}
