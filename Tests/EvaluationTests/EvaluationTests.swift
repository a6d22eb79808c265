// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import TrimLLaVA

@testable import Evaluation

/// Every question is asked once at every setting, even if the evaluation is interrupted and continued.
@Suite struct EvaluationTests {
    private let llava: LLaVA
    private let settings = EvaluationSetting.grid(
        budgets: [.count(3), .percent(50)], selectors: ["trimtokenator", "scope"],
        positions: [.original, .compact], options: SelectorOptions(), sharesBudget: false)

    init() throws {
        llava = try LLaVA(
            text: Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-f32.gguf"),
            projector: Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-mmproj-f32.gguf"))
    }

    private var questions: [EvaluationQuestion] {
        let pictures = ["small", "wide", "small"].map { Fixture.path("models/pictures/\($0).png") }
        let lists = [[pictures[0]], [pictures[0]], [pictures[1]], pictures, [], ["/none.png"]]
        return lists.enumerated().map { index, list in
            EvaluationQuestion(
                id: "q\(index)", pictures: list.map { .file($0) },
                question: "What is thing \(index)?",
                answers: ["a"], task: index < 3 ? "first" : "second", metric: .exact)
        }
    }

    private let options = Evaluation.Options(maxNewTokens: 5, parallel: 4)

    @Test func answersAreThoseOfAConversation() throws {
        let evaluation = try Evaluation(llava, questions, settings, options: options)
        try evaluation.run()
        #expect(evaluation.records.count == questions.count * settings.count)
        for question in questions.dropLast() {
            let pictures = try question.pictures.map { try $0.decoded(.dropped) }
            for setting in settings {
                var generation = GenerationOptions(maxNewTokens: 5)
                generation.pruning = setting.pruning
                let expected = try llava.conversation().ask(
                    question.question, pictures: pictures, options: generation)
                let record = try #require(
                    evaluation.records.first {
                        $0.id == question.id && $0.setting == setting.name
                    })
                #expect(record.text == expected.text && record.error == nil)
                #expect(record.keptTokens == expected.statistics.visualRows)
            }
        }
        let failed = evaluation.records.filter { $0.error != nil }
        #expect(failed.count == settings.count && failed.allSatisfy { $0.id == "q5" })
    }

    @Test func aCutEvaluationGoesOn() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/answers.jsonl"
        let whole = try Evaluation(llava, questions, settings, options: options)
        try whole.run()
        var rounds = 0
        while true {
            let file = try AnswerFile(path: path, run: "run")
            let evaluation = try Evaluation(
                llava, questions, settings, options: options, file: file)
            let cancellation = Cancellation()
            let start = evaluation.records.count
            do {
                try evaluation.run(cancellation: cancellation) { done, _ in
                    // More than the failures, which every round asks again.
                    if done >= start + 10 { cancellation.cancel() }
                }
                break
            } catch LLaVAError.generation(.model(.cancelled)) { rounds += 1 }
        }
        #expect(rounds >= 3)
        func sorted(_ records: [EvaluationRecord]) -> [EvaluationRecord] {
            records.sorted { ($0.id, $0.setting) < ($1.id, $1.setting) }
        }
        let kept = try AnswerFile(path: path, run: "run").before
        let isEqual = sorted(kept) == sorted(whole.records)
        #expect(isEqual)
    }

    /// Files without a `schema_version` have other names for the fields.
    @Test func answersWithEarlierNamesAreTaken() throws {
        let folder = try TemporaryFolder()
        let lines = #"""
            {"run":"run"}
            {"answer":"a","id":"q0","kept":9,"setting":"unpruned","visual":36}
            {"error":"no","id":"q1","kept":0,"setting":"unpruned","visual":0}

            """#
        let path = try folder.write(Array(lines.utf8), to: "answers.jsonl")
        let before = try AnswerFile(path: path, run: "run").before
        #expect(
            before == [
                EvaluationRecord(
                    id: "q0", setting: "unpruned", text: "a", error: nil, visualTokens: 36,
                    keptTokens: 9),
                EvaluationRecord(
                    id: "q1", setting: "unpruned", text: nil, error: "no", visualTokens: 0,
                    keptTokens: 0),
            ])
        let new = try AnswerFile(path: folder.path + "/new.jsonl", run: "run")
        try new.append(before[0])
        let written = try String(contentsOfFile: folder.path + "/new.jsonl", encoding: .utf8)
        #expect(
            written == """
                {"run":"run","schema_version":1,"trimllava_version":"\(Release.version)"}
                {"id":"q0","kept_tokens":9,"setting":"unpruned","text":"a","visual_tokens":36}

                """)
    }

    @Test func scoresAreMeansOverQuestionsAndTasks() throws {
        let (unpruned, pruned) = (settings[0], settings[1])
        func record(_ id: Int, _ setting: EvaluationSetting, _ answer: String?) -> EvaluationRecord
        {
            EvaluationRecord(
                id: "q\(id)", setting: setting.name, text: answer,
                error: answer == nil ? "none" : nil, visualTokens: 16, keptTokens: 2 * id)
        }
        let summary = EvaluationSummary(
            questions, [unpruned, pruned],
            (0..<6).map { record($0, unpruned, $0 == 1 ? "b" : "A.") }
                + [record(0, pruned, "a"), record(3, pruned, nil), record(4, pruned, "a")])
        let rows = summary.rows
        #expect(rows.map(\.task) == ["first", "second", nil, "first", "second", nil])
        #expect(rows[0].score == 2.0 / 3 && rows[1].score == 1)
        #expect(abs(rows[2].score - 5.0 / 6) < 1e-12)
        #expect(rows[3].score == 1 && rows[3].count == 1 && rows[4].score == 0.5)
        #expect(rows[4].failures == 1 && rows[5].failures == 1 && rows[4].keptTokens == 7)
    }
}
