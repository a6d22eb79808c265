// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import TrimLLaVACommandLine

@Suite struct TerminalTextTests {
    @Test func byteCounts() {
        #expect(byteCountText(0) == "0 bytes")
        #expect(byteCountText(1023) == "1023 bytes")
        #expect(byteCountText(1024) == "1.00 KiB")
        #expect(byteCountText(1 << 20) == "1.00 MiB")
        #expect(byteCountText(4_081_004_224) == "3.80 GiB")
        #expect(byteCountText(3 << 40) == "3.00 TiB")
        #expect(byteCountText(5000 << 40) == "5000.00 TiB")
    }

    @Test func tables() {
        #expect(tableText([]) == "")
        #expect(
            tableText([["a", "1", "x"], ["long", "100", ""]], rightAligned: [1])
                == "a       1  x\nlong  100  \n")
    }

    @Test func controls() {
        #expect(escapingControls("naïve 🐱\n") == "naïve 🐱\n")
        #expect(escapingControls("\u{1B}[31m\t\u{7F}\u{85}") == #"\u{1B}[31m\t\u{7F}\u{0085}"#)
        #expect(escapingControls("a\r\nb", keepingLines: false) == #"a\r\nb"#)
    }
}
