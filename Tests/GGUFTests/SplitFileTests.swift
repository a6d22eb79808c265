// SPDX-License-Identifier: Apache-2.0
import Foundation
import GGUF
import TestSupport
import Testing

@Suite struct SplitFileTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test(arguments: [1, 2, 3, 5, 7])
    func joinsAllParts(count: Int) throws {
        let first = try write(model(tensors: 5).split(into: count))
        let file = try GGUFFile(path: first)
        #expect(file.tensors.map(\.name) == (0..<5).map { "t\($0)" })
        #expect(file.tensors.map { $0.floats() } == (0..<5).map { [Float($0)] })
        #expect(try file.metadata.string("general.name") == "whole")
        let sizes = try (0..<count).map { try Data(contentsOf: url(part($0, of: count))).count }
        #expect(file.byteCount == sizes.reduce(0, +))
        #expect(file.tensors.last?.fileName.hasSuffix(part(count - 1, of: count)) == true)
    }

    @Test func namesTellWhereThePartsAre() {
        #expect(
            GGUFFile.partPaths(of: "a/b-00001-of-00003.gguf")
                == (1...3).map { "a/b-0000\($0)-of-00003.gguf" })
        for path in ["a/b.gguf", "a/b-1-of-3.gguf", "a/b-00001-of-00000.gguf", ""] {
            #expect(GGUFFile.partPaths(of: path) == [path])
        }
    }

    @Test func refusesOtherPartsThanTheFirst() throws {
        _ = try write(model(tensors: 4).split(into: 2))
        expectSplitError(part(1, of: 2), "is part 2 of 2; open the first", part(0, of: 2))
    }

    @Test func refusesMissingParts() throws {
        let first = try write(model(tensors: 3).split(into: 3))
        try FileManager.default.removeItem(at: url(part(1, of: 3)))
        let error = try #require(refusal(path: first))
        #expect("\(error)".contains(part(1, of: 3) + ": cannot open the file"))
    }

    @Test func refusesOtherNames() throws {
        let parts = model(tensors: 2).split(into: 2)
        for name in ["model.gguf", "00001-of-00002.gguf", "m-00001-of-00003.gguf", "m-1-of-2.gguf"]
        {
            try folder.write(parts[0].bytes(), to: name)
            expectSplitError(name, "is part 1 of 2", "'-00001-of-00002.gguf'")
        }
    }

    @Test func refusesPartsOfAnotherNumber() throws {
        let parts = model(tensors: 3).split(into: 3)
        _ = try write([parts[0], parts[2], parts[1]])
        let error = refusal(path: folder.path + "/" + part(0, of: 3))
        #expect(
            error
                == .split(
                    file: folder.path + "/" + part(1, of: 3),
                    problem: "split.no is 2, expected 1"))
    }

    @Test func refusesPartsOfAnotherCount() throws {
        var parts = model(tensors: 2).split(into: 2)
        parts[1] = model(tensors: 3).split(into: 3)[1]
        _ = try write(parts)
        expectSplitError(part(0, of: 2), part(1, of: 2), "split.count is 3, expected 2")
    }

    @Test func refusesAnotherNumberOfTensors() throws {
        var parts = model(tensors: 4).split(into: 2)
        parts[1].add("extra", shape: [1], floats: [0])
        _ = try write(parts)
        expectSplitError(part(0, of: 2), "split.tensors.count is 4, expected 5")
    }

    @Test func refusesTensorsInTwoParts() throws {
        var parts = model(tensors: 2).split(into: 2)
        var repeated = GGUFWriter()
        repeated.set("split.no", .uint16(1))
        repeated.set("split.count", .uint16(2))
        repeated.add("t0", shape: [1], floats: [0])
        parts[1] = repeated
        _ = try write(parts)
        expectSplitError(part(0, of: 2), part(1, of: 2), "tensor 't0' is in an earlier part")
    }

    @Test func refusesWrongNumbers() throws {
        for (number, count) in [(UInt64(2), UInt64(2)), (.max >> 1, 2), (0, 100_000), (0, 1 << 40)]
        {
            var writer = GGUFWriter()
            writer.set("split.no", .uint64(number))
            writer.set("split.count", .uint64(count))
            try folder.write(writer.bytes(), to: part(0, of: 2))
            expectSplitError(part(0, of: 2), number == 0 ? "split.count is" : "split.no is")
        }
    }

    @Test func refusesPartsWithoutTheirKeys() throws {
        var parts = model(tensors: 2).split(into: 2)
        parts[1] = model(tensors: 1)
        _ = try write(parts)
        #expect(
            refusal(path: folder.path + "/" + part(0, of: 2))
                == .missingKey(file: folder.path + "/" + part(1, of: 2), key: "split.no"))
    }

    private func model(tensors: Int) -> GGUFWriter {
        var writer = GGUFWriter()
        writer.set("general.name", .string("whole"))
        for index in 0..<tensors {
            writer.add("t\(index)", shape: [1], floats: [Float(index)])
        }
        return writer
    }

    /// Writes the parts and returns the path of the first.
    private func write(_ parts: [GGUFWriter]) throws -> String {
        for (index, writer) in parts.enumerated() {
            try folder.write(writer.bytes(), to: part(index, of: parts.count))
        }
        return folder.path + "/" + part(0, of: parts.count)
    }

    private func part(_ index: Int, of count: Int) -> String {
        "m-0000\(index + 1)-of-0000\(count).gguf"
    }

    private func url(_ name: String) -> URL {
        URL(fileURLWithPath: folder.path + "/" + name)
    }

    private func expectSplitError(
        _ name: String, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = refusal(path: folder.path + "/" + name)
        guard case .split = error else {
            Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
            return
        }
        let message = error.map { "\($0)" } ?? ""
        for part in parts {
            #expect(message.contains(part), "\(message)", sourceLocation: sourceLocation)
        }
    }
}
