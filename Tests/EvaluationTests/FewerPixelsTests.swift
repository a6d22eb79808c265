// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import TokenPruning
import TrimLLaVA

@testable import Evaluation

/// The unpruned model on smaller pictures, beside selectors.
@Suite struct FewerPixelsTests {
    private func llava(_ name: String, _ limits: VisionLimits = VisionLimits()) throws -> LLaVA {
        try LLaVA(
            text: Fixture.path("models/\(name)/\(name)-f32.gguf"),
            projector: Fixture.path("models/\(name)/\(name)-mmproj-f32.gguf"),
            options: LoadOptions(visionLimits: limits))
    }

    private func question(_ pictures: [String]) -> EvaluationQuestion {
        EvaluationQuestion(
            id: pictures.joined(),
            pictures: pictures.map { .file(Fixture.path("models/pictures/\($0).png")) },
            question: "What is this?", answers: ["a"], task: "t", metric: .exact)
    }

    private func record(
        _ llava: LLaVA, _ pictures: [String], _ setting: EvaluationSetting
    ) throws -> EvaluationRecord {
        let evaluation = try Evaluation(
            llava, [question(pictures)], [setting], options: Evaluation.Options(maxNewTokens: 5))
        try evaluation.run()
        return try #require(evaluation.records.first)
    }

    private static let models = [
        "smolvlm", "llava-next-mistral", "onevision", "qwen3vl", "qwen2.5vl",
    ]

    /// An answer at a reduction is that of a model that a user limits.
    @Test(arguments: models, ["landscape", "wide", "portrait"])
    func answersAreThoseOfALimitedModel(name: String, picture: String) throws {
        let model = try llava(name)
        let size = try PictureDecoder.load(
            path: Fixture.path("models/pictures/\(picture).png")
        ).size
        let encoder = try model.model.pictureEncoder
        let unpruned = try record(model, [picture], EvaluationSetting(nil))
        for setting in EvaluationSetting.fewerPixels(
            beside: [.count(4), .percent(30), .automatic], for: model)
        {
            let reduction = try #require(setting.reduction)
            let limited = try #require(reduction.limited(encoder, for: size))
            let found = try record(model, [picture], setting)
            let expected = try record(
                llava(name, limited.limits), [picture], EvaluationSetting(nil))
            #expect(found.error == nil && found.text == expected.text)
            #expect(found.keptTokens == expected.keptTokens)
            #expect(found.keptTokens == found.visualTokens)
            #expect(found.keptTokens <= unpruned.keptTokens)
        }
    }

    @Test func onlyModelsThatCanSeeLessHaveThem() throws {
        func names(_ model: String) throws -> [String] {
            EvaluationSetting.fewerPixels(
                beside: [.count(64), .percent(25)], for: try llava(model)
            ).map(\.name)
        }
        #expect(try names("llava-1.5-gqa") == [])
        #expect(try names("qwen3vl") == ["fewer-pixels 64", "fewer-pixels 25.0%"])
        #expect(
            try names("onevision")
                == ["fewer-pixels one-tile", "fewer-pixels 64", "fewer-pixels 25.0%"])
    }

    /// LLaVA-OneVision sees each of several pictures as one tile, which cannot be less.
    @Test func severalPicturesOfOneVisionStayAsTheyAre() throws {
        let model = try llava("onevision")
        let pictures = ["landscape", "wide"]
        let whole = try record(model, pictures, EvaluationSetting(nil))
        let reduced = try record(model, pictures, EvaluationSetting(.oneTile))
        #expect(reduced.error == nil && reduced.text == whole.text)
        #expect(reduced.keptTokens == whole.keptTokens)
    }
}
