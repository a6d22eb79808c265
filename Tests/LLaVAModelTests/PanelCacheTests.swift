// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Foundation
import GGUF
import Kernels
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import LLaVAModel

/// Operations on packed weights.
private let packedOps = TensorOps(
    kernels: .reference, pool: WorkerPool(threadCount: 2), activationMode: .pow2)

@Suite struct PanelCacheTests {
    private let folder: TemporaryFolder
    private var cache: String { folder.path + "/cache" }
    /// Numbers that fill blocks of every format.
    private let pair = TinyPair(TinyModel(textFormat: .q4_K, projectorFormat: .f16))

    init() throws {
        folder = try TemporaryFolder()
    }

    private func write(_ pair: TinyPair) throws {
        try folder.write(pair.text.image().bytes, to: "text.gguf")
        try folder.write(pair.projector.image().bytes, to: "mmproj.gguf")
    }

    private func load(cache: String?) throws -> LLaVAModel {
        try LLaVAModel(
            text: GGUFFile(path: folder.path + "/text.gguf"),
            projector: GGUFFile(path: folder.path + "/mmproj.gguf"), ops: packedOps,
            visionPrecision: .int8, packing: PackingOptions(cacheFolder: cache))
    }

    /// The cache's files by what they were made of.
    private func files() throws -> (text: String, projector: String) {
        let names = try FileManager.default.contentsOfDirectory(atPath: cache).sorted()
        try #require(names.count == 2 && names[0].hasPrefix("mmproj.gguf-"))
        try #require(names.allSatisfy { $0.hasSuffix(".panels") })
        return ("\(cache)/\(names[1])", "\(cache)/\(names[0])")
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    private func inode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.systemFileNumber] as? Int)
    }

    @Test func theNextStartComputesTheSameFromTheCache() throws {
        try write(pair)
        let packed = try load(cache: nil)
        let first = try load(cache: cache)
        let (text, projector) = try files()
        let inodes = try (inode(text), inode(projector))
        let second = try load(cache: cache)
        #expect(first.warnings == packed.warnings && second.warnings == packed.warnings)
        for model in [first, second] {
            #expect(try model.logits(someTokens) == packed.logits(someTokens))
            #expect(try model.projected() == packed.projected())
        }
        // Nothing was written again.
        #expect(try (inode(text), inode(projector)) == inodes)
    }

    @Test func panelsAreReadFromTheCache() throws {
        try write(pair)
        let logits = try load(cache: cache).logits(someTokens)
        let text = try files().text
        // Most of the matrices: another scale, and other weights.
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: text))
        let size = try handle.seekToEnd()
        try handle.seek(toOffset: size / 2)
        try handle.write(contentsOf: Data(repeating: 0x21, count: Int(size - size / 2)))
        try handle.close()
        #expect(try load(cache: cache).logits(someTokens) != logits)
    }

    @Test func fusedMatricesHaveEntriesOfTheirOwn() throws {
        var model = TinyModel(textFormat: .q4_0, projectorFormat: .q8_0)
        model.architecture = "phi3"
        try write(TinyPair(model))
        let logits = try load(cache: cache).logits(someTokens)
        #expect(try load(cache: cache).logits(someTokens) == logits)
    }

    @Test func aCacheThatIsCutShortIsMadeAgain() throws {
        try write(pair)
        let logits = try load(cache: cache).logits(someTokens)
        let text = try files().text
        let whole = try bytes(text)
        for count in [0, 1, 31, 32, 100, 5000, whole.count - 1] {
            try Data(whole.prefix(count)).write(to: URL(fileURLWithPath: text))
            let model = try load(cache: cache)
            #expect(model.warnings.contains { $0.hasPrefix(text) && $0.contains("damaged") })
            #expect(try model.logits(someTokens) == logits)
            #expect(try bytes(text) == whole)
        }
    }

    @Test func aChangedSourceIsPackedAgain() throws {
        try write(pair)
        _ = try load(cache: cache)
        let (text, projector) = try files()
        let inodes = try (inode(text), inode(projector))
        // The same header, other numbers.
        let other = try #require(pair.text[tensor: "token_embd.weight"]).bytes
        try write(
            pair.changed {
                $0.text[tensor: "output.weight"]?.bytes = other
            })
        let expected = try load(cache: nil).logits(someTokens)
        let model = try load(cache: cache)
        #expect(try model.logits(someTokens) == expected)
        #expect(model.warnings.filter { $0.contains("made from an earlier") }.count == 2)
        #expect(try inode(text) != inodes.0 && inode(projector) != inodes.1)
        #expect(try load(cache: cache).warnings.isEmpty)
    }

    @Test func anotherVersionsCacheIsStale() throws {
        try write(pair)
        let file = try GGUFFile(path: folder.path + "/text.gguf")
        func stored(by version: String) -> PanelCache {
            PanelCache(folder: cache, of: file, rounding: "", version: version)
        }
        let weight = someWeight("a", outputs: 40)
        let shape = try #require(PackedShape(.q4_0, outputs: 40, inputs: 64))
        let first = stored(by: "1.0.0")
        #expect(first.matrix(weight, shape) == nil)
        first.add(try packedOps.pack(weight), for: weight)
        first.save(onProgress: { _ in })
        #expect(stored(by: "1.0.0").matrix(weight, shape) != nil)
        let other = stored(by: "1.0.1")
        #expect(other.matrix(weight, shape) == nil)
        #expect(other.warnings.count { $0.contains("or by another version") } == 1)
    }

    @Test func aFolderThatCannotBeWrittenIsAWarning() throws {
        try write(pair)
        let blocked = try folder.write([1], to: "file") + "/cache"
        let model = try load(cache: blocked)
        #expect(model.warnings.count { $0.contains("cannot be written") } == 2)
        #expect(try model.logits(someTokens) == load(cache: nil).logits(someTokens))
    }

    @Test func onlyAbandonedPartialFilesAreDeleted() throws {
        try write(pair)
        _ = try load(cache: cache)
        let text = try files().text
        let (old, new) = ("\(text).1-1.partial", "\(text).2-2.partial")
        for path in [old, new] { try Data([1]).write(to: URL(fileURLWithPath: path)) }
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -4000)], ofItemAtPath: old)
        try FileManager.default.removeItem(atPath: text)
        _ = try load(cache: cache)
        #expect(!FileManager.default.fileExists(atPath: old))
        #expect(FileManager.default.fileExists(atPath: new))
        try FileManager.default.removeItem(atPath: new)
        _ = try files()
    }

    @Test func tellsHowFarItIs() throws {
        try write(pair)
        let progress = ProgressLog()
        _ = try LLaVAModel(
            text: GGUFFile(path: folder.path + "/text.gguf"),
            projector: GGUFFile(path: folder.path + "/mmproj.gguf"), ops: packedOps,
            visionPrecision: .int8, packing: PackingOptions(cacheFolder: cache),
            onProgress: progress.add)
        let packing = progress.all.compactMap {
            if case .packing(let done) = $0 { done } else { nil }
        }
        let storing = progress.all.compactMap {
            if case .storing(let done) = $0 { done } else { nil }
        }
        #expect(packing.count > 10 && packing == packing.sorted())
        #expect(try #require(packing.last) > 0.5 && packing.last.map { $0 <= 1 } == true)
        #expect(storing.count { $0 == 1 } == 2)
    }
}

/// What a callback was told.
private final class ProgressLog {
    private(set) var all: [LoadProgress] = []

    func add(_ progress: LoadProgress) { all.append(progress) }
}

@Suite struct StoredPanelsTests {
    private let folder: TemporaryFolder
    private let path: String
    private let whole: [UInt8]

    /// A cache file of two small matrices.
    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/two.panels"
        let matrices = try [("a", 40), ("bc", 3)].map { name, outputs in
            let weight = someWeight(name, outputs: outputs)
            return (name: name, firstRow: 0, matrix: try packedOps.pack(weight))
        }
        try StoredPanels.write(matrices, source: "test", to: path)
        whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(whole.count == 2 * 4096 + 1152)
    }

    private func refusal(_ bytes: [UInt8], source: String = "test") throws -> StoredPanels.Refusal?
    {
        try folder.write(bytes, to: "changed.panels")
        do {
            _ = try StoredPanels(path: folder.path + "/changed.panels", source: source)
            return nil
        } catch {
            return error
        }
    }

    @Test func aWholeFileIsTaken() throws {
        #expect(try refusal(whole) == nil)
        #expect(try refusal(whole, source: "tesu") == .stale)
        #expect(throws: StoredPanels.Refusal.missing) {
            try StoredPanels(path: folder.path + "/none", source: "test")
        }
        #expect(throws: StoredPanels.Refusal.damaged) {
            try StoredPanels(path: folder.path, source: "test")
        }
    }

    /// Up to some bytes behind the index, then at every 97th.
    @Test func everyTruncationIsFound() throws {
        for count in Array(0..<300) + Array(stride(from: 300, to: whole.count, by: 97)) {
            #expect(try refusal(Array(whole.prefix(count))) == .damaged, "\(count) bytes")
        }
        #expect(try refusal(whole + [0]) == .damaged)
    }

    @Test func everyFlippedBitOfHeaderAndIndexIsFound() throws {
        let indexBytes = Int(whole[16]) | Int(whole[17]) << 8
        for byte in 0..<(PanelCacheIndex.headerBytes + indexBytes) {
            for bit in 0..<8 {
                var changed = whole
                changed[byte] ^= 1 << UInt8(bit)
                #expect(try refusal(changed) == .damaged, "bit \(bit) of byte \(byte)")
            }
        }
    }

    /// A checksum does not keep anybody from writing nonsense.
    @Test func matricesOutsideTheFileAreFound() throws {
        let shape = try #require(PackedShape(.q4_0, outputs: 40, inputs: 64))
        let index = PanelCacheIndex(source: "test", matrices: [("a", 0, shape)])
        #expect(try refusal(index.encoded()) == .damaged)
        #expect(PackedShape(kind: 99, outputs: 1, inputs: 1) == nil)
        #expect(PackedShape(kind: 0, outputs: 0, inputs: 1) == nil)
        #expect(PackedShape(kind: 0, outputs: 1, inputs: 1 << 40) == nil)
    }
}

/// A matrix of Q4_0 with 64 inputs.
private func someWeight(_ name: String, outputs: Int) -> WeightMatrix {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: outputs * 2 * 18, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0x11)
    return WeightMatrix(
        name: name, format: .q4_0, outputs: outputs, inputs: 64,
        bytes: UnsafeRawPointer(bytes.baseAddress.unsafelyUnwrapped), owner: CopiedBytes(bytes))
}

/// Owns a copy of some bytes.
private final class CopiedBytes: @unchecked Sendable {
    private let bytes: UnsafeMutableRawBufferPointer

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    deinit { bytes.deallocate() }
}
