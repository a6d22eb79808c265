// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import GGUF
import Imaging
import KernelInterface
import Kernels
import MachinePeaks
import TensorOps
import Weights
import WorkerPool

/// The files of a model, made by `tools/make-synthetic-model` or any other.
struct ModelPair {
    let text: String
    let projector: String
    var visionPrecision = VisionPrecision.int8
    var kernels = KernelTable.available[0]

    /// The model as the program loads it by default.
    func load(threads: Int) throws -> LLaVAModel {
        let ops = TensorOps(
            kernels: kernels, pool: WorkerPool(threadCount: threads),
            activationMode: .pow2)
        let files = (try GGUFFile(path: text), try GGUFFile(path: projector))
        return try LLaVAModel(
            text: files.0, projector: files.1, ops: ops, visionPrecision: visionPrecision)
    }
}

/// A picture of a tile's size, of arbitrary numbers.
func samplePicture(side: Int = 336) -> Picture {
    Picture(
        width: side, height: side,
        pixels: (0..<(3 * side * side)).map { UInt8($0 * 37 % 251) })
}

/// Prints the times of the vision tower and the projector for one tile.
func printVision(_ model: LLaVAModel) throws {
    let encoder = try model.pictureEncoder
    let tiles = try encoder.tiles(of: samplePicture())
    var times: (tower: [Double], projector: [Double]) = ([], [])
    for _ in 0...5 {
        let encoding = try encoder.encoding(of: tiles, needs: [], key: nil)
        _ = try encoding.finish(Cancellation())
        times.tower.append(encoding.visionSeconds / Double(tiles.count))
        times.projector.append(encoding.projectionSeconds / Double(tiles.count))
    }
    // The first run faults in memory.
    var rows = [["one tile", "ms", "worst of 5", "first"]]
    for (name, times) in [("vision tower", times.tower), ("projector", times.projector)] {
        let sorted = times.dropFirst().sorted()
        rows.append([name] + [sorted[0], sorted[4], times[0]].map { decimal($0 * 1e3) })
    }
    printTable(rows)
}

/// Prints the times of the decoder's steps and of the LM head alone, and the allocations of steps with one
/// token.
func printDecoder(_ model: LLaVAModel) throws {
    let layers = model.decoder.config.layers.count
    var rows = [["decoder, \(layers) layers", "ms", "tokens/s", "allocations"]]
    func add(_ name: String, tokens: Int, _ seconds: Double, _ allocations: String = "") {
        rows.append(
            [name, decimal(seconds * 1e3), decimal(Double(tokens) / seconds), allocations])
    }
    for tokens in [64, 128, 640] {
        let sample = try DecoderSample(model, sequences: 1, rows: tokens)
        let times = try sortedSeconds(of: 3) { try sample.step(tokens: tokens, after: 0) }
        add("prefill of \(tokens)", tokens: tokens, times[0])
    }
    for sequences in [1, 6, 24] {
        let sample = try DecoderSample(model, sequences: sequences, rows: 129)
        try sample.step(tokens: 128, after: 0)
        let step = try sortedSeconds(of: 20) { try sample.step(tokens: 1, after: 128) }[10]
        let last = Array(0..<sequences)
        let output = sortedSeconds(of: 20) { sample.score(last) }[10]
        let name = sequences == 1 ? "one token" : "one token of \(sequences) sequences each"
        let stepAllocations = try allocations(of: 20) { try sample.step(tokens: 1, after: 128) }
        add(
            "\(name) at 128, without the output matrix", tokens: sequences, step, stepAllocations)
        add(
            "the output matrix", tokens: sequences, output,
            allocations(of: 20) { sample.score(last) })
        add("both", tokens: sequences, step + output)
    }
    printTable(rows)
}

/// Prints the rates of the decoder while another process uses one of the processors.
///
/// A perfect division loses half of a core where it computes, and nothing where it waits for memory.
func printUnequalCores(_ model: LLaVAModel) throws {
    var rows = [["decoder, tokens/s", "quiet", "processor 0 taken", "part"]]
    for (name, tokens, start) in [("decode at 128", 1, 128), ("prefill of 64", 64, 0)] {
        let sample = try DecoderSample(model, sequences: 1, rows: start + tokens)
        if start > 0 { try sample.step(tokens: start, after: 0) }
        func rate() throws -> Double {
            Double(tokens)
                / (try sortedSeconds(of: 9) { try sample.step(tokens: tokens, after: start) })[4]
        }
        let quiet = try rate()
        guard let taken = try whileProcessorIsTaken(rate) else {
            return print("unequal: no program taskset, the table is left out")
        }
        rows.append([name, decimal(quiet), decimal(taken), decimal(taken / quiet, digits: 2)])
    }
    printTable(rows)
}

/// Sequences that go through a decoder together.
private final class DecoderSample {
    private let decoder: Decoder
    private let batch: DecoderBatch
    private let caches: [KeyValueCache]
    private let positions: [Position]

    /// - Parameter rows: the rows of each sequence.
    init(_ model: LLaVAModel, sequences: Int, rows: Int) throws {
        decoder = model.decoder
        batch = DecoderBatch(decoder)
        // A multiple of every page size.
        let room = (rows + 255) / 256 * 256
        let pool = try CachePagePool(decoder.config, rows: sequences * room, format: .f16)
        caches = try (0..<sequences).map { _ in try KeyValueCache(pool, rows: room) }
        positions = (0..<rows).map { Position($0) }
    }

    /// Runs `tokens` tokens of every sequence, after its first `start`.
    func step(tokens: Int, after start: Int) throws {
        batch.restart(rows: caches.count * tokens)
        for cache in caches {
            cache.truncate(to: start)
            let rows = batch.append(positions: positions[start..<(start + tokens)], to: cache)
            for row in rows { decoder.embed(Int32(row % 1000 + 3), into: batch.hidden.row(row)) }
        }
        try decoder.run(batch, cancellation: Cancellation())
    }

    /// Computes the logits of some of the last step's rows, one for each sequence.
    func score(_ rows: [Int]) { _ = decoder.logits(batch, rows: rows) }
}

/// The seconds of each run, shortest first.
private func sortedSeconds(of runs: Int, _ body: () throws -> Void) rethrows -> [Double] {
    try body()
    return try (0..<runs).map { _ in
        let start = ContinuousClock.now
        try body()
        return start.duration(to: .now) / .seconds(1)
    }.sorted()
}
