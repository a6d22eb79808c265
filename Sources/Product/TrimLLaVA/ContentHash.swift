// SPDX-License-Identifier: Apache-2.0
import Crypto

/// SHA-256 (FIPS 180-4), by which pictures, prompts and settings are told apart.
package enum ContentHash {
    /// The 32 bytes of a message's hash.
    package static func bytes(of message: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: message))
    }

    /// The hash of a text, in hexadecimal digits.
    package static func text(of text: String) -> String {
        let digits = Array("0123456789abcdef")
        return String(
            bytes(of: Array(text.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
