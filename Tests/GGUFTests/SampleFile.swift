// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import GGUF
import TestSupport

/// A file with every kind of metadata and a tensor of every format, to be damaged.
///
/// - Parameter rows: Rows of each tensor; a row has 256 elements.
func sampleFile(rows: Int) -> GGUFWriter {
    var writer = GGUFWriter(alignment: 64)
    writer.set("general.architecture", .string("llama"))
    writer.set("llama.block_count", .uint32(2))
    writer.set("small", .uint8(3))
    writer.set("wide", .int64(-3))
    writer.set("number", .float32(0.5))
    writer.set("double", .float64(0.25))
    writer.set("flag", .bool(true))
    writer.set("tokens", .strings(["<s>", "</s>", "▁the"]))
    writer.set("scores", .float32s([0, -1, -2]))
    writer.set("flags", .array(of: 7, [.bool(true), .bool(false)]))
    writer.set("split.count", .uint16(1))
    for (index, format) in BlockFormat.allCases.enumerated() {
        let shape = [[256, rows], [256, 1, rows], [256, rows, 1, 1]][index % 3]
        let count = format.byteCount(of: 256 * rows)
        writer.add(
            "\(format.name).weight", format, shape: shape,
            bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) })
    }
    return writer
}

/// Reads everything that a file offers.
func readAll(_ file: GGUFFile) {
    let metadata = file.metadata
    for (key, _) in metadata.entries {
        _ = try? metadata.integer(key)
        _ = try? metadata.float(key)
        _ = try? metadata.integers(key)
        _ = try? metadata.floats(key)
        _ = try? metadata.strings(key)
    }
    for tensor in file.tensors {
        _ = tensor.floats()
    }
}
