// SPDX-License-Identifier: Apache-2.0

/// How much attention each patch gets from all rows of the vision tower, summed over heads, in two of its blocks.
public struct ReceivedAttention: Sendable, Equatable {
    /// In the block where attention is on objects, as the encoder knows it.
    public var middle: [Float]  // [candidates]
    /// In the last block, whose output are the features.
    public var last: [Float]  // [candidates]

    /// What was measured in the two blocks.
    public init(middle: [Float] = [], last: [Float] = []) {
        (self.middle, self.last) = (middle, last)
    }

    /// The same change of both blocks' numbers.
    public func map(_ change: ([Float]) -> [Float]) -> ReceivedAttention {
        ReceivedAttention(middle: change(middle), last: change(last))
    }
}
