// SPDX-License-Identifier: Apache-2.0
import Imaging
import TensorOps
import TestSupport
import Testing

@testable import Pictures

/// LLaVA-OneVision's videos of the published size.
@Suite struct LLaVAVideoTests {
    private func video() throws -> LLaVAVideo {
        LLaVAVideo(
            try LLaVATiles(
                tileSide: 384, patchSide: 14, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5],
                layout: .stretchedLine))
    }

    /// As transformers' processor counts: 14 × 14 rows of each frame, and a newline.
    @Test(arguments: [1, 2, 32]) func rowsOfAVideo(frames: Int) throws {
        let plan = try video().plan(frames: frames)
        #expect(plan.tiles.count == frames && plan.encodedCellCount == frames * 729)
        #expect(plan.rows.count == frames * 196 + 1)
        #expect(plan.rows.last == .newline && plan.candidates.count == frames * 196)
        let places = plan.candidatePlaces
        #expect(places.map(\.tile).max() == frames - 1 && places.map(\.row).max() == 13)
        // The newline stays beside any frame.
        #expect(plan.rows(keeping: [3]) == [3, frames * 196])
    }

    /// PyTorch 2.15: `interpolate(x, [14, 14], mode="bilinear")` of two frames `x = arange(2 * 729).view(2, 1, 27, 27) ** 0.5`.
    @Test func framesArePooledApart() throws {
        let plan = try video().plan(frames: 2)
        let cells = Activations((0..<2 * 729).map { Float($0).squareRoot() }, width: 1)
        let pooled = plan.shrunk(cells).array
        #expect(pooled.count == 392)
        let expected: [(Int, Float)] = [
            (0, 2.68178),
            (1, 3.34155),
            (13, 6.07216),
            (14, 8.02648),
            (100, 19.52793),
            (195, 26.73829),
            (196, 27.23856),
            (197, 27.27394),
            (391, 37.99959),
        ]
        for (index, value) in expected { #expect(abs(pooled[index] - value) < 1e-4, "\(index)") }
    }

    @Test func framesOfAnySizeAreStretched() throws {
        let sizes = [(40, 30), (30, 40), (384, 384)]
        let frames = sizes.map { width, height in
            noise(width: width, height: height)
        }
        let batch = try video().tiles(of: frames)
        #expect(batch.count == 3 && batch.pixels.count == 3 * 3 * 384 * 384)
        let one = try LLaVATiles(
            tileSide: 384, patchSide: 14, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5],
            layout: .stretchedLine)
        for (tile, frame) in frames.enumerated() {
            #expect(Array(batch[tile]) == Array(try one.tiles(of: frame)[0]))
        }
    }
}
