// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TestSupport
import Testing

@testable import Captioning

@Suite struct RecordQueueTests {
    /// Records come in random order.
    ///
    /// All of them are written, in the order of tasks and prompts.
    @Test(arguments: 0..<20)
    func orderedRecordsComeInTheOrderOfTheirTasks(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let folder = try TemporaryFolder()
        let path = FilePath(folder.path + "/records.jsonl")
        let job = RecordIdentity(model: "m", prompts: ["one", "two", "three"], settings: [])
        let counts = (0..<15).map { _ in Int.random(in: 1...3, using: &random) }
        let all = counts.enumerated().flatMap { task, count in (0..<count).map { (task, $0) } }
        for isOrdered in [true, false] {
            unlink(path.text)
            var queue = RecordQueue(
                try CaptionOutput(records: .file(path), resumes: true, sidecars: nil, job: job),
                isOrdered: isOrdered)
            let shuffled = all.shuffled(using: &random)
            for (task, prompt) in shuffled {
                try queue.add(
                    CaptionRecord(FilePath("\(task)"), error: "\(prompt)"),
                    of: PictureReference(path: FilePath("\(task)")), prompt: prompt, task: task,
                    recordsOfTask: counts[task])
            }
            let found = try String(contentsOfFile: path.text, encoding: .utf8)
                .split(separator: "\n").map { try CaptionRecord(line: $0.utf8) }
                .map { "\($0.fileName) \($0.error ?? "")" }
            #expect(found == (isOrdered ? all : shuffled).map { "\($0) \($1)" })
        }
    }

    @Test func whatWaitsIsFlushedInOrder() throws {
        let folder = try TemporaryFolder()
        let path = FilePath(folder.path + "/records.jsonl")
        let job = RecordIdentity(model: "m", prompts: ["one"], settings: [])
        var queue = RecordQueue(
            try CaptionOutput(records: .file(path), resumes: true, sidecars: nil, job: job),
            isOrdered: true)
        for task in [3, 1, 2] {
            try queue.add(
                CaptionRecord(FilePath("\(task)"), error: ""),
                of: PictureReference(path: FilePath("\(task)")), prompt: 0, task: task,
                recordsOfTask: 1)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path.text)).isEmpty)
        try queue.flush()
        let names = try String(contentsOfFile: path.text, encoding: .utf8)
            .split(separator: "\n").map { try CaptionRecord(line: $0.utf8).fileName }
        #expect(names == ["1", "2", "3"])
    }
}
