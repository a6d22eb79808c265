// SPDX-License-Identifier: Apache-2.0

/// A value on cache lines of its own: threads that write its neighbours do not slow it down.
///
/// 128 bytes apart: Apple's lines, and the pairs of lines that Intel's processors fetch together.
struct CacheLine<Value: ~Copyable>: ~Copyable {
    private let before = SIMD16<UInt64>()
    let value: Value
    private let after = SIMD16<UInt64>()

    init(_ value: consuming Value) { self.value = value }
}

extension CacheLine: Sendable where Value: Sendable & ~Copyable {}
