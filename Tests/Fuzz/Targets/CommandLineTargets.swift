// SPDX-License-Identifier: Apache-2.0
import Foundation

@testable import TrimLLaVACommandLine

extension FuzzTarget {
    /// Arguments that end with NULs, parsed and validated, but not run: wrong ones end with code 2, help with 0, and
    /// both with a message that can be shown on a terminal.
    static let commandLine = FuzzTarget("command-line") { bytes in
        let arguments = bytes.split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        do {
            _ = try TrimLLaVACommand.parseAsRoot(arguments)
        } catch {
            let ending = Ending(of: error)
            precondition(ending.code == 0 || ending.code == 2, "code \(ending.code) of \(error)")
            let message = ending.message ?? ""
            precondition(!message.isEmpty, "an ending without a message")
            guard ending.code == 2 else { return }
            precondition(message.hasPrefix("trimllava: "), message)
            precondition(escapingControls(message) == message, message)
        }
    }
}
