// SPDX-License-Identifier: Apache-2.0

/// The hash function of FIPS 180-4, by which pictures, prompts and settings are told apart.
///
/// swift-crypto (3.12.3) would put 2 MB of BoringSSL into every program that uses the library, with 62 functions of AVX
/// code.
package enum SHA256 {
    /// The 32 bytes of a message's hash.
    package static func digest(of message: [UInt8]) -> [UInt8] {
        var state = initial
        let wholeBlocks = message.count / blockLength * blockLength
        message.withUnsafeBytes { bytes in
            mix(UnsafeRawBufferPointer(rebasing: bytes[..<wholeBlocks]), into: &state)
        }
        var last = message[wholeBlocks...] + [0x80]
        last += Array(repeating: 0, count: (120 - last.count % blockLength) % blockLength)
        last += bigEndian(UInt64(message.count) * 8)
        Array(last).withUnsafeBytes { mix($0, into: &state) }
        return state.flatMap(bigEndian)
    }

    /// The hash of a text, in hexadecimal digits.
    package static func text(of text: String) -> String {
        let digits = Array("0123456789abcdef")
        return String(
            digest(of: Array(text.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static let blockLength = 64

    private static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// Takes whole blocks into the state.
    private static func mix(_ blocks: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        // The last 16 words of the message's schedule, each at its index modulo 16.
        var words = InlineArray<16, UInt32>(repeating: 0)
        constants.withUnsafeBufferPointer { constants in
            for start in stride(from: 0, to: blocks.count, by: blockLength) {
                var (a, b, c, d) = (state[0], state[1], state[2], state[3])
                var (e, f, g, h) = (state[4], state[5], state[6], state[7])
                for index in 0..<64 {
                    let word: UInt32
                    if index < 16 {
                        word = UInt32(
                            bigEndian: blocks.loadUnaligned(
                                fromByteOffset: start + 4 * index, as: UInt32.self))
                    } else {
                        let (early, late) = (words[(index + 1) & 15], words[(index + 14) & 15])
                        let small = rotated(early, 7) ^ rotated(early, 18) ^ early >> 3
                        let large = rotated(late, 17) ^ rotated(late, 19) ^ late >> 10
                        word = words[index & 15] &+ small &+ words[(index + 9) & 15] &+ large
                    }
                    words[index & 15] = word
                    let choice = e & f ^ ~e & g
                    let majority = a & b ^ a & c ^ b & c
                    let first =
                        h &+ (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) &+ choice
                        &+ constants[index] &+ word
                    let second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) &+ majority
                    (a, b, c, d, e, f, g, h) = (first &+ second, a, b, c, d &+ first, e, f, g)
                }
                state = zip(state, [a, b, c, d, e, f, g, h]).map { $0 &+ $1 }
            }
        }
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word &>> count | word &<< (32 - count)
    }

    private static let primes = (2...311).filter { number in
        !(2..<number).contains { number % $0 == 0 }
    }

    /// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
    private static let initial = primes.prefix(8).map { fraction(Double($0).squareRoot()) }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static let constants = primes.map { fraction(cubeRoot(Double($0))) }

    private static func fraction(_ number: Double) -> UInt32 {
        UInt32((number - number.rounded(.down)) * 4_294_967_296)
    }

    /// Newton's iteration; 53 bits leave more than the 32 that are needed.
    private static func cubeRoot(_ number: Double) -> Double {
        var root = number / 2
        for _ in 0..<60 { root -= (root * root * root - number) / (3 * root * root) }
        return root
    }
}
