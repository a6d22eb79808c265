// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Runs tasks on the thread that waits for them: it is faster than to change threads, and the same each time.
final class JobQueue: TaskExecutor {
    /// The queue of the one thread that reads the bytes of executions.
    static let here = JobQueue()

    private let jobs = Mutex<[UnownedJob]>([])
    private let enqueued = DispatchSemaphore(value: 0)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        enqueued.signal()
    }

    /// What `body` returns, or throws.
    func result<Value: Sendable>(of body: @escaping @Sendable () async throws -> Value) throws
        -> Value
    {
        let outcome = Outcome<Value>()
        Task(executorPreference: self) {
            do {
                outcome.end(.success(try await body()))
            } catch {
                outcome.end(.failure(error))
            }
        }
        while true {
            if let result = outcome.result { return try result.get() }
            enqueued.wait()
            jobs.withLock { $0.removeFirst() }.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private final class Outcome<Value: Sendable>: Sendable {
        private let ended = Mutex<Result<Value, any Error>?>(nil)

        var result: Result<Value, any Error>? { ended.withLock(\.self) }

        func end(_ result: Result<Value, any Error>) { ended.withLock { $0 = result } }
    }
}
