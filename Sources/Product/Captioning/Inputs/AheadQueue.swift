// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Things that are made ahead of their use, on a thread of their own.
final class AheadQueue<Element: Sendable>: Sendable {
    /// What there is when the next element is asked for.
    enum Next {
        case element(Element)
        /// None is ready yet.
        case notYet
        /// There are no more.
        case end
    }

    private let queue = Mutex<[Element?]>([])
    private let filled = DispatchSemaphore(value: 0)
    /// Places in the queue; a semaphore may not end with less than it began with, hence not with `ahead`.
    private let free = DispatchSemaphore(value: 0)
    private let isStopped = Mutex(false)

    /// Starts to make elements, in order.
    ///
    /// - Parameters:
    ///   - ahead: the most elements that wait, at least 1.
    ///   - make: called on the thread with a function that takes an element, and is false when no more
    ///     are wanted.
    init(ahead: Int, name: String, make: @escaping @Sendable (_ put: (Element) -> Bool) -> Void) {
        for _ in 0..<ahead { free.signal() }
        let thread = Thread { [self] in
            make { put($0) }
            append(nil)
        }
        thread.name = name
        // Decoders of progressive pictures and archives need more than a small default.
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
    /// - Parameter waiting: whether to wait until there is one.
    func next(waiting: Bool) -> Next {
        if waiting {
            filled.wait()
        } else if filled.wait(timeout: .now()) == .timedOut {
            return .notYet
        }
        guard let element = queue.withLock({ $0.removeFirst() }) else {
            // So that it is still the end when asked again.
            append(nil)
            return .end
        }
        free.signal()
        return .element(element)
    }

    /// Makes no more than the element at hand.
    func stop() {
        isStopped.withLock { $0 = true }
        free.signal()
    }
}
