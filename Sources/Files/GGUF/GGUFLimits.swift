// SPDX-License-Identifier: Apache-2.0

/// Bounds on what a file may ask for, so that a damaged count cannot reserve memory.
///
/// All but `records` and `arrayElements` are those of ggml's `gguf.cpp`, whose tools write the files.
enum GGUFLimits {
    /// The longest string, 1 GiB.
    static let stringBytes: UInt64 = 1 << 30

    /// The most metadata pairs, and the most tensors.
    ///
    /// ggml sets no bound; real files have under 100 pairs, and large mixtures of experts some
    /// thousand tensors.
    static let records: UInt64 = 1 << 17

    /// The longest array.
    ///
    /// ggml allows 2^30; the largest known arrays, BPE merges, have under 2^20.
    static let arrayElements: UInt64 = 1 << 24

    /// The longest tensor name; ggml's GGML_MAX_NAME of 64 counts a final zero.
    static let tensorNameBytes = 63

    /// The most dimensions of a tensor, GGML_MAX_DIMS.
    static let dimensions: UInt32 = 4

    /// The fewest bytes of a key-value pair: key length, one byte of key, type, one byte of value.
    static let pairBytes: UInt64 = 8 + 1 + 4 + 1

    /// The fewest bytes of a tensor's description: name length, dimension count, type, offset.
    static let tensorBytes: UInt64 = 8 + 4 + 4 + 8

    /// The alignment of tensor data in files that do not say `general.alignment`.
    static let defaultAlignment: UInt64 = 32
}
