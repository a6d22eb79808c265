// SPDX-License-Identifier: Apache-2.0

import Imaging

/// Where a tile, or a grid of joined tiles, lies on its picture.
struct TilePlacement: Sendable, Equatable {
    let horizontal: TileAxis
    let vertical: TileAxis
}

/// One direction of a placement: the picture is put on a canvas, the canvas is resized, and a window is cut out.
struct TileAxis: Sendable, Equatable {
    /// Pixels of the canvas, at least those of the picture.
    let canvasLength: Int
    /// Where the picture lies on the canvas.
    let source: Range<Int>
    /// Pixels of the canvas after resizing.
    let resizedLength: Int
    /// The pixels of the resized canvas that are cut out.
    ///
    /// Pixels beside the canvas are padding.
    let window: Range<Int>

    /// A picture centred on a canvas of `side` pixels, which is resized to a tile.
    static func padded(_ length: Int, to side: Int, tileSide: Int) -> TileAxis {
        let start = (side - length) / 2
        return TileAxis(
            canvasLength: side, source: start..<start + length, resizedLength: tileSide,
            window: 0..<tileSide)
    }

    /// The middle of a picture whose shorter side is resized to that of a tile.
    static func cropped(_ length: Int, shorter: Int, tileSide: Int) -> TileAxis {
        let resized = tileSide * length / shorter
        let start = (resized - tileSide) / 2
        return TileAxis(
            canvasLength: length, source: 0..<length, resizedLength: resized,
            window: start..<start + tileSide)
    }

    /// A picture resized to `resized` pixels, centred in a window that is at least as long.
    static func centered(_ length: Int, resized: Int, in windowLength: Int) -> TileAxis {
        let start = (windowLength - resized) / 2
        return TileAxis(
            canvasLength: length, source: 0..<length, resizedLength: resized,
            window: -start..<windowLength - start)
    }

    /// The number of picture pixels per window pixel.
    var scale: Double { Double(canvasLength) / Double(resizedLength) }

    /// The position of an edge between two window pixels on a copy of the picture with `length` pixels.
    ///
    /// The edge falls before the first pixel of the copy whose centre is not left of it, so spans between edges
    /// neither share nor omit a pixel. Edges beside the picture fall on its ends.
    func position(ofEdge edge: Int, onLength length: Int) -> Int {
        let (numerator, denominator) = fraction(ofEdge: edge)
        if numerator <= 0 { return 0 }
        if numerator >= denominator { return length }
        return Int((2 * numerator * Int128(length) + denominator - 1) / (2 * denominator))
    }

    /// Whether a span of the window shows nothing of the picture.
    func isBesidePicture(_ span: Range<Int>) -> Bool {
        let (start, _) = fraction(ofEdge: span.lowerBound)
        let (end, denominator) = fraction(ofEdge: span.upperBound)
        return end <= 0 || start >= denominator
    }

    /// The position of an edge, from 0 at the picture's start to 1 at its end.
    private func fraction(ofEdge edge: Int) -> (numerator: Int128, denominator: Int128) {
        let onCanvas = Int128(window.lowerBound + edge) * Int128(canvasLength)
        return (
            onCanvas - Int128(source.lowerBound) * Int128(resizedLength),
            Int128(resizedLength) * Int128(source.count)
        )
    }
}

extension ResamplingAxis {
    /// Plans the resampling of a tile whose window lies on the resized canvas.
    init(_ axis: TileAxis) {
        self.init(
            canvasLength: axis.canvasLength, source: axis.source,
            outputLength: axis.resizedLength, window: axis.window)
    }
}
