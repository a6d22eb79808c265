// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

#if os(Linux)
    /// Runs with little memory or few open files.
    @Suite struct ScarceResourcesTests {
        /// The golden PNG with the largest accepted size in its header.
        private func hugePNG() throws -> [UInt8] {
            var bytes = try Fixture.bytes("pictures/decode/rgb.png")
            // 13,000 by 13,000, and the checksum of that header.
            bytes.replaceSubrange(16..<24, with: [0, 0, 0x32, 0xC8, 0, 0, 0x32, 0xC8])
            let checksum = ~bytes[12..<29].reduce(~UInt32(0)) { checksum, byte in
                (0..<8).reduce(checksum ^ UInt32(byte)) { value, _ in
                    value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
                }
            }
            for byte in 0..<4 {
                bytes[29 + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * UInt32(byte)))
            }
            return bytes
        }

        @Test func oneLargePictureDoesNotEndABatch() throws {
            let captions = try CaptionFolder(pictures: 3)
            try captions.folder.write(hugePNG(), to: "pictures/01.png")
            let outcome = try ToolProcess.shell(
                #"ulimit -v 600000; exec "$@""#,
                captions.caption + [
                    captions.pictures, "-o", captions.records, "-n", "2", "-t", "1",
                ])
            #expect(outcome.code == 1, "\(outcome.errors)")
            let lines = try captions.lines()
            #expect(lines.count == 3)
            for line in lines {
                #expect((line.error == nil) == (line.name != "01.png"))
                #expect(line.error?.contains("no memory for 507000000 bytes") ?? true)
            }
        }

        /// Commands without arithmetic start no threads and need little memory.
        @Test(arguments: [["tokenize", "-m"], ["inspect"]])
        func littleMemoryIsEnoughToReadAFile(command: [String]) throws {
            let model = Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-f32.gguf")
            let words = command[0] == "tokenize" ? ["hello"] : []
            let outcome = try ToolProcess.shell(
                #"ulimit -v 200000; exec "$@""#, command + [model] + words)
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(!outcome.output.isEmpty)
        }

        /// Too little memory for threads, weights or pictures ends with a message.
        @Test func littleMemoryIsNoTrapAndNoWait() throws {
            for megabytes in stride(from: 150, through: 480, by: 6) {
                let outcome = try ToolProcess.shell(
                    #"ulimit -v \#(megabytes)000; exec "$@""#,
                    ["run", picturePath("landscape"), "-n", "2", "-t", "2", "--quiet"])
                #expect(
                    [0, 1, 127].contains(outcome.code),
                    "\(megabytes) MB: \(outcome.code), \(outcome.errors)")
                if outcome.code == 1 {
                    #expect(outcome.errors.contains("memory"), "\(outcome.errors)")
                }
            }
        }

        /// Without spare descriptors, a run either works or ends with a message.
        @Test(arguments: [3, 4, 5, 6, 8])
        func fewOpenFilesAreNoTrap(limit: Int) throws {
            let captions = try CaptionFolder(pictures: 2)
            for arguments in [
                captions.model.run + ["--template", "vicuna", "-n", "1", picturePath("small")],
                captions.caption + [captions.pictures, "-n", "1"],
                ["tokenize", "-m", captions.model.text, "hello"],
                ["inspect", captions.model.text],
            ] {
                let outcome = try ToolProcess.shell(
                    #"ulimit -n \#(limit); exec "$@""#, arguments)
                #expect(
                    outcome.code == 0 || outcome.code == 1 || outcome.code == 127,
                    "\(arguments[0]): \(outcome.code), \(outcome.errors)")
            }
        }
    }
#endif
