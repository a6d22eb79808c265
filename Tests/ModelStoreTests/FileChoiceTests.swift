// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ModelStore

@Suite struct FileChoiceTests {
    private func choice(
        _ paths: [String], _ quantisation: String? = nil, known: KnownModel? = nil
    ) throws -> FileChoice {
        let files = paths.map { RepositoryFile(path: $0, size: nil) }
        let repository = try #require(HubRepository("acme/tiny"))
        let model =
            known.map { HubModel($0, quantisation: quantisation) }
            ?? HubModel(repository, quantisation: quantisation)
        return try FileChoice(model, among: files)
    }

    /// The listing of cmp-nct/llava-1.6-gguf: several models in one repository.
    private static let several = [
        ".gitattributes", "README.md", "config.json", "ggml-yi-34b-f16-q_3_k.gguf",
        "ggml-yi-34b-f16-q_5_k.gguf", "mistral-7b-q_5_k.gguf", "mmproj-llava-34b-f16-q6_k.gguf",
        "mmproj-mistral7b-f16-q6_k.gguf", "mmproj-mistral7b-f16.gguf",
        "mmproj-vicuna13b-f16-q6_k.gguf", "mmproj-vicuna13b-f16.gguf",
        "mmproj-vicuna7b-f16-q6_k.gguf", "mmproj-vicuna7b-f16.gguf", "vicuna-13b-q5_k.gguf",
        "vicuna-13b-q6_k.gguf", "vicuna-7b-q5_k.gguf",
    ]

    @Test func findsTheTowerBesideTheModel() throws {
        let choice = try choice(Self.several, "Q6_K")
        #expect(choice.text.map(\.path) == ["vicuna-13b-q6_k.gguf"])
        #expect(choice.projector?.path == "mmproj-vicuna13b-f16.gguf")
    }

    @Test func followsTheTable() throws {
        let known = try #require(KnownModel.named("llava-1.6-34b"))
        let choice = try choice(Self.several, known: known)
        #expect(choice.text.map(\.path) == ["ggml-yi-34b-f16-q_5_k.gguf"])
        #expect(choice.projector?.path == "mmproj-llava-34b-f16-q6_k.gguf")
    }

    @Test(arguments: [
        (["a-Q8_0.gguf", "a-Q4_K_M.gguf", "a-Q4_0.gguf"], nil, "a-Q4_K_M.gguf"),
        (["a-Q8_0.gguf", "a-Q4_0.gguf"], nil, "a-Q4_0.gguf"),
        (["a-f16.gguf", "a-int4.gguf"], nil, "a-int4.gguf"),
        (["a-f16.gguf", "a-Q8_0.gguf", "a-Q6_K.gguf"], nil, "a-Q8_0.gguf"),
        (["model.gguf"], nil, "model.gguf"),
        (["a.Q4_K.gguf", "a.Q4_K_S.gguf"], "q4_k_m", "a.Q4_K.gguf"),
        (["a.Q4_K_M.gguf", "a.Q4_K_S.gguf"], "Q4_K", "a.Q4_K_M.gguf"),
        (["a.Q3_K.gguf", "a.Q3_K_M.gguf"], "Q3_K_M", "a.Q3_K_M.gguf"),
        (["a-UD-Q4_K_XL.gguf", "a-IQ2_XXS.gguf"], "IQ2_XXS", "a-IQ2_XXS.gguf"),
        (["Q4_0/a.gguf", "Q8_0/a.gguf"], "Q8_0", "Q8_0/a.gguf"),
        (["a-MXFP4_MOE.gguf", "a-bf16.gguf"], "bf16", "a-bf16.gguf"),
        (["a.imatrix.gguf", "a.fp16.gguf"], "F16", "a.fp16.gguf"),
    ])
    func choosesAQuantisation(paths: [String], wanted: String?, expected: String) throws {
        #expect(try choice(paths, wanted).text.map(\.path) == [expected])
    }

    @Test func namesWhatThereIsInstead() {
        #expect(
            throws: ModelStoreError.noQuantisation(
                repository: "acme/tiny", wanted: "Q2_K", available: ["Q4_0", "Q8_0", "plain.gguf"])
        ) { try choice(["a-q4_0.gguf", "a-Q8_0.gguf", "plain.gguf", "mmproj-Q2_K.gguf"], "q2_k") }
        #expect(throws: ModelStoreError.noTextModel(place: "acme/tiny")) {
            try choice(["README.md", "mmproj-f16.gguf"])
        }
    }

    @Test func takesAllPartsOfASplitModel() throws {
        let parts = (1...3).map { "Q8_0/a-Q8_0-0000\($0)-of-00003.gguf" }
        let choice = try choice(
            parts.reversed() + ["a-Q4_0-00001-of-00002.gguf", "mmproj-f16.gguf"])
        #expect(choice.text.map(\.path) == parts)
        #expect(choice.projector?.path == "mmproj-f16.gguf")
        // A part alone is no model.
        #expect(throws: ModelStoreError.noTextModel(place: "acme/tiny")) {
            try self.choice(["a-00001-of-00002.gguf", "a-00002-of-00003.gguf"])
        }
    }

    @Test func prefersTowersInF16() throws {
        let towers = ["mmproj-model-Q4_0.gguf", "mmproj-model-Q8_0.gguf", "mmproj-model-f16.gguf"]
        #expect(try choice(["a-Q4_0.gguf"] + towers).projector?.path == towers[2])
        #expect(try choice(["a-Q4_0.gguf", "BakLLaVA-1-clip-model.gguf"]).projector != nil)
        #expect(try choice(["a-Q4_0.gguf"]).projector == nil)
    }

    /// Repositories of ggml-org: an mmproj for every quantization of the text model.
    @Test func takesTheTowerOfTheSameQuantization() throws {
        let names = [
            "SmolVLM2-500M-Video-Instruct-Q8_0.gguf", "SmolVLM2-500M-Video-Instruct-f16.gguf",
        ]
        let towers = names.map { "mmproj-" + $0 }
        for listing in [names + towers, (names + towers).reversed()] {
            let usual = try choice(listing)
            #expect(usual.text.map(\.path) == [names[0]])
            #expect(usual.projector?.path == towers[0])
            #expect(try choice(listing, "f16").projector?.path == towers[1])
        }
    }

    /// Files of publishers' repositories: what is chosen, and the tower beside it.
    @Test(arguments: [
        (
            ["SmolVLM2-2.2B-Instruct-Q4_K_M.gguf", "SmolVLM2-2.2B-Instruct-Q8_0.gguf"],
            ["mmproj-SmolVLM2-2.2B-Instruct-Q8_0.gguf", "mmproj-SmolVLM2-2.2B-Instruct-f16.gguf"]
        ),
        (
            [
                "Qwen3VL-4B-Instruct-F16.gguf", "Qwen3VL-4B-Instruct-Q4_K_M.gguf",
                "Qwen3VL-4B-Instruct-Q8_0.gguf",
            ], ["mmproj-Qwen3VL-4B-Instruct-F16.gguf", "mmproj-Qwen3VL-4B-Instruct-Q8_0.gguf"]
        ),
        (
            ["Qwen2.5-VL-3B-Instruct-Q4_K_M.gguf", "Qwen2.5-VL-3B-Instruct-Q8_0.gguf"],
            ["mmproj-Qwen2.5-VL-3B-Instruct-Q8_0.gguf", "mmproj-Qwen2.5-VL-3B-Instruct-f16.gguf"]
        ),
        (
            [
                "Qwen2-VL-2B-Instruct-IQ2_M.gguf", "Qwen2-VL-2B-Instruct-IQ4_XS.gguf",
                "Qwen2-VL-2B-Instruct-Q4_K_M.gguf", "Qwen2-VL-2B-Instruct-Q8_0.gguf",
                "Qwen2-VL-2B-Instruct-f16.gguf", "Qwen2-VL-2B-Instruct.imatrix",
            ], ["mmproj-Qwen2-VL-2B-Instruct-f16.gguf", "mmproj-Qwen2-VL-2B-Instruct-f32.gguf"]
        ),
        (
            ["Qwen2-VL-7B-Instruct-Q2_K_L.gguf", "Qwen2-VL-7B-Instruct-Q4_K_M.gguf"],
            ["mmproj-Qwen2-VL-7B-Instruct-f32.gguf"]
        ),
    ])
    func choosesPairsOfPublishedListings(texts: [String], towers: [String]) throws {
        func tower(_ label: String) -> String? {
            towers.first { Quantisation(inPath: $0)?.label == label }
        }
        for listing in [texts + towers, (texts + towers).reversed()] {
            let usual = try choice(listing)
            #expect(usual.text.map { Quantisation(inPath: $0.path)?.label } == ["Q4_K_M"])
            #expect(usual.projector?.path == tower("F16") ?? towers[0])
            for label in ["Q8_0", "F16"]
            where texts.contains(where: {
                Quantisation(inPath: $0)?.label == label
            }) {
                let other = try choice(listing, label).projector?.path
                #expect(other == tower(label) ?? tower("F16"))
            }
        }
    }

    @Test func smallModelsHaveShortNames() throws {
        for name in [
            "smolvlm-256m", "smolvlm-500m", "smolvlm2-256m", "smolvlm2-500m", "smolvlm2-2.2b",
            "qwen2-vl-2b", "qwen2-vl-7b", "qwen2.5-vl-3b", "qwen2.5-vl-7b", "qwen3-vl-2b",
            "qwen3-vl-4b", "qwen3-vl-8b",
        ] {
            let known = try #require(KnownModel.named(name), "\(name)")
            #expect(known.template == (name.hasPrefix("smol") ? .smolVLM : .chatml))
            // A quantization that the table does not list comes from the repository.
            let listing = known.files.map(\.path) + ["other-Q5_1.gguf", known.projector]
            #expect(try choice(listing, "Q5_1", known: known).text[0].path == "other-Q5_1.gguf")
        }
        #expect(
            KnownModel.named("qwen3-vl-4b")?.projector == "mmproj-Qwen3VL-4B-Instruct-F16.gguf")
    }

    @Test func theTableAgreesWithItself() throws {
        #expect(Set(KnownModel.all.map(\.name)).count == KnownModel.all.count)
        for model in KnownModel.all {
            #expect(KnownModel.named(model.name) == model)
            #expect(FileChoice.isProjector(model.projector))
            let listing = model.files.map(\.path) + [model.projector]
            for file in model.files {
                let choice = try choice(listing, file.quantisation, known: model)
                #expect(choice.text.map(\.path) == [file.path])
                #expect(choice.projector?.path == model.projector)
                // Names of files say the same as the table.
                let named = Quantisation(inPath: file.path)?.full
                #expect(named == Quantisation(file.quantisation).full)
            }
            #expect(try choice(listing, known: model).text.map(\.path) == [model.files[0].path])
        }
    }
}
