// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

/// Damaged pairs either answer about a picture or end in a `LLaVAError`.
///
/// Each test runs in a process of its own, which a trap would end and whose memory is bounded: none
/// of the files holds more than some kilobytes.
#if os(Linux)
    @Suite struct HostilePairTests {
        @Test func everyMetadataValue() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal()
                try ordeal.tryEach(HostileMutation.values(of: ordeal.pair).map { [$0] })
            }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfSmolVLM() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal(TinyPair(Ordeal.smolVLM))
                try ordeal.tryEach(HostileMutation.values(of: ordeal.pair).map { [$0] })
                try ordeal.tryEach(HostileMutation.tensors(of: ordeal.pair).map { [$0] })
            }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfQwen3VL() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal(TinyPair(Ordeal.qwen3VL))
                try ordeal.tryEach(HostileMutation.values(of: ordeal.pair).map { [$0] })
                try ordeal.tryEach(HostileMutation.tensors(of: ordeal.pair).map { [$0] })
            }
            report(result)
        }

        @Test func everyTensor() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal()
                try ordeal.tryEach(HostileMutation.tensors(of: ordeal.pair).map { [$0] })
            }
            report(result)
        }

        /// Files that agree with themselves, whatever their numbers.
        @Test func oddShapes() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal()
                var random = SeededGenerator(seed: 1)
                var answers = 0
                for _ in 0..<400 {
                    let model = TinyModel.odd(using: &random)
                    let pair = TinyPair(model)
                    let answered = try ordeal.tryPair(
                        text: pair.text.image().bytes, projector: pair.projector.image().bytes,
                        "\(model)")
                    answers += answered ? 1 : 0
                }
                // Both ends are met often enough to mean something.
                guard (50...350).contains(answers) else { fatalError("\(answers) answers") }
                try ordeal.checkMemory()
            }
            report(result)
        }

        @Test func randomBits() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let ordeal = try Ordeal()
                let (text, projector) = (
                    ordeal.pair.text.image(), ordeal.pair.projector.image()
                )
                var random = SeededGenerator(seed: 2)
                for round in 0..<2000 {
                    var files = [text.bytes, projector.bytes]
                    let side = round % 2
                    // The header, where every bit counts.
                    let end = (side == 0 ? text : projector).fields.last?.offset ?? 0
                    for _ in 0..<Int.random(in: 1...3, using: &random) {
                        let place = Int.random(in: 4..<end + 8, using: &random)
                        files[side][place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                    }
                    try ordeal.tryPair(text: files[0], projector: files[1], "round \(round)")
                }
                try ordeal.checkMemory()
            }
            report(result)
        }

        @Test func absurdOptions() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                var pair = TinyPair(Ordeal.model)
                pair.text["llama.context_length"] = .uint32(1 << 30)
                let ordeal = try Ordeal(pair)
                for context in [nil, .min, 0, 1, 2, 1 << 20, 1 << 30, .max] as [Int?] {
                    for threads in [nil, .min, 0, 3, 1_000_000_000] as [Int?] {
                        try ordeal.tryPair(
                            text: pair.text.image().bytes,
                            projector: pair.projector.image().bytes,
                            "context \(context ?? -1), threads \(threads ?? -1)",
                            LoadOptions(threadCount: threads, context: context))
                    }
                }
                try ordeal.checkMemory()
            }
            report(result)
        }

        private func report(_ result: ExitTest.Result?) {
            guard let result else { return }
            let lastLines = String(
                decoding: result.standardErrorContent.suffix(2000), as: UTF8.self)
            #expect(result.exitStatus == .exitCode(0), "\(lastLines)")
        }
    }

    /// A process of bounded memory in which pairs are loaded and asked.
    private struct Ordeal {
        /// As small as a model gets that has every kind of layer.
        static let model: TinyModel = {
            var model = TinyModel()
            (model.width, model.heads, model.keyValueHeads) = (8, 2, 1)
            (model.feedForwardWidth, model.visionFeedForwardWidth) = (8, 8)
            (model.visionWidth, model.visionBlocks, model.contextLength) = (8, 2, 200)
            model.pinpoints = [28, 56, 56, 28]
            return model
        }()

        static let smolVLM: TinyModel = {
            var small = model
            (small.family, small.pinpoints) = (.smolVLM, [])
            return small
        }()

        static let qwen3VL: TinyModel = {
            var small = TinyModel.qwen3VL
            (small.width, small.heads, small.keyValueHeads) = (8, 2, 1)
            (small.feedForwardWidth, small.visionFeedForwardWidth) = (8, 8)
            (small.visionWidth, small.visionBlocks, small.contextLength) = (8, 2, 200)
            small.storedHeadWidth = 8
            return small
        }()

        let pair: TinyPair
        private let folder: TemporaryFolder
        private let peakBefore: Int
        private let picture = Picture(
            width: 5, height: 3, pixels: (0..<45).map { UInt8($0 * 5) })

        /// The unharmed pair must answer; what it needs is not counted.
        init(_ pair: TinyPair = TinyPair(model)) throws {
            self.pair = pair
            folder = try TemporaryFolder()
            let paths = try [
                folder.write(pair.text.image().bytes, to: "text.gguf"),
                folder.write(pair.projector.image().bytes, to: "mmproj.gguf"),
            ]
            let llava = try LLaVA(
                text: paths[0], projector: paths[1], options: LoadOptions(threadCount: 1))
            let answer = try llava.complete(
                "a<image>b", pictures: [picture], options: GenerationOptions(maxNewTokens: 1))
            guard answer.tokens.count <= 1 else { exit(EXIT_FAILURE) }
            peakBefore = peakResidentBytes()
            try capAddressSpace(extraBytes: 1 << 30)
        }

        /// Tries the pair after each set of mutations.
        func tryEach(_ sets: [[HostileMutation]]) throws {
            for mutations in sets {
                var changed = pair
                for mutation in mutations { mutation.apply(to: &changed) }
                try tryPair(
                    text: changed.text.image().bytes,
                    projector: changed.projector.image().bytes,
                    mutations.map(\.description).joined(separator: "; "))
            }
            try checkMemory()
        }

        /// Loads two files and asks for one token; any error but a `LLaVAError` ends the process.
        ///
        /// - Parameter name: what a failing test prints.
        /// - Returns: whether there was an answer.
        @discardableResult
        func tryPair(
            text: [UInt8], projector: [UInt8], _ name: String,
            _ options: LoadOptions = LoadOptions(threadCount: 1)
        ) throws -> Bool {
            FileHandle.standardError.write(Data("\(name)\n".utf8))
            let paths = try (
                folder.write(text, to: "text.gguf"), folder.write(projector, to: "mmproj.gguf")
            )
            do throws(LLaVAError) {
                let llava = try LLaVA(text: paths.0, projector: paths.1, options: options)
                _ = try llava.complete(
                    "a<image>b", pictures: [picture], options: GenerationOptions(maxNewTokens: 1))
                return true
            } catch {
                guard !error.description.isEmpty else { exit(EXIT_FAILURE) }
                return false
            }
        }

        func checkMemory() throws {
            let grown = peakResidentBytes() - peakBefore
            FileHandle.standardError.write(Data("\(grown >> 20) MB more at the peak\n".utf8))
            guard grown < 256 << 20 else { exit(EXIT_FAILURE) }
        }
    }
#endif
