// SPDX-License-Identifier: Apache-2.0
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the texts that users give: prompts, lists, questions, captions, lines that are typed.
///
/// Editors of all systems write them. A byte order mark is no part of a text, and a line ends with LF or CR LF.
/// UTF-8 and, with its mark, UTF-16 are read; anything else is refused by name, or with the offset of the
/// first byte that is no character.
public enum UserText {
    /// Most bytes of a text that is a list: some million lines.
    public static let listLimit = 256 << 20
    /// Most bytes of a text that a person writes, such as a prompt.
    public static let pageLimit = 4 << 20

    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let chunkLength = 1 << 16

    /// The bytes of a file, which need not be text; of standard input where the path is `-`.
    ///
    /// - Throws: `UserTextError.unreadable`, and `.tooLong` as soon as there are more than `limit`, however
    ///   long the file is.
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
                    $0.baseAddress.map { open($0, O_RDONLY | O_CLOEXEC) } ?? -1
                }
            }
        guard descriptor >= 0 else { throw unreadable() }
        defer { if !isStandardInput { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkLength)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable() }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw .tooLong(place: name, limit: limit) }
        }
    }

    /// The text of a file, or of standard input where the path is `-`, with LF as the only line end.
    ///
    /// - Throws: `UserTextError`, with the path in it.
    public static func text(
        at path: some Sequence<UInt8>, limit: Int = pageLimit
    ) throws(UserTextError) -> String {
        let path = Array(path)
        return try text(bytes(at: path, limit: limit), place: name(of: path))
    }

    /// The text that bytes are, with LF as the only line end; messages name `place`.
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

    /// The entries of a list, without empty ones: what NULs separate, where it has any, else its lines.
    ///
    /// An entry may be the name of a file and need not be text; line ends between NULs belong to it.
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

    /// The text of a line that comes alone, of which `bytes` are all but the LF.
    ///
    /// UTF-16 is refused: a byte of each of its line ends is in the next line.
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

    /// The text that bytes are, every one of them; messages name `place`.
    ///
    /// - Throws: `UserTextError.notUTF8`.
    public static func exactText(_ bytes: [UInt8], place: String) throws(UserTextError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw .notUTF8(place: place, offset: validPrefixLength(of: bytes[...]))
    }

    /// The lines of a text whose line ends are LF; one after the last line end counts only if it has anything.
    public static func lines(of text: String) -> [String] {
        var lines = text.utf8.split(separator: lineFeed, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { String(Substring($0)) }
    }

    /// What messages call a file.
    public static func name(of path: some Sequence<UInt8>) -> String {
        let path = Array(path)
        return path == [UInt8(ascii: "-")]
            ? "standard input" : String(decoding: path, as: UTF8.self)
    }

    /// The bytes after the mark, in UTF-8 if they are text.
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
