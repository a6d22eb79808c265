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
                try Ordeal(TinyPair(Ordeal.smolVLM)).tryValuesAndTensors()
            }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfQwen3VL() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                try Ordeal(TinyPair(Ordeal.small(.qwen3VL))).tryValuesAndTensors()
            }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfOneVision() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) { try Ordeal(TinyPair(Ordeal.small(.oneVision))).tryValuesAndTensors() }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfQwen2_5VL() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) { try Ordeal(TinyPair(Ordeal.small(.qwen2VL(.qwen2_5VL)))).tryValuesAndTensors() }
            report(result)
        }

        @Test func everyMetadataValueAndTensorOfQwen2VL() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) { try Ordeal(TinyPair(Ordeal.small(.qwen2VL(.qwen2VL)))).tryValuesAndTensors() }
            report(result)
        }

        /// Flipped bits of headers, and files that end early.
        @Test func randomBitsAndCutsOfNewerFamilies() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                for model in [.oneVision, .qwen2VL(.qwen2_5VL), .qwen2VL(.qwen2VL)] as [TinyModel] {
                    let ordeal = try Ordeal(TinyPair(Ordeal.small(model)))
                    try ordeal.tryRandomBits(rounds: 600, seed: 3)
                    try ordeal.tryCuts(count: 60)
                    try ordeal.checkMemory()
                }
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
                try ordeal.tryRandomBits(rounds: 2000, seed: 2)
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

        /// A model of the same few layers and numbers.
        static func small(_ model: TinyModel) -> TinyModel {
            var small = model
            (small.width, small.heads, small.keyValueHeads) = (8, 2, 1)
            (small.feedForwardWidth, small.visionFeedForwardWidth) = (8, 8)
            (small.visionWidth, small.visionBlocks, small.contextLength) = (8, 2, 200)
            if small.storedHeadWidth != nil { small.storedHeadWidth = 8 }
            return small
        }

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

        /// Tries every hostile value of every key, and every hostile variant of every tensor.
        func tryValuesAndTensors() throws {
            try tryEach(HostileMutation.values(of: pair).map { [$0] })
            try tryEach(HostileMutation.tensors(of: pair).map { [$0] })
        }

        /// Flips up to three bits of a header, where every bit counts, of either file in turn.
        func tryRandomBits(rounds: Int, seed: UInt64) throws {
            let (text, projector) = (pair.text.image(), pair.projector.image())
            var random = SeededGenerator(seed: seed)
            for round in 0..<rounds {
                var files = [text.bytes, projector.bytes]
                let side = round % 2
                let end = (side == 0 ? text : projector).fields.last?.offset ?? 0
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 4..<end + 8, using: &random)
                    files[side][place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
                try tryPair(text: files[0], projector: files[1], "round \(round)")
            }
        }

        /// Ends either file at many places, the first and the last byte among them.
        func tryCuts(count: Int) throws {
            let files = [pair.text.image().bytes, pair.projector.image().bytes]
            for side in 0..<2 {
                for cut in 0..<count {
                    var cutFiles = files
                    cutFiles[side].removeLast(1 + (files[side].count - 1) * cut / (count - 1))
                    try tryPair(
                        text: cutFiles[0], projector: cutFiles[1], "file \(side), cut \(cut)")
                }
            }
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
