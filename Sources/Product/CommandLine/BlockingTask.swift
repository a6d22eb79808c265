// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Waits on this thread for the result of what other threads run.
func waiting<Value: Sendable>(for body: @escaping @Sendable () async throws -> Value) throws
    -> Value
{
    let outcome = Outcome<Value>()
    let ended = DispatchSemaphore(value: 0)
    Task {
        do {
            let value = try await body()
            outcome.result.withLock { $0 = .success(value) }
        } catch {
            outcome.result.withLock { $0 = .failure(error) }
        }
        ended.signal()
    }
    ended.wait()
    guard let result = outcome.result.withLock({ $0 }) else {
        preconditionFailure("the task has a result when it has ended")
    }
    return try result.get()
}

private final class Outcome<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
}
