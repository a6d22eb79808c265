// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The terminal that standard error goes to.
enum Terminal {
    /// The width assumed for terminals that do not report theirs.
    private static let usualColumns = 80

    /// Whether it is a terminal that understands escape sequences.
    static var takesEscapes: Bool {
        takesEscapes(
            isTerminal: isatty(STDERR_FILENO) != 0,
            type: ProcessInfo.processInfo.environment["TERM"])
    }

    /// Whether a terminal of some type, the value of `TERM`, understands escape sequences.
    static func takesEscapes(isTerminal: Bool, type: String?) -> Bool {
        isTerminal && !["", "dumb", "unknown"].contains(type ?? "")
    }

    /// Its current width.
    static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return usualColumns
        }
        return Int(size.ws_col)
    }
}
