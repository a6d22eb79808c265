// SPDX-License-Identifier: Apache-2.0
import Testing
import TrimLLaVA

/// Test vectors of FIPS 180-4: records of earlier runs are found again by these digits.
@Suite struct ContentHashTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            String(repeating: "a", count: 1000),
            "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"
        ),
    ])
    func hashesAreThePublishedOnes(text: String, hash: String) {
        #expect(ContentHash.text(of: text) == hash)
        let bytes = ContentHash.bytes(of: Array(text.utf8))
        #expect(bytes.count == 32 && Array(hash.utf8).prefix(2) == hexadecimal(bytes[0]))
    }

    private func hexadecimal(_ byte: UInt8) -> ArraySlice<UInt8> {
        let digits = Array("0123456789abcdef".utf8)
        return [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
