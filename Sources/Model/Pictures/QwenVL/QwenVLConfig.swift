// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import Weights

/// The shape of a Qwen-VL's vision tower and merger, read from the mmproj file's metadata.
package struct QwenVLConfig: Sendable, Equatable {
    /// The towers that differ in layers, by the names of their mergers.
    package enum Generation: String, CaseIterable, Sendable {
        /// Qwen2-VL (arXiv 2409.12191).
        case qwen2 = "qwen2vl_merger"
        /// Qwen2.5-VL (arXiv 2502.13923): most blocks attend within windows.
        case qwen2_5 = "qwen2.5vl_merger"
        /// Qwen3-VL (arXiv 2511.21631): a table of positions, and outputs of earlier blocks for the decoder.
        case qwen3 = "qwen3vl_merger"
    }

    /// Which tower it is.
    package let generation: Generation
    /// Side of a patch in pixels.
    package let patchSide: Int
    /// Patches along a side of the block that becomes a cell.
    package let mergedSide: Int
    /// Numbers per patch in the residual stream.
    package let width: Int
    /// Numbers per patch inside a feed-forward block.
    package let feedForwardWidth: Int
    /// Heads and their width.
    package let attention: AttentionShape
    /// ε of the normalisations.
    package let epsilon: Float
    /// Blocks.
    package let blockCount: Int
    /// Positions along a side of the table that is interpolated; nil without a table.
    package let positionsPerSide: Int?
    /// The blocks whose outputs the decoder gets beside the last one's, ascending.
    package let taps: [Int]
    /// Cells along a side of a window; nil where all patches see each other in every block.
    package let windowSide: Int?
    /// Every so many-th block has no windows.
    package let windowPattern: Int
    /// Mean of the three colours.
    package let mean: [Float]  // [3]
    /// Standard deviation of the three colours.
    package let deviation: [Float]  // [3]
    /// The fewest pixels of a resized picture.
    package let fewestPixels: Int
    /// The most pixels of a resized picture.
    package let mostPixels: Int
    /// Warnings about metadata that nothing here reads.
    package let warnings: [String]

    /// Pixels along a side of a cell.
    package var cellSide: Int { patchSide * mergedSide }
    /// Patches of a cell.
    package var patchesPerCell: Int { mergedSide * mergedSide }
    /// Numbers per cell that the merger takes.
    package var mergedWidth: Int { patchesPerCell * width }

    /// Whether all patches see each other in a block.
    func seesAll(_ block: Int) -> Bool {
        windowSide == nil || (block + 1) % windowPattern == 0
    }

    /// Bytes of the activations of one picture in the tower: the residual stream and its norm, queries, keys, values and
    /// attention, and the feed-forward block, which all keep their memory from block to block.
    package func activationBytes(cells: Int) -> Int {
        let feedForward = generation == .qwen2_5 ? 2 * feedForwardWidth : feedForwardWidth
        let numbers = cells * patchesPerCell * (6 * width + feedForward)
        return numbers * MemoryLayout<Float>.stride
    }

    /// The colour statistics of OpenAI's CLIP, which Qwen2-VL and Qwen2.5-VL take over.
    private static let clipMean: [Float] = [0.481_454_66, 0.457_827_5, 0.408_210_73]
    private static let clipDeviation: [Float] = [0.268_629_54, 0.261_302_58, 0.275_777_11]

    /// The published limits on the pixels of a resized picture, which llama.cpp's converter leaves out.
    private static func publishedPixels(_ generation: Generation) -> ClosedRange<Int> {
        generation == .qwen3 ? 65_536...16_777_216 : 3136...12_845_056
    }

    /// Keys below `clip` that no other family reads.
    private static let keys: Set<String> = [
        "vision.spatial_merge_size", "vision.n_wa_pattern", "vision.window_size",
        "vision.is_deepstack_layers", "vision.image_min_pixels", "vision.image_max_pixels",
        "vision.wa_layer_indexes", "has_qwen2vl_merger",
    ]

    /// Reads the metadata of an mmproj file; nil for one of another family.
    ///
    /// - Throws: `ModelError` for numbers that no such tower has.
    package init?(_ file: GGUFFile) throws(ModelError) {
        let clip = Hyperparameters(metadata: file.metadata, prefix: "clip")
        guard let name = try clip.projectorType(), let generation = Generation(rawValue: name)
        else { return nil }
        let vision = Hyperparameters(metadata: file.metadata, prefix: "clip.vision")
        let loader = TensorLoader(file)
        self.generation = generation
        patchSide = try vision.count("patch_size", upTo: 256)
        mergedSide = try vision.count(ifPresent: "spatial_merge_size", upTo: 8) ?? 2
        width = try vision.count("embedding_length", upTo: 1 << 14)
        // Files of 2024 store 0.
        let stored = try vision.integer(ifPresent: "feed_forward_length") ?? 0
        feedForwardWidth =
            stored > 0
            ? try vision.count("feed_forward_length", upTo: 1 << 16)
            : try loader.outputs(
                of: VisionTensors.block(0, VisionTensors.feedForwardUp), inputs: width,
                upTo: 1 << 16)
        let heads = try vision.count("attention.head_count", upTo: 1 << 8)
        guard width % heads == 0, width / heads % 4 == 0 else {
            throw vision.invalid(
                "attention.head_count", "\(heads)", "heads of a multiple of 4 of \(width) numbers")
        }
        attention = AttentionShape(heads: heads, keyValueHeads: heads, headWidth: width / heads)
        epsilon = try vision.positive(ifPresent: "attention.layer_norm_epsilon") ?? 1e-6
        blockCount = try vision.count("block_count", upTo: 512)
        guard loader.storedVisionBlocks >= blockCount else {
            throw vision.invalid(
                "block_count", "\(blockCount)",
                "at most the \(loader.storedVisionBlocks) stored blocks")
        }
        taps = try Self.taps(vision, blockCount)
        (windowSide, windowPattern) = try Self.windows(
            vision, generation, cellSide: patchSide * mergedSide)
        positionsPerSide =
            generation == .qwen3
            ? try vision.count("image_size", upTo: 1 << 14) / patchSide : nil
        mean =
            try vision.colours("image_mean")
            ?? (generation == .qwen3 ? [0.5, 0.5, 0.5] : Self.clipMean)
        deviation =
            try vision.colours("image_std")
            ?? (generation == .qwen3 ? [0.5, 0.5, 0.5] : Self.clipDeviation)
        guard deviation.allSatisfy({ $0 != 0 }) else {
            throw vision.invalid("image_std", "\(deviation)", "numbers other than 0")
        }
        let published = Self.publishedPixels(generation)
        let limit = 1 << 28
        fewestPixels =
            try vision.count(ifPresent: "image_min_pixels", upTo: limit) ?? published.lowerBound
        mostPixels =
            try vision.count(ifPresent: "image_max_pixels", upTo: limit) ?? published.upperBound
        let cell = patchSide * mergedSide * patchSide * mergedSide
        guard mostPixels >= max(fewestPixels, cell) else {
            throw vision.invalid(
                "image_max_pixels", "\(mostPixels)", "at least \(max(fewestPixels, cell))")
        }
        var warnings = try UnreadMetadata.vision(reads: Self.keys).check(file.metadata)
        if generation == .qwen3, mean == Self.clipMean {
            warnings.append(
                "\(file.path): has the colour statistics of CLIP, which Qwen3-VL was not trained "
                    + "with; its converter did not find the preprocessor's configuration")
        }
        self.warnings = warnings
    }

    private static func taps(
        _ vision: Hyperparameters, _ blockCount: Int
    ) throws(ModelError) -> [Int] {
        let key = "is_deepstack_layers"
        guard let flags = try vision.bools(ifPresent: key) else { return [] }
        guard flags.count <= blockCount else {
            throw vision.invalid(key, "\(flags.count) values", "\(blockCount)")
        }
        return flags.indices.filter { flags[$0] }
    }

    /// Windows are 112 pixels wide in published models.
    private static func windows(
        _ vision: Hyperparameters, _ generation: Generation, cellSide: Int
    ) throws(ModelError) -> (side: Int?, pattern: Int) {
        guard generation == .qwen2_5 else { return (nil, 1) }
        let pattern = try vision.count("n_wa_pattern", upTo: 512)
        let pixels = try vision.count(ifPresent: "window_size", upTo: 1 << 14) ?? 112
        guard pixels >= cellSide else {
            throw vision.invalid("window_size", "\(pixels)", "at least \(cellSide)")
        }
        return (pixels / cellSide, pattern)
    }
}
