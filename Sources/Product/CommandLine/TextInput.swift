// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a text cannot be taken in.
enum TextInputError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be opened or read.
    case unreadable(path: String, reason: String)
    /// The bytes are not UTF-8; `place` is a file, a line or an argument.
    case notUTF8(place: String, offset: Int)

    var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "\(path): \(reason)"
        case .notUTF8(let place, let offset):
            "\(place) is not valid UTF-8 at byte \(offset)"
        }
    }
}

/// Texts from arguments, files and standard input; all of them must be UTF-8.
enum TextInput {
    /// Checks the arguments of the process as they came: Swift's own copies replace what is not UTF-8.
    static func checkArguments() throws(TextInputError) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            _ = try text(Array(bytes), place: "argument \(index)")
        }
    }

    /// The whole of a file; `-` is standard input.
    static func file(_ path: String) throws(TextInputError) -> String {
        try text(bytes(path), place: name(path))
    }

    /// The lines of a file, without their ends; `-` is standard input.
    static func lines(_ path: String) throws(TextInputError) -> [String] {
        var lines = try bytes(path).split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var texts: [String] = []
        for (index, line) in lines.enumerated() {
            texts.append(try text(Array(line), place: "line \(index + 1) of \(name(path))"))
        }
        return texts
    }

    /// The text of UTF-8 bytes; `place` says in the message where they come from.
    static func text(_ bytes: [UInt8], place: String) throws(TextInputError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw .notUTF8(place: place, offset: validPrefixLength(of: bytes))
    }

    private static func name(_ path: String) -> String {
        path == "-" ? "standard input" : path
    }

    private static func bytes(_ path: String) throws(TextInputError) -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY)
        func unreadable() -> TextInputError {
            .unreadable(path: name(path), reason: String(cString: strerror(errno)))
        }
        guard descriptor >= 0 else { throw unreadable() }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable() }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }

    private static func validPrefixLength(of bytes: [UInt8]) -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var length = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            length += UTF8.width(scalar)
        }
        return length
    }
}
