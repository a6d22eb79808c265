// SPDX-License-Identifier: Apache-2.0
import CClosure

/// A job's non-escaping closure, stored where other threads find it, without an allocation.
///
/// Valid until the function that received the closure returns: `ForkJoin.run` returns only after
/// the last call on any thread.
struct BorrowedBody {
    private let words: closure_words

    init(_ body: (_ index: Int, _ thread: Int) -> Void) {
        words = closureWords(body)
    }

    @inline(__always)
    func callAsFunction(_ index: Int, _ thread: Int) {
        call_closure(words, index, thread)
    }
}

@_silgen_name("trimllava_closure_words")
private func closureWords(_ body: (Int, Int) -> Void) -> closure_words
