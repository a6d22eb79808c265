// SPDX-License-Identifier: Apache-2.0
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
