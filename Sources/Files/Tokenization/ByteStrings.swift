// SPDX-License-Identifier: Apache-2.0

/// Many byte strings in one buffer, numbered from 0.
///
/// Token texts are bytes because `String` equates canonically equivalent texts, which are different tokens.
struct ByteStrings: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = [0]

    init() {}

    init(_ strings: some Collection<String>) {
        ends.reserveCapacity(strings.count + 1)
        for string in strings {
            append(string.utf8)
        }
    }

    var count: Int { ends.count - 1 }

    subscript(index: Int) -> ArraySlice<UInt8> { bytes[ends[index]..<ends[index + 1]] }

    /// The string for messages and display; invalid UTF-8 becomes U+FFFD.
    func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    mutating func append(_ string: some Sequence<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(bytes.count)
    }
}
