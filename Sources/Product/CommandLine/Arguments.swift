// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Checks texts from the process's arguments.
enum TextInput {
    /// Checks that the process's arguments are UTF-8.
    ///
    /// Swift's copies replace bytes that are not.
    static func checkArguments() throws(UserTextError) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            _ = try UserText.exactText(Array(bytes), place: "argument \(index)")
        }
    }
}

/// The process's arguments as bytes.
///
/// Swift's copies replace bytes that are not UTF-8.
enum RawArguments {
    /// The bytes of the inputs, whose names need not be UTF-8.
    ///
    /// - Throws: `UserTextError.notUTF8` for any other argument that is not UTF-8.
    static func paths(of inputs: [String]) throws(UserTextError) -> [FilePath] {
        try paths(
            of: inputs,
            arguments: (1..<max(1, Int(CommandLine.argc))).compactMap { index in
                CommandLine.unsafeArgv[index].map { argument in
                    Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
                }
            })
    }

    static func paths(
        of inputs: [String], arguments: [[UInt8]]
    ) throws(UserTextError) -> [FilePath] {
        var unread = Array(arguments.enumerated()).filter {
            String(validating: $0.element, as: UTF8.self) == nil
        }
        let paths = inputs.map { input in
            let index = unread.firstIndex { String(decoding: $0.element, as: UTF8.self) == input }
            return index.map { FilePath(unread.remove(at: $0).element) } ?? FilePath(input)
        }
        if let (index, argument) = unread.first.map({ ($0.offset, $0.element) }) {
            _ = try UserText.exactText(argument, place: "argument \(index + 1)")
        }
        return paths
    }
}
