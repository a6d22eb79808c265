// SPDX-License-Identifier: Apache-2.0
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Texts from the arguments of the process.
enum TextInput {
    /// Checks the arguments of the process as they came: Swift's own copies replace what is not UTF-8.
    static func checkArguments() throws(UserTextError) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
            _ = try UserText.exactText(Array(bytes), place: "argument \(index)")
        }
    }
}
