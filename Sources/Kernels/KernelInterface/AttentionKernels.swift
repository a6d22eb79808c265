// SPDX-License-Identifier: Apache-2.0

/// One block of a sequence's tokens, and the queries of one key-value head that see some of them.
public struct AttentionBlock {
    /// The queries, times what scores are scaled by.
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
    /// So many queries see equally many tokens; windows of the next begin and end one token later.
    public let queriesPerToken: Int

    /// What `hiddenToFirst` is where there are no windows.
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

    /// Where the tokens of the block end that a query sees.
    @inlinable
    public func visibleTokens(_ query: Int) -> Int {
        min(tokens, visibleToFirst + query / queriesPerToken)
    }

    /// Where they begin, at most at their end.
    @inlinable
    public func hiddenTokens(_ query: Int) -> Int {
        min(visibleTokens(query), max(0, hiddenToFirst + query / queriesPerToken))
    }
}

/// The kernels of attention with a running softmax (arXiv 2205.14135).
///
/// Tokens are walked in blocks that are counted from the sequence's first token. What a query gets
/// depends, bit for bit, on nothing but itself and the tokens that it sees: not on the queries beside
/// it, nor on whether blocks are added one after the other or merged later in the same order.
public struct AttentionKernels: Sendable {
    /// Tokens of every block but a sequence's last.
    ///
    /// A block's keys and values of 128 numbers, widened, take 128 KB: they stay in a core's second-level
    /// cache while its queries walk over them.
    @inlinable public static var tokensPerBlock: Int { 128 }

    /// Numbers of one query's running result.
    ///
    /// They are the largest score, the sum of the weights, 14 unused ones, and the weighted sum of the
    /// values. All zeros mean that nothing was seen.
    @inlinable
    public static func stateWidth(_ width: Int) -> Int { sumOffset + paddedWidth(width) }
    /// Where the weighted sum starts.
    @inlinable public static var sumOffset: Int { 16 }
    /// The next multiple of 16, the most lanes of a vector.
    @inlinable
    public static func paddedWidth(_ width: Int) -> Int { (width + 15) / 16 * 16 }

    /// Queries whose scores are held at a time.
    ///
    /// While a panel of keys or values is in the first-level cache, it serves all of them. A multiple of
    /// the rows of every register tile.
    @inlinable public static var queriesPerBatch: Int { 24 }

    /// Numbers of memory that `attend` needs.
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

    /// Rounds one head's numbers of new tokens to a page's numbers.
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
