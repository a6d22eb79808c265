// SPDX-License-Identifier: Apache-2.0
import Imaging

/// LLaVA-OneVision's videos (arXiv 2408.03326): a frame is stretched to a tile, whose patches become half as many rows and
/// columns, and one newline ends the video.
///
/// `get_video_features` and `apply_pooling` of transformers' `modeling_llava_onevision.py` do the same.
package struct LLaVAVideo: VideoTiling {
    /// What makes a tile of each frame.
    private let frame: LLaVATiles

    /// Videos whose frames become tiles by a rule that makes one tile of a picture.
    package init(_ frame: LLaVATiles) {
        precondition(frame.layout == .stretchedLine, "a frame is stretched to one tile")
        self.frame = frame
    }

    package func plan(frames: Int) -> PicturePlan {
        precondition(frames > 0)
        let side = frame.tileSide / frame.patchSide
        let tile = PicturePlan.Tile(columns: side, rows: side)
        let half = (side + 1) / 2
        let grids = (0..<frames).map { frame in
            let first = frame * tile.cellCount
            return ShrunkGrid(
                columns: half, rows: half, sources: Array(first..<first + tile.cellCount),
                sourceColumns: side)
        }
        var plan = PicturePlan(
            tiles: Array(repeating: tile, count: frames), wholeTiles: 0, shrunkGrids: grids)
        plan.append(
            line: (0..<frames).flatMap { frame in
                (0..<half * half).map { .cell(tile: frame, index: $0) }
            })
        return plan
    }

    package func tiles(of frames: [Picture]) throws(ImagingError) -> TileBatch {
        let pixels = try SampleBuffer<Float>(
            count: frames.count * 3 * frame.tileSide * frame.tileSide, name: "a video's frames")
        for (tile, picture) in frames.enumerated() {
            try frame.writeBaseTile(of: picture, to: pixels, tile: tile)
        }
        return frame.batch(plan(frames: frames.count), pixels)
    }
}
