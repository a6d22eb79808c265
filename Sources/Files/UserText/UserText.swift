// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the user's texts: prompts, lists, questions, captions and typed lines.
///
/// They may come from the editors of any system. A byte order mark is dropped, and lines end with LF or CR LF.
/// UTF-8 is read, and UTF-16 with a byte order mark. Other encodings are refused by name, and invalid bytes
/// with their offset.
public enum UserText {
    /// The most bytes of a list, enough for some million lines.
    public static let listLimit = 256 << 20
    /// The most bytes of a text that a person writes, such as a prompt.
    public static let pageLimit = 4 << 20

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let chunkLength = 1 << 16

    /// The bytes of a file, which need not be text.
    ///
    /// The path `-` is standard input.
    ///
    /// - Throws: `UserTextError.unreadable`, and `.tooLong` once more than `limit` bytes have been read.
    public static func bytes(
        at path: some Sequence<UInt8>, limit: Int = listLimit
    ) throws(UserTextError) -> [UInt8] {
        let path = Array(path)
        let isStandardInput = path == [UInt8(ascii: "-")]
        let name = name(of: path)
        func unreadable() -> UserTextError { .unreadable(path: name, reason: systemReason()) }
        let descriptor =
            isStandardInput
            ? STDIN_FILENO
            : (path + [0]).withUnsafeBytes { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    $0.baseAddress.map { path in
                        uninterrupted { open(path, O_RDONLY | O_CLOEXEC) }
                    } ?? -1
                }
            }
        guard descriptor >= 0 else { throw unreadable() }
        defer { if !isStandardInput { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkLength)
        while true {
            let count = uninterrupted { read(descriptor, &chunk, chunk.count) }
            guard count >= 0 else { throw unreadable() }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw .tooLong(place: name, limit: limit) }
        }
    }

    /// The text of a file, with LF as the only line end.
    ///
    /// The path `-` is standard input.
    ///
    /// - Throws: `UserTextError`, with the path in it.
    public static func text(
        at path: some Sequence<UInt8>, limit: Int = pageLimit
    ) throws(UserTextError) -> String {
        let path = Array(path)
        return try text(bytes(at: path, limit: limit), place: name(of: path))
    }

    /// Decodes a text, with LF as the only line end; messages name `place`.
    ///
    /// - Throws: `UserTextError.notUTF8`, `.notUTF16`, `.otherEncoding`.
    public static func text(_ bytes: [UInt8], place: String) throws(UserTextError) -> String {
        let (encoding, markLength) = try TextEncoding.recognized(in: bytes, place: place)
        let plain = withPlainLineEnds(try utf8(bytes, encoding, markLength, place))
        if let text = String(validating: plain, as: UTF8.self) { return text }
        throw .notUTF8(
            place: place,
            offset: markLength + validPrefixLength(of: bytes.dropFirst(markLength)))
    }

    /// The non-empty entries of a list.
    ///
    /// NULs separate them if the list has any, else line ends do.
    ///
    /// An entry may be a file name and need not be text. Between NULs, line ends belong to the entry.
    ///
    /// - Throws: `UserTextError.notUTF16`, `.otherEncoding`.
    public static func entries(
        of list: [UInt8], place: String
    ) throws(UserTextError) -> [ArraySlice<UInt8>] {
        let (encoding, markLength) = try TextEncoding.recognized(in: list, place: place)
        let plain = try utf8(list, encoding, markLength, place)
        return plain.contains(0)
            ? plain.split(separator: 0) : withPlainLineEnds(plain).split(separator: lineFeed)
    }

    /// Decodes a line that is read on its own; `bytes` lack its LF.
    ///
    /// UTF-16 is refused: splitting it at LF leaves a byte of each line end in the next line.
    ///
    /// - Throws: `UserTextError.notUTF8`, `.otherEncoding`.
    public static func line(
        _ bytes: some Sequence<UInt8>, place: String
    ) throws(UserTextError) -> String {
        var bytes = Array(bytes)
        if try TextEncoding.recognized(in: bytes, place: place).encoding != .utf8 {
            throw .otherEncoding(place: place, name: "UTF-16")
        }
        if bytes.last == carriageReturn { bytes.removeLast() }
        return try text(bytes, place: place)
    }

    /// Decodes UTF-8 without dropping or converting anything; messages name `place`.
    ///
    /// - Throws: `UserTextError.notUTF8`.
    public static func exactText(_ bytes: [UInt8], place: String) throws(UserTextError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw .notUTF8(place: place, offset: validPrefixLength(of: bytes[...]))
    }

    /// The lines of a text whose line ends are LF.
    ///
    /// An empty line after the last line end does not count.
    public static func lines(of text: String) -> [String] {
        var lines = text.utf8.split(separator: lineFeed, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { String(Substring($0)) }
    }

    /// The name of a file in messages.
    public static func name(of path: some Sequence<UInt8>) -> String {
        let path = Array(path)
        return path == [UInt8(ascii: "-")]
            ? "standard input" : String(decoding: path, as: UTF8.self)
    }

    /// The bytes after the mark, converted to UTF-8.
    private static func utf8(
        _ bytes: [UInt8], _ encoding: TextEncoding, _ markLength: Int, _ place: String
    ) throws(UserTextError) -> [UInt8] {
        switch encoding {
        case .utf8: markLength == 0 ? bytes : Array(bytes.dropFirst(markLength))
        case .utf16LittleEndian, .utf16BigEndian:
            try TextEncoding.utf8(
                fromUTF16: bytes, isBigEndian: encoding == .utf16BigEndian, place: place)
        }
    }

    private static func withPlainLineEnds(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(carriageReturn) else { return bytes }
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        for (index, byte) in zip(bytes.indices, bytes) {
            let next = index + 1
            let endsLine = next < bytes.endIndex && bytes[next] == lineFeed
            if byte != carriageReturn || !endsLine { plain.append(byte) }
        }
        return plain
    }

    private static func validPrefixLength(of bytes: ArraySlice<UInt8>) -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var length = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            length += UTF8.width(scalar)
        }
        return length
    }
}
