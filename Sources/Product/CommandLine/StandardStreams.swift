// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where answers go while they are being written.
enum StandardOutput {
    /// Writes a piece at once.
    ///
    /// A reader that has gone away does not stop the answer.
    static func stream(_ text: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    }
}

/// Where messages go, so that standard output carries nothing but data.
enum StandardError {
    /// Writes a line.
    static func print(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
    }
}
