// SPDX-License-Identifier: Apache-2.0
import Generation
import TestSupport
import Testing
import TokenPruning
import TrimLLaVA
import Weights

@Suite struct LoadingTests {
    private func refusal(
        _ text: String, _ projector: String, _ options: LoadOptions = LoadOptions()
    ) throws -> LLaVAError? {
        try libraryError {
            _ = try LLaVA(
                text: Fixture.path("models/\(text)"),
                projector: Fixture.path("models/\(projector)"), options: options)
        }
    }

    private static let text = "llava-1.5-gqa/llava-1.5-gqa-f32.gguf"
    private static let projector = "llava-1.5-gqa/llava-1.5-gqa-mmproj-f32.gguf"

    @Test func unreadableFilesAreFileErrors() throws {
        for (text, projector) in [
            ("absent.gguf", Self.projector), (Self.text, "absent.gguf"), ("", Self.projector),
            (Self.text, "pictures/small.png"),
        ] {
            let error = try refusal(text, projector)
            guard case .file = error else {
                Issue.record("\(text), \(projector): \(String(describing: error))")
                continue
            }
        }
    }

    @Test func filesThatMakeNoModelAreModelErrors() throws {
        let other = "llava-1.5-mha/llava-1.5-mha-mmproj-f32.gguf"
        let width = PairMismatch.width(projector: 64, text: 48)
        guard case .model(.mismatchedPair(_, _, width)) = try refusal(Self.text, other) else {
            Issue.record("another model's projector was taken")
            return
        }
        guard case .model(.exchangedFiles) = try refusal(Self.projector, Self.text) else {
            Issue.record("exchanged files were taken")
            return
        }
        guard case .model(.notProjector) = try refusal(Self.text, Self.text) else {
            Issue.record("a text model was taken as a projector")
            return
        }
    }

    /// What a text or a selector may need is known, and refused where it is not there, for every use.
    @Test func tokensWithoutAnEmbeddingAreRefused() throws {
        var pair = TinyPair()
        let rows = TinyVocabulary.pieces.count - 5
        for name in ["token_embd.weight", "output.weight"] {
            let floats = Array(pair.text.floats(name).prefix(16 * rows))
            pair.text.set(name, shape: [16, rows], floats: floats)
        }
        let error = try pair.withPaths { text, projector in
            try libraryError { _ = try LLaVA(text: text, projector: projector) }
        }
        #expect(
            error == .generation(.vocabularyMismatch(tokenizer: rows + 5, embeddings: rows)))
    }

    @Test(arguments: [
        ("scope", SelectionNeed.attention), ("visionzip-select", .attention), ("todre", .attention),
        ("hiprune", .receivedAttention),
    ])
    func selectorsWithoutClassAttentionAreRefused(selector: String, need: SelectionNeed) throws {
        var pair = TinyPair()
        pair.projector["clip.vision.feature_layer"] = .int32s([0])
        let missing = LLaVAError.generation(
            .pruning(.missingInput(selector: selector, need: need)))
        try pair.withPaths { text, projector in
            let llava = try LLaVA(text: text, projector: projector)
            let pruning = PruningOptions(budget: .count(2), selector: selector)
            let options = GenerationOptions(maxNewTokens: 1, pruning: pruning)
            #expect(
                try libraryError { _ = try llava.selection(of: picture("small"), by: pruning) }
                    == missing)
            #expect(
                try libraryError {
                    _ = try llava.complete(
                        "a<image>", pictures: [picture("small")], options: options)
                } == missing)
            // The needs of later requests are those of their selectors.
            let encoder = try llava.model.pictureEncoder
            var request = try WrittenPrompt(raw: "a<image>", pictures: 1, llava.tokenizer).request(
                about: [PictureSource.picture(picture("small")).engineInput(encoder)],
                options: GenerationOptions(maxNewTokens: 1))
            request.pictureNeeds = [need]
            for threads in [0, 1] {
                var options = Engine.Options(parallel: 1, cacheRows: 64)
                options.encodingThreads = threads
                let engine = try llava.engine(options)
                let error = #expect(throws: GenerationError.self) { try engine.answer(request) }
                guard case .pruning(.missingInput(_, need)) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
            }
        }
    }

    @Test func mergingWithoutClassAttentionIsRefused() throws {
        var pair = TinyPair()
        pair.projector["clip.vision.feature_layer"] = .int32s([0])
        try pair.withPaths { text, projector in
            let llava = try LLaVA(text: text, projector: projector)
            let pruning = PruningOptions(
                budget: .count(2), selector: "uniform", merging: .prumerge)
            #expect(
                try libraryError { _ = try llava.selection(of: picture("small"), by: pruning) }
                    == .generation(.pruning(.missingForMerging(.prumerge, need: .attention))))
        }
    }

    @Test func optionsOutOfRangeAreRefused() throws {
        for count in [.min, -1, 0, LoadOptions.maximumThreadCount + 1, .max] {
            #expect(
                try refusal(Self.text, Self.projector, LoadOptions(threadCount: count))
                    == .generation(
                        .invalidOption(
                            name: "the number of threads", value: "\(count)",
                            expected: "1 to 128")))
        }
        for context in [.min, -1, 0, 1 << 40, .max] {
            let error = try refusal(Self.text, Self.projector, LoadOptions(context: context))
            guard case .model(.contextOutOfRange(_, context, _)) = error else {
                Issue.record("context \(context): \(String(describing: error))")
                continue
            }
        }
        guard
            case .kernels(.unknownTable("nonsense", _)) =
                try refusal(Self.text, Self.projector, LoadOptions(kernels: "nonsense"))
        else {
            Issue.record("unknown kernels were taken")
            return
        }
    }

    @Test func damagedVocabulariesAreTokenizationErrors() throws {
        var pair = TinyPair()
        pair.text["tokenizer.ggml.model"] = .string("nonsense")
        try pair.withPaths { text, projector in
            let error = try libraryError { _ = try LLaVA(text: text, projector: projector) }
            guard case .tokenization(.unsupported(_, "tokenizer.ggml.model", _, _)) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test(
        arguments: [
            ("llava-1.5-gqa", .llama3), ("llava-qwen2", .chatml),
            ("llava-next-mistral", .mistral), ("llava-phi3", .phi3), ("llava-1.5-mha", nil),
        ] as [(String, ChatTemplate?)])
    func templatesComeFromTheFile(model: String, template: ChatTemplate?) throws {
        #expect(try LLaVA(golden: model).template == template)
    }

    @Test func withoutATemplateOneMustBeNamed() throws {
        let llava = try LLaVA(golden: "llava-1.5-mha")
        guard
            case .tokenization(.unknownTemplate) =
                try libraryError({ _ = try llava.conversation() })
        else {
            Issue.record("a conversation without a template began")
            return
        }
        let conversation = try llava.conversation(template: .vicuna)
        #expect(try conversation.ask("Hello", options: exactly(3)).tokens.count == 3)
        #expect(
            try libraryError { _ = try llava.conversation(template: .chatml) }
                == .tokenization(
                    .templateNeedsToken(
                        file: llava.tokenizer.fileName, template: "chatml", token: "<|im_start|>")
                ))
    }

    @Test func unusedTensorsAreWarnings() throws {
        #expect(try LLaVA.llama3().warnings == [])
        var pair = TinyPair()
        pair.text.set("blk.0.mystery.weight", shape: [4], floats: [1, 2, 3, 4])
        let (warnings, path) = try pair.withPaths { text, projector in
            (try LLaVA(text: text, projector: projector).warnings, text)
        }
        #expect(warnings == ["\(path): 1 unused tensor: blk.0.mystery.weight"])
    }
}
