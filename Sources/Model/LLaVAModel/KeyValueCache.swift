// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The keys and values of one sequence in every decoder layer.
public final class KeyValueCache {
    /// Rows that fit.
    public let capacity: Int
    /// Rows that hold a token of the sequence.
    public private(set) var rowCount = 0

    let layers: [(keys: CachedRows, values: CachedRows)]  // each [capacity, keyValueWidth]

    /// Room for `capacity` rows of a decoder with the given shape.
    ///
    /// - Throws: `ModelError.cacheTooLarge` when the system does not grant the memory.
    public init(
        _ config: DecoderConfig, capacity: Int, format: CacheFormat
    ) throws(ModelError) {
        self.capacity = capacity
        var layers: [(keys: CachedRows, values: CachedRows)] = []
        for _ in 0..<config.layerCount {
            let width = config.attention.keyValueWidth
            guard let keys = CachedRows(format: format, capacity: capacity, width: width),
                let values = CachedRows(format: format, capacity: capacity, width: width)
            else {
                throw .cacheTooLarge(
                    rows: capacity, bytesPerRow: Self.bytesPerRow(config, format: format))
            }
            layers.append((keys, values))
        }
        self.layers = layers
    }

    /// Bytes that one row takes in all layers.
    public static func bytesPerRow(_ config: DecoderConfig, format: CacheFormat) -> Int {
        2 * config.layerCount * config.attention.keyValueWidth * format.byteWidth
    }

    /// Counts rows that all layers have written.
    func commit(rows: Int) {
        precondition(rowCount + rows <= capacity)
        rowCount += rows
    }

    /// Forgets the rows from `count` on.
    public func truncate(to count: Int) {
        precondition(count >= 0 && count <= rowCount)
        rowCount = count
    }
}
