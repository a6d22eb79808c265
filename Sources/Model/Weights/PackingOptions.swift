// SPDX-License-Identifier: Apache-2.0
public import TensorOps

/// How matrices are rounded when they are packed into panels, and what is kept for the next start.
public struct PackingOptions: Sendable {
    /// A folder that keeps packed matrices and what prompts start with; nil to compute them at every start.
    public var cacheFolder: String?
    /// Called, on any thread, with what is wrong with that folder after the model was loaded.
    public var onWarning: @Sendable (String) -> Void
    /// What the text model's float matrices are rounded to; nil to compute with floats.
    public var floatEncoding: BlockEncoding?

    /// No cache and no rounding, unless given.
    public init(
        cacheFolder: String? = nil, floatEncoding: BlockEncoding? = nil,
        onWarning: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.cacheFolder = cacheFolder
        self.onWarning = onWarning
        self.floatEncoding = floatEncoding
    }
}

/// How far the loading of a model has come.
public enum LoadProgress: Sendable, Equatable {
    /// Matrices are rearranged; `done` goes from 0 to 1.
    case packing(done: Double)
    /// Packed matrices are written to the cache; `done` goes from 0 to 1, once for each file.
    case storing(done: Double)
}

/// How the products of the vision tower and the projector are computed.
public enum VisionPrecision: String, CaseIterable, Sendable {
    /// Weights and activations rounded to bytes, with scales for each 32.
    case int8
    /// Weights and activations rounded to bf16.
    case bf16
    /// Exact weights times 32-bit activations: the accuracy reference.
    case float

    /// What weights are rounded to where their rows have at least a block, or nil for no rounding.
    package var encoding: BlockEncoding? {
        switch self {
        case .int8: .q8_0
        case .bf16: .bf16
        case .float: nil
        }
    }
}
