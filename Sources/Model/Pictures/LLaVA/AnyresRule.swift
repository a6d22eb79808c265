// SPDX-License-Identifier: Apache-2.0
import Imaging

/// The rules by which LLaVA-NeXT chooses a resolution and drops padding, as Hugging Face applies them.
///
/// They compute in double precision and in transformers' order of operations, because truncation makes every
/// bit count (`image_processing_utils.py` and `modeling_llava_next.py`).
enum AnyresRule {
    /// The resolution that keeps most of the picture's pixels and, among those, wastes the least.
    ///
    /// - Precondition: there is at least one pinpoint.
    static func bestResolution(for picture: PixelSize, among pinpoints: [PixelSize]) -> PixelSize {
        func keptPixels(_ pinpoint: PixelSize) -> Int {
            let scale = min(
                Double(pinpoint.width) / Double(picture.width),
                Double(pinpoint.height) / Double(picture.height))
            let width = Int(Double(picture.width) * scale)
            let height = Int(Double(picture.height) * scale)
            return min(width * height, picture.width * picture.height)
        }
        var best = pinpoints[0]
        var bestKept = keptPixels(best)
        for pinpoint in pinpoints.dropFirst() {
            let kept = keptPixels(pinpoint)
            let wasted = pinpoint.width * pinpoint.height - kept
            let bestWasted = best.width * best.height - bestKept
            if kept > bestKept || (kept == bestKept && wasted < bestWasted) {
                (best, bestKept) = (pinpoint, kept)
            }
        }
        return best
    }

    /// The largest size with the picture's aspect ratio that fits into a resolution.
    static func fitted(_ picture: PixelSize, into resolution: PixelSize) -> PixelSize {
        let horizontal = Double(resolution.width) / Double(picture.width)
        let vertical = Double(resolution.height) / Double(picture.height)
        if horizontal < vertical {
            let height = Int((Double(picture.height) * horizontal).rounded(.up))
            return PixelSize(width: resolution.width, height: min(height, resolution.height))
        }
        let width = Int((Double(picture.width) * vertical).rounded(.up))
        return PixelSize(width: min(width, resolution.width), height: resolution.height)
    }

    /// The rows and columns of a patch grid that show the picture instead of padding.
    static func unpadded(
        _ grid: PixelSize, picture: PixelSize
    ) -> (rows: Range<Int>, columns: Range<Int>) {
        let (width, height) = (Double(picture.width), Double(picture.height))
        let (columns, rows) = (Double(grid.width), Double(grid.height))
        if width / height > columns / rows {
            let shown = truncatedAfterRounding(height * (columns / width))
            let padding = (grid.height - shown) / 2
            return (padding..<grid.height - padding, 0..<grid.width)
        }
        let shown = truncatedAfterRounding(width * (rows / height))
        let padding = (grid.width - shown) / 2
        return (0..<grid.height, padding..<grid.width - padding)
    }

    /// Python's `int(round(value, 7))`: the integer part, unless the next integer is nearer than 5e-8.
    private static func truncatedAfterRounding(_ value: Double) -> Int {
        let next = value.rounded(.down) + 1
        return Int(next - value < 5e-8 ? next : next - 1)
    }
}
