// SPDX-License-Identifier: Apache-2.0

/// One block of a sequence's tokens, and the queries of one key-value head that see some of them.
public struct AttentionBlock {
    /// The queries, already multiplied by the scale of the scores.
    public let queries: UnsafePointer<Float>  // [queryCount, width]
    /// At least 1.
    public let queryCount: Int
    /// Numbers per head.
    public let width: Int
    /// Keys of the block.
    public let keys: HeadTokens  // [tokens, width]
    /// Values of the block.
    public let values: HeadTokens  // [tokens, width]
    /// 1 to `AttentionKernels.tokensPerBlock`.
    public let tokens: Int
    /// Tokens of the block that the first query sees, at least 1; more than `tokens` means all.
    public let visibleToFirst: Int
    /// Tokens of the block that lie before the first query's window; none where it is negative.
    public let hiddenToFirst: Int
    /// Consecutive queries that share a window.
    ///
    /// The window of the next ones begins and ends one token later.
    public let queriesPerToken: Int

    /// The value of `hiddenToFirst` without a sliding window.
    public static var noneHidden: Int { .min / 2 }

    /// A block of tokens with the queries that see it.
    public init(
        queries: UnsafePointer<Float>, queryCount: Int, width: Int, keys: HeadTokens,
        values: HeadTokens, tokens: Int, visibleToFirst: Int,
        hiddenToFirst: Int = AttentionBlock.noneHidden, queriesPerToken: Int
    ) {
        self.queries = queries
        self.queryCount = queryCount
        self.width = width
        self.keys = keys
        self.values = values
        self.tokens = tokens
        self.visibleToFirst = visibleToFirst
        self.hiddenToFirst = hiddenToFirst
        self.queriesPerToken = queriesPerToken
    }

    /// The end of the block's tokens that a query sees.
    @inlinable
    public func visibleTokens(_ query: Int) -> Int {
        min(tokens, visibleToFirst + query / queriesPerToken)
    }

    /// The start of the block's tokens that a query sees; at most their end.
    @inlinable
    public func hiddenTokens(_ query: Int) -> Int {
        min(visibleTokens(query), max(0, hiddenToFirst + query / queriesPerToken))
    }
}

/// The kernels of attention with a running softmax (arXiv 2205.14135).
///
/// Kernels walk over blocks of tokens, counted from the sequence's first one. The result of a query
/// depends, bit for bit, only on itself and on the tokens that it sees. Neither the queries beside
/// it change it, nor whether blocks are added one after the other or merged later in the same
/// order.
public struct AttentionKernels: Sendable {
    /// Tokens of a block; the last block of a sequence may have fewer.
    ///
    /// The widened keys and values of a block of heads 128 wide take 128 KB. They stay in a core's
    /// second-level cache while its queries walk over them.
    @inlinable public static var tokensPerBlock: Int { 128 }

    /// Numbers of one query's running result.
    ///
    /// It consists of the largest score, the sum of the weights, 14 unused numbers, and the
    /// weighted sum of the values. All zeros mean that the query has seen no token.
    @inlinable
    public static func stateWidth(_ width: Int) -> Int { sumOffset + paddedWidth(width) }
    /// Where the weighted sum starts.
    @inlinable public static var sumOffset: Int { 16 }
    /// The next multiple of 16, the most lanes of a vector.
    @inlinable
    public static func paddedWidth(_ width: Int) -> Int { (width + 15) / 16 * 16 }

    /// Queries whose scores are in memory at the same time.
    ///
    /// They all use a panel of keys or values while it is in the first-level cache. The number is a
    /// multiple of the rows of every register tile.
    @inlinable public static var queriesPerBatch: Int { 24 }

    /// Floats of scratch memory that `attend` needs.
    public static func scratchCount(_ width: Int) -> Int {
        // Keys and values, then scores and sums.
        2 * tokensPerBlock * paddedWidth(width)
            + queriesPerBatch * (tokensPerBlock + paddedWidth(width))
    }

    /// Adds what the queries see in one block to their running results.
    public let attend:
        @Sendable (
            _ block: AttentionBlock, _ states: UnsafeMutablePointer<Float>,
            _ scratch: UnsafeMutablePointer<Float>
        ) -> Void
    /// Adds the running result of later blocks to that of earlier ones.
    public let merge:
        @Sendable (
            _ later: UnsafePointer<Float>, _ state: UnsafeMutablePointer<Float>, _ width: Int
        ) -> Void
    /// Divides the weighted sum by the sum of the weights.
    public let finish:
        @Sendable (
            _ state: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ width: Int
        ) -> Void

    /// Stores new keys in the head's part of a page.
    public let storeKeys: Store
    /// Stores new values in the head's part of a page.
    public let storeValues: Store

    /// Rounds one head's numbers of new tokens to the format of a page.
    public typealias Store =
        @Sendable (_ rows: PageRows, _ page: UnsafeMutableRawPointer, _ number: PageNumber) -> Void

    /// The kernels of one instruction set.
    public init(
        attend:
            @escaping @Sendable (
                AttentionBlock, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>
            ) -> Void,
        merge:
            @escaping @Sendable (
                UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int
            ) -> Void,
        finish:
            @escaping @Sendable (
                UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int
            ) -> Void,
        storeKeys: @escaping Store, storeValues: @escaping Store
    ) {
        self.attend = attend
        self.merge = merge
        self.finish = finish
        self.storeKeys = storeKeys
        self.storeValues = storeValues
    }
}
