// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// Every input of the corpus, and twenty damaged ones like it, reach their target without ending the process.
///
/// `tools/fuzz` searches for more.
#if os(Linux)
    @Suite struct ReplayTests {
        @Test func everyInputAndItsNeighbours() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                for target in FuzzTarget.all { try replay(target) }
            }
            guard let result else { return }
            let lastLines = String(
                decoding: result.standardErrorContent.suffix(2000), as: UTF8.self)
            #expect(result.exitStatus == .exitCode(0), "\(lastLines)")
        }
    }

    private let mutationsOfEachInput = 20

    private func replay(_ target: FuzzTarget) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Corpus/\(target.name)").standardized
        let inputs = try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }
        guard !inputs.isEmpty else { fatalError("no inputs in \(folder.path)") }
        for input in inputs {
            let bytes = try [UInt8](Data(contentsOf: input))
            var random = SeededGenerator(seed: 1)
            for round in 0...mutationsOfEachInput {
                FileHandle.standardError.write(
                    Data("\(target.name)/\(input.lastPathComponent), round \(round)\n".utf8))
                target.run(round == 0 ? bytes : damaged(bytes, using: &random))
            }
        }
    }

    /// The bytes with a few of them changed, removed or repeated, or cut short.
    private func damaged(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...16, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 4: bytes.removeSubrange(place...)
            default: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            }
        }
        return bytes
    }
#endif
