// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// How many captions are generated at the same time.
public enum ParallelChoice: Sendable, Equatable {
    /// The fastest number on this machine, as far as memory allows.
    case automatic
    /// A fixed number.
    case count(Int)

    /// Multiples of six, the rows of a tile in matrix products, and smaller numbers.
    static let candidates = [1, 2, 4, 6, 12, 18, 24]

    private static let rowsPerTile = 6

    /// A rate this close to the best counts as equal, since fewer captions take less memory.
    ///
    /// On a shared machine the rates of one number vary more from run to run.
    static let tolerance = 0.06

    /// Reads `auto` or a number from 1.
    public init?(parsing text: String) {
        if text == "auto" {
            self = .automatic
        } else if let count = Int(text), count >= 1 {
            self = .count(count)
        } else {
            return nil
        }
    }

    /// Chooses the number.
    ///
    /// `automatic` measures, if there are enough captions for it to matter.
    ///
    /// - Parameters:
    ///   - captions: captions to generate.
    ///   - rows: the most rows of the KV cache that one of them may take.
    /// - Throws: `CaptioningError.model`.
    func resolve(
        _ llava: LLaVA, captions: Int, rows: Int, memory: JobMemory, cancellation: Cancellation
    ) throws(CaptioningError) -> Int {
        switch self {
        case .count(let count): return max(1, min(count, captions))
        case .automatic:
            let limit = max(1, min(captions, memory.sequences(of: rows, llava)))
            let measured = try granted(limit) {
                (most: Int) throws(LLaVAError) -> ([Int], [Double]) in
                let fitting = Self.measured(upTo: most)
                // One number needs no measurement.
                guard fitting.count > 1 else { return (fitting, [1]) }
                return (fitting, try Self.stepSeconds(llava, fitting, cancellation))
            }.value
            return Self.best(of: measured.0, stepSeconds: measured.1)
        }
    }

    /// The candidates that are measured: below the rows of a tile, one more sequence always helps.
    static func measured(upTo most: Int) -> [Int] {
        most <= rowsPerTile ? [most] : candidates.filter { (rowsPerTile...most).contains($0) }
    }

    /// What `make` returns for a number of captions at the same time.
    ///
    /// If the system refuses the memory, `automatic` tries fewer, down to one.
    ///
    /// - Throws: `CaptioningError.model`.
    func granted<Value>(
        _ count: Int, _ make: (Int) throws(LLaVAError) -> Value
    ) throws(CaptioningError) -> (count: Int, value: Value) {
        var count = count
        while true {
            do {
                return (count, try make(count))
            } catch {
                guard self == .automatic, error.kind == .outOfMemory,
                    let fewer = Self.candidates.last(where: { $0 < count })
                else { throw .model(error) }
                count = fewer
            }
        }
    }

    /// The smallest number whose rate is within the tolerance of the best.
    static func best(of candidates: [Int], stepSeconds: [Double]) -> Int {
        let rates = zip(candidates, stepSeconds).map { Double($0) / $1 }
        let best = rates.max() ?? 0
        return zip(candidates, rates).first { $1 >= best * (1 - tolerance) }?.0 ?? 1
    }

    /// The seconds of a step with each number of captions.
    private static func stepSeconds(
        _ llava: LLaVA, _ candidates: [Int], _ cancellation: Cancellation
    ) throws(LLaVAError) -> [Double] {
        do {
            return try BatchGenerator.stepSeconds(
                of: candidates, model: llava.model, tokenizer: llava.tokenizer,
                cacheFormat: llava.cacheFormat, cancellation: cancellation)
        } catch {
            throw .generation(error)
        }
    }
}
