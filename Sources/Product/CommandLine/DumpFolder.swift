// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import TrimLLaVA

/// Writes the results of every stage of a run as NumPy files.
struct DumpFolder {
    let path: String

    /// Creates the folder, so that an unusable path fails before the run.
    init(path: String) throws(FileOutputError) {
        self.path = path
        try OutputFolder.make(FilePath(path))
        for file in Self.files(path) { try OutputFolder.check(file) }
    }

    private static let names = [
        "pixels", "features", "projected", "logits", "kept", "tokens", "positions", "generated",
        "addends",
    ]

    /// The files of a dump.
    static func files(_ path: String) -> [FilePath] { names.map { file($0, in: path) } }

    private static func file(_ name: String, in path: String) -> FilePath {
        FilePath(path).appending(Array("\(name).npy".utf8))
    }

    /// Writes one `.npy` file per stage.
    func write(_ recorder: StageRecorder) throws(FileOutputError) {
        try write("pixels", recorder.pixels)
        try write("features", recorder.features)
        try write("projected", recorder.projected)
        try write("logits", recorder.logits)
        try write("kept", recorder.kept)
        try write("tokens", recorder.tokens)
        if recorder.hasGridPositions {
            let places = recorder.positions
            try write(
                "positions", places.map(\.time) + places.map(\.row) + places.map(\.column),
                [3, places.count])
        } else {
            try write("positions", recorder.positions.map(\.time))
        }
        try write("addends", recorder.addends)
        try write("generated", recorder.generated)
    }

    private func write(
        _ name: String, _ tensor: StageRecord.Tensor<Float>
    ) throws(FileOutputError) {
        try write(name, type: "<f4", tensor.shape, tensor.values.withUnsafeBytes { Data($0) })
    }

    private func write(
        _ name: String, _ values: [Int32], _ shape: [Int]? = nil
    ) throws(FileOutputError) {
        try write(
            name, type: "<i4", shape ?? [values.count], values.withUnsafeBytes { Data($0) })
    }

    /// Format version 1.0 of NumPy's `.npy` files: magic, header length, a Python dictionary padded
    /// so that the numbers start at a multiple of 64 bytes, the numbers in memory order.
    private func write(
        _ name: String, type: String, _ shape: [Int], _ numbers: Data
    ) throws(FileOutputError) {
        let dimensions = shape.map { "\($0)," }.joined(separator: " ")
        var header =
            "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(dimensions)), }"
        let prefixLength = 10
        let unpadded = prefixLength + header.utf8.count + 1
        header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
        var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
        data.append(contentsOf: [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)])
        data.append(Data(header.utf8))
        data.append(numbers)
        try OutputFile.write(data, to: Self.file(name, in: path))
    }
}
