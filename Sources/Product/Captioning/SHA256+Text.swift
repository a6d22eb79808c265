// SPDX-License-Identifier: Apache-2.0
import Crypto

extension SHA256 {
    /// The hash of a text, in hexadecimal digits.
    static func text(of text: String) -> String {
        let digits = Array("0123456789abcdef")
        return String(
            hash(data: Array(text.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
