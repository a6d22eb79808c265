// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Synchronization

/// A descriptor to which a log is written, by a thread of its own.
///
/// Logging never waits, neither for a full disk nor for a pipe that nobody reads. Lines that cannot be written are
/// counted, and their number comes before the next line that can be written.
final class LogStream: TextOutputStream, Sendable {
    private struct State {
        var lines: [String] = []
        var byteCount = 0
        var lost = 0
        var isDraining = false
    }

    /// The most bytes of lines that wait.
    private let mostBytes: Int
    private let descriptor: Int32
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "trimllava.serve.log", qos: .utility)

    /// A log on a descriptor that stays open.
    init(descriptor: Int32, mostBytes: Int = 1 << 20) {
        (self.descriptor, self.mostBytes) = (descriptor, mostBytes)
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
        queue.async { written.signal() }
        _ = written.wait(timeout: .now() + seconds)
    }

    private func drain() {
        while let (lines, lost) = next() {
            var unwritten = 0
            if lost > 0, !writeWhole("lines lost from this log: \(lost)\n") {
                unwritten = lost
            }
            for line in lines where !writeWhole(line) { unwritten += 1 }
            state.withLock { $0.lost += unwritten }
        }
    }

    /// The lines that wait, and how many were lost before them; nil where none wait.
    private func next() -> (lines: [String], lost: Int)? {
        state.withLock { state in
            guard !state.lines.isEmpty else {
                state.isDraining = false
                return nil
            }
            defer { (state.lines, state.byteCount, state.lost) = ([], 0, 0) }
            return (state.lines, state.lost)
        }
    }

    /// Writes a line; false where not all of it can be written.
    private func writeWhole(_ line: String) -> Bool {
        var line = line
        return line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let start = UnsafeRawBufferPointer(rebasing: rest)
                let count = Foundation.write(descriptor, start.baseAddress, start.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, -1)
                } else if count == 0 || errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
