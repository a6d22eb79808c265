// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Answers as they come, one JSON object per line, so that an evaluation can go on where it ended.
///
/// The first line names the run. A last line without an end is what a crash left, and is dropped.
public final class AnswerFile {
    /// What was answered before.
    public let before: [EvaluationRecord]
    private let path: String
    private let file: Int32

    private struct Header: Codable {
        let run: String
        // Nil in files from before there were versions.
        var schemaVersion: Int? = OutputSchema.version
        var trimllavaVersion: String? = Release.version
    }

    /// Opens or makes the file of a run, alone.
    ///
    /// - Parameter run: what all answers of the file have in common: model and questions.
    /// - Throws: `EvaluationError`.
    public init(path: String, run: String) throws(EvaluationError) {
        self.path = path
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(path) }
        do throws(EvaluationError) {
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                throw .file(path: path, reason: "another run writes to it")
            }
            before = try Self.read(path, file, run)
            if lseek(file, 0, SEEK_END) == 0 {
                try Self.write(Header(run: run), to: file, path)
            }
        } catch {
            close(file)
            throw error
        }
    }

    deinit {
        // Closing alone leaves the lock to a process that is just being started.
        flock(file, LOCK_UN)
        close(file)
    }

    /// Adds an answer.
    ///
    /// - Throws: `EvaluationError.file`.
    public func append(_ record: EvaluationRecord) throws(EvaluationError) {
        try Self.write(record, to: file, path)
    }

    /// Reads what is there and cuts off a torn line.
    private static func read(
        _ path: String, _ file: Int32, _ run: String
    ) throws(EvaluationError) -> [EvaluationRecord] {
        guard let data = FileManager.default.contents(atPath: path) else { throw failure(path) }
        let whole = data.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        guard ftruncate(file, off_t(whole)) == 0 else { throw failure(path) }
        let lines = data[..<whole].split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first else { return [] }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let header = try? decoder.decode(Header.self, from: first) else {
            throw .badLine(path: path, line: 1, problem: "expected the name of a run")
        }
        guard header.run == run else {
            throw .otherRun(path: path, found: header.run, expected: run)
        }
        var records: [EvaluationRecord] = []
        for (index, line) in lines.dropFirst().enumerated() {
            guard let record = try? decoder.decode(EvaluationRecord.self, from: line) else {
                throw .badLine(path: path, line: index + 2, problem: "expected an answer")
            }
            records.append(record)
        }
        return records
    }

    private static func write(
        _ value: some Encodable, to file: Int32, _ path: String
    ) throws(EvaluationError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        guard var data = try? encoder.encode(value) else {
            throw .file(path: path, reason: "an answer cannot be written as JSON")
        }
        data.append(UInt8(ascii: "\n"))
        let handle = FileHandle(fileDescriptor: file, closeOnDealloc: false)
        do {
            try handle.write(contentsOf: data)
        } catch {
            throw .file(path: path, reason: error.localizedDescription)
        }
    }

    private static func failure(_ path: String) -> EvaluationError {
        .file(path: path, reason: String(cString: strerror(errno)))
    }
}
