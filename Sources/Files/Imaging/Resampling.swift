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
/// Each source row is resampled and added at once to the output rows that it contributes to. The working memory is
/// these rows, however tall the source.
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

    /// Samples of an output row.
    private var rowLength: Int { horizontal.count * 3 }

    /// Resamples a picture whose sides the axes were planned for.
    package func apply(to picture: Picture) throws(ImagingError) -> Picture {
        let size = PixelSize(width: horizontal.count, height: vertical.count)
        let sums = RowSums(
            try SampleBuffer<Int32>(
                count: vertical.mostLive * rowLength, name: picture.size.pictureName),
            rowLength: rowLength, count: vertical.mostLive)
        let canvasRow = canvasRow
        return try Picture(size, name: picture.size.pictureName) { pixels in
            var row = [UInt8](repeating: 0, count: rowLength)
            var (source, end) = (0, 0)
            func start(_ output: Int) {
                sums.start(output, canvasRow, times: vertical.outsideWeights[output])
                end = output + 1
            }
            for (output, span) in vertical.spans.enumerated() {
                source = max(source, span.lowerBound)
                while source < span.upperBound {
                    while end < vertical.count, vertical.spans[end].lowerBound <= source {
                        start(end)
                    }
                    resample(picture, row: source, into: &row)
                    for live in output..<end {
                        let tap = source - vertical.spans[live].lowerBound
                        sums.add(
                            row, times: vertical.weights[vertical.offsets[live] + tap], to: live)
                    }
                    source += 1
                }
                if output >= end { start(output) }
                sums.finish(
                    output,
                    UnsafeMutableBufferPointer(
                        rebasing: pixels[output * rowLength..<(output + 1) * rowLength]))
            }
        }
    }

    /// A row of nothing but the canvas, resampled to the output's width.
    private var canvasRow: [UInt8] {
        (0..<rowLength).map { index in
            ResamplingAxis.sample(
                ResamplingAxis.half
                    &+ Int32(canvas[index % 3]) &* horizontal.totalWeight(of: index / 3))
        }
    }

    /// Resamples one source row to the output's width.
    private func resample(_ picture: Picture, row source: Int, into row: inout [UInt8]) {
        let start = source * picture.width * 3
        picture.pixels.withUnsafeBufferPointer { pixels in
            resample(UnsafeBufferPointer(rebasing: pixels[start...]), into: &row)
        }
    }

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
}

extension ResamplingAxis {
    /// The most output samples that wait for source samples at the same time.
    fileprivate var mostLive: Int {
        var (end, most) = (0, 1)
        for (output, span) in spans.enumerated() {
            while end < count, spans[end].lowerBound < span.upperBound { end += 1 }
            most = max(most, end - output)
        }
        return most
    }
}

/// Weighted sums for the output rows that wait for source rows.
private struct RowSums {
    private let sums: SampleBuffer<Int32>  // [count, rowLength]
    private let rowLength: Int
    private let count: Int

    init(_ sums: SampleBuffer<Int32>, rowLength: Int, count: Int) {
        (self.sums, self.rowLength, self.count) = (sums, rowLength, count)
    }

    /// The sums of an output row, which are those of an earlier one that is finished.
    private func sums(of output: Int) -> UnsafeMutableBufferPointer<Int32> {
        let start = output % count * rowLength
        return UnsafeMutableBufferPointer(rebasing: sums.numbers[start..<start + rowLength])
    }

    /// Begins a row with the rounding, and with the canvas above and below the source.
    func start(_ output: Int, _ canvasRow: [UInt8], times outside: Int32) {
        let sums = sums(of: output)
        for index in 0..<rowLength {
            sums[index] = ResamplingAxis.half &+ Int32(canvasRow[index]) &* outside
        }
    }

    /// Adds a weighted row.
    func add(_ row: [UInt8], times weight: Int32, to output: Int) {
        let sums = sums(of: output)
        row.withUnsafeBufferPointer { row in
            for index in 0..<rowLength { sums[index] &+= Int32(row[index]) &* weight }
        }
    }

    /// Rounds a row.
    func finish(_ output: Int, _ pixels: UnsafeMutableBufferPointer<UInt8>) {
        let sums = sums(of: output)
        for index in 0..<rowLength { pixels[index] = ResamplingAxis.sample(sums[index]) }
    }
}
