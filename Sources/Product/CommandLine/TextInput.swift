// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Why a text cannot be taken in.
enum TextInputError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
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
    /// Checks the arguments of the process as they came: Swift's own copies are repaired.
    static func checkArguments() throws(TextInputError) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            _ = try text(Array(bytes), place: "argument \(index)")
        }
    }

    /// The whole of a file.
    static func file(_ path: String) throws(TextInputError) -> String {
        try text(read(path), place: path)
    }

    /// The lines of standard input, without their ends.
    static func standardInputLines() throws(TextInputError) -> [String] {
        let bytes: [UInt8]
        do {
            bytes = Array(try FileHandle.standardInput.readToEnd() ?? Data())
        } catch {
            throw .unreadable(path: "standard input", reason: "\(error)")
        }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var texts: [String] = []
        for (index, line) in lines.enumerated() {
            texts.append(try text(Array(line), place: "line \(index + 1) of standard input"))
        }
        return texts
    }

    private static func read(_ path: String) throws(TextInputError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw .unreadable(
                path: path, reason: "cannot be read: \((error as NSError).localizedDescription)")
        }
    }

    /// The text that bytes are, which `place` names in the message if they are none.
    static func text(_ bytes: [UInt8], place: String) throws(TextInputError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw .notUTF8(place: place, offset: validPrefixLength(of: bytes))
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
