// SPDX-License-Identifier: Apache-2.0
import WorkerPool

/// A checksum of panels against accidental damage, as fast as memory is read.
///
/// It is Fletcher's ("An arithmetic checksum for serial transmissions", 1982) with words of 64 bits
/// in eight lanes, over pieces that threads share.
package enum PanelChecksum {
    private static let pieceBytes = 1 << 20

    /// The checksum of bytes, which is the same for any number of threads.
    package static func of(_ bytes: UnsafeRawBufferPointer, _ pool: WorkerPool) -> UInt64 {
        let count = (bytes.count + pieceBytes - 1) / pieceBytes
        let sums = [UInt64](unsafeUninitializedCapacity: count) { sums, initialized in
            nonisolated(unsafe) let sums = sums
            pool.forEach(count) { piece, _ in
                let start = piece * pieceBytes
                let end = min(start + pieceBytes, bytes.count)
                sums[piece] = sum(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            initialized = count
        }
        return sums.reduce(UInt64(bytes.count), mixed)
    }

    private static func sum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let stride = MemoryLayout<SIMD8<UInt64>>.size
        var (plain, weighted) = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)
        let whole = bytes.count / stride * stride
        for offset in Swift.stride(from: 0, to: whole, by: stride) {
            plain &+= bytes.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
            weighted &+= plain
        }
        var hash: UInt64 = 0
        for lane in 0..<plain.scalarCount { hash = mixed(mixed(hash, plain[lane]), weighted[lane]) }
        for byte in bytes[whole...] { hash = mixed(hash, UInt64(byte)) }
        return hash
    }

    /// Adds one word.
    ///
    /// The factor is FNV-1a's, which has an inverse, so no bit is lost.
    private static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x0000_0100_0000_01B3
        return product ^ product >> 32
    }
}
