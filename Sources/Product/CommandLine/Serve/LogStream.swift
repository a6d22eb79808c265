// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Synchronization

/// A descriptor to which a log is written, by a thread of its own.
///
/// Logging never waits, neither for a full disk nor for a pipe that nobody reads. Lines that cannot be written are
/// counted, and their number comes before the next line that can be written, or at the end.
final class LogStream: TextOutputStream, Sendable {
    private struct State {
        var lines: [String] = []
        var byteCount = 0
        var lost = 0
        var isDraining = false
        /// Whether the log ends with a part of a line, because the rest could not be written.
        var isTorn = false
    }

    /// The most bytes of lines that wait.
    private let mostBytes: Int
    private let descriptor: Int32
    private let put: Put
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "trimllava.serve.log", qos: .utility)

    /// The system's `write`.
    typealias Put = @Sendable (Int32, UnsafeRawPointer?, Int) -> Int

    /// A log on a descriptor that stays open.
    init(
        descriptor: Int32, mostBytes: Int = 1 << 20,
        put: @escaping Put = { Foundation.write($0, $1, $2) }
    ) {
        (self.descriptor, self.mostBytes, self.put) = (descriptor, mostBytes, put)
    }

    /// Queues a line to be written, or counts it as lost if too many bytes wait.
    func write(_ line: String) {
        let startsDraining = state.withLock { state in
            guard state.byteCount + line.utf8.count <= mostBytes else {
                state.lost += 1
                return false
            }
            state.lines.append(line)
            state.byteCount += line.utf8.count
            defer { state.isDraining = true }
            return !state.isDraining
        }
        if startsDraining { queue.async { self.drain() } }
    }

    /// Waits until all lines are written, or some seconds have passed.
    func finish(within seconds: Double) {
        let written = DispatchSemaphore(value: 0)
        queue.async {
            self.reportLoss()
            written.signal()
        }
        _ = written.wait(timeout: .now() + seconds)
    }

    private func drain() {
        while let lines = next() {
            for line in lines {
                reportLoss()
                if !writeLine(line) { state.withLock { $0.lost += 1 } }
            }
        }
    }

    /// The lines that wait; nil where none do.
    private func next() -> [String]? {
        state.withLock { state in
            guard !state.lines.isEmpty else {
                state.isDraining = false
                return nil
            }
            defer { (state.lines, state.byteCount) = ([], 0) }
            return state.lines
        }
    }

    /// Writes how many lines were lost, if any were.
    private func reportLoss() {
        let lost = state.withLock(\.lost)
        guard lost > 0, writeLine("lines lost from this log: \(lost)\n") else { return }
        state.withLock { $0.lost -= lost }
    }

    /// Writes a line, after ending one that is torn; false where not all of it can be written.
    private func writeLine(_ line: String) -> Bool {
        if state.withLock(\.isTorn) {
            guard writeWhole("\n") else { return false }
            state.withLock { $0.isTorn = false }
        }
        return writeWhole(line)
    }

    /// Writes a text; false where not all of it can be written.
    private func writeWhole(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let start = UnsafeRawBufferPointer(rebasing: rest)
                let count = put(descriptor, start.baseAddress, start.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, -1)
                } else if count == 0 || errno != EINTR {
                    if rest.count < bytes.count { state.withLock { $0.isTorn = true } }
                    return false
                }
            }
            return true
        }
    }
}
