// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Families
import Foundation
import GGUF
import Kernels
import ModelTestSupport
import TensorOps
import TestSupport
import Testing
import WorkerPool

@testable import Weights

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

    /// The cache's files by their source.
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

    @Test func changedPanelsAreFoundAndPackedAgain() throws {
        try write(pair)
        let logits = try load(cache: cache).logits(someTokens)
        let text = try files().text
        let whole = try bytes(text)
        // The last byte is of a panel, as matrices end with one.
        for place in [4096, whole.count / 2, whole.count - 1] {
            var changed = whole
            changed[place] ^= 0x10
            try Data(changed).write(to: URL(fileURLWithPath: text))
            let model = try load(cache: cache)
            // Bytes between matrices may be unused.
            let isFound = model.warnings.contains { $0.hasPrefix(text) && $0.contains("damaged") }
            #expect(isFound || place == whole.count / 2)
            #expect(try model.logits(someTokens) == logits)
            if isFound { #expect(try bytes(text) == whole) }
        }
    }

    @Test func foldersOfTheCacheAreMade() throws {
        try write(pair)
        let deep = cache + "/of/mine"
        #expect(try load(cache: deep).warnings == load(cache: nil).warnings)
        #expect(try FileManager.default.contentsOfDirectory(atPath: deep).count == 2)
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
        #expect(first.matrix(weight, shape, packedOps.pool) == nil)
        first.add(try packedOps.pack(weight), for: weight)
        first.save(packedOps.pool, onProgress: { _ in })
        #expect(stored(by: "1.0.0").matrix(weight, shape, packedOps.pool) != nil)
        let other = stored(by: "1.0.1")
        #expect(other.matrix(weight, shape, packedOps.pool) == nil)
        #expect(other.warnings.count { $0.contains("or by another version") } == 1)
    }

    @Test func aFolderThatCannotBeWrittenIsAWarning() throws {
        try write(pair)
        let blocked = try folder.write([1], to: "file") + "/cache"
        let model = try load(cache: blocked)
        #expect(model.warnings.count { $0.contains("cannot be written") } == 2)
        #expect(try model.logits(someTokens) == load(cache: nil).logits(someTokens))
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

/// The values that a callback received.
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
        try StoredPanels.write(matrices, source: "test", to: path, packedOps.pool)
        whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(whole.count == 2 * 4096 + 1152)
    }

    private func refusal(_ bytes: [UInt8], source: String = "test") throws -> CacheFile.Refusal? {
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
        #expect(throws: CacheFile.Refusal.missing) {
            try StoredPanels(path: folder.path + "/none", source: "test")
        }
        #expect(throws: CacheFile.Refusal.damaged) {
            try StoredPanels(path: folder.path, source: "test")
        }
    }

    /// Up to some bytes after the index, then at every 97th.
    @Test func everyTruncationIsFound() throws {
        for count in Array(0..<300) + Array(stride(from: 300, to: whole.count, by: 97)) {
            #expect(try refusal(Array(whole.prefix(count))) == .damaged, "\(count) bytes")
        }
        #expect(try refusal(whole + [0]) == .damaged)
    }

    @Test func everyFlippedBitOfHeaderAndIndexIsFound() throws {
        let indexBytes = Int(whole[16]) | Int(whole[17]) << 8
        for byte in 0..<(CacheFileHead.headerBytes + indexBytes) {
            for bit in 0..<8 {
                var changed = whole
                changed[byte] ^= 1 << UInt8(bit)
                #expect(try refusal(changed) == .damaged, "bit \(bit) of byte \(byte)")
            }
        }
    }

    /// A file with a correct checksum may still hold nonsense.
    @Test func matricesOutsideTheFileAreFound() throws {
        let shape = try #require(PackedShape(.q4_0, outputs: 40, inputs: 64))
        let index = PanelCacheIndex(
            source: "test",
            matrices: [PanelCacheIndex.Matrix(name: "a", firstRow: 0, shape: shape, checksum: 0)])
        #expect(try refusal(index.encoded()) == .damaged)
        #expect(PackedShape(kind: 99, outputs: 1, inputs: 1) == nil)
        #expect(PackedShape(kind: 0, outputs: 0, inputs: 1) == nil)
        #expect(PackedShape(kind: 0, outputs: 1, inputs: 1 << 40) == nil)
    }
}

@Suite struct PanelChecksumTests {
    private let pools = [1, 2, 3].map { WorkerPool(threadCount: $0) }

    private func checksum(_ bytes: [UInt8], _ pool: Int = 0) -> UInt64 {
        bytes.withUnsafeBytes { PanelChecksum.of($0, pools[pool]) }
    }

    @Test(arguments: [0, 1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, (1 << 21) + 77])
    func threadsDoNotMatterAndEveryChangeDoes(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let sum = checksum(bytes)
        #expect(checksum(bytes, 1) == sum && checksum(bytes, 2) == sum)
        #expect(checksum(bytes + [0]) != sum)
        guard count > 1 else { return }
        for _ in 0..<200 {
            let place = Int.random(in: 0..<count, using: &random)
            let bit = UInt8.random(in: 0..<8, using: &random)
            bytes[place] ^= 1 << bit
            #expect(checksum(bytes) != sum)
            // The same bit elsewhere, as a fault of a memory cell or a swap makes it.
            let other = (place + 64) % count
            bytes[other] ^= 1 << bit
            #expect(checksum(bytes) != sum || other == place)
            bytes[place] ^= 1 << bit
            bytes[other] ^= 1 << bit
        }
        #expect(checksum(bytes) == sum)
    }

    @Test func swappedPiecesAreFound() {
        let piece = 1 << 20
        let (one, two) = ([UInt8](repeating: 1, count: piece), [UInt8](repeating: 2, count: piece))
        #expect(checksum(one + two) != checksum(two + one))
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
