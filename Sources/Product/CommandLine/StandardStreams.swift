// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TrimLLaVA
import UserText

/// Writes an answer to standard output, piece by piece.
///
/// If a piece cannot be written, as on a full disk, the answer is cancelled: the rest would be lost, too.
final class AnswerPrinter {
    private let cancellation: Cancellation
    private let progress: ProgressLine
    private var failure: OutputError?

    /// - Parameter progress: erased when the first piece comes.
    init(cancelling cancellation: Cancellation, _ progress: ProgressLine) {
        self.cancellation = cancellation
        self.progress = progress
    }

    /// Writes a piece at once.
    func write(_ piece: String) {
        progress.erase()
        guard failure == nil else { return }
        do {
            try writeOutput(piece)
        } catch {
            failure = error
            cancellation.cancel()
        }
    }

    /// Ends the answer's last line.
    ///
    /// - Throws: `OutputError` if any piece could not be written.
    func finish() throws(OutputError) {
        write("\n")
        if let failure { throw failure }
    }
}

/// Standard error, which takes all messages.
///
/// Standard output carries data only.
enum StandardError {
    /// Writes text unchanged.
    static func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }

    /// Writes a line.
    static func print(_ line: String) { write("\(line)\n") }

    /// Writes an error message.
    static func report(_ message: String) {
        print("trimllava: \(escapingControls(message))")
    }
}

/// The lines of standard input, each as soon as it arrives.
struct InputLines {
    private var pending: [UInt8] = []
    private var hasEnded = false

    /// The next line without its end; nil at the end of the input.
    ///
    /// - Throws: `UserTextError.tooLong` for a line beyond the limit.
    mutating func next() throws(UserTextError) -> [UInt8]? {
        var searched = 0
        while true {
            if let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { pending.removeFirst(end + 1) }
                return Array(pending[..<end])
            }
            searched = pending.count
            guard searched <= UserText.pageLimit else {
                throw .tooLong(place: "a line of standard input", limit: UserText.pageLimit)
            }
            if hasEnded {
                defer { pending = [] }
                return pending.isEmpty ? nil : pending
            }
            readMore()
        }
    }

    private mutating func readMore() {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = read(STDIN_FILENO, &chunk, chunk.count)
        if count > 0 {
            pending += chunk[..<count]
        } else if count == 0 || errno != EINTR {
            hasEnded = true
        }
    }
}
