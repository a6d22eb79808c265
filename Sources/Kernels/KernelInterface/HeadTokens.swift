// SPDX-License-Identifier: Apache-2.0

/// The keys or the values of one head, token after token.
public enum HeadTokens {
    /// Activations of the same pass.
    case rows(HeadRows)
    /// The KV cache.
    case pages(HeadPages)
}

/// Keys or values of one head in single precision, one row per token.
public struct HeadRows {
    /// The first number of the first token.
    public let start: UnsafePointer<Float>
    /// Numbers from one token to the next.
    public let stride: Int

    /// Rows `stride` numbers apart.
    public init(start: UnsafePointer<Float>, stride: Int) {
        self.start = start
        self.stride = stride
    }
}

/// How the KV cache stores numbers.
public enum PageNumber: Sendable {
    /// IEEE half precision.
    case half
    /// Single precision.
    case float
    /// Bytes with a half-precision scale for every 32 numbers of a token.
    case byte

    /// Numbers that share a scale.
    @inlinable public static var numbersPerScale: Int { 32 }
    /// Where the bytes of a block start: after the scales of 16 tokens.
    @inlinable public static var bytesOffset: Int { 2 * HeadPages.tokensPerPage }
    /// Bytes of a block: the scales, then 32 numbers of 16 tokens.
    @inlinable public static var blockByteCount: Int {
        bytesOffset + numbersPerScale * HeadPages.tokensPerPage
    }

    /// Bytes of one head's keys, or of its values, in a page; `width` is a multiple of 32 for bytes.
    @inlinable
    public func byteCount(_ width: Int) -> Int {
        switch self {
        case .half: 2 * width * HeadPages.tokensPerPage
        case .float: 4 * width * HeadPages.tokensPerPage
        case .byte: width / Self.numbersPerScale * Self.blockByteCount
        }
    }
}

/// Keys or values of one head in pages of 16 tokens.
///
/// A page holds its keys as `[width, 16]`, so that neighbouring tokens fill a vector, and its values as
/// `[16, width]`. With bytes, both are cut into blocks of 32 numbers of the width: 16 scales, then the
/// bytes in the same order.
public struct HeadPages {
    /// Tokens of a page: the most lanes of a vector.
    @inlinable public static var tokensPerPage: Int { 16 }

    /// Where the pages start; the first is that of the first token.
    public let starts: UnsafePointer<UnsafeMutableRawPointer>
    /// Where in a page the head's numbers start.
    public let offset: Int
    /// How numbers are stored.
    public let number: PageNumber

    /// Pages in the order of their tokens.
    public init(
        starts: UnsafePointer<UnsafeMutableRawPointer>, offset: Int, number: PageNumber
    ) {
        self.starts = starts
        self.offset = offset
        self.number = number
    }

    /// The head's numbers in the page that holds a token.
    @inlinable
    public func page(_ token: Int) -> UnsafeMutableRawPointer {
        starts[token / Self.tokensPerPage] + offset
    }
}

/// Rows of new tokens that go to one page.
public struct PageRows {
    /// The head's numbers of the first token.
    public let start: UnsafePointer<Float>
    /// Numbers from one token to the next.
    public let stride: Int
    /// Tokens, at most a page's.
    public let tokens: Int
    /// Numbers per head.
    public let width: Int
    /// The place of the first token in the page.
    public let slot: Int

    /// The numbers of one head for some tokens of a page.
    public init(
        start: UnsafePointer<Float>, stride: Int, tokens: Int, width: Int, slot: Int
    ) {
        self.start = start
        self.stride = stride
        self.tokens = tokens
        self.width = width
        self.slot = slot
    }
}
