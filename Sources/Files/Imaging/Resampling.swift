// SPDX-License-Identifier: Apache-2.0

extension Picture {
    /// The picture at another size, equal to what Pillow's filter makes, byte for byte.
    ///
    /// - Throws: `ImagingError.noMemory`.
    /// - Precondition: both sides are positive.
    public func resized(
        width: Int, height: Int, filter: ResamplingFilter = .bicubic
    ) throws(ImagingError) -> Picture {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        guard PixelSize(width: width, height: height) != size else { return self }
        return try Resampling(
            horizontal: ResamplingAxis(from: self.width, to: width, filter: filter),
            vertical: ResamplingAxis(from: self.height, to: height, filter: filter)
        ).apply(to: self)
    }
}

/// A two-pass resampling: rows first, rounded to bytes, then columns.
///
/// Each source row is resampled and added at once to the output rows that it contributes to. The working
/// memory is one row, however tall the source.
package struct Resampling {
    let horizontal: ResamplingAxis
    let vertical: ResamplingAxis
    /// The colour of the canvas around the source: red, green, blue.
    let canvas: [UInt8]

    package init(
        horizontal: ResamplingAxis, vertical: ResamplingAxis, canvas: [UInt8] = [0, 0, 0]
    ) {
        (self.horizontal, self.vertical, self.canvas) = (horizontal, vertical, canvas)
    }

    /// Resamples a picture whose sides the axes were planned for.
    package func apply(to picture: Picture) throws(ImagingError) -> Picture {
        let rowLength = horizontal.count * 3
        let size = PixelSize(width: horizontal.count, height: vertical.count)
        let sums = try SampleBuffer<Int32>(
            count: vertical.count * rowLength, name: picture.size.pictureName)
        start(sums.numbers)
        var row = [UInt8](repeating: 0, count: rowLength)
        var live = 0..<0
        picture.pixels.withUnsafeBufferPointer { pixels in
            for source in 0..<picture.height {
                live = advance(live, to: source)
                if live.isEmpty { continue }
                let start = source * picture.width * 3
                resample(UnsafeBufferPointer(rebasing: pixels[start...]), into: &row)
                for output in live {
                    let tap = source - vertical.spans[output].lowerBound
                    let weight = vertical.weights[vertical.offsets[output] + tap]
                    add(row, times: weight, to: sums.numbers, at: output * rowLength)
                }
            }
        }
        return try Picture(size, name: picture.size.pictureName) { pixels in
            for index in pixels.indices {
                pixels[index] = ResamplingAxis.sample(sums.numbers[index])
            }
        }
    }

    /// The output rows that a source row contributes to, given those of the row before: spans only move down.
    private func advance(_ live: Range<Int>, to source: Int) -> Range<Int> {
        var (first, end) = (live.lowerBound, live.upperBound)
        while end < vertical.count, vertical.spans[end].lowerBound <= source { end += 1 }
        while first < end, vertical.spans[first].upperBound <= source { first += 1 }
        return first..<end
    }

    /// Initialises the sums of all output rows, `[output height, output width, 3]`, with the rounding and with
    /// the canvas above and below the source.
    private func start(_ sums: UnsafeMutableBufferPointer<Int32>) {
        let canvasRow = (0..<horizontal.count * 3).map { index in
            ResamplingAxis.sample(
                ResamplingAxis.half
                    &+ Int32(canvas[index % 3]) &* horizontal.totalWeight(of: index / 3))
        }
        for (output, outside) in vertical.outsideWeights.enumerated() {
            let start = output * canvasRow.count
            for (index, sample) in canvasRow.enumerated() {
                sums[start + index] = ResamplingAxis.half &+ Int32(sample) &* outside
            }
        }
    }

    /// Resamples one source row to the output's width.
    private func resample(_ source: UnsafeBufferPointer<UInt8>, into row: inout [UInt8]) {
        row.withUnsafeMutableBufferPointer { row in
            horizontal.weights.withUnsafeBufferPointer { weights in
                for output in 0..<horizontal.count {
                    let span = horizontal.spans[output]
                    let outside = horizontal.outsideWeights[output]
                    var red = ResamplingAxis.half &+ Int32(canvas[0]) &* outside
                    var green = ResamplingAxis.half &+ Int32(canvas[1]) &* outside
                    var blue = ResamplingAxis.half &+ Int32(canvas[2]) &* outside
                    var pixel = span.lowerBound * 3
                    let offset = horizontal.offsets[output]
                    for weight in weights[offset..<offset + span.count] {
                        red &+= Int32(source[pixel]) &* weight
                        green &+= Int32(source[pixel + 1]) &* weight
                        blue &+= Int32(source[pixel + 2]) &* weight
                        pixel += 3
                    }
                    row[output * 3] = ResamplingAxis.sample(red)
                    row[output * 3 + 1] = ResamplingAxis.sample(green)
                    row[output * 3 + 2] = ResamplingAxis.sample(blue)
                }
            }
        }
    }

    /// Adds a weighted row to the sums of one output row.
    private func add(
        _ row: [UInt8], times weight: Int32, to sums: UnsafeMutableBufferPointer<Int32>,
        at start: Int
    ) {
        for index in row.indices {
            sums[start + index] &+= Int32(row[index]) &* weight
        }
    }
}
