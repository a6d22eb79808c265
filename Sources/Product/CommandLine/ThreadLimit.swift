// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// Checks that the process may start the threads that a run needs.
///
/// Dispatch waits for ever where the system refuses a thread, for lack of address space or by a limit on processes.
enum ThreadLimit {
    /// Threads for signals, answers, pictures and their work.
    private static let needed = 4

    /// Starts threads that do nothing, and ends them.
    ///
    /// The C library keeps their stacks for the threads that follow. They must not allocate: each would get an arena of its
    /// own, with 64 MiB of address space.
    ///
    /// - Throws: `ThreadError` if the system refuses one.
    static func check() throws(ThreadError) {
        let gate = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(gate, nil)
        defer {
            pthread_mutex_destroy(gate)
            gate.deallocate()
        }
        pthread_mutex_lock(gate)
        var threads: [pthread_t] = []
        var refusal: Int32 = 0
        while threads.count < needed, refusal == 0 {
            if let thread = started(gate, &refusal) { threads.append(thread) }
        }
        pthread_mutex_unlock(gate)
        for thread in threads { pthread_join(thread, nil) }
        guard refusal == 0 else {
            throw ThreadError(
                needed: needed, granted: threads.count, reason: systemReason(refusal))
        }
    }

    /// A thread that waits until the mutex is free; nil if the system refuses it.
    private static func started(
        _ gate: UnsafeMutablePointer<pthread_mutex_t>, _ refusal: inout Int32
    ) -> pthread_t? {
        #if canImport(Darwin)
            var thread: pthread_t?
            refusal = pthread_create(&thread, nil, { ThreadLimit.pass($0) }, gate)
            return refusal == 0 ? thread : nil
        #else
            var thread = pthread_t()
            refusal = pthread_create(&thread, nil, { $0.flatMap(ThreadLimit.pass) }, gate)
            return refusal == 0 ? thread : nil
        #endif
    }

    private static func pass(_ gate: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let gate = gate.assumingMemoryBound(to: pthread_mutex_t.self)
        pthread_mutex_lock(gate)
        pthread_mutex_unlock(gate)
        return nil
    }
}

/// The process may start too few threads.
struct ThreadError: Error, Equatable, CustomStringConvertible {
    let needed: Int
    let granted: Int
    let reason: String

    var description: String {
        """
        only \(granted) more threads can be started, expected \(needed): \(reason); see ulimit -v and ulimit -u, \
        there may be too little memory
        """
    }
}
