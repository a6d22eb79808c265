// SPDX-License-Identifier: Apache-2.0

/// One direction of a resampling: the source samples of each output sample and their weights.
///
/// The arithmetic is Pillow's (`libImaging/Resample.c`), so results are equal byte for byte. Weights are in fixed point.
/// Weighted sums of integers do not depend on their order or grouping. A source inside a larger plain canvas
/// therefore needs no canvas in memory: the weights that fall outside are summed up.
package struct ResamplingAxis {
    /// Bits after the point in a weight: 32, less 8 for the sample and 2 for overshoot and sign.
    static let precision: Int32 = 22
    /// The start of a weighted sum, so that dropping `precision` bits rounds to nearest.
    static let half: Int32 = 1 << (precision - 1)

    /// The source samples under each output sample, counted from the first of the source.
    let spans: [Range<Int>]
    /// Where the weights of each output sample start in `weights`.
    let offsets: [Int]
    /// Weights of all spans, one after the other, times 2^precision.
    let weights: [Int32]
    /// For each output sample, the sum of the weights that fall on the canvas around the source.
    let outsideWeights: [Int32]

    /// The number of output samples.
    var count: Int { spans.count }

    /// Plans the resampling of a canvas to `outputLength` samples, of which only `window` are computed.
    ///
    /// - Parameters:
    ///   - canvasLength: Samples of the canvas before resampling.
    ///   - source: Where the source lies on the canvas.
    ///   - outputLength: Samples of the whole canvas after resampling.
    ///   - window: The output samples to make.
    package init(
        canvasLength: Int, source: Range<Int>, outputLength: Int, window: Range<Int>,
        filter: ResamplingFilter = .bicubic
    ) {
        var spans: [Range<Int>] = []
        var offsets: [Int] = []
        var weights: [Int32] = []
        var outsideWeights: [Int32] = []
        let stretched = StretchedFilter(filter, from: canvasLength, to: outputLength)
        for position in window {
            let (start, all) = stretched.weights(at: position)
            let covered = start..<start + all.count
            let inside = covered.clamped(to: source)
            let kept = all.dropFirst(max(inside.lowerBound - start, 0)).prefix(inside.count)
            let first = inside.lowerBound - source.lowerBound
            spans.append(first..<first + inside.count)
            offsets.append(weights.count)
            weights.append(contentsOf: kept)
            outsideWeights.append(all.reduce(0, &+) &- kept.reduce(0, &+))
        }
        (self.spans, self.offsets) = (spans, offsets)
        (self.weights, self.outsideWeights) = (weights, outsideWeights)
    }

    /// Plans the resampling of a whole source to `outputLength` samples.
    package init(
        from sourceLength: Int, to outputLength: Int, filter: ResamplingFilter = .bicubic
    ) {
        self.init(
            canvasLength: sourceLength, source: 0..<sourceLength, outputLength: outputLength,
            window: 0..<outputLength, filter: filter)
    }

    /// The sum of all weights of an output sample, near 2^precision.
    func totalWeight(of output: Int) -> Int32 {
        let inside = weights[offsets[output]..<offsets[output] + spans[output].count]
        return inside.reduce(outsideWeights[output], &+)
    }

    /// Rounds a weighted sum to a sample between 0 and 255.
    @inline(__always)
    static func sample(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum &>> precision, 0), 255))
    }
}

/// A filter, stretched for one pair of lengths.
private struct StretchedFilter {
    let filter: ResamplingFilter
    let sourceLength: Int
    /// Source samples per output sample.
    let scale: Double
    /// The same, but at least 1: enlarging does not narrow the filter.
    let stretch: Double

    init(_ filter: ResamplingFilter, from sourceLength: Int, to outputLength: Int) {
        self.filter = filter
        self.sourceLength = sourceLength
        scale = Double(sourceLength) / Double(outputLength)
        stretch = max(scale, 1)
    }

    /// The fixed-point weights of one output sample, and the source sample of the first.
    func weights(at position: Int) -> (start: Int, weights: [Int32]) {
        let centre = (Double(position) + 0.5) * scale
        let support = filter.support * stretch
        let start = max(Int(centre - support + 0.5), 0)
        let end = min(Int(centre + support + 0.5), sourceLength)
        let inverse = 1 / stretch
        let exact = (0..<end - start).map { tap in
            filter.weight(at: (Double(tap + start) - centre + 0.5) * inverse)
        }
        let sum = exact.reduce(0, +)
        let one = Double(1 << ResamplingAxis.precision)
        let rounded = exact.map { weight in
            let scaled = (sum == 0 ? weight : weight / sum) * one
            return Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
        }
        return (start, rounded)
    }
}
