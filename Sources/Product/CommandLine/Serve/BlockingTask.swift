// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Waits on this thread for the end of what other threads run.
func waiting(for body: @escaping @Sendable () async throws -> Void) throws {
    let failure = Failure()
    let ended = DispatchSemaphore(value: 0)
    Task {
        do { try await body() } catch { failure.error.withLock { $0 = error } }
        ended.signal()
    }
    ended.wait()
    if let error = failure.error.withLock({ $0 }) { throw error }
}

private final class Failure: Sendable {
    let error = Mutex<(any Error)?>(nil)
}
