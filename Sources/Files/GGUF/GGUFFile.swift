// SPDX-License-Identifier: Apache-2.0

/// A GGUF file, or all parts of a split one, memory-mapped read-only.
///
/// Opening reads and checks the headers and touches no tensor data. Format: version 2 or 3 of
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, little-endian.
public final class GGUFFile: Sendable {
    /// The path as it was given: for a split file, that of the first part.
    public let path: String

    /// The version of the format, 2 or 3.
    public let version: Int

    /// The key-value pairs; for a split file, those of the first part.
    public let metadata: GGUFMetadata

    /// All tensors in the order of the file, part after part.
    public let tensors: [GGUFTensor]

    /// Bytes of all parts.
    public let byteCount: Int

    /// The identity of this version of the file, part by part.
    public var identities: [FileIdentity] { parts.map(\.identity) }

    private let parts: [GGUFPart]

    /// Positions in `tensors` by the bytes of the name.
    private let positions: [[UInt8]: Int]

    /// Maps the file and checks its header; for the first part of a split file, all parts.
    ///
    /// - Throws: `GGUFError` for everything that could make a later read fail.
    public init(path: String) throws(GGUFError) {
        let first = try GGUFPart(path: path)
        let parts = try [first] + remainingParts(of: first)
        var tensors: [GGUFTensor] = []
        var positions: [[UInt8]: Int] = [:]
        for tensor in parts.flatMap(\.tensors) {
            guard positions.updateValue(tensors.count, forKey: Array(tensor.name.utf8)) == nil
            else {
                throw .split(
                    file: tensor.fileName,
                    problem: "tensor '\(tensor.name)' is in an earlier part already")
            }
            tensors.append(tensor)
        }
        self.path = path
        version = first.version
        metadata = first.metadata
        self.tensors = tensors
        self.positions = positions
        self.parts = parts
        byteCount = parts.reduce(0) { $0 + $1.file.bytes.count }
    }

    /// The tensor of a name, or nil.
    public func tensor(_ name: String) -> GGUFTensor? {
        positions[Array(name.utf8)].map { tensors[$0] }
    }

    /// The tensor of a name.
    ///
    /// - Throws: `GGUFError.missingTensor` when there is none.
    public func requiredTensor(_ name: String) throws(GGUFError) -> GGUFTensor {
        guard let tensor = tensor(name) else {
            throw .missingTensor(file: path, tensor: name)
        }
        return tensor
    }
}
