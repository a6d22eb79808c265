// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Decoder
import GGUF
import Pictures
import TensorOps
import Weights

/// The memory of a pair's weights once a model is loaded.
public struct WeightMemory: Sendable, Equatable {
    /// Matrices in panels.
    public private(set) var packedBytes = 0
    /// Tensors that are read in the files' own format: token embeddings, norms, biases, and
    /// unpacked matrices.
    public private(set) var mappedBytes = 0

    /// Everything together.
    public var byteCount: Int { packedBytes + mappedBytes }

    init(packedBytes: Int, mappedBytes: Int) {
        self.packedBytes = packedBytes
        self.mappedBytes = mappedBytes
    }

    /// The memory of a text model and, where given, of vision tower and projector.
    ///
    /// - Parameters:
    ///   - activationMode: matrices are not packed where activations stay floats.
    ///   - visionPrecision: the same for vision tower and projector.
    ///   - floatEncoding: what the text model's float matrices are rounded to.
    public init(
        text: GGUFFile, projector: GGUFFile? = nil, visionBlocks: Int = 0,
        activationMode: ActivationMode = .pow2, visionPrecision: VisionPrecision = .int8,
        floatEncoding: BlockEncoding? = nil
    ) {
        let embedding = "\(DecoderTensors.tokenEmbedding).weight"
        let isTied = text.tensor("\(DecoderTensors.output).weight") == nil
        for tensor in text.tensors {
            let isEmbedding = tensor.name == embedding
            let isFloat = tensor.format.blockLength == 1
            let isPacked = (activationMode != .float || isFloat) && (!isEmbedding || isTied)
            let rounding = activationMode == .float || !isFloat ? nil : floatEncoding
            add(
                tensor, packedAs: isPacked ? tensor.format : nil, roundedTo: rounding,
                isRead: isEmbedding)
        }
        for tensor in projector?.tensors ?? [] where tensor.isRead(visionBlocks: visionBlocks) {
            let isLayer =
                [VisionTensors.blocks, VisionTensors.projector, VisionTensors.deepstack]
                .contains(where: tensor.name.hasPrefix)
            let isPacked = visionPrecision != .float || tensor.format.blockLength == 1
            add(
                tensor, packedAs: isLayer && isPacked ? tensor.format : nil,
                roundedTo: visionPrecision.encoding)
        }
    }

    /// - Parameters:
    ///   - encoding: what weights are rounded to where their rows have at least a block.
    ///   - isRead: whether rows are also read from the file when the matrix is packed.
    private mutating func add(
        _ tensor: GGUFTensor, packedAs format: BlockFormat?, roundedTo encoding: BlockEncoding?,
        isRead: Bool = false
    ) {
        let shape = tensor.shape
        let packed =
            if shape.count == 2, let format {
                encoding.flatMap { PackedShape($0.format, outputs: shape[1], inputs: shape[0]) }
                    ?? PackedShape(format, outputs: shape[1], inputs: shape[0])
            } else {
                PackedShape?.none
            }
        packedBytes += packed?.byteCount ?? 0
        if packed == nil || isRead { mappedBytes += tensor.byteCount }
    }
}

extension GGUFTensor {
    /// Whether it belongs to one of the first blocks of the vision tower, or to no block.
    fileprivate func isRead(visionBlocks: Int) -> Bool {
        guard name.hasPrefix(VisionTensors.blocks) else { return true }
        let index = name.dropFirst(VisionTensors.blocks.count).prefix { $0 != "." }
        return Int(index).map { $0 < visionBlocks } ?? true
    }
}
