// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A queue of elements that a thread of its own makes ahead of their use.
final class AheadQueue<Element: Sendable>: Sendable {
    /// The answer to a request for the next element.
    enum Next {
        case element(Element)
        /// None is ready yet.
        case notYet
        /// There are no more.
        case end
    }

    private let queue = Mutex<[Element?]>([])
    private let filled = DispatchSemaphore(value: 0)
    /// The free places in the queue.
    ///
    /// A semaphore must not end below its initial value, so that is 0 instead of `ahead`.
    private let free = DispatchSemaphore(value: 0)
    private let isStopped = Mutex(false)

    /// Starts making elements, in order.
    ///
    /// - Parameters:
    ///   - ahead: the most elements that wait in the queue, at least 1.
    ///   - make: makes the elements on the thread. It hands each to `put`, which returns false once no more
    ///     are wanted.
    init(ahead: Int, name: String, make: @escaping @Sendable (_ put: (Element) -> Bool) -> Void) {
        for _ in 0..<ahead { free.signal() }
        let thread = Thread { [self] in
            make { put($0) }
            append(nil)
        }
        thread.name = name
        // Decoders of pictures and archives need more than the small default of some systems.
        thread.stackSize = 4 << 20
        thread.start()
    }

    private func put(_ element: Element) -> Bool {
        free.wait()
        guard !isStopped.withLock(\.self) else { return false }
        append(element)
        return true
    }

    private func append(_ element: Element?) {
        queue.withLock { $0.append(element) }
        filled.signal()
    }

    /// The next element.
    ///
    /// - Parameter waiting: whether to wait for one.
    func next(waiting: Bool) -> Next {
        if waiting {
            filled.wait()
        } else if filled.wait(timeout: .now()) == .timedOut {
            return .notYet
        }
        guard let element = queue.withLock({ $0.removeFirst() }) else {
            // Further calls must find the end, too.
            append(nil)
            return .end
        }
        free.signal()
        return .element(element)
    }

    /// Ends the thread after the element that it is making.
    func stop() {
        isStopped.withLock { $0 = true }
        free.signal()
    }
}
