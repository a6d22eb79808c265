// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TrimLLaVA
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of answers, one JSON object per line, from which an interrupted evaluation continues.
///
/// The first line names the run. A last line without an end, as a crash leaves it, is dropped.
public final class AnswerFile {
    /// The answers of earlier runs.
    public let before: [EvaluationRecord]
    private let path: String
    private let file: Int32

    private struct Header: Codable {
        let run: String
        // Nil in files that predate the schema.
        var schemaVersion: Int? = OutputSchema.version
        var trimllavaVersion: String? = Release.version
    }

    /// Opens or creates the file of a run and locks it.
    ///
    /// - Parameter run: what all answers of the file share, such as model and questions.
    /// - Throws: `EvaluationError`.
    public init(path: String, run: String) throws(EvaluationError) {
        self.path = path
        do {
            file = try LockedOutput.opened(FilePath(path))
        } catch {
            switch error {
            case .inUse: throw .file(path: path, reason: "another run writes to it")
            case .unwritable(let error): throw .file(path: path, reason: error.reason)
            }
        }
        do throws(EvaluationError) {
            before = try Self.read(path, file, run)
            if lseek(file, 0, SEEK_END) == 0 {
                try Self.write(Header(run: run), to: file, path)
            }
        } catch {
            closeUnlocked(file)
            throw error
        }
    }

    deinit {
        closeUnlocked(file)
    }

    /// Appends an answer.
    ///
    /// - Throws: `EvaluationError.file`.
    public func append(_ record: EvaluationRecord) throws(EvaluationError) {
        try Self.write(record, to: file, path)
    }

    /// Reads the file.
    ///
    /// A torn or broken last line is cut off, once the lines before it have proved to be answers.
    private static func read(
        _ path: String, _ file: Int32, _ run: String
    ) throws(EvaluationError) -> [EvaluationRecord] {
        let size = FileStatus(descriptor: file)?.version.size
        guard let size, let bytes = readAll(size, at: 0, of: file) else { throw failure(path) }
        let data = Data(bytes)
        var whole = data.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        var records: [EvaluationRecord] = []
        var (hasHeader, start) = (false, data.startIndex)
        let lines = data[..<whole].split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            defer { start = bytes.endIndex + 1 }
            let line = try text(of: bytes, "\(path), line \(index + 1)")
            if line.allSatisfy(\.isWhitespace) { continue }
            if !hasHeader {
                try check(line, path, run)
                hasHeader = true
            } else if let record = try? decoder().decode(
                EvaluationRecord.self, from: Data(line.utf8))
            {
                records.append(record)
            } else if bytes.endIndex + 1 >= whole {
                whole = start
            } else {
                throw .badLine(path: path, line: index + 1, problem: "expected an answer")
            }
        }
        if !hasHeader {
            guard data.isEmpty || data.first == UInt8(ascii: "{") else {
                throw .badLine(path: path, line: 1, problem: "expected the name of a run")
            }
            whole = 0
        }
        guard whole == data.count || uninterrupted({ ftruncate(file, off_t(whole)) }) == 0 else {
            throw failure(path)
        }
        return records
    }

    private static func text(of line: Data, _ place: String) throws(EvaluationError) -> String {
        do {
            return try UserText.line(line, place: place)
        } catch {
            throw .text(error)
        }
    }

    private static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    /// Checks that the first line names the run.
    private static func check(
        _ line: String, _ path: String, _ run: String
    ) throws(EvaluationError) {
        guard let header = try? decoder().decode(Header.self, from: Data(line.utf8)) else {
            throw .badLine(path: path, line: 1, problem: "expected the name of a run")
        }
        guard header.run == run else {
            throw .otherRun(path: path, found: header.run, expected: run)
        }
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
        let end = lseek(file, 0, SEEK_END)
        guard !writeAll([UInt8](data), to: file) else { return }
        let error = failure(path)
        // Half of a line is cut off again.
        if end >= 0 { _ = uninterrupted { ftruncate(file, end) } }
        throw error
    }

    private static func failure(_ path: String) -> EvaluationError {
        .file(path: path, reason: systemReason())
    }
}
